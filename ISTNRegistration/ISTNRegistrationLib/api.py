"""ISTNRegistration for Python scripts: the names below are documented and kept; all others may change.

    from ISTNRegistrationLib.api import register, apply, write_transform

    outcome = register("fixed.nii.gz", "moving.nii.gz", "brain", transform="bspline")
    write_transform("transform.h5", outcome.result.transform)
    labels = apply(outcome.result.transform, "moving_labels.nii.gz", "fixed.nii.gz", "nearest")

Works in Slicer's Python and without Slicer (``pip install``). Everything is LPS mm; transforms map fixed → moving.
Importing this module takes no time: torch and SimpleITK are imported by the function that needs them.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

from .core.errors import InputError, RegistrationCancelled

if TYPE_CHECKING:
    import numpy as np

    from .core.checkpoint import Checkpoint
    from .core.grid import Grid
    from .core.options import RegisterOptions
    from .core.request import Side
    from .core.transform import SpatialTransform
    from .core.volume import Volume
    from .data.again import register_again
    from .data.exchange import write_field, write_inverse, write_linear
    from .data.images import read_image, read_labels, write_image
    from .data.run import Outcome
    from .data.transforms import read_transform, write_transform

    Path = str | PathLike[str]
    Image = Path | Volume
    Transform = SpatialTransform | Path | Sequence[Path]

# where the other names of this module come from
_PLACES = {
    "Grid": "core.grid",
    "Outcome": "data.run",
    "RegisterOptions": "core.options",
    "Side": "core.request",
    "SpatialTransform": "core.transform",
    "Volume": "core.volume",
    "read_image": "data.images",
    "read_labels": "data.images",
    "read_transform": "data.transforms",
    "register_again": "data.again",
    "write_field": "data.exchange",
    "write_image": "data.images",
    "write_inverse": "data.exchange",
    "write_linear": "data.exchange",
    "write_transform": "data.transforms",
}
__all__ = [
    "Grid",
    "InputError",
    "Outcome",
    "RegisterOptions",
    "RegistrationCancelled",
    "Side",
    "SpatialTransform",
    "Volume",
    "apply",
    "apply_points",
    "load_checkpoint",
    "read_image",
    "read_labels",
    "read_transform",
    "register",
    "register_again",
    "write_field",
    "write_image",
    "write_inverse",
    "write_linear",
    "write_transform",
]


def register(
    fixed: Image | Side,
    moving: Image | Side,
    checkpoint: Path | Checkpoint,
    on_progress: Callable[[Any], bool | None] | None = None,
    **options: Any,
) -> Outcome:
    """Register a moving image to a fixed one, as ``istn register`` and the panel do.

    Args:
        fixed: file or Volume; a Side to give a mask, reference labels or landmarks with it.
        moving: likewise.
        checkpoint: shipped name (``brain``, ``hippocampus``), file, or what ``load_checkpoint`` gave.
        on_progress: called every iteration with a Progress (``stage``, ``iteration``, ``loss``, ...); False stops and
            keeps the best so far, raising RegistrationCancelled abandons the run.
        options: attributes of RegisterOptions: ``transform="bspline"``, ``iterations=20``, ``device="cpu"``, ...;
            ``preset="accurate"`` (fast, standard, accurate) for those that are not given.

    Returns:
        Outcome: ``.result.transform`` (a SpatialTransform), ``.warped()`` (the moving image on the fixed one's grid),
        ``.quality`` (a row per stage), ``.verdict``, ``.warnings``, ``.uncertainty`` (mm, a Volume in fixed space; None
        where the checkpoint cannot tell), ``.report()``.

    Raises:
        InputError: anything that cannot be used, in one sentence that says what to do.
    """
    from .core.options import options_from
    from .core.request import Request
    from .data.run import run

    return run(Request(_side(fixed), _side(moving), checkpoint, options_from(options)), on_progress)


def load_checkpoint(name_or_path: Path) -> Checkpoint:
    """Load a model once, to register many pairs with it.

    Raises:
        InputError: there is no such model, or it is damaged.
    """
    from .core.checkpoint import load_checkpoint as load

    return load(name_or_path)


def apply(
    transform: Transform,
    image: Image,
    reference: Image,
    interpolation: str = "linear",
    inverse: bool = False,
    background: float | None = None,
) -> Volume:
    """Carry an image of the moving side to the fixed one, as ``istn apply`` does: value at x is image(T(x)).

    Args:
        transform: SpatialTransform, file, or several files in ANTs' order (see docs/exchange.md).
        image: file or Volume; its pixel type is kept.
        reference: the image whose grid the result gets: the fixed one, with ``inverse`` the moving one.
        interpolation: ``linear``, ``nearest``, ``cubic`` or ``sinc``; for label maps ``nearest`` or ``label`` (linear,
            of each label by itself; 0 outside).
        inverse: carry an image of the fixed side to the moving one.
        background: value where there is nothing; by default the image's darkest, which for label maps is 0.

    Raises:
        InputError: anything that cannot be used.
    """
    from .data.apply import apply_to_volume

    volumes = _volume(image), _volume(reference)
    return apply_to_volume(_mapping(transform), *volumes, interpolation, inverse, background)


def apply_points(transform: Transform, points: Any, inverse: bool = False) -> np.ndarray:
    """Carry points (P, n) of the moving image to the fixed one, LPS mm; ``inverse``: of the fixed to the moving one.

    Note:
        This is the inverse of ``transform.map_points``: a point stays on what it marks in an image that ``apply``
        carried.
    """
    import numpy as np

    from .data.apply import carry_points

    return carry_points(_mapping(transform), np.asarray(points, dtype=float), inverse).points


def _side(image: Image | Side) -> Side:
    from .core.request import Side

    return image if isinstance(image, Side) else Side(_volume(image))


def _volume(image: Image) -> Volume:
    from .core.volume import Volume
    from .data.images import read_image

    return image if isinstance(image, Volume) else read_image(image)


def _mapping(transform: Transform):
    from .core.transform import SpatialTransform
    from .data.mapping import read_mapping
    from .data.transforms import to_sitk_transform

    if isinstance(transform, SpatialTransform):
        return to_sitk_transform(transform)
    return read_mapping([transform] if isinstance(transform, str | PathLike) else transform)


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_PLACES[name]}", __package__), name)


def __dir__() -> list[str]:
    return __all__
