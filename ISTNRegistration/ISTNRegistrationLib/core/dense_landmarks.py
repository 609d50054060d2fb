"""Landmarks as a term of the dense stage: its value, and a force that moves all that is around a landmark with it."""

from __future__ import annotations

import numpy as np
import torch

from .dense_box import Box
from .grid import Grid
from .landmarks import LandmarkPairs
from .refine_terms import FULL_MM, LINEAR_MM, landmark_costs
from .warp import sample

SPREAD_MM = 5.0  # Gaussian by which a landmark's force is spread: narrower, and the field would have a spike there


class LandmarkTerm:
    """weight · mean of h(|T(f_i) - m_i|) / ``FULL_MM``² (``refine_terms.LandmarkPull``) in a ``Box``; LPS mm.

    Attributes:
        mm: mean distance under the field of the last call.
    """

    def __init__(self, box: Box, pairs: LandmarkPairs, weight: float) -> None:
        """``weight``: of 0 it only measures."""
        grid, self.weight, self.mm = box.grid, weight, float("nan")
        index = grid.physical_to_index(pairs.fixed)
        self.where = torch.as_tensor(2 * index / (np.asarray(grid.size) - 1) - 1).to(box.field)  # in the cube
        self.spread = [basis.to(box.field) for basis in gaussians(grid, index)]
        self.turn = torch.as_tensor(box.start.linear[:-1, :-1] @ grid.matrix[:-1, :-1]).to(box.field)
        apart = torch.as_tensor(box.start.map_points(pairs.fixed) - pairs.moving).to(box.field)
        self.apart = apart - self._at(box.field) @ self.turn.T  # so that it is exact at the start

    def __call__(self, field: torch.Tensor) -> tuple[float, torch.Tensor | float]:
        """Value and force (1, n, *shape), nearly the derivative: as if the field were constant around a landmark."""
        apart = self.apart + self._at(field) @ self.turn.T
        distances = apart.norm(dim=1)
        self.mm = float(distances.mean())
        if not self.weight:
            return 0.0, 0.0
        scale = self.weight / len(apart) / FULL_MM**2
        pull = 2 * scale * apart * (LINEAR_MM / distances.clamp(min=LINEAR_MM))[:, None]
        force = torch.einsum("pc,pi->cip", pull @ self.turn, self.spread[0])
        for basis in self.spread[1:-1]:
            force = torch.einsum("c...p,pi->c...ip", force, basis)
        return self.weight * float(landmark_costs(distances).mean()), (force @ self.spread[-1])[None]

    def _at(self, field: torch.Tensor) -> torch.Tensor:
        """Vectors (P, n) of a field (1, n, *shape), in voxels; zero outside."""
        where = self.where.reshape(1, -1, *[1] * (field.ndim - 3), field.ndim - 2)
        return sample(field, where).reshape(field.shape[1], -1).T


def gaussians(grid: Grid, index: np.ndarray) -> list[torch.Tensor]:
    """Per array axis ([z, ]y, x), (P, voxels): a Gaussian of ``SPREAD_MM`` around each of ``index`` (P, n), sum 1."""
    bases = []
    for axis in reversed(range(grid.ndim)):
        offset = (np.arange(grid.size[axis]) - index[:, axis, None]) * grid.spacing[axis]
        bases.append(torch.softmax(torch.as_tensor(-(offset**2) / (2 * SPREAD_MM**2)), dim=1))
    return bases
