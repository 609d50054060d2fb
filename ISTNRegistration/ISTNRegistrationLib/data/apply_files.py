"""A transform file applied to many files: all of them checked first, and in the end all outputs are there or none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..core.errors import InputError
from ..core.grid import Grid
from . import apply
from .apply_options import ApplyOptions, Item
from .images import grid_of, read_image
from .inverse import Solved, mapped
from .mapping import read_mapping
from .outputs import all_or_nothing, check_distinct, check_writable
from .shapes import read_shape, write_shape

PULLED = ("image", "labels")
WITHOUT_PLACE = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")  # formats that keep neither origin nor direction
PROBE_VOXELS = 4
CORNERS = 5  # points along each axis of the reference that are looked up in the transform's domain
FOUND_MM = 0.01  # error up to which an inverse point counts as found


@dataclass(frozen=True)
class Applied:
    """What was written, and what the user should know (lines of text)."""

    item: Item
    notes: tuple[str, ...]


def apply_files(items: list[Item], options: ApplyOptions) -> list[Applied]:
    """Apply one transform to many files.

    Raises:
        InputError: an input or output that cannot be used; nothing is written then.
    """
    transform = read_mapping(options.transform)
    n = transform.GetDimension()
    grid = _reference(items, options, n)
    _check_outputs(items, options)
    for item in items:
        _check_item(item, options, n)
    pulled = _pulled(transform, grid, options) if grid else None
    with all_or_nothing() as temporary:
        return [Applied(item, _apply(item, options, transform, pulled, temporary(item.target))) for item in items]


@dataclass(frozen=True)
class _Pulled:
    """The transform by which images are resampled on ``grid``, and what is to be said of it."""

    transform: sitk.Transform
    grid: Grid
    notes: tuple[str, ...]


def _reference(items: list[Item], options: ApplyOptions, n: int) -> Grid | None:
    if not any(item.kind in PULLED for item in items):
        return None
    role = "moving" if options.inverse else "fixed"
    if options.reference is None:
        todo = f"Give the {role} image with --reference"
        raise InputError("Reference", "images need a grid to be resampled on", f"the {role} image", "none", todo)
    who = f"Reference '{options.reference.name}'"
    if _information(options.reference, who, n).GetNumberOfComponents() == 1:
        return read_image(options.reference).grid
    return grid_of(apply.read_any_image(options.reference, who)[0])


def _information(path: Path, who: str, n: int) -> sitk.ImageFileReader:
    """An image's header, if it is of the transform's dimension (a fourth axis of one voxel is none)."""
    reader = apply.image_header(path, who)
    size = reader.GetSize()
    dimension = 3 if len(size) == 4 and size[3] == 1 else len(size)
    if dimension != n:
        todo = "Give images of the transform's dimension"
        raise InputError(who, "it does not fit the transform", f"{n}-D", f"{dimension}-D", todo)
    return reader


def _check_outputs(items: list[Item], options: ApplyOptions) -> None:
    named = [Path(name.strip("[] ").split(",")[0]) for name in options.transform]
    inputs = {f"transform {path.name}": path for path in named} | {str(item.source): item.source for item in items}
    if options.reference:
        inputs["reference"] = options.reference
    outputs = {f"Output of {item.kind} '{item.source}'": item.target for item in items}
    if len(outputs) < len(items):
        raise InputError("Input", "a file is given twice", "every file once", f"{len(items)} files", "Leave one out")
    check_distinct(outputs, inputs)


def _check_item(item: Item, options: ApplyOptions, n: int) -> None:
    """Read what is cheap to read, and write something small of the same kind."""
    who = f"Output of '{item.source.name}'"
    if item.kind not in PULLED:
        shape = read_shape(item.source, options.space)
        apply.carry_points(sitk.Transform(n, sitk.sitkIdentity), shape.points[:1])
        if item.target.suffix.lower() != item.source.suffix.lower():
            todo = "Give the output the input's extension"
            raise InputError(who, "the format would change", item.source.suffix, item.target.suffix or "none", todo)
        _check_place(item.target, who, lambda path: write_shape(path, shape, shape.points))
        return
    reader = _information(item.source, f"Image '{item.source.name}'", n)
    probe = sitk.Image([PROBE_VOXELS] * n, reader.GetPixelID(), reader.GetNumberOfComponents())
    if options.background is not None and item.kind == "image":
        _check_background(options.background, probe)
    _check_place(item.target, who, lambda path: apply.write_any_image(path, probe))


def _check_place(target: Path, who: str, write: Callable[[Path], None]) -> None:
    """As :func:`check_writable`; the folder may be missing, if it can be made."""
    if target.parent.is_dir():
        check_writable(target, who, write)
        return

    def write_inside(folder: Path) -> None:
        folder.mkdir()
        write(folder / target.name)

    check_writable(target.parent, who, write_inside)


def _check_background(value: float, probe: sitk.Image) -> None:
    dtype = sitk.GetArrayViewFromImage(probe).dtype
    if not np.issubdtype(dtype, np.integer):
        return
    limits = np.iinfo(dtype)
    if not (limits.min <= value <= limits.max and value == round(value)):
        todo = "Give another value, or convert the image first"
        expected = f"a whole number from {limits.min} to {limits.max}"
        raise InputError("Background", "the image's pixel type cannot hold it", expected, f"{value:g}", todo)


def _pulled(transform: sitk.Transform, grid: Grid, options: ApplyOptions) -> _Pulled:
    if options.inverse:
        backward, solved = apply.pull(transform, grid)
        return _Pulled(backward, grid, _notes(solved, "voxels"))
    points = grid.spread_points([0] * grid.ndim, np.asarray(grid.size) - 1, CORNERS)
    beyond = mapped(transform, points).beyond
    note = "the transform does not cover all of the reference image; what is beyond stays where it was"
    return _Pulled(transform, grid, (note,) if beyond.any() else ())


def _notes(solved: Solved, things: str) -> tuple[str, ...]:
    """The measured error of an inverse, and what is wrong with it."""
    notes = []
    if solved.error.any():
        notes.append(f"inverse: error mean {solved.error.mean():.5f} mm, largest {solved.error.max():.5f} mm")
    lost = np.count_nonzero(solved.error > FOUND_MM)
    if lost:
        notes.append(f"warning: the transform has no inverse at {lost} of {solved.error.size} {things}: it folds")
    if solved.beyond.any():
        count = np.count_nonzero(solved.beyond)
        notes.append(f"warning: {count} of {solved.beyond.size} {things} lie beyond what the transform covers")
    return tuple(notes)


def _apply(item: Item, options: ApplyOptions, transform, pulled: _Pulled | None, target: Path) -> tuple[str, ...]:
    if item.kind not in PULLED:
        shape = read_shape(item.source, options.space)
        solved = apply.carry_points(transform, shape.points, options.inverse)
        write_shape(target, shape, solved.points)
        return _notes(solved, "points")
    image, warnings = apply.read_any_image(item.source, f"Image '{item.source.name}'")
    apply.write_any_image(target, _resampled(item, image, options, pulled))
    somewhere = any(pulled.grid.origin) or not np.array_equal(pulled.grid.direction, np.eye(pulled.grid.ndim))
    lost = somewhere and item.target.suffix.lower() in WITHOUT_PLACE
    note = f"note: {item.target.suffix} keeps neither origin nor direction of the reference image"
    return (*(f"warning: {text}" for text in warnings), *pulled.notes, *([note] if lost else []))


def _resampled(item: Item, image: sitk.Image, options: ApplyOptions, pulled: _Pulled) -> sitk.Image:
    if item.kind == "labels":
        return apply.resample_labels(image, pulled.transform, pulled.grid, options.label_interpolation)
    background = apply.darkest(image) if options.background is None else options.background
    return apply.resample(image, pulled.transform, pulled.grid, apply.IMAGES[options.interpolation], background)
