"""Dense displacement fields: reading them, and their inverse from the same field."""

from __future__ import annotations

import numpy as np
import torch

from .grid import Grid, apply_matrix
from .transform import DenseField, SpatialTransform
from .warp import affine_positions, sample

INVERSE_ITERATIONS = 60
INVERSE_TOLERANCE_MM = 1e-3  # the largest error at a voxel of the field's grid


def field_at_points(field: DenseField, points) -> np.ndarray:
    """Displacement (..., n) in LPS mm at points (..., n) in LPS mm."""
    points = np.asarray(points, dtype=float)
    cube = apply_matrix(np.linalg.inv(field.grid.cube_to_physical()), points.reshape(-1, field.grid.ndim))
    shape = (1,) * field.grid.ndim + cube.shape  # one line of points
    return _at(field, torch.as_tensor(cube).reshape(shape)).reshape(points.shape)


def field_on_grid(field: DenseField, grid: Grid) -> np.ndarray:
    """Displacement (*grid.shape, n) in LPS mm at every voxel of ``grid``."""
    matrix = np.linalg.inv(field.grid.cube_to_physical()) @ grid.cube_to_physical()
    return _at(field, affine_positions(torch.as_tensor(matrix)[None], grid.shape))


def inverse_field(field: DenseField, factor: int) -> DenseField:
    """``DenseField.inverse``."""
    exact = None
    for level in sorted({1, factor}):  # the inverse on the same voxels is a good first guess between them
        grid = refined(field.grid, level)
        guess = np.zeros((*grid.shape, grid.ndim)) if exact is None else DenseField(field.grid, exact).on_grid(grid)
        exact = _inverted(field, grid.points(), guess)
    return DenseField(grid, _on_average(exact))


def _at(field: DenseField, positions: torch.Tensor) -> np.ndarray:
    """Displacement (*shape, n) at cube positions (1, *shape, n), float64."""
    vectors = torch.as_tensor(field.vectors, dtype=torch.float64)[None]
    return sample(vectors, positions)[0].movedim(0, -1).numpy()


def refined(grid: Grid, factor: int) -> Grid:
    """The grid with ``factor`` voxels in the place of one along each axis, first and last voxels where they were."""
    matrix = grid.matrix
    matrix[:-1, :-1] /= factor
    return Grid.from_matrix([factor * (s - 1) + 1 for s in grid.size], matrix)


def _on_average(exact: np.ndarray) -> np.ndarray:
    """Vectors (n, *shape) whose linear interpolation is right on average, not only at the voxels.

    Between exact values a straight line misses a curve by a twelfth of its second difference on average.
    """
    inner = (slice(None), *[slice(1, -1)] * (exact.ndim - 1))
    vectors = exact.copy()
    for axis in range(1, exact.ndim):
        curvature = np.roll(exact, 1, axis) + np.roll(exact, -1, axis) - 2 * exact
        vectors[inner] -= curvature[inner] / 12
    return vectors


def _inverted(field: DenseField, points: np.ndarray, guess: np.ndarray) -> np.ndarray:
    """v(y), (n, *shape) mm, at points (*shape, n), by v ← v - step (v + u(y + v)) (Chen et al. 2008,
    doi:10.1118/1.2816107) at the points that are not there yet; the step is halved where the error grows, as it would
    for ever where space is stretched to more than twice its size.
    """
    points, inverse = (torch.as_tensor(a, dtype=torch.float32).flatten(0, -2) for a in (points, guess))
    to_cube = torch.as_tensor(np.linalg.inv(field.grid.cube_to_physical()), dtype=torch.float32)
    vectors = torch.as_tensor(field.vectors, dtype=torch.float32)[None]
    active, step = torch.arange(len(points)), torch.ones(len(points), 1)
    v, before = inverse.clone(), torch.full_like(step, torch.inf)
    for _ in range(INVERSE_ITERATIONS):
        cube = (points[active] + v) @ to_cube[:-1, :-1].T + to_cube[:-1, -1]
        u = sample(vectors, cube.reshape(1, -1, *[1] * (cube.shape[1] - 1), cube.shape[1]))
        error = v + u.reshape(cube.shape[1], -1).T
        size = error.norm(dim=1, keepdim=True)
        step = torch.where(size > before, step / 2, step)
        v = v - step * error
        inverse[active] = v
        left = (size > INVERSE_TOLERANCE_MM)[:, 0]
        active, v, step, before = active[left], v[left], step[left], size[left]
        if not len(active):
            break
    return inverse.T.reshape(-1, *guess.shape[:-1]).numpy()


def inverse_transform(transform: SpatialTransform, factor: int = 2) -> SpatialTransform:
    """Moving → fixed points of a transform with a dense residual (or none): y -> L⁻¹ (y + w(y)), w(y) = L v(L⁻¹ y).

    The new field's axes are LPS; its voxels are ``factor`` times as fine as the residual's.
    """
    inverse, residual = np.linalg.inv(transform.linear), transform.residual
    if residual is None:
        return SpatialTransform(inverse)
    corners = apply_matrix(transform.linear, residual.grid.corners())
    spacing = min(residual.grid.spacing) / factor
    size = np.ceil(np.ptp(corners, axis=0) / spacing).astype(int) + 3  # the outermost voxels lie outside: zero there
    middle = (corners.min(axis=0) + corners.max(axis=0)) / 2
    grid = Grid.centered(middle, size.tolist(), (spacing,) * transform.ndim)
    points = apply_matrix(inverse, grid.points())
    vectors = _inverted(residual, points, np.zeros_like(points))
    moved = np.einsum("ij,j...->i...", transform.linear[:-1, :-1], _on_average(vectors))
    return SpatialTransform(inverse, DenseField(grid, moved.astype(np.float32)))
