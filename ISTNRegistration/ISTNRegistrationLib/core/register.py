"""Registration of one pair, from two volumes to one transform: the whole story on one screen.

What stands around it (masks, files, warping, quality, report) is in ``data.run``, which every door calls.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
from dataclasses import dataclass

import numpy as np
import torch

from .checkpoint import Checkpoint
from .constraints import Constraints
from .corrections import corrected
from .device import pick_device
from .errors import InputError
from .evidence import witness
from .grid import Grid
from .initial import initial_matrix
from .istn import ISTN
from .locate import Located, canonical_of, locate
from .mirror import mirror_averaged, trained_on_mirrors
from .options import RegisterOptions
from .placement import Placement, seen
from .preprocess import Prepared
from .refine import State
from .stages import Beside, OnProgress, Progress, Stage, run_stages, start
from .transform import SpatialTransform
from .volume import Volume, check_image

__all__ = ["FixedImage", "Progress", "RegisterOptions", "RegistrationResult", "Stage", "register_maps", "register_pair"]

FEWEST = 4  # voxels of the networks that the longest side of an image must fill


@dataclass(frozen=True, eq=False)
class RegistrationResult:
    """The transform (fixed → moving) and how it came about.

    ``fixed_map`` and ``warped_map`` lie in fixed space, ``moving_map`` in moving space; one channel a structure.
    ``kept`` names the stage whose transform it is: the last one, or a better one before it.
    ``fell_back``: the graphics card had too little memory, and the CPU was used.
    ``looked``: how the structures were looked for, where that took more than one look; ``doubts``: what is strange
    about the pose of an image. ``standing``: what ``core.again`` goes on from.
    """

    transform: SpatialTransform
    kept: str
    initial: np.ndarray
    stages: tuple[Stage, ...]
    fixed_map: Volume
    moving_map: Volume
    warped_map: Volume
    options: RegisterOptions
    fell_back: bool = False
    looked: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    standing: Standing | None = None


@dataclass(frozen=True, eq=False)
class Standing:
    """What a registration goes on from (core/again.py): parameters and maps, where they lie, and what is beside."""

    state: State
    placement: Placement
    beside: Beside


@dataclass(frozen=True, eq=False)
class FixedImage:
    """What is computed of the fixed image alone; made once, it serves any number of moving images.

    ``map`` is F', (1, C, *grid.shape), on the device of ``model``; ``grid`` is the networks' grid in fixed space,
    where and as the structures lie (``located``, which also holds what the ITN sees).
    ``mirrored``: maps are averaged over an image and its mirror image (core/mirror.py), the moving one's likewise.
    """

    image: Prepared
    model: ISTN
    located: Located
    mirrored: bool = False

    @property
    def grid(self) -> Grid:
        return self.model.grid.moved(self.located.view)

    @functools.cached_property
    def map(self) -> torch.Tensor:
        return self.maps_of(self.located)

    @torch.no_grad()
    def maps_of(self, located: Located) -> torch.Tensor:
        """M' or F' of what the ITN sees."""
        return mirror_averaged(self.model, located.values, located.maps) if self.mirrored else located.maps

    @classmethod
    def prepare(
        cls, volume: Volume, checkpoint: Checkpoint, options: RegisterOptions, on_progress: OnProgress | None = None
    ) -> FixedImage:
        """Check the image, find where its structures lie, and let the ITN see it.

        Raises:
            InputError: an image or device that cannot be used.
        """
        _check(volume, "Fixed", checkpoint)
        model, image = on_device(checkpoint.model, options.device), Prepared(volume)
        located = locate(image, model, canonical_of(checkpoint), _teller("fixed", image, on_progress))
        return cls(image, model, located, averages_mirrors(checkpoint, options))


def register_pair(
    fixed: Volume | FixedImage,
    moving: Volume,
    checkpoint: Checkpoint,
    options: RegisterOptions | None = None,
    on_progress: OnProgress | None = None,
    constraints: Constraints | None = None,
) -> RegistrationResult:
    """Register ``moving`` to ``fixed`` (paper sections 2.1 to 2.4). The checkpoint's model is not changed.

    ``constraints`` are what the user knows of the pair. Where the graphics card has too little memory, everything is
    done again on the CPU (``result.fell_back``).

    Raises:
        InputError: an image, option or checkpoint that cannot be used; before any work is done.
        RegistrationCancelled: passed on from ``on_progress``.
    """
    options = options or RegisterOptions()
    options.check()
    checkpoint.check_options(options)
    _check(moving, "Moving", checkpoint)
    told = constraints or Constraints()
    try:
        return _register(fixed, moving, checkpoint, options, on_progress, told)
    except torch.cuda.OutOfMemoryError:
        torch.cuda.empty_cache()
    volume = fixed.image.volume if isinstance(fixed, FixedImage) else fixed
    on_cpu = dataclasses.replace(options, device="cpu")
    return dataclasses.replace(_register(volume, moving, checkpoint, on_cpu, on_progress, told), fell_back=True)


def _register(fixed, moving: Volume, checkpoint: Checkpoint, options: RegisterOptions, on_progress, constraints):
    if not isinstance(fixed, FixedImage):
        fixed = FixedImage.prepare(fixed, checkpoint, options, on_progress)
    image = Prepared(moving)
    there, initial = _moving(fixed, image, checkpoint, options.initial, on_progress)
    moving_map = corrected(fixed.maps_of(there), constraints.moving_maps, fixed.grid, initial)
    fixed_map = corrected(fixed.map, constraints.fixed_maps, fixed.grid, np.eye(len(initial)))
    maps, placement = (moving_map, fixed_map), Placement(fixed.grid, initial)
    judge = witness(checkpoint.config, checkpoint.card, (there.values, fixed.located.values), maps, placement)
    beside = Beside((fixed.image, image), judge, constraints, (there.values, fixed.located.values))
    result = register_maps(fixed.model, maps, placement, options, on_progress, beside)
    sides = (("fixed", fixed.located), ("moving", there))
    looked, doubts = (sum((getattr(s, of)(role) for role, s in sides), ()) for of in ("notes", "doubts"))
    return dataclasses.replace(result, looked=looked, doubts=doubts)


def averages_mirrors(checkpoint: Checkpoint, options: RegisterOptions) -> bool:
    """Whether the ITN sees mirror images, too: for a dense transform, if it did in training (docs/dense.md)."""
    return options.transform == "dense" and checkpoint.config.uses_itn and trained_on_mirrors(checkpoint.card)


def _moving(fixed: FixedImage, image: Prepared, checkpoint: Checkpoint, initial, on_progress):
    """What the networks see of the moving image, and the initial alignment (fixed → moving, LPS mm).

    ``auto`` lays the two images' poses onto each other: both are then seen as the checkpoint's training people lay.
    """
    if isinstance(initial, str) and initial == "auto":
        there = locate(image, fixed.model, canonical_of(checkpoint), _teller("moving", image, on_progress))
        return there, there.view @ np.linalg.inv(fixed.located.view)
    matrix = initial_matrix(initial, fixed.image, image, checkpoint.config)
    values = seen(image, fixed.grid, matrix, checkpoint.config).to(fixed.model.cube.device)
    with torch.no_grad():
        return Located(matrix @ fixed.located.view, values, fixed.model.maps(values)), matrix


def _teller(role: str, image: Prepared, on_progress: OnProgress | None):
    """What tells the looks at an image as iterations of a stage, so that they can be stopped and cancelled."""

    def tell(looks: int, score: float) -> bool | None:
        identity = SpatialTransform(np.eye(image.volume.grid.ndim + 1))
        return on_progress and on_progress(Progress(f"pose of {role}", looks, looks, 1 - score, lambda: identity))

    return tell


def register_maps(
    model: ISTN,
    maps: tuple[torch.Tensor, torch.Tensor],
    placement: Placement,
    options: RegisterOptions,
    on_progress: OnProgress | None = None,
    beside: Beside | None = None,
) -> RegistrationResult:
    """The part after the ITN; with true structure maps in the place of M' and F' it gives the best case.

    Args:
        maps: M' and F', (1, C, *placement.grid.shape), on the model's device.
        beside: the images, which only a dense transform needs, the witness, if the checkpoint can judge, constraints.
    """
    told = on_progress or _ignore
    beside = beside or Beside()
    steps, best = run_stages(start(model, *maps), beside, placement, options, told)
    return RegistrationResult(
        transform=steps.stages[best].transform,
        kept=steps.stages[best].name,
        initial=placement.initial,
        stages=tuple(steps.stages),
        fixed_map=placement.fixed_volume(maps[1], "F'"),
        moving_map=placement.moving_volume(maps[0], "M'"),
        warped_map=placement.fixed_volume(steps.warped[best], "warped M'"),
        options=options,
        standing=Standing(steps.states[best], placement, beside),
    )


def _ignore(_progress: Progress) -> None:
    """Where nobody wants to know."""


def _check(volume: Volume, role: str, checkpoint: Checkpoint) -> None:
    """Raise InputError for an image that could only fail later."""
    if volume.grid.ndim != checkpoint.config.ndim:
        expected, got = f"{checkpoint.config.ndim}-D, as checkpoint '{checkpoint.name}'", f"{volume.grid.ndim}-D"
        todo = "Pick a checkpoint or an image of the other dimension"
        raise InputError(f"{role} image '{volume.name}'", "wrong dimension", expected, got, todo)
    check_image(volume, role)
    extent, seen = np.multiply(volume.grid.size, volume.grid.spacing), FEWEST * max(checkpoint.config.grid.spacing)
    if extent.max() < seen:
        got, todo = f"{extent.max():.2g} mm", "Correct the spacing in its header: is it in meters?"
        raise InputError(f"{role} image '{volume.name}'", "it is tiny", f"at least {seen:g} mm", got, todo)


def on_device(model: ISTN, device: str) -> ISTN:
    """The model itself on the CPU, a copy of it on another device."""
    place_on = pick_device(device)
    return model if place_on == model.cube.device else copy.deepcopy(model).to(place_on)
