"""How a synthesized image gets its looks: bias, resolution, noise, range, field of view; curves for real images.

All of it in torch on the networks' grid, 2-D and 3-D; every draw comes from the generator that is handed in.
Sources: Billot et al. 2023 (SynthSeg, doi:10.1016/j.media.2023.102789, section 3.2).
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F

from .preprocess import FOREGROUND_FRACTION

LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}
BIAS_POINTS = 4  # a side, of the coarse lattice that a bias field is interpolated from
MOST_KNOTS = 5  # more would draw rings into tissue that a bias field shades
_SIGMA_OF_WIDTH = 1 / 2.355  # standard deviation of a Gaussian of full width 1 at half of its height
_STATISTICS_VOXELS = 40_000


def white_noise(shape: tuple[int, ...], rng: np.random.Generator) -> torch.Tensor:
    """Standard normal numbers of ``shape``."""
    return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))


def with_bias(image: torch.Tensor, strength: float, rng: np.random.Generator) -> torch.Tensor:
    """Image (1, 1, ...) times exp of a smooth random field with standard deviation ``strength`` at its lattice."""
    field = white_noise((1, 1, *[BIAS_POINTS] * (image.ndim - 2)), rng) * strength
    smooth = F.interpolate(field, size=image.shape[2:], mode=LINEAR[image.ndim - 2], align_corners=True)
    return image * smooth.exp()


def at_resolution(image: torch.Tensor, voxels: list[float]) -> torch.Tensor:
    """Image (1, 1, ...) as if its voxels had been so many voxels wide (array order), interpolated back linearly.

    First and last voxels stay where they are, so that nothing moves.
    """
    for axis, width in enumerate(voxels):
        if width > 1:
            image = _blurred(image, axis, width * _SIGMA_OF_WIDTH)
    shape = image.shape[2:]
    coarse = [max(2, round((n - 1) / max(1.0, width)) + 1) for n, width in zip(shape, voxels, strict=True)]
    if tuple(coarse) == tuple(shape):
        return image
    mode = LINEAR[len(shape)]
    taken = F.interpolate(image, size=coarse, mode=mode, align_corners=True)
    return F.interpolate(taken, size=shape, mode=mode, align_corners=True)


def _blurred(image: torch.Tensor, axis: int, sigma: float) -> torch.Tensor:
    """Gaussian along one axis of the array; the border is repeated."""
    radius = max(1, math.ceil(2.5 * sigma))
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2)
    lines = image.movedim(2 + axis, -1)
    flat = F.pad(lines.reshape(-1, 1, lines.shape[-1]), (radius, radius), mode="replicate")
    return F.conv1d(flat, (kernel / kernel.sum())[None, None]).reshape(lines.shape).movedim(-1, 2 + axis)


def stretched(image: torch.Tensor) -> torch.Tensor:
    """Intensities as ``preprocess.intensity_range`` would see them: the range of what is not background to [0, 1]."""
    values = image.flatten()[:: max(1, image.numel() // _STATISTICS_VOXELS)]
    low, bright = torch.quantile(values, torch.tensor([0.005, 0.995])).tolist()
    inside = values[values > low + FOREGROUND_FRACTION * (bright - low)]
    high = float(torch.quantile(inside, 0.995)) if len(inside) else bright
    return ((image - low) / max(high - low, 1e-6)).clamp(0, 1)


def cut(image: torch.Tensor, share: float, rng: np.random.Generator) -> torch.Tensor:
    """Image (1, 1, ...) dark beyond a plane across a random axis; at most ``share`` of the view is lost."""
    axis, first = 2 + int(rng.integers(image.ndim - 2)), rng.random() < 0.5
    size = image.shape[axis]
    lost = round(size * share * rng.random())
    kept = torch.arange(size) >= lost if first else torch.arange(size) < size - lost
    return image * kept.reshape([-1 if a == axis else 1 for a in range(image.ndim)])


def recolored(image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """A real image (1, 1, ...), background 0, under a random curve, monotone or not; the background stays 0."""
    knots = torch.from_numpy(rng.random(int(rng.integers(2, MOST_KNOTS + 1)), dtype=np.float32))
    place = image.clamp(0, 1) * (len(knots) - 1)
    below = place.floor().clamp(max=len(knots) - 2)
    lower, upper = knots[below.long()], knots[below.long() + 1]
    return (lower + (upper - lower) * (place - below)) * (image > 0)
