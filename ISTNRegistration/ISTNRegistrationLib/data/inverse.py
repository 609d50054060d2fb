"""The other way round: points through the inverse of any transform, and the inverse as a transform of its own.

Linear parts are inverted as matrices. A part x -> x + u(x) that is not linear is solved point by point with Newton's
method, the Jacobian by differences, the step halved where it does not come nearer. Outside the domain of u (a field's
voxels, a B-spline's cells), where ITK jumps to u = 0, u at the nearest point of the domain is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..core.grid import Grid, apply_matrix
from .images import grid_of
from .mapping import field_image, leaves, map_points, matrix_transform
from .transforms import linear_matrix

TOLERANCE_MM = 1e-4
MOST_STEPS = 40
SMALLEST_STEP = 2.0**-8
VOXELS_PER_CELL = 5  # brains, control points every 12 mm: errors up to 0.05 mm, and 10 MB instead of 150
MUCH_NEARER = 0.1  # a step that leaves more of the error than this calls for a new Jacobian
DIFFERENCE_MM = 1e-2
FADED_MM = 1e-2
SLAB_POINTS = 500_000
MEASURED_POINTS = 20_000
SMALLEST_DETERMINANT = 1e-6
FIT_POINTS = 8  # along each axis
EDGE = 1e-6  # of a cell: keeps rounding from leaving the domain


@dataclass(frozen=True)
class Inverse:
    """``transform``: moving -> fixed points; ``mean`` and ``largest`` of the error |T⁻¹(T(x)) - x|; LPS mm."""

    transform: sitk.Transform
    mean: float
    largest: float


@dataclass(frozen=True)
class Solved:
    """``points`` (..., n) with T(points) = targets but for ``error`` (...), mm.

    ``beyond`` (...): where the answer is a continuation, since the transform is not defined there.
    """

    points: np.ndarray
    error: np.ndarray
    beyond: np.ndarray


def solve(transform: sitk.Transform, targets) -> Solved:
    """The points that ``transform`` maps to ``targets`` (..., n), LPS mm; where it folds, one of them or the nearest.

    ``error`` is measured through the whole transform, continued beyond its domain as said above.
    """
    targets = np.asarray(targets, dtype=float)
    flat = targets.reshape(-1, targets.shape[-1])
    parts = [_part(leaf) for leaf in leaves(transform)]
    points, beyond = flat, np.zeros(len(flat), dtype=bool)
    for part in parts:
        points = np.concatenate([part.inverse(slab) for slab in _slabs(points)]) if len(points) else points
        beyond |= part.beyond(points)
    back = points
    for part in reversed(parts):
        back = part(back)
    error = np.linalg.norm(back - flat, axis=1)
    shape = targets.shape[:-1]
    return Solved(points.reshape(targets.shape), error.reshape(shape), beyond.reshape(shape))


def mapped(transform: sitk.Transform, points) -> Solved:
    """Points (..., n) through the transform itself, LPS mm, continued beyond its domain as said above."""
    points = np.asarray(points, dtype=float)
    here, beyond = points.reshape(-1, points.shape[-1]), np.zeros(points.size // points.shape[-1], dtype=bool)
    for leaf in reversed(leaves(transform)):
        part = _part(leaf)
        beyond |= part.beyond(here)
        here = part(here)
    shape = points.shape[:-1]
    return Solved(here.reshape(points.shape), np.zeros(shape), beyond.reshape(shape))


def inverse(transform: sitk.Transform, grid: Grid) -> Inverse:
    """The inverse as a transform that ITK, ANTs and Slicer read, with its error.

    Convention: every part that is not linear becomes a displacement field over its domain, of voxels as small as the
    smallest of ``grid`` (for a B-spline at most ``VOXELS_PER_CELL`` between control points); between them ITK
    interpolates linearly, and that is most of the error.

    Args:
        transform: fixed -> moving points.
        grid: the fixed image's; also where the error is measured, at random points.
    """
    parts = [_part(leaf).inverse_transform(min(grid.spacing)) for leaf in leaves(transform)]
    whole = parts[0] if len(parts) == 1 else sitk.CompositeTransform(parts[::-1])
    return Inverse(whole, *_errors(transform, whole, grid))


def inverse_field(transform: sitk.Transform, fixed: Grid, moving: Grid) -> Inverse:
    """The inverse as one displacement field at the voxels of ``moving``; 0 outside them, as in ITK.

    The error is measured at random points of ``fixed`` that come to lie in ``moving``.
    """
    points = moving.points()
    field = sitk.DisplacementFieldTransform(field_image(solve(transform, points).points - points, moving))
    return Inverse(field, *_errors(transform, field, fixed, moving))


def _errors(transform: sitk.Transform, backward: sitk.Transform, grid: Grid, target: Grid | None = None) -> tuple:
    """Mean and largest |T⁻¹(T(x)) - x|, mm; NaN where nothing of ``grid`` comes to lie in ``target``."""
    span = np.asarray(grid.size, dtype=float) - 1
    points = grid.index_to_physical(np.random.default_rng(0).uniform(size=(MEASURED_POINTS, grid.ndim)) * span)
    there = map_points(transform, points)
    if target is not None:
        index = target.physical_to_index(there)
        inside = ((index >= 0) & (index <= np.asarray(target.size) - 1)).all(axis=1)
        points, there = points[inside], there[inside]
    error = np.linalg.norm(map_points(backward, there) - points, axis=1)
    return (float(error.mean()), float(error.max())) if len(error) else (float("nan"), float("nan"))


class _Linear:
    """A linear part."""

    def __init__(self, leaf: sitk.Transform) -> None:
        self.matrix = linear_matrix(leaf)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        return apply_matrix(self.matrix, points)

    def inverse(self, targets: np.ndarray) -> np.ndarray:
        return apply_matrix(np.linalg.inv(self.matrix), targets)

    def beyond(self, points: np.ndarray) -> np.ndarray:
        return np.zeros(len(points), dtype=bool)

    def inverse_transform(self, _spacing: float) -> sitk.Transform:
        return matrix_transform(np.linalg.inv(self.matrix))


class _Warp:
    """A part that is not linear, on the domain between two corners in indices of ``grid``."""

    def __init__(self, leaf: sitk.Transform) -> None:
        self.leaf = leaf
        if isinstance(leaf, sitk.BSplineTransform):
            self.grid, rim = grid_of(leaf.GetCoefficientImages()[0]), (leaf.GetOrder() - 1) / 2
        else:
            self.grid, rim = grid_of(leaf.GetDisplacementField()), 0.0
        self.low = np.full(self.grid.ndim, rim + EDGE)
        self.high = np.asarray(self.grid.size) - 1 - rim - EDGE

    def __call__(self, points: np.ndarray) -> np.ndarray:
        inside = self._inside(points)
        return points - inside + map_points(self.leaf, inside)

    def beyond(self, points: np.ndarray) -> np.ndarray:
        """Outside the domain, and the part does not fade to u = 0 at its border there."""
        index = self.grid.physical_to_index(points)
        outside = ((index < self.low - 2 * EDGE) | (index > self.high + 2 * EDGE)).any(axis=1)
        return outside & (np.linalg.norm(self(points) - points, axis=1) > FADED_MM)

    def inverse(self, targets: np.ndarray) -> np.ndarray:
        """Damped Newton, all targets at once; those that are reached drop out.

        A point keeps its Jacobian while that brings it much nearer: evaluating the part is nearly all of the time.
        """
        points = self._start(targets)
        rest = self(points) - targets
        step, stale = np.ones(len(targets)), np.ones(len(targets), dtype=bool)
        jacobian = np.empty((len(targets), *[self.grid.ndim] * 2))
        for _ in range(MOST_STEPS):
            before = np.linalg.norm(rest, axis=1)
            far = np.flatnonzero((before > TOLERANCE_MM) & (step > SMALLEST_STEP))
            if not len(far):
                break
            old = far[stale[far]]
            jacobian[old] = self._jacobian(points[old], rest[old] + targets[old])
            move = np.linalg.solve(jacobian[far], rest[far, :, None])[..., 0]
            tried = points[far] - step[far, None] * move
            left = self(tried) - targets[far]
            after = np.linalg.norm(left, axis=1)
            nearer = after < before[far]
            points[far[nearer]], rest[far[nearer]] = tried[nearer], left[nearer]
            step[far] = np.where(nearer, np.minimum(1.0, 2 * step[far]), step[far] / 2)
            stale[far] = nearer & (after > MUCH_NEARER * before[far])
        return points

    def inverse_transform(self, spacing: float) -> sitk.Transform:
        if isinstance(self.leaf, sitk.BSplineTransform):
            spacing = max(spacing, min(self.grid.spacing) / VOXELS_PER_CELL)
        grid = self._image_grid(spacing)
        field = np.empty((*grid.shape, grid.ndim))
        rows = max(1, SLAB_POINTS // int(np.prod(grid.shape[1:])))
        for start in range(0, grid.shape[0], rows):
            stop = min(start + rows, grid.shape[0])
            points = grid.rows(start, stop).points().reshape(-1, grid.ndim)
            field[start:stop] = (self.inverse(points) - points).reshape(field[start:stop].shape)
        return sitk.DisplacementFieldTransform(field_image(field, grid))

    def _inside(self, points: np.ndarray) -> np.ndarray:
        index = np.clip(self.grid.physical_to_index(points), self.low, self.high)
        return self.grid.index_to_physical(index)

    def _samples(self) -> np.ndarray:
        """Points on a coarse grid over the domain, its border with them."""
        return self.grid.spread_points(self.low, self.high, FIT_POINTS)

    def _start(self, targets: np.ndarray) -> np.ndarray:
        """Targets through the inverse of the affine map that fits the part best: total fields may move points far."""
        points = self._samples()
        ones = np.ones((len(points), 1))
        fit = np.linalg.lstsq(np.hstack([points, ones]), self(points), rcond=None)[0]
        if abs(np.linalg.det(fit[:-1])) < SMALLEST_DETERMINANT:
            return targets.copy()
        return (targets - fit[-1]) @ np.linalg.inv(fit[:-1])

    def _jacobian(self, points: np.ndarray, here: np.ndarray) -> np.ndarray:
        """Jacobian (N, n, n) at ``points``, which are mapped ``here``; the identity where it cannot be inverted."""
        columns = [(self(points + DIFFERENCE_MM * axis) - here) / DIFFERENCE_MM for axis in np.eye(self.grid.ndim)]
        jacobian = np.stack(columns, axis=-1)
        flat = np.abs(np.linalg.det(jacobian)) < SMALLEST_DETERMINANT
        jacobian[flat] = np.eye(self.grid.ndim)
        return jacobian

    def _image_grid(self, spacing: float) -> Grid:
        """A grid along the part's axes over all that its domain is mapped to."""
        axes = np.asarray(self.grid.direction)
        along = self(self._samples()) @ axes
        low, high = along.min(axis=0), along.max(axis=0)
        size = np.ceil((high - low) / spacing).astype(int) + 1
        return Grid.centered(axes @ ((low + high) / 2), size, [spacing] * len(size), axes)


def _part(leaf: sitk.Transform):
    return _Linear(leaf) if leaf.IsLinear() else _Warp(leaf)


def _slabs(points: np.ndarray):
    return (points[start : start + SLAB_POINTS] for start in range(0, len(points), SLAB_POINTS))
