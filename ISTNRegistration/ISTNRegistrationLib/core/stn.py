"""Spatial transformer networks: two maps to transform parameters theta (paper section 2.1)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from .affine import parameter_count
from .config import ModelConfig
from .layers import average_pool, conv, resize, zero


def build_stn(config: ModelConfig, transform: str, free: tuple[int, ...]) -> nn.Module:
    """The STN for a transform: maps (N, C, ...), twice, to theta, all zero (the identity) before training.

    theta is (N, P) for ``rigid`` and ``affine``, (N, n, *free) for ``bspline`` with ``free`` control points.
    """
    shape = config.grid.size[::-1]
    inputs = 2 * config.map_channels
    if config.net.preset == "published":
        kind = PublishedBSplineSTN if transform == "bspline" else PublishedAffineSTN
        return kind(inputs, shape, free if transform == "bspline" else transform == "rigid")
    if transform == "bspline":
        return BSplineSTN(inputs, config.net.stn_widths, free)
    return AffineSTN(config.map_channels, shape, parameter_count(config.ndim, transform == "rigid"))


class Encoder(nn.Module):
    """Strided convolutions; returns the features of every level, finest first."""

    def __init__(self, ndim: int, inputs: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        sizes = zip((inputs, *widths[:-1]), widths, strict=True)
        self.levels = nn.ModuleList(conv(ndim, i, w, stride=2) for i, w in sizes)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Input (N, C, ...) to one tensor per level."""
        features = []
        for level in self.levels:
            x = F.relu(level(x))
            features.append(x)
        return features


class AffineSTN(nn.Module):
    """Two dense layers on the difference and the sum of both maps' moments, and a straight way for the difference.

    An affine transform of a map changes its mass, centroid and second moments in a known way, so what is left to learn
    is nearly linear, and few training pairs suffice.
    """

    def __init__(self, channels: int, shape: tuple[int, ...], outputs: int, hidden: int = 64) -> None:
        super().__init__()
        self.register_buffer("polynomials", moment_polynomials(shape), persistent=False)
        count = channels * len(self.polynomials)
        self.fc = nn.Linear(2 * count, hidden)
        self.head = zero(nn.Linear(hidden + count, outputs))

    def forward(self, moving: torch.Tensor, fixed: torch.Tensor) -> torch.Tensor:
        """Maps (N, C, ...) to theta (N, P)."""
        first, second = moments(moving, self.polynomials), moments(fixed, self.polynomials)
        difference = first - second
        mixed = F.relu(self.fc(torch.cat([difference, first + second], dim=1)))
        return self.head(torch.cat([mixed, 4 * difference], dim=1))


def moment_polynomials(shape: tuple[int, ...]) -> torch.Tensor:
    """1, the coordinates in [-1, 1], and their products in pairs, at every voxel: (1 + n + n (n + 1) / 2, voxels)."""
    axes = torch.meshgrid(*(torch.linspace(-1, 1, size) for size in shape), indexing="ij")
    products = [axes[i] * axes[j] for i in range(len(shape)) for j in range(i, len(shape))]
    return torch.stack([torch.ones(shape), *axes, *products]).flatten(1)


def moments(maps: torch.Tensor, polynomials: torch.Tensor) -> torch.Tensor:
    """Per channel the root of the mean, the centroid and the second moments of maps (N, C, ...), flat (N, ...)."""
    mean = maps.flatten(2).float() @ polynomials.T / polynomials.shape[1]
    mass = mean[..., :1]
    return torch.cat([mass.clamp(min=1e-8).sqrt(), mean[..., 1:] / (mass + 1e-3)], dim=-1).flatten(1)


class BSplineSTN(nn.Module):
    """Convolutional all the way: encoder, one step back up, then features read at the control points."""

    def __init__(self, inputs: int, widths: tuple[int, ...], free: tuple[int, ...]) -> None:
        super().__init__()
        ndim = len(free)
        self.free = free
        self.encoder = Encoder(ndim, inputs, widths)
        self.merge = conv(ndim, widths[-1] + widths[-2], widths[-1])
        self.mix = conv(ndim, widths[-1], widths[-1])
        self.head = zero(conv(ndim, widths[-1], ndim))

    def forward(self, moving: torch.Tensor, fixed: torch.Tensor) -> torch.Tensor:
        """Maps (N, C, ...) to theta (N, n, *free)."""
        *_, fine, coarse = self.encoder(torch.cat([moving, fixed], dim=1))
        x = F.relu(self.merge(torch.cat([resize(coarse, fine.shape[2:]), fine], dim=1)))
        return self.head(F.relu(self.mix(resize(x, self.free))))


class PublishedFeatures(nn.Module):
    """The three 5-wide convolutions and poolings of the published STNs (pymira/nets/stn.py)."""

    def __init__(self, inputs: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        ndim = len(shape)
        self.conv1 = conv(ndim, inputs, 8, kernel=5, padding=0)
        self.conv2 = conv(ndim, 8, 16, kernel=5, padding=0)
        self.conv3 = conv(ndim, 16, 32, kernel=5, padding=0)
        self.count = 32
        for size in shape:
            for _ in range(3):
                size = (size - 4) // 2
            self.count *= size

    def features(self, moving: torch.Tensor, fixed: torch.Tensor) -> torch.Tensor:
        """Maps (N, C, ...) to flat features (N, count)."""
        x = torch.cat([moving, fixed], dim=1)
        for layer in (self.conv1, self.conv2, self.conv3):
            x = average_pool(F.relu(layer(x)), 2)
        return x.flatten(1)


class PublishedAffineSTN(PublishedFeatures):
    """Layer for layer the published affine STN; same state dict (rigid leaves out scaling and shearing)."""

    def __init__(self, inputs: int, shape: tuple[int, ...], rigid: bool) -> None:
        super().__init__(inputs, shape)
        ndim = len(shape)
        turns = ndim * (ndim - 1) // 2
        self.fc = nn.Linear(self.count, 32)
        self.translation, self.rotation = zero(nn.Linear(32, ndim)), zero(nn.Linear(32, turns))
        if not rigid:
            self.scaling, self.shearing = zero(nn.Linear(32, ndim)), zero(nn.Linear(32, turns))
        self.rigid = rigid

    def forward(self, moving: torch.Tensor, fixed: torch.Tensor) -> torch.Tensor:
        """Maps (N, C, ...) to theta (N, P)."""
        x = F.relu(self.fc(self.features(moving, fixed)))
        heads = [self.translation, self.rotation] + ([] if self.rigid else [self.scaling, self.shearing])
        return torch.cat([head(x) for head in heads], dim=1)


class PublishedBSplineSTN(PublishedFeatures):
    """Layer for layer the published B-spline STN; same state dict. Its last layer starts at zero; theirs at random."""

    def __init__(self, inputs: int, shape: tuple[int, ...], free: tuple[int, ...]) -> None:
        super().__init__(inputs, shape)
        self.output = (len(free), *free)
        outputs = len(free)
        for size in free:
            outputs *= size
        self.fc = zero(nn.Linear(self.count, outputs))

    def forward(self, moving: torch.Tensor, fixed: torch.Tensor) -> torch.Tensor:
        """Maps (N, C, ...) to theta (N, n, *free)."""
        return self.fc(self.features(moving, fixed)).view(-1, *self.output)
