"""From any image to what the networks see: normalized intensities on the networks' grid.

Nothing depends on how the voxels are stored (flipped or permuted axes, empty planes at an end): ``core.content``.

Convention: volumes are LPS mm. The networks' background is 0, inside and outside the image's field of view.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch

from .content import content
from .grid import Grid, apply_matrix
from .layers import moving_means
from .volume import Volume
from .warp import affine_positions, sample

_STATISTICS_VOXELS = 1_000_000
FOREGROUND_FRACTION = 0.1  # of the way from the darkest to the brightest intensity


class Prepared:
    """An image and what is counted of its voxels, each once, however often it is asked for.

    Everything but ``center`` is of its ``content``. The array must not change meanwhile.
    """

    def __init__(self, volume: Volume) -> None:
        self.volume = volume

    @functools.cached_property
    def content(self) -> Volume:
        """The image's content (``content.content``)."""
        return content(self.volume)

    @functools.cached_property
    def _subset(self) -> tuple[np.ndarray, int]:
        """Every ``step``-th voxel along each axis, and ``step``."""
        array = self.content.array
        step = math.ceil(max(1.0, array.size / _STATISTICS_VOXELS) ** (1 / array.ndim))
        return array[(slice(None, None, step),) * array.ndim], step

    @functools.cached_property
    def foreground(self) -> tuple[np.ndarray, np.ndarray]:
        """Values and index positions (P, n) (x, y[, z]) in ``content`` of a subset of the voxels not of the background.

        Background is what lies in the lowest tenth between the 0.5th and the 99.5th percentile.
        """
        values, step = self._subset
        low, high = np.percentile(values, (0.5, 99.5))
        mask = values > low + FOREGROUND_FRACTION * (high - low)
        if not mask.any():
            mask = np.ones_like(mask)
        return values[mask], np.argwhere(mask)[:, ::-1] * step

    @functools.cached_property
    def center_of_mass(self) -> np.ndarray:
        """LPS mm of the foreground's centroid."""
        return self.content.grid.index_to_physical(self.foreground[1].mean(axis=0))

    def anchor(self, name: str) -> np.ndarray:
        """LPS mm of the middle of the image (``center``) or its content, or the foreground's ``center_of_mass``."""
        if name == "center_of_mass":
            return self.center_of_mass
        return (self.content if name == "content" else self.volume).grid.center

    def principal_axes(self) -> np.ndarray:
        """Axes (columns) of the foreground's second moments, longest last."""
        points = self.content.grid.index_to_physical(self.foreground[1].astype(float))
        return np.linalg.eigh(np.cov(points.T))[1]

    @functools.cached_property
    def _percentiles(self) -> tuple[float, float]:
        low = float(np.percentile(self._subset[0], 0.5))
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
        if normalization == "none":
            return resample(self.content, grid, matrix)
        low, high = self.intensity_range(normalization)
        above = resample(self.content, grid, matrix, zero=low)
        return above.div_(high - low).clamp_(max=1)


def resample(volume: Volume, grid: Grid, matrix: np.ndarray, zero: float | None = None) -> torch.Tensor:
    """Channels at matrix(x) for every x of ``grid``, (1, C, *grid.shape) float32; 0 outside.

    Finer volumes are averaged around every point, over as many voxels as the target's are wide, so nothing aliases.

    Args:
        zero: an intensity that becomes 0, as all below it does; intensities stay as they are if it is None.
    """
    widths = means_widths(volume.grid, grid)
    means, source = part_means(volume, apply_matrix(matrix, grid.corners()), widths, zero)
    total = np.linalg.inv(source.cube_to_physical()) @ matrix @ grid.cube_to_physical()
    return sample(means, affine_positions(torch.as_tensor(total, dtype=torch.float32)[None], grid.shape))


def needed(grid: Grid, points: np.ndarray, widths: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """First voxel and one past the last (x, y[, z]) of what means over ``widths`` need around LPS ``points`` (P, n).

    Two voxels at least, if there are two: between the ends of a single one, every place would lie.
    """
    index = grid.physical_to_index(points)
    size = np.asarray(grid.size)
    low = np.clip(np.floor(index.min(axis=0)).astype(int) - widths, 0, np.maximum(size - 2, 0))
    return low, np.clip(np.ceil(index.max(axis=0)).astype(int) + 1 + widths, np.minimum(low + 2, size), size)


def means_widths(fine: Grid, coarse: Grid) -> list[int]:
    """How many voxels (x, y[, z]) of ``fine`` are as wide as one of ``coarse`` at most; 1 at least."""
    return [max(1, math.floor(min(coarse.spacing) / size + 1e-6)) for size in fine.spacing]


def part_means(volume: Volume, points, widths: list[int], zero: float | None) -> tuple[torch.Tensor, Grid]:
    """Means (1, C, ...) over ``widths`` voxels (x, y[, z]) around and between the voxels; and their grid.

    Args:
        points: LPS (P, n); the means reach as far as these, and as the volume with 0 around it.
        zero: as in :func:`resample`.
    """
    low, high = needed(volume.grid, points, widths)
    part = volume.channels[(slice(None), *(slice(a, b) for a, b in zip(low[::-1], high[::-1], strict=True)))]
    values = torch.from_numpy(np.ascontiguousarray(part, dtype=np.float32))[None]
    means = moving_means(values if zero is None else (values - zero).clamp_(min=0), tuple(widths[::-1]))
    matrix = volume.grid.matrix
    matrix[:-1, -1] = volume.grid.index_to_physical(np.asarray(low) - (np.asarray(widths) - 1) / 2)
    return means, Grid.from_matrix(means.shape[:1:-1], matrix)
