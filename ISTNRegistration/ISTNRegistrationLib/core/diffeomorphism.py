"""Displacement fields as compositions of small steps: composing, smoothing, folds and their repair.

Convention: fields are (1, n, [D, ]H, W) in *voxels* of their own grid, vector order x, y[, z].
"""

from __future__ import annotations

import itertools
import math

import torch
import torch.nn.functional as F

from .metrics import determinant
from .warp import affine_positions, sample

SMALLEST = 0.05  # volume change of a voxel's corner that counts as not folded
REPAIRS = 30


def identity_positions(shape: tuple[int, ...], like: torch.Tensor) -> torch.Tensor:
    """Cube positions (1, *shape, n) of the voxels of ``shape``."""
    return affine_positions(torch.eye(len(shape) + 1, device=like.device, dtype=like.dtype)[None], shape)


def compose(field: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    """Displacement of x -> (id + field)(x + step(x)); beyond the border the field goes on as at the border."""
    shape = field.shape[2:]
    scale = field.new_tensor([2 / (max(s, 2) - 1) for s in reversed(shape)])
    positions = identity_positions(shape, field) + step.movedim(1, -1) * scale
    return sample(field, positions, padding="border") + step


def smooth(values: torch.Tensor, sigma: float) -> torch.Tensor:
    """Gaussian of ``sigma`` voxels along every axis, (N, C, *shape); beyond the border values are as at the border."""
    reach = max(1, math.ceil(3 * sigma))
    weights = [math.exp(-((k / sigma) ** 2) / 2) for k in range(-reach, reach + 1)]
    weights = [w / sum(weights) for w in weights]
    for axis in range(2, values.ndim):
        size = values.shape[axis]
        ends = [values.narrow(axis, at, 1).expand(*_with(values.shape, axis, reach)) for at in (0, size - 1)]
        padded = torch.cat([ends[0], values, ends[1]], dim=axis)
        values = padded.narrow(axis, 0, size) * weights[0]
        for k, weight in enumerate(weights[1:], start=1):
            values.add_(padded.narrow(axis, k, size), alpha=weight)
    return values


def _with(shape, axis: int, size: int) -> list[int]:
    return [*shape[:axis], size, *shape[axis + 1 :]]


def gradient(values: torch.Tensor) -> torch.Tensor:
    """Central differences per voxel, (N, C, *shape) to (N, C, n, *shape), x first; zero at the border."""
    n = values.ndim - 2
    result = values.new_zeros((*values.shape[:2], n, *values.shape[2:]))
    for k in range(n):
        axis = values.ndim - 1 - k
        inner = values.shape[axis] - 2
        difference = values.narrow(axis, 2, inner) - values.narrow(axis, 0, inner)
        result.select(2, k).narrow(axis, 1, inner).copy_(difference).mul_(0.5)
    return result


def fade(shape: tuple[int, ...], width: int, like: torch.Tensor) -> torch.Tensor:
    """Weights (1, 1, *shape): zero on the border, along half a cosine to one ``width`` voxels inside."""
    result = like.new_ones((1, 1, *shape))
    for axis, size in enumerate(shape):
        depth = torch.minimum(torch.arange(size), torch.arange(size - 1, -1, -1)).to(like)
        ramp = 0.5 - 0.5 * torch.cos(math.pi * (depth / width).clamp(max=1))
        result = result * ramp.reshape(-1, *[1] * (len(shape) - 1 - axis))
    return result


def smallest_determinants(field: torch.Tensor) -> torch.Tensor:
    """Smallest volume change at the corners of each cell of voxels, (*(shape - 1)); the field is linear in a cell.

    At a corner the derivatives are the differences along the three edges that meet there; if all are positive, then
    the cell does not fold (the determinant of a trilinear cell is bounded by more than its corners only in theory).
    """
    n = field.ndim - 2
    edges = [_edges(field[0], k) for k in range(n)]
    smallest = None
    for corner in itertools.product((0, 1), repeat=n):  # array axes
        columns = [_at_corner(edges[k], corner, n - 1 - k) for k in range(n)]
        change = determinant(columns)
        smallest = change if smallest is None else torch.minimum(smallest, change)
    return smallest


def _edges(field: torch.Tensor, k: int) -> torch.Tensor:
    """d (x + u) / d x_k between neighboring voxels, (n, *shape) with one voxel less along that axis."""
    edges = field.diff(dim=field.ndim - 1 - k)
    edges[k] += 1
    return edges


def _at_corner(edges: torch.Tensor, corner: tuple[int, ...], along: int) -> torch.Tensor:
    """The edges along array axis ``along`` that belong to one corner of each cell."""
    for axis, side in enumerate(corner):
        if axis != along:
            edges = edges.narrow(axis + 1, side, edges.shape[axis + 1] - 1)
    return edges


def repaired(field: torch.Tensor, smallest: float = SMALLEST, free: torch.Tensor | None = None):
    """The field without folds, its border as it was, and how many cells had a volume change of ``smallest`` or less.

    Around such cells the field is smoothed, wider and wider, until none is left; what resists is shrunk as a whole.

    Args:
        free: (1, 1, *shape), 1 where the field may change, 0 elsewhere; with it nothing is shrunk: folds may be left.
    """
    bad = smallest_determinants(field) <= smallest
    count, rounds, inside = int(bad.sum()), 0, fade(field.shape[2:], 1, field)
    inside = inside if free is None else inside * free
    while bad.any() and rounds < REPAIRS:
        around = _around(bad, reach=2 + rounds // 3) * inside
        field = field + around * (smooth(field, 1.0 + 0.1 * rounds) - field)
        bad, rounds = smallest_determinants(field) <= smallest, rounds + 1
    while bad.any() and free is None:
        field = field * 0.9
        bad = smallest_determinants(field) <= smallest
    return field, count


def _around(cells: torch.Tensor, reach: int) -> torch.Tensor:
    """Weights (1, 1, *shape) of the voxels: 1 at the corners of the marked cells, falling to 0 ``reach`` beyond."""
    voxels = F.pad(cells.float(), [1, 1] * cells.ndim)[None, None]
    pool = F.max_pool2d if cells.ndim == 2 else F.max_pool3d
    corners = pool(voxels, 2, stride=1)
    wide = pool(corners, 2 * reach + 1, stride=1, padding=reach)
    return torch.maximum(smooth(wide, reach / 2), corners)
