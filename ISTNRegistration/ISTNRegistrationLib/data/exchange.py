"""A registration's transform as other programs want it: a displacement field, the linear part alone, the inverse.

Which program reads which file, and with what command, is in docs/exchange.md (scripts/release/exchange_check.py).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..core.errors import InputError
from ..core.grid import Grid
from ..core.transform import SpatialTransform
from .images import write_sitk
from .inverse import Inverse, inverse, inverse_field
from .mapping import FIELDS, check_finite, matrix_transform
from .transforms import to_sitk_transform, write_itk

TRANSFORMS = (".h5", ".hdf5", ".tfm", ".txt", ".mat")
LINEAR = (".mat", ".txt", ".tfm", ".h5", ".hdf5")  # ITK's; .mat is what ANTs writes, .txt is what Greedy reads too


def write_field(path, transform: SpatialTransform, grid: Grid) -> None:
    """Write T(x) - x at every voxel of ``grid`` (the fixed image's) as float32 vectors of LPS mm.

    Convention: ITK's displacement field; in NIfTI five dimensions, intent 1007, vectors not flipped to RAS: what ANTs
    and Greedy write. Outside ``grid`` ITK takes 0.

    Raises:
        InputError: another extension than ``FIELDS``, NaN, or the place cannot be written to.
    """
    who = f"Output field '{path}'"
    check_extension(path, FIELDS, who)
    whole = to_sitk_transform(transform)
    check_finite(whole, who)
    axes = np.ravel(grid.direction).tolist()
    field = sitk.TransformToDisplacementField(whole, sitk.sitkVectorFloat32, grid.size, grid.origin, grid.spacing, axes)
    write_sitk(path, field, who)


def write_linear(path, transform: SpatialTransform) -> None:
    """Write the linear part alone, fixed → moving, as one of ITK's affine transforms.

    Raises:
        InputError: another extension than ``LINEAR``, NaN, or the place cannot be written to.
    """
    who = f"Output linear transform '{path}'"
    check_extension(path, LINEAR, who)
    write_itk(path, matrix_transform(transform.linear), who)


def write_inverse(path, transform: SpatialTransform, fixed: Grid, moving: Grid) -> Inverse:
    """Write moving → fixed: one of ITK's transforms, or, for programs that read fields only, a displacement field.

    Returns:
        The inverse as written and its error over ``fixed``, see :func:`inverse`.

    Raises:
        InputError: another extension than ``TRANSFORMS`` or ``FIELDS``, NaN, or the place cannot be written to.
    """
    who = f"Output inverse '{path}'"
    check_extension(path, (*TRANSFORMS, *FIELDS), who)
    whole = to_sitk_transform(transform)
    check_finite(whole, who)
    if not str(path).lower().endswith(FIELDS):
        found = inverse(whole, fixed)
        write_itk(path, found.transform, who)
        return found
    found = inverse_field(whole, fixed, moving)
    field = sitk.Cast(found.transform.GetDisplacementField(), sitk.sitkVectorFloat32)
    write_sitk(path, field, who)
    return found


def check_extension(path, known: tuple[str, ...], who: str) -> None:
    """Raise InputError for a file name that ends in none of ``known``, in any case."""
    if not str(path).lower().endswith(known):
        got = Path(path).suffix or "none"
        raise InputError(who, "the format is unknown", " or ".join(known), got, f"Use {known[0]}")
