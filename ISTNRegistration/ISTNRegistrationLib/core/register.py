"""Registration of one pair, from two volumes to one transform: the whole story on one screen.

What stands around it (masks, files, warping, quality, report) is in ``data.run``, which every door calls.
"""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass

import numpy as np
import torch

from .checkpoint import Checkpoint
from .device import pick_device
from .errors import InputError
from .evidence import witness
from .grid import Grid
from .istn import ISTN
from .mirror import mirror_averaged, trained_on_mirrors
from .options import RegisterOptions
from .placement import Placement, fixed_grid, place, seen
from .preprocess import Prepared
from .stages import Beside, OnProgress, Progress, Stage, run_stages, start
from .transform import SpatialTransform
from .volume import Volume, check_image

__all__ = ["FixedImage", "Progress", "RegisterOptions", "RegistrationResult", "Stage", "register_maps", "register_pair"]


@dataclass(frozen=True, eq=False)
class RegistrationResult:
    """The transform (fixed → moving) and how it came about.

    ``fixed_map`` and ``warped_map`` lie in fixed space, ``moving_map`` in moving space; one channel a structure.
    ``kept`` names the stage whose transform it is: the last one, or a better one before it.
    ``fell_back``: the graphics card had too little memory, and the CPU was used.
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


@dataclass(frozen=True, eq=False)
class FixedImage:
    """What is computed of the fixed image alone; made once, it serves any number of moving images.

    ``seen`` is what the ITN sees, (1, 1, *grid.shape), and ``map`` is F', (1, C, *grid.shape), on the device of
    ``model``; ``grid`` is the networks' grid in fixed space.
    ``mirrored``: maps are averaged over an image and its mirror image (core/mirror.py), the moving one's likewise.
    """

    image: Prepared
    model: ISTN
    grid: Grid
    seen: torch.Tensor
    map: torch.Tensor
    mirrored: bool = False

    @classmethod
    def prepare(
        cls, volume: Volume, checkpoint: Checkpoint, device: str = "auto", mirrored: bool = False
    ) -> FixedImage:
        """Check the image and let the ITN see it.

        Raises:
            InputError: an image or device that cannot be used.
        """
        _check(volume, "Fixed", checkpoint)
        model, image = on_device(checkpoint.model, device), Prepared(volume)
        grid = fixed_grid(image, checkpoint.config)
        values = seen(image, grid, np.eye(grid.ndim + 1), checkpoint.config).to(model.cube.device)
        return cls(image, model, grid, values, itn_map(model, values, mirrored), mirrored)


def register_pair(
    fixed: Volume | FixedImage,
    moving: Volume,
    checkpoint: Checkpoint,
    options: RegisterOptions | None = None,
    on_progress: OnProgress | None = None,
) -> RegistrationResult:
    """Register ``moving`` to ``fixed`` (paper sections 2.1 to 2.4). The checkpoint's model is not changed.

    Where the graphics card has too little memory, everything is done again on the CPU (``result.fell_back``).

    Raises:
        InputError: an image, option or checkpoint that cannot be used; before any work is done.
        RegistrationCancelled: passed on from ``on_progress``.
    """
    options = options or RegisterOptions()
    options.check()
    checkpoint.check_transform(options.transform)
    _check(moving, "Moving", checkpoint)
    try:
        return _register(fixed, moving, checkpoint, options, on_progress)
    except torch.cuda.OutOfMemoryError:
        torch.cuda.empty_cache()
    volume = fixed.image.volume if isinstance(fixed, FixedImage) else fixed
    on_cpu = dataclasses.replace(options, device="cpu")
    return dataclasses.replace(_register(volume, moving, checkpoint, on_cpu, on_progress), fell_back=True)


def _register(fixed, moving: Volume, checkpoint: Checkpoint, options: RegisterOptions, on_progress):
    if not isinstance(fixed, FixedImage):
        fixed = FixedImage.prepare(fixed, checkpoint, options.device, averages_mirrors(checkpoint, options))
    image = Prepared(moving)
    placement = place(fixed.image, image, options.initial, checkpoint.config)
    values = seen(image, placement.grid, placement.initial, checkpoint.config).to(fixed.model.cube.device)
    maps = itn_map(fixed.model, values, fixed.mirrored), fixed.map
    judge = witness(checkpoint.config, checkpoint.card, (values, fixed.seen), maps, placement)
    beside = Beside((fixed.image.volume, moving), judge)
    return register_maps(fixed.model, maps, placement, options, on_progress, beside)


def averages_mirrors(checkpoint: Checkpoint, options: RegisterOptions) -> bool:
    """Whether the ITN sees mirror images, too: for a dense transform, if it did in training (docs/dense.md)."""
    return options.transform == "dense" and checkpoint.config.uses_itn and trained_on_mirrors(checkpoint.card)


@torch.no_grad()
def itn_map(model: ISTN, values: torch.Tensor, mirrored: bool) -> torch.Tensor:
    """M' or F' of what the ITN sees."""
    return mirror_averaged(model, values) if mirrored else model.maps(values)


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
        beside: the images, which only a dense transform needs, and the witness, if the checkpoint can judge.
    """
    told = on_progress or _ignore
    stages, best, warped = run_stages(start(model, *maps), beside or Beside(), placement, options, told)
    return RegistrationResult(
        transform=stages[best].transform,
        kept=stages[best].name,
        initial=placement.initial,
        stages=tuple(stages),
        fixed_map=placement.fixed_volume(maps[1], "F'"),
        moving_map=placement.moving_volume(maps[0], "M'"),
        warped_map=placement.fixed_volume(warped, "warped M'"),
        options=options,
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


def on_device(model: ISTN, device: str) -> ISTN:
    """The model itself on the CPU, a copy of it on another device."""
    place_on = pick_device(device)
    return model if place_on == model.cube.device else copy.deepcopy(model).to(place_on)
