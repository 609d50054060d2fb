"""A variant of a registration: it goes on from where it stands, in a moment, with other weights or landmarks."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

from ..core.again import ITERATIONS, again
from ..core.errors import InputError
from ..core.options import RegisterOptions
from ..core.request import Request
from ..core.stages import OnProgress
from .run import Outcome, notes_of

CHANGES = ("structure_weights", "image_share", "landmark_weight")  # options that a variant can have otherwise


def register_again(
    outcome: Outcome,
    on_progress: OnProgress | None = None,
    iterations: int | None = None,
    landmarks: tuple[Any, Any] | None = None,
    **changes: Any,
) -> Outcome:
    """Refine a registration on from where it stands; M', F' and whatever else is known of the images are kept.

    Args:
        outcome: of a registration, or of an earlier call; it stays as it is.
        on_progress: as for a registration.
        iterations: at most so many; by default what takes about a second.
        landmarks: of the fixed and the moving image, in the place of the request's.
        changes: ``structure_weights``, ``image_share``, ``landmark_weight``; what is not named stays.

    Returns:
        Outcome: the stage ``adjusted`` is kept; ``origin`` is the first answer, ``changes`` what was changed since.

    Raises:
        InputError: something else is to be changed, or a value cannot be used.
    """
    began = time.perf_counter()
    request = _changed(outcome, landmarks, changes)
    options = _refining(outcome.result.options, changes)
    result = again(outcome.result, options, request.landmarks, iterations, on_progress)
    said = changes if iterations is None else {**changes, "iterations": iterations}
    notes = tuple(note for note in outcome.notes if note not in notes_of(outcome.result))
    steps = {"origin": outcome.origin or outcome, "changes": (*outcome.changes, said)}
    steps["seconds"] = time.perf_counter() - began
    return dataclasses.replace(outcome, request=request, result=result, notes=notes, **steps)


def _refining(options: RegisterOptions, changes: dict) -> RegisterOptions:
    """Changed options; those of one pass get iterations, for a variant is refined whatever its first answer was."""
    if not options.refines:
        changes = {**changes, "refine": "theta", "iterations": ITERATIONS}
    return dataclasses.replace(options, **changes)


def _changed(outcome: Outcome, landmarks, changes: dict) -> Request:
    """The request with other landmarks and options."""
    request = outcome.request
    for name in changes:
        if name not in CHANGES:
            who, todo = f"Option '{name}'", "Register anew"
            raise InputError(who, "a variant has that of its registration", ", ".join(CHANGES), name, todo)
    sides = (request.fixed, request.moving)
    if landmarks is not None:
        sides = [dataclasses.replace(side, landmarks=points) for side, points in zip(sides, landmarks, strict=True)]
    options = _refining(request.options, changes)
    changed = dataclasses.replace(request, fixed=sides[0], moving=sides[1], options=options)
    changed.check()
    outcome.checkpoint.check_options(options)
    return changed
