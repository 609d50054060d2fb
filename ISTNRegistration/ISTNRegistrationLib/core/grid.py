"""Where voxels lie in the world: the one class that knows about size, spacing, origin and direction."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Grid:
    """A regular 2-D or 3-D sampling grid in physical space.

    Convention: ``size`` and ``spacing`` are in index order (x, y[, z]); ``shape`` is the array order ([D, ]H, W).
    Physical points are LPS mm, as in ITK. ``direction`` holds the axes as *columns*, row by row.
    The cube is [-1, 1]^n with -1 and 1 at the centers of the first and last voxel (``align_corners=True``).
    """

    size: tuple[int, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[tuple[float, ...], ...]

    @classmethod
    def from_matrix(cls, size, matrix) -> Grid:
        """Grid from an index-to-LPS matrix ((n+1, n+1), mm) whose columns are orthogonal."""
        matrix = np.asarray(matrix, dtype=float)
        n = matrix.shape[0] - 1
        spacing = np.linalg.norm(matrix[:n, :n], axis=0)
        direction = matrix[:n, :n] / spacing
        return cls(
            tuple(int(s) for s in size),
            tuple(spacing.tolist()),
            tuple(matrix[:n, n].tolist()),
            tuple(tuple(row) for row in direction.tolist()),
        )

    @classmethod
    def centered(cls, center, size, spacing, direction=None) -> Grid:
        """Grid of ``size`` voxels of ``spacing`` mm, middle at ``center`` (LPS mm); axes along LPS unless given."""
        n = len(size)
        direction = np.eye(n) if direction is None else np.asarray(direction, dtype=float)
        matrix = np.eye(n + 1)
        matrix[:n, :n] = direction * np.asarray(spacing, dtype=float)
        matrix[:n, n] = np.asarray(center, dtype=float) - matrix[:n, :n] @ ((np.asarray(size) - 1) / 2)
        return cls.from_matrix(size, matrix)

    @property
    def ndim(self) -> int:
        return len(self.size)

    @property
    def shape(self) -> tuple[int, ...]:
        """Array shape ([D, ]H, W): ``size`` reversed."""
        return self.size[::-1]

    @property
    def matrix(self) -> np.ndarray:
        """Index (x, y[, z]) to LPS mm, (n+1, n+1)."""
        n = self.ndim
        matrix = np.eye(n + 1)
        matrix[:n, :n] = np.asarray(self.direction) * np.asarray(self.spacing)
        matrix[:n, n] = self.origin
        return matrix

    @property
    def center(self) -> np.ndarray:
        """LPS mm of the middle of the grid."""
        return self.index_to_physical((np.asarray(self.size, dtype=float) - 1) / 2)

    def index_to_physical(self, index) -> np.ndarray:
        """Continuous indices (..., n) to LPS mm (..., n)."""
        return apply_matrix(self.matrix, index)

    def physical_to_index(self, points) -> np.ndarray:
        """LPS mm (..., n) to continuous indices (..., n)."""
        return apply_matrix(np.linalg.inv(self.matrix), points)

    def cube_to_physical(self) -> np.ndarray:
        """Matrix (n+1, n+1) from the cube [-1, 1]^n (x first) to LPS mm; an axis of one voxel counts as two."""
        half = (np.maximum(np.asarray(self.size), 2) - 1) / 2
        to_index = np.diag(np.append(half, 1.0))
        to_index[:-1, -1] = (np.asarray(self.size) - 1) / 2
        return self.matrix @ to_index

    def points(self) -> np.ndarray:
        """LPS mm of every voxel center, (*shape, n)."""
        index = np.stack(np.meshgrid(*(np.arange(s) for s in self.shape), indexing="ij")[::-1], axis=-1)
        return self.index_to_physical(index.astype(float))

    def spread_points(self, low, high, count: int) -> np.ndarray:
        """LPS mm of ``count`` points along each axis from index ``low`` to ``high`` (x, y[, z]), (count^n, n)."""
        axes = [np.linspace(a, b, count) for a, b in zip(low, high, strict=True)]
        return self.index_to_physical(np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, self.ndim))

    def corners(self, margin: float = 0.0) -> np.ndarray:
        """LPS mm of the corner voxels' centers, or of points ``margin`` voxels beyond them, (2^n, n)."""
        last = np.asarray(self.size) - 1
        return self.spread_points([-margin] * self.ndim, last + margin, count=2)

    def shows(self, index: np.ndarray) -> np.ndarray:
        """Whether index positions (..., n) (x, y[, z]) lie in a voxel of the grid, (...) bool."""
        return ((index >= -0.5) & (index <= np.asarray(self.size) - 0.5)).all(axis=-1)

    def axes_along_lps(self) -> tuple[int, ...]:
        """For each axis of LPS the one of the grid that is nearest to it, each once."""
        cosines = np.abs(np.asarray(self.direction))
        orders = itertools.permutations(range(self.ndim))
        return max(orders, key=lambda axes: sum(cosines[row, axis] for row, axis in enumerate(axes)))

    def rows(self, start: int, stop: int) -> Grid:
        """Rows ``start`` to ``stop`` of the first array axis, where they lie: for work slab by slab."""
        first = np.zeros(self.ndim)
        first[-1] = start
        matrix = self.matrix
        matrix[:-1, -1] = self.index_to_physical(first)
        return Grid.from_matrix((*self.size[:-1], stop - start), matrix)

    def moved(self, rigid) -> Grid:
        """This grid carried along by a rigid matrix ((n+1, n+1), LPS mm)."""
        return Grid.from_matrix(self.size, np.asarray(rigid) @ self.matrix)


def apply_matrix(matrix, points) -> np.ndarray:
    """Map points (..., n) by a homogeneous matrix (n+1, n+1)."""
    matrix, points = np.asarray(matrix, dtype=float), np.asarray(points, dtype=float)
    return points @ matrix[:-1, :-1].T + matrix[:-1, -1]
