"""Transform files that SimpleITK, ITK and Slicer read (.h5, .tfm), from and to a SpatialTransform."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..core.errors import InputError
from ..core.files import check_space, write_atomically
from ..core.transform import BSplineField, DenseField, SpatialTransform
from .files import existing_file, quiet_libraries
from .images import grid_of
from .mapping import check_finite, field_image, leaves, matrix_transform, numbers_of, read_itk

EXTENSIONS = (".h5", ".tfm", ".txt")
CUBIC = 3
MAX_CONDITION = 1e6  # ratio of the largest to the smallest stretch beyond which a matrix maps a volume onto a plane
BYTES_AROUND = 1 << 15  # of an HDF5 file besides its numbers


def write_transform(path, transform: SpatialTransform) -> None:
    """Write fixed -> moving points, LPS mm; the file appears whole or not at all.

    Raises:
        InputError: the extension is not one of ``EXTENSIONS``, a number is NaN or infinite, or the place cannot be
            written to.
    """
    who = f"Output transform '{path}'"
    if Path(path).suffix.lower() not in EXTENSIONS:
        todo = "Use .h5 (compact) or .tfm (text)"
        raise InputError(who, "the format is unknown", " or ".join(EXTENSIONS), Path(path).suffix or "none", todo)
    write_itk(path, to_sitk_transform(transform), who)


def write_itk(path, transform: sitk.Transform, who: str) -> None:
    """Write any ITK transform of finite numbers.

    Raises:
        InputError: a number is NaN or infinite, or the place cannot be written to.
    """
    check_finite(transform, who)

    def write(name: str) -> None:
        check_space(name, BYTES_AROUND + 8 * sum(numbers.size for numbers in numbers_of(transform)))
        with quiet_libraries():
            sitk.WriteTransform(transform, name)

    def check(name: str) -> None:
        with quiet_libraries():
            back = sitk.ReadTransform(name)
        both = zip_longest(numbers_of(back), numbers_of(transform))
        if not all(np.array_equal(*numbers) for numbers in both):
            raise OSError("the file is not whole, is the disk full?")

    write_atomically(path, write, who, check)


def read_transform(path) -> SpatialTransform:
    """Read a transform x -> L (x + u(x)): linear parts, then at most one cubic B-spline or field, applied first.

    Raises:
        InputError: no such file, not a transform, or a transform of another form.
    """
    return from_sitk_transform(_read(path), _who(path))


def read_linear(path) -> np.ndarray:
    """Read the (n+1, n+1) LPS matrix fixed -> moving from a file of linear transforms.

    Raises:
        InputError: no such file, not a transform, a non-linear one, or a matrix that cannot be inverted.
    """
    return linear_matrix(_read(path), _who(path))


def to_sitk_transform(transform: SpatialTransform) -> sitk.Transform:
    """The same mapping as an ``AffineTransform`` (center 0), or a ``CompositeTransform`` of it and a warp.

    Convention: ITK applies the transform added last first, so the B-spline or displacement field u stands last.
    """
    affine, residual = matrix_transform(transform.linear), transform.residual
    if residual is None:
        return affine
    warp = _to_sitk_bspline(residual) if isinstance(residual, BSplineField) else _to_sitk_field(residual)
    return sitk.CompositeTransform([affine, warp])


def from_sitk_transform(transform: sitk.Transform, who: str = "Transform") -> SpatialTransform:
    """A SimpleITK transform as a SpatialTransform.

    Raises:
        InputError: it is not made of linear parts and at most one cubic B-spline or field that is applied first.
    """
    parts = leaves(transform)
    residual = None
    if parts and isinstance(parts[-1], sitk.BSplineTransform):
        residual = _from_sitk_bspline(parts.pop(), who)
    elif parts and isinstance(parts[-1], sitk.DisplacementFieldTransform):
        residual = _from_sitk_field(parts.pop())
    linear = np.eye(transform.GetDimension() + 1)
    for part in parts:
        linear = linear @ linear_matrix(part, who)
    return SpatialTransform(linear, residual)


def linear_matrix(transform: sitk.Transform, who: str = "Transform") -> np.ndarray:
    """The (n+1, n+1) LPS matrix of any linear SimpleITK transform.

    Raises:
        InputError: it is not linear, or cannot be inverted.
    """
    n = transform.GetDimension()
    todo = "Give an affine, rigid or translation transform"
    if not transform.IsLinear():
        raise InputError(who, "it is not linear", "a linear transform", _names(transform), todo)
    offset = np.asarray(transform.TransformPoint([0.0] * n))
    matrix = np.eye(n + 1)
    matrix[:n, n] = offset
    matrix[:n, :n] = np.stack([transform.TransformPoint(axis.tolist()) - offset for axis in np.eye(n)], axis=1)
    if not np.isfinite(matrix).all() or np.linalg.cond(matrix[:n, :n]) > MAX_CONDITION:
        raise InputError(who, "it cannot be inverted", "an invertible matrix", str(matrix[:n, :n].tolist()), todo)
    return matrix


def _who(path) -> str:
    return f"Transform '{Path(path).name}'"


def _read(path) -> sitk.Transform:
    return read_itk(existing_file(path, _who(path)), _who(path))


def _names(transform: sitk.Transform) -> str:
    return " + ".join(part.GetName() for part in leaves(transform))


def _to_sitk_bspline(field: BSplineField) -> sitk.BSplineTransform:
    images = []
    for component in np.asarray(field.coefficients, dtype=np.float64):
        image = sitk.GetImageFromArray(component)
        image.SetSpacing(field.grid.spacing)
        image.SetOrigin(field.grid.origin)
        image.SetDirection(np.ravel(field.grid.direction).tolist())
        images.append(image)
    return sitk.BSplineTransform(images, CUBIC)


def _to_sitk_field(field: DenseField) -> sitk.DisplacementFieldTransform:
    """ITK's field is linear between its voxels and zero outside, as DenseField is."""
    vectors = np.ascontiguousarray(np.moveaxis(field.vectors, 0, -1), dtype=np.float64)
    return sitk.DisplacementFieldTransform(field_image(vectors, field.grid))


def _from_sitk_field(transform: sitk.DisplacementFieldTransform) -> DenseField:
    image = transform.GetDisplacementField()
    return DenseField(grid_of(image), np.moveaxis(sitk.GetArrayFromImage(image), -1, 0))


def _from_sitk_bspline(transform: sitk.BSplineTransform, who: str) -> BSplineField:
    if transform.GetOrder() != CUBIC:
        todo = "Give a cubic B-spline"
        raise InputError(who, "the B-spline has another order", str(CUBIC), str(transform.GetOrder()), todo)
    images = transform.GetCoefficientImages()
    stacked = np.stack([sitk.GetArrayFromImage(image) for image in images])
    return BSplineField(grid_of(images[0]), stacked)
