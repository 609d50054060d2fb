"""Sampling images at transformed points: the only place that calls ``grid_sample``."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from .errors import InputError
from .grid import Grid
from .transform import SpatialTransform
from .volume import Volume

ALIGN_CORNERS = True
_SLAB_VOXELS = 4_000_000


def affine_positions(matrix: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    """Cube positions (N, *shape, n) of every voxel of ``shape`` mapped by cube matrices (N, n+1, n+1)."""
    return F.affine_grid(matrix[:, :-1], (len(matrix), 1, *shape), align_corners=ALIGN_CORNERS)


def sample(maps: torch.Tensor, positions: torch.Tensor, padding: str = "zeros", order: str = "linear") -> torch.Tensor:
    """Values (N, C, *shape) of maps (N, C, ...) at cube positions (N, *shape, n); ``order``: linear or nearest.

    On CPUs, torch runs a 3-D sample of one image on one core; halving it along the first axis uses two.
    """
    rows, mode = positions.shape[1], {"linear": "bilinear", "nearest": "nearest"}[order]
    options = {"mode": mode, "padding_mode": padding, "align_corners": ALIGN_CORNERS}
    if len(maps) > 1 or rows % 2 or maps.device.type != "cpu" or maps.requires_grad:
        return F.grid_sample(maps, positions, **options)
    halves = positions.reshape(2, rows // 2, *positions.shape[2:])
    values = F.grid_sample(maps.expand(2, *maps.shape[1:]), halves, **options)
    return values.transpose(0, 1).reshape(1, maps.shape[1], *positions.shape[1:-1])


def warp_volume(moving: Volume, transform: SpatialTransform, grid: Grid, order="linear", fill: float = 0.0) -> Volume:
    """The moving image on ``grid`` (usually the fixed image's): value at x is moving(T(x)).

    Args:
        order: ``"linear"`` (result float32) or ``"nearest"`` (result keeps the type).
        fill: value where T(x) is more than half a voxel outside the moving image.
    """
    read = _linear_reader(moving) if order == "linear" else _nearest_reader(moving)
    result = np.empty((len(moving.channels), *grid.shape), np.float32 if order == "linear" else moving.array.dtype)
    to_index = np.linalg.inv(moving.grid.matrix)
    rows = max(1, _SLAB_VOXELS // max(1, int(np.prod(grid.shape[1:]))))
    for start in range(0, grid.shape[0], rows):
        slab = grid.rows(start, min(start + rows, grid.shape[0]))
        index = _moving_index(transform, slab, to_index)
        outside = ~moving.grid.shows(index)
        result[:, start : start + slab.shape[0]] = np.where(outside, np.asarray(fill, result.dtype), read(index))
    return Volume(result.reshape(*moving.array.shape[: -grid.ndim], *grid.shape), grid, f"{moving.name} warped")


def masked(volume: Volume, mask: Volume) -> Volume:
    """``volume`` with its darkest value wherever ``mask`` (any grid, by nearest neighbor) is not above zero.

    Raises:
        InputError: the mask shows nothing of the volume.
    """
    identity = SpatialTransform(np.eye(volume.grid.ndim + 1))
    inside = warp_volume(mask, identity, volume.grid, order="nearest").array > 0
    if not inside.any():
        who, todo = f"Mask '{mask.name}'", "Draw the mask on this image, or leave it out"
        raise InputError(who, f"it shows nothing of '{volume.name}'", "voxels above zero on the image", "none", todo)
    return Volume(np.where(inside, volume.array, volume.array.min()), volume.grid, f"{volume.name}, masked")


def _moving_index(transform: SpatialTransform, grid: Grid, to_index: np.ndarray) -> np.ndarray:
    """Continuous moving indices (*shape, n), float32, of the mapped voxels of ``grid``."""
    total = to_index @ transform.linear
    index = affine_index(total @ grid.matrix, grid.shape)
    if transform.residual is not None:
        index += (transform.residual.on_grid(grid) @ total[:-1, :-1].T).astype(np.float32)
    return index


def affine_index(matrix: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Every voxel index of ``shape`` mapped by a matrix, (*shape, n) float32, without a table of indices in float64."""
    n = len(shape)
    result = np.broadcast_to(matrix[:-1, -1].astype(np.float32), (*shape, n)).copy()
    for axis in range(n):
        steps = np.arange(shape[n - 1 - axis])[:, None] * matrix[:-1, axis]
        view = [1] * n
        view[n - 1 - axis] = shape[n - 1 - axis]
        result += steps.astype(np.float32).reshape(*view, n)
    return result


def _linear_reader(moving: Volume):
    """Function from continuous indices (*shape, n) to interpolated values (C, *shape), float32."""
    source = torch.from_numpy(np.ascontiguousarray(moving.channels, dtype=np.float32))[None]
    scale = 2 / (np.maximum(np.asarray(moving.grid.size), 2) - 1)

    def read(index: np.ndarray) -> np.ndarray:
        positions = torch.from_numpy((index * scale - 1).astype(np.float32))[None]
        return sample(source, positions, padding="border")[0].numpy()

    return read


def _nearest_reader(moving: Volume):
    """Function from continuous indices to the values of the nearest voxels, of any type and size, unchanged."""
    last = np.asarray(moving.grid.size) - 1

    def read(index: np.ndarray) -> np.ndarray:
        voxel = np.clip(np.rint(index).astype(np.intp), 0, last)
        return moving.channels[(slice(None), *np.moveaxis(voxel, -1, 0)[::-1])]

    return read
