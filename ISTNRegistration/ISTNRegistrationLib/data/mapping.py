"""Transform files of other programs as one mapping of points, and where that mapping takes many points or a grid.

Convention: as everywhere, fixed -> moving points, LPS mm, the direction in which images are resampled.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..core.errors import InputError
from ..core.grid import Grid
from .files import existing_file, one_line, quiet_libraries
from .formats import check_file
from .images import placed
from .transform_files import check_whole

FIELDS = (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd")
BY_NITRANSFORMS = (".lta", ".x5")
INVERTED = re.compile(r"\[\s*(.+?)\s*,\s*([01])\s*\]")  # ANTs' notation [file,1]
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def read_mapping(names: Sequence[str]) -> sitk.Transform:
    """Read one transform from one or several files.

    Convention: as on ANTs' command line, fixed points go through the file that is named first first
    (``1Warp.nii.gz 0GenericAffine.mat``); ``[file,1]`` is the inverse of a linear one.

    Args:
        names: ITK's transforms (.h5, .tfm, .txt, .mat, .xfm), displacement fields in ITK's convention (vector images
            of LPS mm: ANTs, Greedy, Slicer, this project), .lta and linear .x5 (with the package nitransforms).

    Raises:
        InputError: no such file, none of these, not finite, or a missing package.
    """
    parts = [_read_part(str(name)) for name in names]
    if len({part.GetDimension() for part in parts}) > 1:
        got = ", ".join(f"{part.GetDimension()}-D" for part in parts)
        raise InputError("Transforms", "they do not fit together", "all 2-D or all 3-D", got, "Give one chain")
    return parts[0] if len(parts) == 1 else sitk.CompositeTransform(parts[::-1])


def leaves(transform: sitk.Transform) -> list[sitk.Transform]:
    """The parts of a (nested) composite in ITK's order: the last is applied first."""
    transform = transform.Downcast()
    if isinstance(transform, sitk.CompositeTransform):
        parts = [transform.GetNthTransform(i) for i in range(transform.GetNumberOfTransforms())]
        return [leaf for part in parts for leaf in leaves(part)]
    return [transform]


def map_points(transform: sitk.Transform, points) -> np.ndarray:
    """Points (..., n) mapped by any transform, LPS mm.

    A displacement field moves a line of voxels to where the points are: so ITK maps all of them at once.
    """
    points = np.asarray(points, dtype=float)
    flat = points.reshape(-1, points.shape[-1])
    if not len(flat):
        return points.copy()
    line = np.zeros_like(flat)
    line[:, 0] = np.arange(len(flat))
    n = flat.shape[1]
    there = sitk.DisplacementFieldTransform(_line_image(flat - line))
    size = (len(flat), *[1] * (n - 1))
    both = sitk.CompositeTransform([transform, there])
    moved = sitk.TransformToDisplacementField(both, sitk.sitkVectorFloat64, size)
    return (sitk.GetArrayFromImage(moved).reshape(-1, n) + line).reshape(points.shape)


def field_image(displacement: np.ndarray, grid: Grid) -> sitk.Image:
    """Displacement (*grid.shape, n) in LPS mm as ITK's vector image, of the array's type."""
    return placed(sitk.GetImageFromArray(displacement, isVector=True), grid)


def _line_image(vectors: np.ndarray) -> sitk.Image:
    """Vectors (N, n) at N voxels in a line, 1 mm apart, the first at 0."""
    n = vectors.shape[1]
    return sitk.GetImageFromArray(vectors.reshape(*[1] * (n - 1), -1, n), isVector=True)


def _read_part(name: str) -> sitk.Transform:
    bracket = INVERTED.fullmatch(name)
    path = Path(bracket[1] if bracket else name)
    who = f"Transform '{path.name}'"
    part = _read_file(path, who)
    if not bracket or bracket[2] == "0":
        return part
    if not part.IsLinear():
        todo = "Give the file of the inverse field, or use --inverse for the whole chain"
        raise InputError(who, "only a linear transform is inverted by [file,1]", "a matrix", part.GetName(), todo)
    return part.GetInverse()


