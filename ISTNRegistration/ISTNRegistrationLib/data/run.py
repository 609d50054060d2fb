"""One registration from what a user gives to what a user gets; panel, scripts, shell, batch and evaluation call it.

Request(fixed Side, moving Side, checkpoint, options)
    → masks → initial alignment → warnings → register_pair → quality → verdict, notes → Outcome
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from ..core.checkpoint import Checkpoint, load_checkpoint
from ..core.checks import warnings
from ..core.constraints import Constraints
from ..core.content import frame
from ..core.options import RegisterOptions
from ..core.quality import StageQuality, Verdict, verdict
from ..core.register import FixedImage, RegistrationResult, averages_mirrors, register_pair
from ..core.request import Request, Side
from ..core.stages import RIGID_REGION, OnProgress, Stage
from ..core.suitability import ImageFacts
from ..core.uncertainty import uncertainty_volume
from ..core.volume import Volume
from ..core.warp import masked, warp_volume
from .corrections import corrected_maps, corrected_note
from .initial import resolve_initial
from .masks import hiding_masks
from .quality import mean_error, measure_stage
from .report import registration_report
from .starts import better_start

__all__ = ["Outcome", "Request", "Runner", "Side", "run"]
FRAMED = (
    "Image '{}': there are empty planes of {:g} and, within these, of {:g}: if one of them is padding, it changes what "
    "the networks see. Crop it, or fill it with the background."
)
UNLABELED = "Labels '{}': no value is above 0, so nothing of it can overlap."
CPU_INSTEAD = "The graphics card ran out of memory; the CPU was used instead."


@dataclass(frozen=True, eq=False)
class Outcome:
    """All that is known after a registration.

    Attributes:
        request: what was asked for; ``request.options.initial`` as the user gave it.
        checkpoint: the loaded checkpoint.
        result: of ``register_pair``.
        warnings: what was wrong with the input.
        notes: what the run says about itself.
        seconds: all of it, without reading files and measuring.
        origin: of a variant (data/again.py) the first answer; None for that one itself.
        changes: of a variant what was changed since then, step by step.
        masks: what masks hide, where that may be why the result is in doubt.
    """

    request: Request
    checkpoint: Checkpoint
    result: RegistrationResult
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: float
    origin: Outcome | None = None
    changes: tuple[dict, ...] = ()
    masks: tuple[str, ...] = ()

    @cached_property
    def kept(self) -> StageQuality:
        """The row of the stage whose transform is the result; measured when it is first asked for."""
        return self.measure(next(stage for stage in self.result.stages if stage.name == self.result.kept))

    @cached_property
    def quality(self) -> tuple[StageQuality, ...]:
        """A row per stage."""
        return tuple(self.kept if s.name == self.result.kept else self.measure(s) for s in self.result.stages)

    def measure(self, stage: Stage) -> StageQuality:
        """The row of one stage, with the reference labels and landmarks that both sides have."""
        request, kept = self.request, stage.name == self.result.kept
        known = self.origin and self.origin.row_of(stage)
        if known:  # of a variant only the landmarks can be others
            return dataclasses.replace(known, kept=kept, tre_mm=mean_error(stage.transform, request.landmarks))
        return measure_stage(stage, self.result, request.both("labels"), request.landmarks, request.labels)

    def row_of(self, stage: Stage) -> StageQuality | None:
        """The row of a stage of this very run."""
        rows = zip(self.result.stages, self.quality, strict=True)
        return next((row for own, row in rows if own.transform is stage.transform), None)

    @property
    def verdict(self) -> Verdict:
        """The light and its reason."""
        notes = (*notes_of(self.result), *self.result.doubts)
        return verdict(self.kept, int(np.prod(self.result.fixed_map.grid.size)), notes, self.masks)

    def warped(self, order: str = "linear") -> Volume:
        """The moving image (unmasked) on the fixed one's grid; its darkest value outside."""
        moving = self.request.moving.image
        fill = float(moving.array.min())
        return warp_volume(moving, self.result.transform, self.request.fixed.image.grid, order=order, fill=fill)

    @property
    def uncertainty(self) -> Volume | None:
        """Expected distance of the structures' surfaces, mm, in fixed space; None where the checkpoint cannot tell."""
        expectation = self.kept.expectation
        return uncertainty_volume(self.result.fixed_map, expectation) if expectation else None

    def report(self) -> dict:
        """All that is needed to understand and repeat the registration, as JSON can hold it."""
        return registration_report(self)


