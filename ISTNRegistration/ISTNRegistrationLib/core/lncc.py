"""Local normalized cross-correlation of two images and its derivative, by separable box sums.

The squared correlation in a window around each voxel (Avants et al. 2008, doi:10.1016/j.media.2007.06.004), with the
exact derivative: a window's numbers depend on all of its voxels. Images are (1, 1, [D, ]H, W), intensities 0 to 1.
"""

from __future__ import annotations

import torch

NOISE = 0.005  # of the intensity range: windows with less contrast than this count as flat


def box_sums(values: torch.Tensor, radius: int) -> torch.Tensor:
    """Sums over the (2 radius + 1)^n voxels around each voxel, zeros beyond the border; (N, C, *shape)."""
    for axis in range(2, values.ndim):
        size, sums = values.shape[axis], values.clone()
        for offset in range(1, min(radius, size - 1) + 1):
            first, last = (values.narrow(axis, start, size - offset) for start in (0, offset))
            sums.narrow(axis, offset, size - offset).add_(first)
            sums.narrow(axis, 0, size - offset).add_(last)
        values = sums
    return values


class LocalCorrelation:
    """Mean squared local correlation with a fixed image, over the windows around the voxels of a mask."""

    def __init__(self, fixed: torch.Tensor, mask: torch.Tensor, radius: int) -> None:
        self.radius, self.count = radius, (2 * radius + 1) ** (fixed.ndim - 2)
        self.fixed, self.share = fixed, mask.to(fixed.dtype) / mask.sum().clamp(min=1)
        self.mean, self.variance = self._moments(fixed)

    def __call__(self, moving: torch.Tensor) -> tuple[float, torch.Tensor]:
        """The mean in [0, 1], and its derivative to every voxel of ``moving``, of the same shape."""
        mean, variance = self._moments(moving)
        covariance = box_sums(moving * self.fixed, self.radius) / self.count - mean * self.mean
        to_covariance = self.share * covariance / (self.variance * variance)  # half the derivative
        value = to_covariance * covariance
        to_variance = value / variance  # minus the derivative
        constant = box_sums(to_covariance * self.mean - to_variance * mean, self.radius)
        derivative = self.fixed * box_sums(to_covariance, self.radius) - moving * box_sums(to_variance, self.radius)
        return float(value.sum()), (derivative - constant) * (2 / self.count)

    def _moments(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and variance in the window around each voxel; the variance never below ``NOISE``²."""
        mean = box_sums(image, self.radius) / self.count
        square = box_sums(image.square(), self.radius) / self.count
        return mean, (square - mean.square()).clamp_(min=0) + NOISE**2
