"""The way from the initial alignment to the answer, stage by stage, each measured."""

from __future__ import annotations

import dataclasses
import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from .constraints import Constraints
from .dense import dense_stage
from .dense_box import Box, DensePair
from .dense_landmarks import LandmarkTerm
from .evidence import Witness
from .istn import identity
from .losses import weighted_mse
from .metrics import folded_voxels
from .placement import Placement
from .preprocess import Prepared
from .refine import Pair, State, refine, refine_on
from .refine_terms import LandmarkPull
from .soi import soft_dice
from .transform import SpatialTransform
from .trust import Expectation
from .weighting import dense_options, score, weighted

WORSE_BY = 0.01  # of Dice: less is noise of the cut at 0.5


@dataclass(frozen=True)
class Progress:
    """Handed to ``on_progress`` every iteration: return False to stop this stage and keep its best so far.

    ``transform()`` computes the transform as it stands, for a preview; call it before returning. ``landmark_mm``: mean
    distance of the landmarks as it stands; NaN where there are none, or nothing is refined.
    """

    stage: str
    iteration: int
    iterations: int
    loss: float
    transform: Callable[[], SpatialTransform]
    landmark_mm: float = math.nan


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
        landmark_mm: mean distance of the landmarks after it; NaN where there are none.
        overlaps: what ``agreement`` is the mean of, (C,); NaN where neither map shows anything.
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
    landmark_mm: float = math.nan
    overlaps: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Beside:
    """What is known of a pair beside its maps.

    ``images``, fixed and moving, are for the dense stage; there is a ``witness`` if the checkpoint can judge;
    ``constraints`` are what the user knows. ``seen``: of the moving and the fixed image by the ITN, (1, 1, *shape).
    """

    images: tuple[Prepared, Prepared] | None = None
    witness: Witness | None = None
    constraints: Constraints = field(default_factory=Constraints)
    seen: tuple[torch.Tensor, torch.Tensor] | None = None


def run_stages(pair: Pair, beside: Beside, placement: Placement, options, on_progress: OnProgress):
    """Initial, then per transform the STN's answer and its refinement; each starts from the best linear part so far.

    Args:
        pair: before any transform.
        beside: images, witness and constraints.

    Returns:
        The steps, and the number of the best of their stages (``best_stage``).
    """
    steps = Steps(pair, placement, beside, options)
    steps.add("initial", 0.0, (), State(steps.pair))
    for name in stage_transforms(options.transform, tuple(pair.model.stns)):
        if name == "dense":
            steps.dense(name, steps.start_of_dense(), on_progress)
        else:
            steps.network(name, on_progress)
    judged = options.keep_best and not options.image_share  # what the images gain, nobody measures
    last = len(steps.stages) - 1
    return steps, best_stage(steps.stages, steps.pulled, steps.pair.counts) if judged else last