class Runner:
    """Runs requests one after the other; what they share is computed once.

    That is the checkpoint of the last request, and what the ITN sees in its fixed image. Images and masks are told
    apart by the ``Volume`` that holds them: hand in the same one, and leave its array alone meanwhile.
    """

    def __init__(self) -> None:
        self._checkpoint: tuple[object, Checkpoint] | None = None
        self._fixed: tuple[tuple, Volume | FixedImage] | None = None

    def run(self, request: Request, on_progress: OnProgress | None = None) -> Outcome:
        """Register one pair.

        Raises:
            InputError: anything in the request that cannot be used.
            RegistrationCancelled: passed on from ``on_progress``.
        """
        began = time.perf_counter()
        request.check()
        checkpoint = self.load(request.checkpoint)
        checkpoint.check_options(request.options)
        constraints = _constraints(request, checkpoint)
        fixed, moving = self._fixed_image(request, checkpoint, on_progress), _shown(request.moving)
        options = _resolved(request, fixed, moving)

        def register(how: RegisterOptions) -> RegistrationResult:
            return register_pair(fixed, moving, checkpoint, how, on_progress, constraints)

        result, tried = better_start(register(options), fixed, moving, checkpoint, register)
        masks = hiding_masks(request, checkpoint, result)
        found = (*_warnings(request, checkpoint), *result.doubts, *masks)
        notes = (*notes_of(result), *result.looked, *tried, *_corrected(constraints, checkpoint))
        return Outcome(request, checkpoint, result, found, notes, time.perf_counter() - began, masks=masks)

    def load(self, checkpoint: Checkpoint | str | Path) -> Checkpoint:
        """The checkpoint, read once for several requests.

        Raises:
            InputError: it cannot be found or read.
        """
        if isinstance(checkpoint, Checkpoint):
            return checkpoint
        if self._checkpoint is None or self._checkpoint[0] != checkpoint:
            self._checkpoint = (checkpoint, load_checkpoint(checkpoint))
        return self._checkpoint[1]

    def _fixed_image(self, request: Request, checkpoint: Checkpoint, on_progress) -> Volume | FixedImage:
        """What the networks see of the fixed side; the volume itself where the graphics card has too little memory."""
        side, options = request.fixed, request.options
        key = (side.image, side.mask, checkpoint, options.device, averages_mirrors(checkpoint, options))
        if self._fixed is None or any(old is not new for old, new in zip(self._fixed[0], key, strict=True)):
            volume = _shown(side)
            try:
                self._fixed = (key, FixedImage.prepare(volume, checkpoint, options, on_progress))
            except torch.cuda.OutOfMemoryError:
                self._fixed = (key, volume)  # register_pair goes on with the CPU
        return self._fixed[1]


def run(request: Request, on_progress: OnProgress | None = None) -> Outcome:
    """Register one pair: ``Runner().run``."""
    return Runner().run(request, on_progress)


def _shown(side: Side) -> Volume:
    """What the networks are shown."""
    return side.image if side.mask is None else masked(side.image, side.mask)


def _constraints(request: Request, checkpoint: Checkpoint) -> Constraints:
    """What the user knows, in the words of the core."""
    sides = (request.fixed, "fixed"), (request.moving, "moving")
    maps = (corrected_maps(*side, checkpoint) for side in sides)
    return Constraints(request.landmarks, *maps, request.fixed.rigid)


def _corrected(constraints: Constraints, checkpoint: Checkpoint) -> tuple[str, ...]:
    """A note for each map that was replaced."""
    sides = (("fixed", constraints.fixed_maps), ("moving", constraints.moving_maps))
    names = [channel.name for channel in checkpoint.config.channels]
    return tuple(corrected_note(names[number], role) for role, maps in sides for number in sorted(maps))


def _resolved(request: Request, fixed: Volume | FixedImage, moving: Volume) -> RegisterOptions:
    """The options with an initial alignment that the core knows: a name or a matrix."""
    volume = fixed.image.volume if isinstance(fixed, FixedImage) else fixed
    initial = resolve_initial(request.options.initial, volume, moving, request.landmarks)
    return dataclasses.replace(request.options, initial=initial)


def _warnings(request: Request, checkpoint: Checkpoint) -> tuple[str, ...]:
    fixed, moving = request.fixed.image, request.moving.image
    facts = [ImageFacts.of(image.array, image.grid) for image in (fixed, moving)]
    same = fixed.grid == moving.grid and np.array_equal(fixed.array, moving.array)
    read = (*fixed.warnings, *moving.warnings, *checkpoint.warnings)
    said = request.landmarks.warnings if request.landmarks else ()
    labels = (side.labels for side in (request.fixed, request.moving) if side.labels is not None)
    said += tuple(UNLABELED.format(one.name) for one in labels if one.array.max() <= 0)
    said += tuple(FRAMED.format(image.name, *values) for image in (fixed, moving) if (values := frame(image.array)))
    return (*read, *said, *warnings(*facts, checkpoint.config, checkpoint.card, request.options.initial, same))


def notes_of(result: RegistrationResult) -> tuple[str, ...]:
    """What the run says about itself: another device, an earlier stage kept."""
    notes = (CPU_INSTEAD,) if result.fell_back else ()
    stages, last = [stage.name for stage in result.stages if stage.name != RIGID_REGION], result.stages[-1]
    kept = last.base or result.kept
    if kept != stages[-1]:
        notes += (f"Stage '{stages[-1]}' made things worse: '{kept}' was kept.",)
    return notes
