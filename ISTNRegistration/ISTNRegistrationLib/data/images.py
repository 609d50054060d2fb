"""Image and label files, read and written with SimpleITK."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..core.errors import InputError
from ..core.grid import Grid
from ..core.volume import Volume
from .files import existing_file, one_line, write_atomically
from .nifti import check_nifti

TWO_FILE_FORMATS = (".mhd", ".nhdr", ".hdr", ".img")
ORTHONORMAL_TOLERANCE = 1e-3  # headers hold the axes as float32, often as a rounded quaternion


def read_image(path) -> Volume:
    """Read a 2-D or 3-D scalar image in any format that SimpleITK reads.

    Returns:
        Volume of the file's own dtype; the grid is the file's, LPS mm.

    Raises:
        InputError: no such file, not an image, colour or vectors, complex numbers, not 2-D or 3-D, sheared axes, or
            a NIfTI file whose voxels are missing or not finite, or whose spacing is impossible.
    """
    who = f"Image '{Path(path).name}'"
    name = existing_file(path, who)
    check_nifti(name, who)
    try:
        image = sitk.ReadImage(name)
    except RuntimeError as error:
        todo = "Check that the file is complete and its format is supported"
        raise InputError(who, "it cannot be read", "an image file", one_line(error), todo) from error
    return from_sitk(image, Path(path).name)


def read_labels(path) -> Volume:
    """Read a label map; whole numbers stored as floats become int32.

    Raises:
        InputError: as :func:`read_image`, or values that are not whole numbers.
    """
    volume = read_image(path)
    if np.issubdtype(volume.array.dtype, np.integer):
        return volume
    labels = np.rint(np.nan_to_num(volume.array)).astype(np.int32)
    if not np.array_equal(labels, volume.array):
        todo = "Give the label map, not the image"
        raise InputError(f"Labels '{volume.name}'", "it is not a label map", "whole numbers", "fractions", todo)
    return Volume(labels, volume.grid, volume.name)


def write_image(path, volume: Volume) -> None:
    """Write a volume (channels become the components of a vector image); the file appears whole or not at all.

    Raises:
        InputError: the place cannot be written to, or the format is unknown, split over two files or unable to hold it.
    """
    who = f"Output image '{path}'"
    if Path(path).suffix.lower() in TWO_FILE_FORMATS:
        todo = "Use .nii.gz, .nrrd or .mha"
        raise InputError(who, "the format is split over two files", "one file", Path(path).suffix, todo)
    image = to_sitk(volume)
    write_atomically(path, lambda name: sitk.WriteImage(image, name, useCompression=True), who)


def to_sitk(volume: Volume) -> sitk.Image:
    """The same voxels and the same LPS geometry as a SimpleITK image (bool as uint8, float16 as float32)."""
    grid, array = volume.grid, volume.array
    array = array.astype({"bool": np.uint8, "float16": np.float32}.get(array.dtype.name, array.dtype))
    if array.ndim == grid.ndim:
        image = sitk.GetImageFromArray(array)
    else:
        image = sitk.GetImageFromArray(np.moveaxis(volume.channels.astype(array.dtype), 0, -1), isVector=True)
    image.SetSpacing(grid.spacing)
    image.SetOrigin(grid.origin)
    image.SetDirection(np.ravel(grid.direction).tolist())
    return image


def from_sitk(image: sitk.Image, name: str = "volume") -> Volume:
    """A SimpleITK image as a Volume (voxels copied); a fourth axis of one voxel is dropped.

    Raises:
        InputError: colour, vectors or complex numbers, not 2-D or 3-D, or axes that are not at right angles.
    """
    who = f"Image '{name}'"
    if image.GetNumberOfComponentsPerPixel() != 1 or "complex" in image.GetPixelIDTypeAsString():
        todo = "Convert colour or vectors to one channel"
        raise InputError(who, "it is not a scalar image", "one component", image.GetPixelIDTypeAsString(), todo)
    image = _without_singleton(image, who)
    n = image.GetDimension()
    direction = np.reshape(image.GetDirection(), (n, n))
    if not np.allclose(direction.T @ direction, np.eye(n), atol=ORTHONORMAL_TOLERANCE):
        todo = "Resample the image to a grid without shear"
        raise InputError(who, "its axes are sheared", "axes at right angles", str(direction.tolist()), todo)
    axes = tuple(tuple(row) for row in direction.tolist())
    grid = Grid(image.GetSize(), image.GetSpacing(), image.GetOrigin(), axes)
    return Volume(sitk.GetArrayFromImage(image), grid, name)


def _without_singleton(image: sitk.Image, who: str) -> sitk.Image:
    size = image.GetSize()
    if len(size) == 4 and size[3] == 1:
        return sitk.Extract(image, (*size[:3], 0), (0, 0, 0, 0))
    if len(size) not in (2, 3):
        todo = "Extract one volume of the series"
        raise InputError(who, "it has too many dimensions", "a 2-D or 3-D image", f"size {size}", todo)
    return image
