"""The answer of a registration: where each fixed point lies in the moving image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .grid import Grid, apply_matrix


@dataclass(frozen=True, eq=False)
class BSplineField:
    """Cubic B-spline displacement field.

    Convention: ``grid`` places the control points (LPS mm); ``coefficients`` are (n, [D, ]H, W) displacements in LPS
    mm, vector order x, y[, z]. The three outermost layers of control points are zero, so that the field fades to zero,
    with two continuous derivatives, at the border of its domain (control points 1 to N - 2 of each axis); outside it is
    zero. ITK and VTK differ outside the domain; with the fading they agree.
    """

    grid: Grid
    coefficients: np.ndarray

    def displacement(self, points) -> np.ndarray:
        """Displacement (..., n) in LPS mm at points (..., n) in LPS mm."""
        from .bspline import field_at_points

        return field_at_points(self.coefficients, self.grid, points)

    def on_grid(self, grid: Grid) -> np.ndarray:
        """Displacement (*grid.shape, n) in LPS mm at every voxel of ``grid``; fast where the axes are parallel."""
        from .bspline import field_on_grid

        return field_on_grid(self.coefficients, self.grid, grid)


@dataclass(frozen=True, eq=False)
class DenseField:
    """Displacement field u on the voxels of a grid, linear in between: the answer of the dense stage.

    Convention: ``vectors`` are (n, [D, ]H, W) displacements in LPS mm, vector order x, y[, z]; the outermost layer of
    voxels is zero and so is everything outside: ITK's displacement field and VTK's grid transform agree on it.
    """

    grid: Grid
    vectors: np.ndarray

    def displacement(self, points) -> np.ndarray:
        """Displacement (..., n) in LPS mm at points (..., n) in LPS mm."""
        from .dense_field import field_at_points

        return field_at_points(self, points)

    def map_points(self, points) -> np.ndarray:
        """x + u(x) for points (..., n) in LPS mm."""
        return np.asarray(points, dtype=float) + self.displacement(points)

    def on_grid(self, grid: Grid) -> np.ndarray:
        """Displacement (*grid.shape, n) in LPS mm at every voxel of ``grid``."""
        from .dense_field import field_on_grid

        return field_on_grid(self, grid)

    def inverse(self, factor: int = 2) -> DenseField:
        """The field v with y + v(y) + u(y + v(y)) = y, on a grid ``factor`` times as fine; u must not fold.

        The inverse of a field that is linear between voxels is not linear between them: hence the finer voxels.
        """
        from .dense_field import inverse_field

        return inverse_field(self, factor)


@dataclass(frozen=True, eq=False)
class SpatialTransform:
    """x -> linear (x + u(x)), from fixed to moving points, LPS mm (ITK's direction; *from parent* in MRML).

    ``linear`` is the (n+1, n+1) matrix ``fixedToMoving_LPS``; ``residual`` is u, a BSplineField or a
    DenseField, None for a linear transform.
    """

    linear: np.ndarray
    residual: Any = None

    @property
    def ndim(self) -> int:
        return self.linear.shape[0] - 1

    def map_points(self, points) -> np.ndarray:
        """Fixed points (..., n) to moving points (..., n), LPS mm."""
        points = np.asarray(points, dtype=float)
        if self.residual is not None:
            points = points + self.residual.displacement(points)
        return apply_matrix(self.linear, points)

    def displacement(self, grid: Grid) -> np.ndarray:
        """Total displacement T(x) - x at every voxel of ``grid``, (*grid.shape, n) float64, LPS mm."""
        points = grid.points()
        moved = points if self.residual is None else points + self.residual.on_grid(grid)
        return apply_matrix(self.linear, moved) - points
