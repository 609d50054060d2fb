"""How good a registration is: overlap of structures, and where the transform folds space."""

from __future__ import annotations

import numpy as np

from .grid import Grid
from .transform import SpatialTransform


def dice(first, second) -> float:
    """Dice overlap 2 |A and B| / (|A| + |B|) of two masks of one shape (array or tensor); NaN when both are empty."""
    first, second = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    total = int(first.sum()) + int(second.sum())
    return 2.0 * int((first & second).sum()) / total if total else float("nan")


def finite_mean(values) -> float:
    """Mean of the finite values; NaN where there is none."""
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else float("nan")


def label_dice(first, second, labels) -> dict[int, float]:
    """Dice of each of ``labels`` in two label maps of one shape; NaN for a label that neither has."""
    first, second = np.asarray(first), np.asarray(second)
    return {int(label): dice(first == label, second == label) for label in labels}


def jacobian_determinants(transform: SpatialTransform, grid: Grid) -> np.ndarray:
    """Volume change of ``transform`` (fixed -> moving) at every voxel of ``grid``, ``grid.shape``.

    det dT/dx by central differences between neighboring voxels (one-sided at the border): what two voxels apart on the
    grid does to the space between them. 1 where volume is kept, 0 or less where space folds.
    """
    linear = np.linalg.det(transform.linear[:-1, :-1])
    if transform.residual is None:
        return np.full(grid.shape, linear)
    field = transform.residual.on_grid(grid)  # (*shape, n)
    columns = [_derivative(field, grid, axis) for axis in range(grid.ndim)]
    return determinant(columns) * (linear / np.linalg.det(grid.matrix[:-1, :-1]))


def _derivative(field: np.ndarray, grid: Grid, axis: int) -> list[np.ndarray]:
    """Components of d(x + u(x)) / d index ``axis`` (x, y[, z]), mm, each ``grid.shape``."""
    step = grid.matrix[:-1, axis]
    return [np.gradient(field[..., c], axis=grid.ndim - 1 - axis) + step[c] for c in range(grid.ndim)]


def determinant(columns):
    """Determinant of 2 x 2 or 3 x 3 matrices whose elements are arrays or tensors of one shape.

    Many times faster than stacking them for numpy's own.
    """
    if len(columns) == 2:
        (a, b), (c, d) = columns
        return a * d - b * c
    a, b, c = columns
    minors = (b[1] * c[2] - b[2] * c[1], b[2] * c[0] - b[0] * c[2], b[0] * c[1] - b[1] * c[0])
    return a[0] * minors[0] + a[1] * minors[1] + a[2] * minors[2]


def folded_voxels(transform: SpatialTransform, grid: Grid) -> int:
    """How many voxels of ``grid`` the residual folds or flattens (determinant <= 0); a mirror is no folding."""
    if transform.residual is None:
        return 0
    unmirrored = SpatialTransform(np.eye(grid.ndim + 1), transform.residual)
    return int((jacobian_determinants(unmirrored, grid) <= 0).sum())
