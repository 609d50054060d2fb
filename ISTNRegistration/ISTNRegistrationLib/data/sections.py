"""Pictures of a registration: axial, coronal and sagittal sections through what the networks see, as arrays and PNG."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..core.colors import FIXED_COLOR, HEAT, MOVING_COLOR, ramp
from ..core.transform import SpatialTransform
from ..core.volume import Volume
from ..core.warp import warp_volume

ZOOM = 3  # pixels per voxel of the networks' grid
HEAT_SHARE = 0.6
TRANSPARENT_BELOW, CUT = 0.15, 0.5  # as in the scene: bridge/heatmaps.py
IMAGES = ("Fixed", "Moving before", "Moving after")
SEEN = ("Seen in fixed (F')", "Seen in registered (M')", "Outlines before", "Outlines after")
AXES = ("axial", "coronal", "sagittal")


def sections(outcome) -> tuple[tuple[str, ...], list[list[np.ndarray]]]:
    """Names of the columns, and per axis a picture (height, width, 3) uint8 for each; all on the networks' grid.

    Convention: first row on top; the front of the head and its top are up, its right is on the left. Outlines are
    those of the maps cut at 0.5, F' in the colors of the fixed image and M' in those of the moving one. A 2-D image
    has one section. A checkpoint without an ITN sees nothing: only the images are shown.
    """
    result, sees = outcome.result, outcome.checkpoint.config.uses_itn
    images = [_grey(volume, transform, result.fixed_map.grid) for volume, transform in _shown(outcome)]
    fixed, before, after = (_layers(m) for m in (result.fixed_map, result.moving_map, result.warped_map))
    middle = _middle(fixed.max(axis=0) if sees else np.zeros(fixed.shape[1:]))
    rows = []
    for axis in range(len(AXES) if result.fixed_map.grid.ndim == 3 else 1):
        cut = [_slice(image, axis, middle[axis]) for image in images]
        if sees:
            f, b, a = (np.stack([_slice(c, axis, middle[axis]) for c in m]) for m in (fixed, before, after))
            cut += [_heated(cut[0], f.max(axis=0)), _heated(cut[2], a.max(axis=0))]
            cut += [_outlined(cut[0], f, b), _outlined(cut[0], f, a)]
        rows.append(cut)
    return IMAGES + SEEN * sees, rows


def write_pictures(folder: Path, outcome, temporary) -> None:
    """One PNG per axis, its pictures side by side.

    Args:
        temporary: from the path of a file to the name to write it under (``data.outputs.all_or_nothing``).
    """
    for axis, row in zip(AXES, sections(outcome)[1], strict=False):
        temporary(folder / f"{axis}.png").write_bytes(png(np.concatenate(row, axis=1)))


def png(pixels: np.ndarray) -> bytes:
    """A PNG file of (height, width, 3) uint8."""
    with tempfile.TemporaryDirectory() as folder:
        name = Path(folder) / "picture.png"
        sitk.WriteImage(sitk.GetImageFromArray(np.ascontiguousarray(pixels), isVector=True), str(name))
        return name.read_bytes()


def _shown(outcome) -> list[tuple[Volume, SpatialTransform]]:
    fixed, moving, result = outcome.request.fixed.image, outcome.request.moving.image, outcome.result
    eye, initial = SpatialTransform(np.eye(fixed.grid.ndim + 1)), SpatialTransform(result.initial)
    return [(fixed, eye), (moving, initial), (moving, result.transform)]


def _grey(volume: Volume, transform: SpatialTransform, grid) -> np.ndarray:
    """(D, H, W, 3) uint8 of an image on a grid."""
    array = warp_volume(volume, transform, grid, fill=float(volume.array.min())).array
    low, high = np.percentile(array, (1, 99.5))
    grey = np.clip((array - low) / max(high - low, 1e-12), 0, 1) * 255
    return np.repeat(grey.astype(np.uint8).reshape(_shape(grid))[..., None], 3, axis=-1)


def _layers(maps: Volume) -> np.ndarray:
    """(channels, D, H, W)."""
    return np.nan_to_num(maps.channels).reshape(-1, *_shape(maps.grid))


def _shape(grid) -> tuple[int, ...]:
    return (1,) * (3 - grid.ndim) + tuple(grid.shape)


def _heated(grey: np.ndarray, heat: np.ndarray) -> np.ndarray:
    colors = ramp(HEAT)[np.clip(heat * 255, 0, 255).astype(int)] * 255
    share = np.where(heat > TRANSPARENT_BELOW, HEAT_SHARE, 0.0)[..., None]
    return (grey * (1 - share) + colors * share).astype(np.uint8)


def _outlined(grey: np.ndarray, fixed: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """Lines around each structure of two maps (channels, height, width), one pixel wide."""
    picture = grey.copy()
    for maps, color in ((fixed, FIXED_COLOR), (moving, MOVING_COLOR)):
        for channel in maps > CUT:
            picture[border(channel)] = np.rint(np.array(color) * 255)
    return picture


def border(inside: np.ndarray) -> np.ndarray:
    """The pixels of a structure with a neighbor outside it."""
    around = np.pad(inside, 1)
    deep = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    return inside & ~deep


def _middle(heat: np.ndarray) -> list[int]:
    """Slice numbers through the center of what is seen, or of the grid."""
    weights = np.where(heat > TRANSPARENT_BELOW, heat, 0.0)
    if not weights.any():
        return [n // 2 for n in heat.shape]
    return [round(float((np.indices(heat.shape)[a] * weights).sum() / weights.sum())) for a in range(3)]


def _slice(picture: np.ndarray, axis: int, number: int) -> np.ndarray:
    """One slice, first row on top, enlarged; the front of the head and its top are up."""
    plane = np.take(picture, number, axis=axis)
    if axis > 0:
        plane = plane[::-1]  # rows run from below
    return np.repeat(np.repeat(plane, ZOOM, axis=0), ZOOM, axis=1)
