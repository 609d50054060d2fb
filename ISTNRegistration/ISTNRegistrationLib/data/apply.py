"""Carry images, label maps and shapes of the moving image to the fixed one by a known transform, or the other way.

Convention: the transform maps fixed -> moving points. An image is pulled: its value at a point x of the reference grid
is read at T(x). Points and surfaces are pushed: they go through T⁻¹, so that they stay on what they mark in the image.
With ``inverse`` both are exchanged: what belongs to the fixed image is carried to the moving one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..core.errors import InputError
from ..core.files import write_atomically
from ..core.grid import Grid
from ..core.volume import Volume
from .apply_options import INTERPOLATIONS, LABEL_INTERPOLATIONS
from .files import existing_file, one_line, quiet_libraries
from .formats import Kind, check_file
from .images import check_written, from_sitk, read_checked, to_sitk
from .inverse import Solved, mapped, solve
from .mapping import field_image

_IMAGES = (sitk.sitkLinear, sitk.sitkNearestNeighbor, sitk.sitkBSpline3, sitk.sitkLanczosWindowedSinc)
IMAGES = dict(zip(INTERPOLATIONS, _IMAGES, strict=True))
LABELS = dict(zip(LABEL_INTERPOLATIONS, (sitk.sitkNearestNeighbor, sitk.sitkLabelLinear), strict=True))
VALUES_OF_FLOAT32 = 2  # bytes: whole numbers up to 16 bits are exact in float32


def carry_points(transform: sitk.Transform, points: np.ndarray, inverse: bool = False) -> Solved:
    """Points (P, n or more) of the moving image to the fixed one, LPS mm; ``inverse``: of the fixed to the moving one.

    Coordinates beyond the transform's n stay: a 2-D transform keeps z.
    """
    n = transform.GetDimension()
    if points.shape[1] < n:
        todo = "Give one column for each of the transform's dimensions"
        raise InputError("Points", "they do not fit the transform", f"{n} coordinates", str(points.shape[1]), todo)
    moved = (mapped if inverse else solve)(transform, points[:, :n])
    return Solved(np.hstack([moved.points, points[:, n:]]), moved.error, moved.beyond)


def pull(transform: sitk.Transform, grid: Grid) -> tuple[sitk.Transform, Solved]:
    """The inverse of ``transform`` for images that are resampled on ``grid``, and how well it was found there."""
    points = grid.points()
    solved = solve(transform, points)
    if transform.IsLinear():
        return transform.GetInverse(), solved
    return sitk.DisplacementFieldTransform(field_image(solved.points - points, grid)), solved


def resample(image: sitk.Image, transform: sitk.Transform, grid: Grid, interpolator: int, background) -> sitk.Image:
    """The image on ``grid``, pixel type kept: value at x is image(transform(x)).

    Whole numbers are rounded and stay in their range (ITK would cut off the fraction).

    Args:
        interpolator: one of ``IMAGES`` or ``LABELS``.
        background: value where transform(x) is more than half a voxel outside the image.
    """
    if image.GetNumberOfComponentsPerPixel() > 1:
        parts = (sitk.VectorIndexSelectionCast(image, i) for i in range(image.GetNumberOfComponentsPerPixel()))
        return sitk.Compose([resample(part, transform, grid, interpolator, background) for part in parts])
    kind = image.GetPixelID()
    as_it_is = interpolator in LABELS.values() or "float" in image.GetPixelIDTypeAsString()
    wide = kind if as_it_is else _real_type(image)
    moved = sitk.Resample(
        image,
        grid.size,
        transform,
        interpolator,
        grid.origin,
        grid.spacing,
        np.ravel(grid.direction).tolist(),
        float(background),
        wide,
    )
    return moved if wide == kind else _whole_numbers(moved, sitk.GetArrayViewFromImage(image).dtype)


def resample_labels(image: sitk.Image, transform: sitk.Transform, grid: Grid, interpolation: str) -> sitk.Image:
    """A label map on ``grid``, pixel type kept, 0 outside; ``linear`` gives each voxel the label with the most weight.

    Raises:
        InputError: the values are not whole numbers.
    """
    kind, values = image.GetPixelID(), sitk.GetArrayViewFromImage(image)
    if np.issubdtype(values.dtype, np.floating):
        if not np.array_equal(values, np.rint(values)):
            todo = "Give the label map, not the image"
            raise InputError("Label map", "it is not a label map", "whole numbers", "fractions", todo)
        image = sitk.Cast(image, sitk.sitkInt32)
    return sitk.Cast(resample(image, transform, grid, LABELS[interpolation], 0), kind)


def apply_to_volume(
    transform: sitk.Transform,
    volume: Volume,
    reference: Volume,
    interpolation: str = "linear",
    inverse: bool = False,
    background: float | None = None,
) -> Volume:
    """The volume on the grid of ``reference``: what ``istn apply`` does, in memory.

    Args:
        interpolation: one of ``IMAGES``, or ``label`` for label maps (linear, of each label by itself).
        background: None for the darkest value; label maps have 0 outside with ``label``.

    Raises:
        InputError: an unknown interpolation, or dimensions that do not fit.
    """
    known = (*IMAGES, "label")
    if interpolation not in known:
        raise InputError("Interpolation", "it is unknown", " or ".join(known), repr(interpolation))
    for what, grid in ((f"Image '{volume.name}'", volume.grid), (f"Reference '{reference.name}'", reference.grid)):
        if grid.ndim != transform.GetDimension():
            expected, todo = f"{transform.GetDimension()}-D", "Give images of the transform's dimension"
            raise InputError(what, "it does not fit the transform", expected, f"{grid.ndim}-D", todo)
    image = to_sitk(volume)
    mapping = pull(transform, reference.grid)[0] if inverse else transform
    if interpolation == "label":
        return from_sitk(resample_labels(image, mapping, reference.grid, "linear"), volume.name)
    value = darkest(image) if background is None else background
    return from_sitk(resample(image, mapping, reference.grid, IMAGES[interpolation], value), volume.name)


def darkest(image: sitk.Image) -> float:
    """The least value of an image: what is around the body in most of them (air in CT is not 0)."""
    return float(sitk.GetArrayViewFromImage(image).min())


def image_header(path: Path, who: str) -> sitk.ImageFileReader:
    """The header of a complete image file, its voxels not yet read.

    Raises:
        InputError: no such file, damaged, or of an unknown kind.
    """
    name = existing_file(path, who)
    return _header(name, check_file(Path(name), who), who)


def _header(name: str, kind: Kind, who: str) -> sitk.ImageFileReader:
    reader = sitk.ImageFileReader()
    reader.SetFileName(name)
    reader.SetImageIO(kind.reader)
    try:
        reader.ReadImageInformation()
    except (RuntimeError, UnicodeError) as error:
        todo = "Check that the file is complete and its format is supported"
        raise InputError(who, "it cannot be read", "an image file", one_line(error), todo) from error
    return reader


def read_any_image(path: Path, who: str) -> tuple[sitk.Image, tuple[str, ...]]:
    """Read a 2-D or 3-D image of any pixel type but complex numbers; with what a user should know of it.

    Raises:
        InputError: as ``images.read_image`` for one channel; damaged, a series, or complex numbers.
    """
    name = existing_file(path, who)
    kind = check_file(Path(name), who)
    reader = _header(name, kind, who)
    if reader.GetNumberOfComponents() == 1:
        volume = read_checked(name, kind, f"Image '{path.name}'")
        return to_sitk(volume), volume.warnings
    if reader.GetDimension() not in (2, 3):
        got = f"{reader.GetDimension()}-D, {sitk.GetPixelIDValueAsString(reader.GetPixelID())}"
        raise InputError(who, "it cannot be carried", "a 2-D or 3-D image", got, "Extract one volume of the series")
    return reader.Execute(), ()


def write_any_image(path: Path, image: sitk.Image) -> None:
    """Write an image and see that the format kept its size and pixel type; the file appears whole or not at all.

    Raises:
        InputError: the place cannot be written to, or the format is unknown or cannot hold this image.
    """
    who = f"Output image '{path}'"

    def write(name: str) -> None:
        with quiet_libraries():
            sitk.WriteImage(image, name, useCompression=True)
        back = sitk.ImageFileReader()
        back.SetFileName(name)
        back.ReadImageInformation()
        kept, wanted = (back.GetSize(), back.GetPixelID()), (image.GetSize(), image.GetPixelID())
        if kept != wanted:
            got, todo = f"{kept[0]} voxels", "Use .nii.gz, .nrrd or .mha"
            expected = f"{wanted[0]} voxels of {image.GetPixelIDTypeAsString()}"
            got += f" of {sitk.GetPixelIDValueAsString(kept[1])}"
            raise InputError(who, "the format cannot hold this image", expected, got, todo)

    write_atomically(path, write, who, check_written)


def _real_type(image: sitk.Image) -> int:
    """A floating point type in which all values of a whole-number type are exact."""
    small = sitk.GetArrayViewFromImage(image).dtype.itemsize <= VALUES_OF_FLOAT32
    return sitk.sitkFloat32 if small else sitk.sitkFloat64


def _whole_numbers(image: sitk.Image, dtype: np.dtype) -> sitk.Image:
    limits = np.iinfo(dtype)
    values = np.clip(np.rint(sitk.GetArrayViewFromImage(image)), limits.min, limits.max).astype(dtype)
    result = sitk.GetImageFromArray(values)
    result.CopyInformation(image)
    return result
