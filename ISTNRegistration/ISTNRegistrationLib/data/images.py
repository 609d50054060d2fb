"""Image and label files, read and written with SimpleITK."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..core.errors import InputError
from ..core.files import write_atomically
from ..core.grid import Grid
from ..core.volume import Volume
from .files import existing_file, one_line, quiet_libraries
from .formats import Kind, check_file
from .nifti import farthest_mm

TWO_FILE_FORMATS = (".mhd", ".nhdr", ".hdr", ".img")
ORTHONORMAL_TOLERANCE = 1e-3  # headers hold the axes as float32, often as a rounded quaternion
LARGEST_MOVE = 0.1  # of a voxel: what may be corrected, and where two positions of one image begin to differ
SHEARED = "its axes are not quite at right angles; put right, voxels move by up to {:.3f} of their size."
PERMISSIVE = "ITK_NIFTI_SFORM_PERMISSIVE"


def read_image(path) -> Volume:
    """Read a 2-D or 3-D scalar image of a format of :data:`formats.KNOWN`.

    Returns:
        Volume of the file's own dtype; the grid is the file's, LPS mm; what a user should know of it in ``warnings``.

    Raises:
        InputError: no such file, not an image, cut or damaged, larger than memory is asked for, color or vectors,
            complex numbers, not 2-D or 3-D, sheared axes, NaN in a NIfTI file, or an impossible spacing.
    """
    who = f"Image '{Path(path).name}'"
    name = existing_file(path, who)
    return read_checked(name, check_file(Path(name), who), who)


def read_checked(name: str, kind: Kind, who: str) -> Volume:
    """As :func:`read_image`, a file that ``formats.check_file`` has looked at."""
    try:
        with _reading(), quiet_libraries():
            image = sitk.ReadImage(name, imageIO=kind.reader)
    except (RuntimeError, UnicodeError) as error:  # ITK quotes what it read, whatever bytes it is
        todo = "Check that the file is complete and that its extension is that of its format"
        raise InputError(who, "it cannot be read", "an image file", one_line(error), todo) from error
    volume = from_sitk(image, Path(name).name)
    return _placed(volume, kind.positions) if kind.positions and volume.grid.ndim == 3 else volume


@contextmanager
def _reading():
    """ITK reads a NIfTI file whose sform is sheared, not its qform in silence; its warnings are not shown.

    What they would say is found out by :func:`_placed`, or was by :func:`formats.check_file`.
    """
    before, shown = os.environ.get(PERMISSIVE), sitk.ProcessObject.GetGlobalWarningDisplay()
    os.environ[PERMISSIVE] = "1"
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)
        if before is None:
            del os.environ[PERMISSIVE]
        else:
            os.environ[PERMISSIVE] = before


def _placed(volume: Volume, positions: dict[str, np.ndarray]) -> Volume:
    """The volume where its NIfTI header says that it lies, with warnings of what is not quite so.

    Args:
        positions: index-to-LPS matrices of the sform, the qform, or both.
    """
    size, who, warnings = volume.grid.size, f"Image '{volume.name}'", list(volume.warnings)
    tenth = LARGEST_MOVE * min(volume.grid.spacing)
    off = {name: farthest_mm(matrix, volume.grid.matrix, size) for name, matrix in positions.items()}
    used = min(off, key=off.get)
    used = used if off[used] <= tenth else next(iter(positions))
    if len(positions) == 2 and (apart := farthest_mm(*positions.values(), size)) > tenth:
        warnings.append(
            f"{who}: its header gives two positions (sform and qform) up to {apart:.2f} mm apart; "
            f"the {used} is used, other programs may use the other."
        )
    if not off[used] <= tenth / 100:  # ITK could not do what the header says
        grid, moved = right_angled(positions[used], size, f"{who} ({used})")
        volume = replace(volume, grid=grid)
        warnings += [f"{who}: {SHEARED.format(moved)}"] if moved > LARGEST_MOVE / 100 else []
    return replace(volume, warnings=tuple(warnings))


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
    return replace(volume, array=labels)


def write_image(path, volume: Volume) -> None:
    """Write a volume (channels become the components of a vector image); the file appears whole or not at all.

    Raises:
        InputError: the place cannot be written to, or the format is unknown, split over two files or unable to hold it.
    """
    who = f"Output image '{path}'"
    if Path(path).suffix.lower() in TWO_FILE_FORMATS:
        todo = "Use .nii.gz, .nrrd or .mha"
        raise InputError(who, "the format is split over two files", "one file", Path(path).suffix, todo)
    write_sitk(path, to_sitk(volume), who)


def write_sitk(path, image: sitk.Image, who: str) -> None:
    """Write any SimpleITK image, and see that the file holds all of it: ITK says nothing where a disk is full.

    Raises:
        InputError: as :func:`write_image`.
    """

    def write(name: str) -> None:
        with quiet_libraries():
            sitk.WriteImage(image, name, useCompression=True)

    write_atomically(path, write, who, check_written)


def check_written(name: str) -> None:
    """Raise OSError when an image file that was just written is incomplete."""
    try:
        check_file(Path(name), "")
    except InputError as error:
        raise OSError(f"the file is not whole, is the disk full?{str(error).removeprefix(':')}") from error


def to_sitk(volume: Volume) -> sitk.Image:
    """The same voxels and the same LPS geometry as a SimpleITK image (bool as uint8, float16 as float32)."""
    grid, array = volume.grid, volume.array
    array = array.astype({"bool": np.uint8, "float16": np.float32}.get(array.dtype.name, array.dtype))
    if array.ndim == grid.ndim:
        image = sitk.GetImageFromArray(array)
    else:
        image = sitk.GetImageFromArray(np.moveaxis(volume.channels.astype(array.dtype), 0, -1), isVector=True)
    return placed(image, grid)


def placed(image: sitk.Image, grid: Grid) -> sitk.Image:
    """A SimpleITK image, put where ``grid`` lies."""
    image.SetSpacing(grid.spacing)
    image.SetOrigin(grid.origin)
    image.SetDirection(np.ravel(grid.direction).tolist())
    return image


def grid_of(image: sitk.Image) -> Grid:
    """The grid of a SimpleITK image."""
    n = image.GetDimension()
    axes = tuple(tuple(row) for row in np.reshape(image.GetDirection(), (n, n)).tolist())
    return Grid(image.GetSize(), image.GetSpacing(), image.GetOrigin(), axes)


def from_sitk(image: sitk.Image, name: str = "volume") -> Volume:
    """A SimpleITK image as a Volume (voxels copied); a fourth axis of one voxel is dropped.

    Raises:
        InputError: color, vectors or complex numbers, not 2-D or 3-D, or axes that are not at right angles.
    """
    who = f"Image '{name}'"
    if image.GetNumberOfComponentsPerPixel() != 1 or "complex" in image.GetPixelIDTypeAsString():
        todo = "Convert color or vectors to one channel"
        raise InputError(who, "it is not a scalar image", "one component", image.GetPixelIDTypeAsString(), todo)
    image = _without_singleton(image, who)
    grid, warnings = grid_of(image), ()
    if not min(grid.size):
        todo = "Make it again from its source"
        raise InputError(who, "it is empty or too thin", "voxels along each axis", f"size {grid.size}", todo)
    direction = np.asarray(grid.direction)
    if not np.isfinite([*grid.spacing, *grid.origin, *direction.ravel()]).all() or min(grid.spacing) <= 0:
        raise _impossible(who, f"spacing {grid.spacing}, origin {grid.origin}")
    if not np.allclose(direction.T @ direction, np.eye(grid.ndim), atol=ORTHONORMAL_TOLERANCE):
        grid, moved = right_angled(grid.matrix, grid.size, who)
        warnings = (f"{who}: {SHEARED.format(moved)}",)
    return Volume(sitk.GetArrayFromImage(image), grid, name, warnings)


def right_angled(matrix: np.ndarray, size: tuple[int, ...], who: str) -> tuple[Grid, float]:
    """The nearest grid whose axes are at right angles, with the same middle; how far voxels move, in voxels.

    Args:
        matrix: index to LPS mm, (n+1, n+1).

    Raises:
        InputError: a voxel would move by more than ``LARGEST_MOVE`` of its size.
    """
    n = len(size)
    spacing = np.linalg.norm(matrix[:n, :n], axis=0)
    if not np.isfinite(matrix).all() or not spacing.all():
        raise _impossible(who, str(matrix.tolist()))
    left, _, right = np.linalg.svd(matrix[:n, :n] / spacing)
    middle = matrix @ np.append((np.asarray(size) - 1) / 2, 1.0)
    grid = Grid.centered(middle[:n], size, spacing, left @ right)
    moved = farthest_mm(np.linalg.inv(grid.matrix) @ matrix, np.eye(n + 1), size)
    if moved > LARGEST_MOVE:
        expected = f"axes at right angles, to {LARGEST_MOVE} of a voxel"
        todo = "Resample the image to a grid without shear"
        raise InputError(who, "its axes are sheared", expected, f"voxels {moved:.2f} of one away", todo)
    return grid, moved


def _impossible(who: str, got: str) -> InputError:
    return InputError(who, "its position is impossible", "finite axes, spacing above 0 mm", got, "Repair the header")


def _without_singleton(image: sitk.Image, who: str) -> sitk.Image:
    size = image.GetSize()
    if len(size) == 4 and size[3] == 1:
        return sitk.Extract(image, (*size[:3], 0), (0, 0, 0, 0))
    if len(size) not in (2, 3):
        todo = "Extract one volume of the series"
        raise InputError(who, "it has too many dimensions", "a 2-D or 3-D image", f"size {size}", todo)
    return image