def _read_file(path: Path, who: str) -> sitk.Transform:
    name = existing_file(path, who)
    lower = path.name.lower()
    if lower.endswith(FIELDS):
        return _read_field(name, who)
    if lower.endswith(BY_NITRANSFORMS):
        return _read_by_nitransforms(name, who)
    return read_itk(name, who)


def numbers_of(transform: sitk.Transform) -> Iterator[np.ndarray]:
    """All numbers of each part, in the order of :func:`leaves`; a field's are looked at where they lie.

    A composite's own parameters are those of its last part only.
    """
    for part in leaves(transform):
        if isinstance(part, sitk.DisplacementFieldTransform):
            field = part.GetDisplacementField()
            yield sitk.GetArrayViewFromImage(field)
        else:
            yield np.asarray(part.GetParameters())
        yield np.asarray(part.GetFixedParameters())


def check_finite(transform: sitk.Transform, who: str) -> None:
    """Raise InputError for a transform with NaN or infinite numbers."""
    for numbers in numbers_of(transform):
        if not np.isfinite(numbers).all():
            got, todo = f"{np.count_nonzero(~np.isfinite(numbers))} that are not", "Make the transform again"
            raise InputError(who, "it has NaN or infinite values", "finite numbers", got, todo)


def read_itk(name: str, who: str) -> sitk.Transform:
    """Read a file of ITK's transforms.

    Raises:
        InputError: it cannot be read, is not whole, or has NaN or infinite numbers.
    """
    check_whole(Path(name), who)
    try:
        with _lower_case(name) as readable, quiet_libraries():
            transform = sitk.ReadTransform(readable)
    except (RuntimeError, UnicodeError) as error:  # ITK quotes what it read, whatever bytes it is
        todo = "Give a transform file written by ITK, SimpleITK, ANTs or Slicer"
        raise InputError(who, "it cannot be read", "a transform file", one_line(error), todo) from error
    check_finite(transform, who)
    return transform


@contextmanager
def _lower_case(name: str) -> Iterator[str]:
    """A name by which ITK reads a transform; it knows extensions in lower case only, so other files are copied."""
    if Path(name).suffix == Path(name).suffix.lower():
        yield name
        return
    with tempfile.TemporaryDirectory(prefix="istn-") as folder:
        yield shutil.copyfile(name, str(Path(folder, Path(name).name.lower())))


def _read_field(name: str, who: str) -> sitk.Transform:
    expected, todo = "one displacement vector per voxel", "Give a displacement field in ITK's convention (LPS mm)"
    try:
        image = sitk.ReadImage(name, imageIO=check_file(Path(name), who).reader)
    except (RuntimeError, UnicodeError) as error:
        raise InputError(who, "it cannot be read", expected, one_line(error), todo) from error
    n, components = image.GetDimension(), image.GetNumberOfComponentsPerPixel()
    if n not in (2, 3) or components != n:
        got = f"a {n}-D image of {components} components"
        raise InputError(who, "it is not a displacement field", expected, got, todo)
    transform = sitk.DisplacementFieldTransform(sitk.Cast(image, sitk.sitkVectorFloat64))
    check_finite(transform, who)
    return transform


def _read_by_nitransforms(name: str, who: str) -> sitk.Transform:
    try:
        from nitransforms.linear import load
    except ImportError as error:
        todo = "Run: pip install nitransforms"
        raise InputError(who, "its format needs a package", "nitransforms", "Python without it", todo) from error
    try:
        matrix = load(name, fmt="X5" if name.lower().endswith(".x5") else "fs").matrix
    except Exception as error:  # nitransforms raises whatever its parsers meet
        todo = "Give a linear transform"
        raise InputError(who, "it cannot be read", "a linear .lta or .x5", one_line(error), todo) from error
    return matrix_transform(RAS_TO_LPS @ matrix @ RAS_TO_LPS)


def matrix_transform(matrix: np.ndarray) -> sitk.AffineTransform:
    """ITK's affine transform, center 0, of a matrix (n+1, n+1), LPS mm."""
    n = len(matrix) - 1
    affine = sitk.AffineTransform(n)
    affine.SetMatrix(np.ravel(matrix[:n, :n]).tolist())
    affine.SetTranslation(np.asarray(matrix[:n, n], dtype=float).tolist())
    return affine
