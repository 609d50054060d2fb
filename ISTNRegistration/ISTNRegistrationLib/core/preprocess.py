"""From any image to what the networks see: normalised intensities on the networks' grid.

Convention: volumes are LPS mm. The networks' background is 0, inside and outside the image's field of view.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from .grid import Grid
from .layers import average_pool
from .volume import Volume
from .warp import affine_positions, sample

_STATISTICS_VOXELS = 1_000_000
FOREGROUND_FRACTION = 0.1  # of the way from the darkest to the brightest intensity


def foreground(volume: Volume) -> tuple[np.ndarray, np.ndarray]:
    """Values and index positions (P, n) (x, y[, z]) of a regular subset of the voxels that are not background.

    Background is what lies in the lowest tenth between the 0.5th and the 99.5th percentile.
    """
    step = max(1, math.ceil((volume.array.size / _STATISTICS_VOXELS) ** (1 / volume.grid.ndim)))
    values = volume.array[(slice(None, None, step),) * volume.grid.ndim]
    low, high = np.percentile(values, (0.5, 99.5))
    mask = values > low + FOREGROUND_FRACTION * (high - low)
    if not mask.any():
        mask = np.ones_like(mask)
    return values[mask], np.argwhere(mask)[:, ::-1] * step


def anchor_point(volume: Volume, anchor: str) -> np.ndarray:
    """LPS mm of the image's middle (``center``) or of its foreground's centroid (``center_of_mass``)."""
    if anchor == "center":
        return volume.grid.center
    return volume.grid.index_to_physical(foreground(volume)[1].mean(axis=0))


def intensity_range(volume: Volume, normalization: str) -> tuple[float, float]:
    """Intensities that become 0 and 1: the image's 0.5th percentile, its foreground's 99.5th (0 and 1 for `none`)."""
    if normalization == "none":
        return 0.0, 1.0
    step = max(1, volume.array.size // _STATISTICS_VOXELS)
    low = float(np.percentile(volume.array.reshape(-1)[::step], 0.5))
    high = float(np.percentile(foreground(volume)[0], 99.5))
    return low, high if high > low else low + 1.0


def network_input(volume: Volume, grid: Grid, matrix: np.ndarray, normalization: str) -> torch.Tensor:
    """The image at matrix(x) for every x of ``grid``, intensities normalised and cut to [0, 1]; (1, 1, *grid.shape).

    Args:
        matrix: fixed → moving (n+1, n+1), LPS mm; the identity for the fixed image.
    """
    low, high = intensity_range(volume, normalization)
    resampled = resample(volume, grid, matrix, background=low)
    return ((resampled - low) / (high - low)).clamp_(0, 1) if normalization != "none" else resampled


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
