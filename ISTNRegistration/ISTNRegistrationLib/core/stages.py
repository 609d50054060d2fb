"""The way from the initial alignment to the answer, stage by stage, each measured."""

from __future__ import annotations

import dataclasses
import functools
import math
import time

import torch

from .dense import dense_stage
from .dense_box import Box, DensePair
from .dense_landmarks import LandmarkTerm
from .istn import identity
from .losses import weighted_mse
from .metrics import folded_voxels
from .options import BENDING
from .placement import Placement
from .refine import Pair, State, refine, refine_on
from .refine_terms import LandmarkPull
from .rigid_region import bodies_on, keep_rigid
from .soi import soft_dice
from .stage import RIGID_REGION, Beside, OnProgress, Progress, Stage
from .transform import SpatialTransform
from .weighting import dense_options, score, weighted

WORSE_BY = 0.01  # of Dice: less is noise of the cut at 0.5


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
    best = best_stage(steps.stages, steps.pulled, steps.pair.counts) if judged else len(steps.stages) - 1
    return steps, best if steps.bodies is None else steps.rigid_region(best)


class Steps:
    """The stages so far, and M'∘T after each of them."""

    def __init__(self, pair: Pair, placement: Placement, beside: Beside, options) -> None:
        self.placement, self.options = placement, options
        self.images, self.witness, self.landmarks = beside.images, beside.witness, beside.constraints.landmarks
        self.pull = None
        if self.landmarks is not None:
            self.pull = LandmarkPull(pair.model, placement, self.landmarks, options.landmark_weight)
        rigid = beside.constraints.rigid if options.transform in BENDING else None
        self.bodies = bodies_on(rigid, placement.grid) if rigid is not None else None
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
        chosen, (given, measured) = dense_options(self.options, self.pair.model.config), self._dense_pair()

        def report(iteration: int, loss: float, transform):
            mm = measured[0].mm if measured else math.nan
            return on_progress(Progress(title, iteration, chosen.iterations, loss, transform, mm))

        began = time.perf_counter()
        found = dense_stage(given, self.placement, start, chosen, report)
        seconds = time.perf_counter() - began
        warped = self.placement.warped(self.pair.moving_map, found.transform)
        self._append(title, seconds, found.losses, found.transform, warped)
        self.states.append(State(dataclasses.replace(self.pair, transform="dense")))

    def rigid_region(self, base: int) -> int:
        """The bodies kept rigid in the transform of stage ``base``; the number of this stage."""
        began = time.perf_counter()
        transform = keep_rigid(self.stages[base].transform, self.bodies)
        seconds = time.perf_counter() - began
        warped = self.placement.warped(self.pair.moving_map, transform)
        self._append(RIGID_REGION, seconds, (), transform, warped, self.stages[base].name)
        self.states.append(self.states[base])
        return len(self.stages) - 1

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

    def _append(self, name: str, seconds: float, losses, transform: SpatialTransform, warped, base: str = "") -> None:
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
                base=base,
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
