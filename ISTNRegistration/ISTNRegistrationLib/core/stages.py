"""The way from the initial alignment to the answer, stage by stage, each measured."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from .dense import DenseOptions, dense_stage
from .dense_box import DensePair
from .evidence import Witness
from .istn import identity
from .losses import weighted_mse
from .metrics import folded_voxels
from .placement import Placement
from .preprocess import Prepared
from .refine import Pair, refine
from .soi import soft_dice
from .transform import SpatialTransform
from .trust import Expectation

WORSE_BY = 0.01  # of Dice: less is noise of the cut at 0.5


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
        name: initial, affine, affine refined, bspline, bspline refined (rigid likewise), dense.
        seconds: its own time, without measuring it.
        loss: MSE(M'∘T, F') on the networks' grid after it.
        agreement: label-free: mean Dice of M'∘T and F', both cut at 0.5, over the channels that show anything; NaN if
            none does, which means that the ITN sees no structure.
        folded: voxels of the networks' grid where the transform folds space.
        losses: of its iterations; of a refinement, over the active voxels only.
        transform: fixed → moving so far.
        evidence: what ``expected`` rests on, (C, len(trust.FEATURES)); None where the checkpoint cannot judge.
        expected: the Dice to expect; None where the checkpoint cannot judge.
    """

    name: str
    seconds: float
    loss: float
    agreement: float
    folded: int
    losses: tuple[float, ...]
    transform: SpatialTransform
    evidence: np.ndarray | None = None
    expected: Expectation | None = None


@dataclass(frozen=True, eq=False)
class Beside:
    """What is known of a pair beside its maps.

    ``images``, fixed and moving, are for the dense stage; there is a ``witness`` if the checkpoint can judge.
    """

    images: tuple[Prepared, Prepared] | None = None
    witness: Witness | None = None


def run_stages(pair: Pair, beside: Beside, placement: Placement, options, on_progress: OnProgress):
    """Initial, then per transform the STN's answer and its refinement; each starts from the best linear part so far.

    Args:
        pair: before any transform.
        beside: images and witness.

    Returns:
        The stages, the number of the best of them (``best_stage``) and M'∘T after that one, (1, C, *shape).
    """
    steps = Steps(pair, placement, beside.witness)
    steps.add("initial", 0.0, (), (pair.linear, None))
    for name in stage_transforms(options.transform, tuple(pair.model.stns)):
        if name == "dense":
            steps.dense(beside.images, options, on_progress)
        else:
            steps.network(name, options, on_progress)
    best = best_stage(steps.stages) if options.keep_best else len(steps.stages) - 1
    return steps.stages, best, steps.warped[best]


class Steps:
    """The stages so far, and M'∘T after each of them."""

    def __init__(self, pair: Pair, placement: Placement, witness: Witness | None = None) -> None:
        self.pair, self.placement, self.witness = pair, placement, witness
        self.stages: list[Stage] = []
        self.warped: list[torch.Tensor] = []

    def network(self, name: str, options, on_progress: OnProgress) -> None:
        """A transform of the checkpoint: the STN's answer, and if wanted its refinement."""
        pair = dataclasses.replace(self.pair, transform=name)
        began = time.perf_counter()
        theta = pair.predict()
        self.add(name, time.perf_counter() - began, (), pair.parts(theta))
        if options.refines and (name, options.transform) != ("bspline", "dense"):  # needless there: docs/dense.md
            title = f"{name} refined"
            report = _reporter(title, options.iterations, pair, self.placement, on_progress)
            began = time.perf_counter()
            refined = refine(pair, theta, options.refine, options.iterations, report)
            seconds, theta = time.perf_counter() - began, refined.theta
            self.add(title, seconds, refined.losses, pair.parts(theta))
        self.pair = dataclasses.replace(pair, linear=pair.parts(theta)[0])

    def dense(self, images: tuple[Prepared, Prepared], options, on_progress: OnProgress) -> None:
        """The dense diffeomorphic stage (core/dense.py), from the last transform on, or a better one just before it."""
        pair, normalization = self.pair, self.pair.model.config.normalization
        chosen = DenseOptions(iterations=min(options.iterations, DenseOptions().iterations))
        given = DensePair(pair.fixed_map, pair.moving_map, *images, normalization=normalization)

        def report(iteration: int, loss: float, transform):
            return on_progress(Progress("dense", iteration, chosen.iterations, loss, transform))

        began = time.perf_counter()
        start = min(self.stages[-2:], key=lambda stage: stage.loss).transform  # the STN's answer is not refined
        found = dense_stage(given, self.placement, start, chosen, report)
        seconds = time.perf_counter() - began
        warped = self.placement.warped(pair.moving_map, found.transform)
        self._append("dense", seconds, found.losses, found.transform, warped)

    @torch.no_grad()
    def add(self, name: str, seconds: float, losses, parts) -> None:
        """A stage that ends with a linear part and control points (or None)."""
        transform = self.placement.transform(*parts, self.pair.model.lattice)
        self._append(name, seconds, losses, transform, self.pair.model.warp(self.pair.moving_map, *parts))

    def _append(self, name: str, seconds: float, losses, transform: SpatialTransform, warped: torch.Tensor) -> None:
        fixed, folded = self.pair.fixed_map, folded_voxels(transform, self.placement.grid)
        evidence = self.witness.evidence(warped, transform, folded) if self.witness else None
        self.stages.append(
            Stage(
                name=name,
                seconds=seconds,
                loss=float(weighted_mse(warped, fixed, self.pair.model.channel_weights)),
                agreement=float(soft_dice(warped, fixed).nanmean()),
                folded=folded,
                losses=losses,
                transform=transform,
                evidence=evidence,
                expected=self.witness.expect(evidence) if self.witness else None,
            )
        )
        self.warped.append(warped)


def best_stage(stages: list[Stage]) -> int:
    """Number of the last stage, unless an earlier one is better by more than ``WORSE_BY``.

    Better is a larger expected Dice; a larger agreement, where the checkpoint cannot tell what to expect.
    """
    known = all(stage.expected for stage in stages)
    scores = [stage.expected.overall.dice if known else stage.agreement for stage in stages]
    best = len(stages) - 1
    for number in reversed(range(best)):
        if scores[number] > scores[best] + WORSE_BY:
            best = number
    return best


def stage_transforms(wanted: str, offered: tuple[str, ...]) -> tuple[str, ...]:
    """A B-spline comes after the checkpoint's affine transform, or its rigid one; dense after all of them."""
    if wanted in ("rigid", "affine"):
        return (wanted,)
    linear = [t for t in ("affine", "rigid") if t in offered][:1]
    warps = [t for t in ("bspline",) if t in offered or t == wanted]
    return (*linear, *warps, *(["dense"] if wanted == "dense" else []))


def _reporter(stage: str, iterations: int, pair: Pair, placement: Placement, on_progress: OnProgress):
    def report(iteration: int, loss: float, theta: torch.Tensor):
        def transform() -> SpatialTransform:
            with torch.no_grad():
                return placement.transform(*pair.parts(theta), pair.model.lattice)

        return on_progress(Progress(stage, iteration, iterations, loss, transform))

    return report


def start(model, moving_map: torch.Tensor, fixed_map: torch.Tensor) -> Pair:
    """The pair before any transform."""
    return Pair(model, "", moving_map, fixed_map, identity(model))
