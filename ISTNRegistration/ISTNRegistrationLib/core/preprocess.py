"""From any image to what the networks see: normalized intensities on the networks' grid.

Convention: volumes are LPS mm. The networks' background is 0, inside and outside the image's field of view.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch

from .grid import Grid
from .layers import average_pool
from .volume import Volume
from .warp import affine_positions, sample

_STATISTICS_VOXELS = 1_000_000
FOREGROUND_FRACTION = 0.1  # of the way from the darkest to the brightest intensity


class Prepared:
    """An image and what is counted of its voxels, each once, however often it is asked for.

    The array must not change meanwhile.
    """

    def __init__(self, volume: Volume) -> None:
        self.volume = volume

    @functools.cached_property
    def foreground(self) -> tuple[np.ndarray, np.ndarray]:
        """Values and index positions (P, n) (x, y[, z]) of a regular subset of the voxels that are not background.

        Background is what lies in the lowest tenth between the 0.5th and the 99.5th percentile.
        """
        array, ndim = self.volume.array, self.volume.grid.ndim
        step = max(1, math.ceil((array.size / _STATISTICS_VOXELS) ** (1 / ndim)))
        values = array[(slice(None, None, step),) * ndim]
        low, high = np.percentile(values, (0.5, 99.5))
        mask = values > low + FOREGROUND_FRACTION * (high - low)
        if not mask.any():
            mask = np.ones_like(mask)
        return values[mask], np.argwhere(mask)[:, ::-1] * step

    @functools.cached_property
    def center_of_mass(self) -> np.ndarray:
        """LPS mm of the foreground's centroid."""
        return self.volume.grid.index_to_physical(self.foreground[1].mean(axis=0))

    def anchor(self, name: str) -> np.ndarray:
        """LPS mm of the image's middle (``center``) or of its foreground's centroid (``center_of_mass``)."""
        return self.volume.grid.center if name == "center" else self.center_of_mass

    def principal_axes(self) -> np.ndarray:
        """Axes (columns) of the foreground's second moments, longest last."""
        points = self.volume.grid.index_to_physical(self.foreground[1].astype(float))
        return np.linalg.eigh(np.cov(points.T))[1]

    @functools.cached_property
    def _percentiles(self) -> tuple[float, float]:
        step = max(1, self.volume.array.size // _STATISTICS_VOXELS)
        low = float(np.percentile(self.volume.array.reshape(-1)[::step], 0.5))
        high = float(np.percentile(self.foreground[0], 99.5))
        return low, high if high > low else low + 1.0

    def intensity_range(self, normalization: str) -> tuple[float, float]:
        """Intensities that become 0 and 1: the 0.5th percentile, the foreground's 99.5th (0 and 1 for `none`)."""
        return (0.0, 1.0) if normalization == "none" else self._percentiles

    def network_input(self, grid: Grid, matrix: np.ndarray, normalization: str) -> torch.Tensor:
        """The image at matrix(x) for every x of ``grid``, intensities normalized and cut to [0, 1]; (1, 1, *shape).

        Args:
            matrix: fixed → moving (n+1, n+1), LPS mm; the identity for the fixed image.
        """
        low, high = self.intensity_range(normalization)
        resampled = resample(self.volume, grid, matrix, background=low)
        return ((resampled - low) / (high - low)).clamp_(0, 1) if normalization != "none" else resampled


def anchor_point(volume: Volume, anchor: str) -> np.ndarray:
    """``Prepared.anchor`` of an image that is used once."""
    return Prepared(volume).anchor(anchor)


def intensity_range(volume: Volume, normalization: str) -> tuple[float, float]:
    """``Prepared.intensity_range`` of an image that is used once."""
    return Prepared(volume).intensity_range(normalization)


def network_input(volume: Volume, grid: Grid, matrix: np.ndarray, normalization: str) -> torch.Tensor:
    """``Prepared.network_input`` of an image that is used once."""
    return Prepared(volume).network_input(grid, matrix, normalization)


def resample(volume: Volume, grid: Grid, matrix: np.ndarray, background: float = 0.0) -> torch.Tensor:
    """Channels at matrix(x) for every x of ``grid``, (1, C, *grid.shape) float32, ``background`` outside.

    Finer volumes are first averaged over blocks of voxels, at most as large as the target's, so that nothing aliases.
    """
    factor = [max(1, math.floor(min(grid.spacing) / s + 1e-6)) for s in volume.grid.spacing]
    factor = [min(f, s) for f, s in zip(factor, volume.grid.size, strict=True)]
    blocks, source = _block_means(volume, factor)
    total = np.linalg.inv(source.cube_to_physical()) @ matrix @ grid.cube_to_physical()
    positions = affine_positions(torch.as_tensor(total, dtype=torch.float32)[None], grid.shape)
    return sample(blocks - background, positions) + background


def _block_means(volume: Volume, factor: list[int]) -> tuple[torch.Tensor, Grid]:
    """Means (1, C, ...) over blocks of ``factor`` (x, y[, z]) voxels, and the grid of the blocks' middles."""
    values = torch.from_numpy(np.ascontiguousarray(volume.channels, dtype=np.float32))[None]
    if max(factor) == 1:
        return values, volume.grid
    pooled = average_pool(values, tuple(factor[::-1]))
    matrix = volume.grid.matrix
    matrix[:-1, -1] = volume.grid.index_to_physical((np.asarray(factor) - 1) / 2)
    matrix[:-1, :-1] *= factor
    return pooled, Grid.from_matrix(pooled.shape[:1:-1], matrix)
