"""When `auto` ends badly: the other starts are tried in one pass each, and the best of them all the way."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator

import numpy as np

from ..core.checkpoint import Checkpoint
from ..core.errors import InputError
from ..core.locate import anchored, canonical_of, quarter_turns
from ..core.options import RegisterOptions
from ..core.preprocess import Prepared
from ..core.quality import LOW_AGREEMENT
from ..core.register import FixedImage, RegistrationResult
from ..core.stages import stage_transforms
from ..core.volume import Volume
from .initial import resolve_initial

CLEARLY_BETTER = 0.05  # of agreement, before the way from another start is gone to its end
TRIAL_SECONDS = 20.0  # no further start is tried after that
Register = Callable[[RegisterOptions], RegistrationResult]


def better_start(
    result: RegistrationResult, fixed, moving: Volume, checkpoint: Checkpoint, register: Register
) -> tuple[RegistrationResult, tuple[str, ...]]:
    """The result, or a better one from another start, and what was tried.

    Args:
        result: of ``register`` with ``fixed`` (a ``FixedImage`` or ``Volume``) and ``moving``.
        register: ``register_pair`` of this pair as a function of the options.

    Raises:
        RegistrationCancelled: passed on from ``register``.
    """
    own = _agreement(result)
    named = isinstance(result.options.initial, str) and result.options.initial == "auto"
    if not named or own >= LOW_AGREEMENT or not isinstance(fixed, FixedImage):
        return result, ()
    tried = []
    for name, start in _starts(fixed, moving, checkpoint):
        quick = _registered(register, _one_pass(result.options, start, checkpoint))
        tried += [(_agreement(quick), name, start)] if quick else []
    best = max(tried, key=lambda one: one[0], default=(-1.0, "", None))
    names = ", ".join(one[1] for one in tried)
    if best[0] > own + CLEARLY_BETTER:
        options = dataclasses.replace(result.options, initial=best[2])
        other = _registered(register, options)
        if other and _agreement(other) > own + CLEARLY_BETTER:
            said = f"The start 'auto' ended badly (predicted {max(own, 0):.2f}); '{best[1]}' was better and was used."
            return dataclasses.replace(other, fell_back=other.fell_back or result.fell_back), (said,)
    return result, (f"'auto' ended badly; other starts were tried and were no better: {names or 'none could be'}.",)


def _starts(fixed: FixedImage, moving: Volume, checkpoint: Checkpoint) -> Iterator[tuple[str, object]]:
    """Names and starts, until the time is up; quarter turns where ``core.locate`` could not try them."""
    ends = time.perf_counter() + TRIAL_SECONDS
    for name in ("moments", "rigid"):
        if time.perf_counter() < ends:
            try:
                yield name, resolve_initial(name, fixed.image.volume, moving)
            except InputError:  # images that cannot be registered rigidly
                continue
    if canonical_of(checkpoint) is not None:
        return
    config, middle = checkpoint.config, Prepared(moving).anchor(checkpoint.config.grid.anchor)
    for number, turn in enumerate(quarter_turns(config.ndim)[1:], start=1):
        if time.perf_counter() < ends:
            yield f"quarter turn {number}", anchored(turn, middle, config) @ np.linalg.inv(fixed.located.view)


def _one_pass(options: RegisterOptions, start, checkpoint: Checkpoint) -> RegisterOptions:
    first = stage_transforms(options.transform, tuple(checkpoint.model.stns))[0]
    return dataclasses.replace(options, initial=start, transform=first, refine="none", landmark_weight=0.0)


def _registered(register: Register, options: RegisterOptions) -> RegistrationResult | None:
    """A result, or None from a start at which the networks see nothing of the moving image."""
    try:
        return register(options)
    except InputError:
        return None


def _agreement(result: RegistrationResult) -> float:
    """Of the kept stage; -1 where the networks see no structure."""
    value = next(stage.agreement for stage in result.stages if stage.name == result.kept)
    return -1.0 if math.isnan(value) else value
