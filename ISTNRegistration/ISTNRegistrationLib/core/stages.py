"""The way from the initial alignment to the answer, stage by stage, each measured."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from .istn import identity
from .losses import weighted_mse
from .metrics import folded_voxels
from .placement import Placement
from .refine import Pair, refine
from .soi import soft_dice
from .transform import SpatialTransform

WORSE_BY = 0.01  # of agreement: less is noise of the cut at 0.5


@dataclass(frozen=True)
class Progress:
    """Handed to ``on_progress`` every iteration: return False to stop this stage and keep its best so far.

    ``transform()`` computes the transform as it stands, for a preview; call it before returning.
    """

    stage: str
    iteration: int
    iterations: int
    loss: float
    transform: Callable[[], SpatialTransform]


OnProgress = Callable[[Progress], "bool | None"]


@dataclass(frozen=True, eq=False)
class Stage:
    """One step of the way.

    Attributes:
        name: initial, affine, affine refined, bspline, bspline refined (rigid likewise).
        seconds: its own time, without measuring it.
        loss: MSE(M'∘T, F') on the networks' grid after it.
        agreement: label-free: mean Dice of M'∘T and F', both cut at 0.5, over the channels that show anything; NaN if
            none does, which means that the ITN sees no structure.
        folded: voxels of the networks' grid where the transform folds space.
        losses: of its iterations; of a refinement, over the active voxels only.
        transform: fixed → moving so far.
    """

    name: str
    seconds: float
    loss: float
    agreement: float
    folded: int
    losses: tuple[float, ...]
    transform: SpatialTransform


def run_stages(pair: Pair, names: tuple[str, ...], placement: Placement, options, on_progress: OnProgress):
    """Initial, then per transform the STN's answer and its refinement; each starts from the best linear part so far.

    Returns:
        The stages, the number of the best of them (``best_stage``) and M'∘T after that one, (1, C, *shape).
    """
    parts = (pair.linear, None)
    stages, after = [_measured("initial", 0.0, (), pair, parts, placement)], [parts]
    for name in names:
        pair = dataclasses.replace(pair, transform=name, linear=parts[0])
        began = time.perf_counter()
        theta = pair.predict()
        stages.append(_measured(name, time.perf_counter() - began, (), pair, pair.parts(theta), placement))
        after.append(pair.parts(theta))
        if options.refines:
            title = f"{name} refined"
            report = _reporter(title, options.iterations, pair, placement, on_progress)
            began = time.perf_counter()
            refined = refine(pair, theta, options.refine, options.iterations, report)
            seconds, theta = time.perf_counter() - began, refined.theta
            stages.append(_measured(title, seconds, refined.losses, pair, pair.parts(theta), placement))
            after.append(pair.parts(theta))
        parts = pair.parts(theta)
    best = best_stage(stages) if options.keep_best else len(stages) - 1
    with torch.no_grad():
        return stages, best, pair.model.warp(pair.moving_map, *after[best])


def best_stage(stages: list[Stage]) -> int:
    """Number of the last stage, unless an earlier one had an agreement larger by more than ``WORSE_BY``."""
    best = len(stages) - 1
    for number in reversed(range(best)):
        if stages[number].agreement > stages[best].agreement + WORSE_BY:
            best = number
    return best


def stage_transforms(wanted: str, offered: tuple[str, ...]) -> tuple[str, ...]:
    """A B-spline comes after the checkpoint's affine transform, or its rigid one."""
    if wanted != "bspline":
        return (wanted,)
    return (*[t for t in ("affine", "rigid") if t in offered][:1], "bspline")


def _reporter(stage: str, iterations: int, pair: Pair, placement: Placement, on_progress: OnProgress):
    def report(iteration: int, loss: float, theta: torch.Tensor):
        def transform() -> SpatialTransform:
            with torch.no_grad():
                return placement.transform(*pair.parts(theta), pair.model.lattice)

        return on_progress(Progress(stage, iteration, iterations, loss, transform))

    return report


@torch.no_grad()
def _measured(name: str, seconds: float, losses, pair: Pair, parts, placement: Placement) -> Stage:
    warped = pair.model.warp(pair.moving_map, *parts)
    transform = placement.transform(*parts, pair.model.lattice)
    return Stage(
        name=name,
        seconds=seconds,
        loss=float(weighted_mse(warped, pair.fixed_map, pair.model.channel_weights)),
        agreement=float(soft_dice(warped, pair.fixed_map).nanmean()),
        folded=folded_voxels(transform, placement.grid),
        losses=losses,
        transform=transform,
    )


def start(model, moving_map: torch.Tensor, fixed_map: torch.Tensor) -> Pair:
    """The pair before any transform."""
    return Pair(model, "", moving_map, fixed_map, identity(model))
