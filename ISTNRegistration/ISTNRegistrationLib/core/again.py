"""A registration goes on from where it stands, with other weights: M' and F' are kept, the ITN is not run."""

from __future__ import annotations

import dataclasses

import torch

from .errors import InputError
from .landmarks import LandmarkPairs
from .options import RegisterOptions
from .refine import State
from .register import RegistrationResult, Standing
from .stages import OnProgress, Stage, Steps, stage_transforms

ADJUSTED = "adjusted"  # name of the stage
ITERATIONS, DENSE_ITERATIONS = 15, 6  # by default: about a second at most on the bundled brains (docs/python.md)


def again(
    result: RegistrationResult,
    options: RegisterOptions,
    landmarks: LandmarkPairs | None = None,
    iterations: int | None = None,
    on_progress: OnProgress | None = None,
) -> RegistrationResult:
    """Refine the kept transform of ``result`` on: its parameters, or the field of a dense one.

    Args:
        options: those of ``result``, with other weights and shares.
        landmarks: those of both images, as they are now.
        iterations: at most so many; None: ``ITERATIONS``, or ``DENSE_ITERATIONS``.

    Returns:
        The stage before all transforms, the one that the first answer was, and the stage ``adjusted``, which is kept.

    Raises:
        InputError: options that cannot be used; the result cannot be gone on from.
    """
    options.check()
    if result.standing is None:
        raise InputError("Registration", "nothing is known to go on from", "a result of register_pair", "another")
    standing = _told(result.standing, landmarks)
    steps = _refined(result, standing, options, iterations, on_progress or (lambda _progress: None))
    return _with(result, steps, standing, options)


def _with(result: RegistrationResult, steps: Steps, standing: Standing, options) -> RegistrationResult:
    """The result after the step on."""
    return dataclasses.replace(
        result,
        transform=steps.stages[-1].transform,
        kept=ADJUSTED,
        stages=(*_before(result), _one(steps.stages)),
        warped_map=standing.placement.fixed_volume(steps.warped[-1], "warped M'"),
        options=options,
        standing=dataclasses.replace(standing, state=steps.states[-1]),
    )


def _one(stages: list[Stage]) -> Stage:
    """The step on as one stage, also where bodies were kept rigid after it."""
    seconds = sum(stage.seconds for stage in stages)
    return dataclasses.replace(stages[-1], name=ADJUSTED, losses=stages[0].losses, seconds=seconds)


def _told(standing: Standing, landmarks: LandmarkPairs | None) -> Standing:
    """With the landmarks as they are now."""
    constraints = dataclasses.replace(standing.beside.constraints, landmarks=landmarks)
    return dataclasses.replace(standing, beside=dataclasses.replace(standing.beside, constraints=constraints))


def _refined(result: RegistrationResult, standing: Standing, options, iterations: int | None, on_progress) -> Steps:
    """The one step on."""
    state, is_dense = standing.state, standing.state.pair.transform == "dense"
    count = iterations if iterations is not None else DENSE_ITERATIONS if is_dense else ITERATIONS
    chosen = dataclasses.replace(options, iterations=count)
    steps = Steps(state.pair, standing.placement, standing.beside, chosen)
    if is_dense:
        steps.dense(ADJUSTED, result.transform, on_progress)
    else:
        steps.refined(ADJUSTED, _begin(dataclasses.replace(state, pair=steps.pair), options.transform), on_progress)
    if steps.bodies is not None:
        steps.rigid_region(0)
    return steps


def _before(result: RegistrationResult) -> list[Stage]:
    """The stage before all transforms, and the first answer."""
    if result.kept == ADJUSTED:
        return list(result.stages[:-1])
    return [stage for stage in result.stages if stage.name in ("initial", result.kept)]


def _begin(state: State, wanted: str) -> State:
    """The state itself; before all transforms the first of those that are wanted, at the identity."""
    pair = state.pair
    if pair.transform:
        return state
    pair = dataclasses.replace(pair, transform=stage_transforms(wanted, tuple(pair.model.stns))[0])
    return State(pair, torch.zeros_like(pair.predict()))
