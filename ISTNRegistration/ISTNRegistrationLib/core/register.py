"""Registration of one pair, from two volumes to one transform: the whole story on one screen."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass

import numpy as np
import torch

from .checkpoint import Checkpoint
from .config import TRANSFORMS
from .errors import InputError
from .initial import initial_matrix
from .istn import ISTN
from .placement import Placement, place, seen
from .refine import MODES
from .stages import OnProgress, Progress, Stage, run_stages, stage_transforms, start
from .transform import SpatialTransform
from .volume import Volume, check_image

__all__ = ["Progress", "RegisterOptions", "RegistrationResult", "Stage", "register_maps", "register_pair"]
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True, eq=False)
class RegisterOptions:
    """What the user chooses.

    Attributes:
        transform: rigid, affine or bspline; a B-spline starts from the checkpoint's affine (or rigid) transform.
        initial: auto, none, center, center_of_mass, moments, or a matrix (n+1, n+1) fixed → moving, LPS mm.
        refine: none (one pass), weights (the paper's way) or theta.
        iterations: at most so many per stage.
        device: auto, cpu or cuda.
        seed: of torch's random numbers. A registration draws none today: on a CPU the same input gives the same result.
        keep_best: return to an earlier stage whose label-free agreement was larger (``stages.best_stage``).
    """

    transform: str = "affine"
    initial: str | np.ndarray = "auto"
    refine: str = "theta"
    iterations: int = 50
    device: str = "auto"
    seed: int = 0
    keep_best: bool = True


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


def register_pair(
    fixed: Volume,
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
    check_request(fixed, moving, checkpoint, options)
    try:
        return _register(fixed, moving, checkpoint, options, on_progress)
    except torch.cuda.OutOfMemoryError:
        torch.cuda.empty_cache()
    on_cpu = dataclasses.replace(options, device="cpu")
    return dataclasses.replace(_register(fixed, moving, checkpoint, on_cpu, on_progress), fell_back=True)


def _register(fixed, moving, checkpoint: Checkpoint, options: RegisterOptions, on_progress) -> RegistrationResult:
    torch.manual_seed(options.seed)
    config = checkpoint.config
    placement = place(fixed, initial_matrix(options.initial, fixed, moving, config), config)
    model = on_device(checkpoint.model, options.device)
    fixed_image = seen(fixed, placement, np.eye(config.ndim + 1), config)
    moving_image = seen(moving, placement, placement.initial, config)
    with torch.no_grad():
        moving_map, fixed_map = model.maps(torch.cat([moving_image, fixed_image]).to(model.cube.device)).split(1)
    return register_maps(model, (moving_map, fixed_map), placement, options, on_progress)


def register_maps(
    model: ISTN,
    maps: tuple[torch.Tensor, torch.Tensor],
    placement: Placement,
    options: RegisterOptions,
    on_progress: OnProgress | None = None,
) -> RegistrationResult:
    """The part after the ITN; with true structure maps in the place of M' and F' it gives the best case.

    Args:
        maps: M' and F', (1, C, *placement.grid.shape), on the model's device.
    """
    names = stage_transforms(options.transform, tuple(model.stns))
    stages, best, warped = run_stages(start(model, *maps), names, placement, options, on_progress or _ignore)
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


def check_request(fixed: Volume, moving: Volume, checkpoint: Checkpoint, options: RegisterOptions) -> None:
    """Raise InputError for anything that could only fail later."""
    for key, allowed in (("transform", TRANSFORMS), ("refine", MODES), ("device", DEVICES)):
        value = getattr(options, key)
        if value not in allowed:
            raise InputError(f"Option '{key}'", "unknown value", "one of " + ", ".join(allowed), repr(value))
    for key, most in (("iterations", 1_000_000), ("seed", 2**63 - 1)):
        value = getattr(options, key)
        if not isinstance(value, int) or not 0 <= value <= most:
            raise InputError(f"Option '{key}'", "it cannot be used", f"a whole number from 0 to {most}", repr(value))
    checkpoint.check_transform(options.transform)
    for role, volume in (("Fixed", fixed), ("Moving", moving)):
        if volume.grid.ndim != checkpoint.config.ndim:
            expected, got = f"{checkpoint.config.ndim}-D, as checkpoint '{checkpoint.name}'", f"{volume.grid.ndim}-D"
            todo = "Pick a checkpoint or an image of the other dimension"
            raise InputError(f"{role} image '{volume.name}'", "wrong dimension", expected, got, todo)
        check_image(volume, role)


def on_device(model: ISTN, device: str) -> ISTN:
    """The model itself on the CPU, a copy of it on another device."""
    place_on = pick_device(device)
    return model if place_on == model.cube.device else copy.deepcopy(model).to(place_on)


def pick_device(name: str) -> torch.device:
    """torch's device for auto, cpu or cuda.

    Raises:
        InputError: cuda where this torch has none.
    """
    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        got = f"torch {torch.__version__} without a CUDA device"
        raise InputError("Option 'device'", "there is no CUDA device", "a CUDA device", got, "Use auto or cpu")
    return torch.device("cuda" if name != "cpu" and has_cuda else "cpu")