class Steps:
    """The stages so far, and M'∘T after each of them."""

    def __init__(self, pair: Pair, placement: Placement, beside: Beside, options) -> None:
        self.placement, self.options = placement, options
        self.images, self.witness, self.landmarks = beside.images, beside.witness, beside.constraints.landmarks
        self.pull = None
        if self.landmarks is not None:
            self.pull = LandmarkPull(pair.model, placement, self.landmarks, options.landmark_weight)
        self.pulled = self.pull is not None and self.pull.weight > 0
        self.pair = weighted(pair, beside.seen, options, (self.pull,) if self.pulled else ())
        self.stages: list[Stage] = []
        self.warped: list[torch.Tensor] = []
        self.states: list[State] = []

    def network(self, name: str, on_progress: OnProgress) -> None:
        """A transform of the checkpoint: the STN's answer, and if wanted its refinement.

        A B-spline is not refined before a dense stage, where that is needless (docs/dense.md), unless landmarks pull:
        they may be farther away than the dense stage reaches.
        """
        options, pair = self.options, dataclasses.replace(self.pair, transform=name)
        began = time.perf_counter()
        state = State(pair, pair.predict())
        self.add(name, time.perf_counter() - began, (), state)
        if options.refines and (self.pulled or (name, options.transform) != ("bspline", "dense")):
            state = self.refined(f"{name} refined", state, on_progress, functools.partial(refine, mode=options.refine))
        self.pair = dataclasses.replace(pair, linear=state.parts()[0])

    def refined(self, title: str, state: State, on_progress: OnProgress, how=refine_on) -> State:
        """A refinement of one of the checkpoint's transforms, by ``refine`` or ``refine_on`` (core/refine.py)."""
        report = self._reporter(title, state.pair, on_progress)
        began = time.perf_counter()
        found = how(state.pair, state.theta, iterations=self.options.iterations, on_iteration=report)
        seconds, state = time.perf_counter() - began, dataclasses.replace(state, theta=found.theta)
        self.add(title, seconds, found.losses, state)
        return state

    def start_of_dense(self) -> SpatialTransform:
        """The last transform; where it was not refined, since no landmarks pull, a better one just before it."""
        return (self.stages[-1] if self.pulled else min(self.stages[-2:], key=lambda stage: stage.loss)).transform

    def dense(self, title: str, start: SpatialTransform, on_progress: OnProgress) -> None:
        """The dense diffeomorphic stage (core/dense.py), from ``start`` on."""
        chosen, (given, measured) = dense_options(self.options), self._dense_pair()

        def report(iteration: int, loss: float, transform):
            mm = measured[0].mm if measured else math.nan
            return on_progress(Progress(title, iteration, chosen.iterations, loss, transform, mm))

        began = time.perf_counter()
        found = dense_stage(given, self.placement, start, chosen, report)
        seconds = time.perf_counter() - began
        warped = self.placement.warped(self.pair.moving_map, found.transform)
        self._append(title, seconds, found.losses, found.transform, warped)
        self.states.append(State(dataclasses.replace(self.pair, transform="dense")))

    def _dense_pair(self) -> tuple[DensePair, list[LandmarkTerm]]:
        """What the dense stage registers, and a list that will hold the landmarks' term, if there are landmarks."""
        pair, measured = self.pair, []
        moving_map, fixed_map, _weights = pair.counted()
        weights = None if pair.counts is None else pair.counts[pair.counts > 0]
        given = DensePair(fixed_map, moving_map, *self.images, weights, pair.model.config.normalization)
        if self.landmarks is None:
            return given, measured

        def term(box: Box) -> LandmarkTerm:
            measured.append(LandmarkTerm(box, self.landmarks, self.options.landmark_weight))
            return measured[0]

        include = self.landmarks.fixed if self.pulled else None
        return dataclasses.replace(given, extra=(term,), include=include), measured

    def _reporter(self, stage: str, pair: Pair, on_progress: OnProgress):
        @torch.no_grad()
        def report(iteration: int, loss: float, theta: torch.Tensor):
            @torch.no_grad()
            def transform() -> SpatialTransform:
                return self.placement.transform(*pair.parts(theta), pair.model.lattice)

            mm = float(self.pull.distances(*pair.parts(theta)).mean()) if self.pull else math.nan
            return on_progress(Progress(stage, iteration, self.options.iterations, loss, transform, mm))

        return report

    @torch.no_grad()
    def add(self, name: str, seconds: float, losses, state: State) -> None:
        """A stage that ends with a linear part and control points (or None)."""
        pair, parts = state.pair, state.parts()
        transform = self.placement.transform(*parts, pair.model.lattice)
        self._append(name, seconds, losses, transform, pair.model.warp(pair.moving_map, *parts))
        self.states.append(state)

    def _append(self, name: str, seconds: float, losses, transform: SpatialTransform, warped: torch.Tensor) -> None:
        fixed, folded = self.pair.fixed_map, folded_voxels(transform, self.placement.grid)
        evidence = self.witness.evidence(warped, transform, folded) if self.witness else None
        mm = self.landmarks.errors(transform).mean() if self.landmarks else math.nan
        overlaps = soft_dice(warped, fixed)
        self.stages.append(
            Stage(
                name=name,
                seconds=seconds,
                loss=float(weighted_mse(warped, fixed, self.pair.model.channel_weights)),
                agreement=float(overlaps.nanmean()),
                folded=folded,
                losses=losses,
                transform=transform,
                evidence=evidence,
                expected=self.witness.expect(evidence) if self.witness else None,
                landmark_mm=float(mm),
                overlaps=overlaps.double().cpu().numpy(),
            )
        )
        self.warped.append(warped)


def best_stage(stages: list[Stage], landmarks_pull: bool = False, counts: torch.Tensor | None = None) -> int:
    """Number of the last stage, unless an earlier one is better by more than ``WORSE_BY``.

    Better is a larger expected Dice of the structures that count; a larger agreement of these, where the checkpoint
    cannot tell what to expect. Where landmarks pull, as the user wanted, it is better only if it does not leave them
    farther apart.
    """
    known = all(stage.expected for stage in stages)
    scores = [score(stage, known, counts) for stage in stages]
    best = len(stages) - 1
    for number in reversed(range(best)):
        apart = landmarks_pull and stages[number].landmark_mm > stages[best].landmark_mm
        if scores[number] > scores[best] + WORSE_BY and not apart:
            best = number
    return best


def stage_transforms(wanted: str, offered: tuple[str, ...]) -> tuple[str, ...]:
    """A B-spline comes after the checkpoint's affine transform, or its rigid one; dense after all of them."""
    if wanted in ("rigid", "affine"):
        return (wanted,)
    linear = [t for t in ("affine", "rigid") if t in offered][:1]
    warps = [t for t in ("bspline",) if t in offered or t == wanted]
    return (*linear, *warps, *(["dense"] if wanted == "dense" else []))


def start(model, moving_map: torch.Tensor, fixed_map: torch.Tensor) -> Pair:
    """The pair before any transform."""
    return Pair(model, "", moving_map, fixed_map, identity(model))
