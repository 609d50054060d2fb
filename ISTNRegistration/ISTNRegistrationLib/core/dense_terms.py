"""What the dense stage minimizes: terms that give their value and their force under a displacement of a box.

A force is the derivative to a small step v of T∘(id + v) at v = 0, in voxels of the box: dL/dW times the gradient of
the warped image W, so nothing but W itself is ever sampled.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from .diffeomorphism import gradient
from .lncc import LocalCorrelation
from .warp import affine_positions, sample

FAINT = 1e-3  # of the largest channel's energy: a channel with less shows nothing


class Warp:
    """A moving image or maps at T(x), for all or some voxels x of a grid."""

    def __init__(self, moving: torch.Tensor, matrix: np.ndarray, shape: tuple[int, ...], where=None) -> None:
        """Prepare what does not depend on the displacement.

        Args:
            matrix: from the cube of the grid of ``shape`` to the cube of ``moving``, (n+1, n+1).
            where: flat indices of the voxels that are asked for; all of them if None.
        """
        self.moving, self.shape, self.where = moving, shape, where
        matrix = torch.as_tensor(matrix, dtype=moving.dtype, device=moving.device)
        per_voxel = moving.new_tensor([2 / (max(s, 2) - 1) for s in reversed(shape)])
        self.turn = (matrix[:-1, :-1] * per_voxel).T
        base = affine_positions(matrix[None], shape)[0].flatten(0, -2)
        self.base = base if where is None else base[where]

    def __call__(self, field: torch.Tensor) -> torch.Tensor:
        """Values (1, C, *shape) under a displacement (1, n, *shape) in voxels; zero where nothing is asked for."""
        vectors = field[0].flatten(1)
        vectors = vectors if self.where is None else vectors.index_select(1, self.where)
        positions = self.base + vectors.T @ self.turn
        values = sample(self.moving, positions.reshape(1, -1, *[1] * (len(self.shape) - 1), len(self.shape)))
        channels = self.moving.shape[1]
        if self.where is not None:
            everywhere = values.new_zeros((channels, math.prod(self.shape)))
            everywhere[:, self.where] = values.reshape(channels, -1)
            values = everywhere
        return values.reshape(1, channels, *self.shape)


class MapTerm:
    """Σ_c w_c |M'_c∘T - F'_c|² / |F'_c|², w with a sum of ``total``: the paper's refinement, channels balanced."""

    def __init__(self, warp: Warp, fixed: torch.Tensor, weights: torch.Tensor, total: float = 1.0) -> None:
        energy = fixed.square().flatten(2).sum(dim=2)[0]
        weights = weights.to(fixed) * (energy > FAINT * energy.max())
        root = (total * weights / weights.sum().clamp(min=1e-12) / energy.clamp(min=1e-12)).sqrt()
        root = root.reshape(1, -1, *[1] * (fixed.ndim - 2))  # makes the loss a plain sum of squares
        warp.moving = warp.moving * root
        self.warp, self.fixed = warp, fixed * root
        self.slope = gradient(self.fixed)

    def __call__(self, field: torch.Tensor) -> tuple[float, torch.Tensor]:
        """Value and force (1, n, *shape); with the mean of both gradients (second order: Vercauteren et al. 2009)."""
        warped = self.warp(field)
        difference = warped - self.fixed
        slope = gradient(warped).add_(self.slope)
        return float(difference.square().sum()), (difference[:, :, None] * slope).sum(dim=1)


class ImageTerm:
    """weight · (1 - LNCC) of the images, on a grid ``factor`` (1 or 2) times as fine as the field's."""

    def __init__(self, warp: Warp, correlation: LocalCorrelation, factor: int, weight: float) -> None:
        self.warp, self.correlation, self.factor, self.weight = warp, correlation, factor, weight

    def __call__(self, field: torch.Tensor) -> tuple[float, torch.Tensor]:
        """Value and force (1, n, *shape)."""
        warped = self.warped(field)
        value, derivative = self.correlation(warped)
        force = gradient(warped)[0] * (derivative * -self.weight)
        return self.weight * (1 - value), coarser(force) * 2 if self.factor == 2 else force

    def warped(self, field: torch.Tensor) -> torch.Tensor:
        """The moving image under a displacement, (1, 1, *fine shape)."""
        return self.warp(finer(field) * 2 if self.factor == 2 else field)


def finer(field: torch.Tensor) -> torch.Tensor:
    """Linear interpolation to twice as many voxels per axis, less one: the old ones and their middles."""
    for axis in range(2, field.ndim):
        size = field.shape[axis]
        result = field.new_empty((*field.shape[:axis], 2 * size - 1, *field.shape[axis + 1 :]))
        first, second = field.narrow(axis, 0, size - 1), field.narrow(axis, 1, size - 1)
        result[_every_second(axis, 0)] = field
        result[_every_second(axis, 1)] = (first + second) / 2
        field = result
    return field


def coarser(force: torch.Tensor) -> torch.Tensor:
    """The transpose of :func:`finer`: what a force on the fine voxels is to the coarse ones."""
    for axis in range(2, force.ndim):
        result = force[_every_second(axis, 0)].clone()
        middles = force[_every_second(axis, 1)] / 2
        result.narrow(axis, 0, middles.shape[axis]).add_(middles)
        result.narrow(axis, 1, middles.shape[axis]).add_(middles)
        force = result
    return force


def _every_second(axis: int, start: int) -> tuple[slice, ...]:
    """Index of every second element along an axis."""
    return (*[slice(None)] * axis, slice(start, None, 2))
