"""A box in space, as Slicer's ROI: where an image counts. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .grid import Grid, apply_matrix
from .volume import Volume


@dataclass(frozen=True, eq=False)
class RoiBox:
    """A box of ``size`` (3,) in a frame of its own, zero in its middle; ``to_world`` (4, 4) leads to LPS mm.

    ``inside_out``: everything but the box. 2-D images lie in the plane z = 0, as Slicer loads them.
    """

    to_world: np.ndarray
    size: np.ndarray
    inside_out: bool = False
    name: str = "ROI"

    def mask(self, grid: Grid) -> Volume:
        """1 at the voxels whose middle is in the box (its border too), 0 elsewhere; uint8."""
        to_box, half = np.linalg.inv(self.to_world), np.asarray(self.size) / 2
        array = np.zeros(grid.shape, np.uint8)
        for row in range(grid.shape[0]):  # row by row, so that a big grid needs little memory
            points = grid.rows(row, row + 1).points()[0]
            points = np.pad(points, [(0, 0)] * (points.ndim - 1) + [(0, 3 - grid.ndim)])
            array[row] = (np.abs(apply_matrix(to_box, points)) <= half).all(axis=-1) != self.inside_out
        return Volume(array, grid, self.name)
