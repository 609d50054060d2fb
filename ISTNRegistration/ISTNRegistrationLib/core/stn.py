"""Spatial transformer networks: two maps to transform parameters theta (paper section 2.1)."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .affine import parameter_count
from .bspline import ZERO_RING, free_shape
from .config import ModelConfig
from .grid import Grid
from .layers import average_pool, conv, zero
from .warp import sample

FEATURE_STRIDE = 4


def build_stn(config: ModelConfig, transform: str, grid: Grid, lattice: Grid) -> nn.Module:
    """The STN for a transform: maps (N, C, ...), twice, to theta, all zero (the identity) before training.

    theta is (N, P) for ``rigid`` and ``affine``, (N, n, *free) for ``bspline``: a vector per free control point.
    """
    shape, free = grid.shape, free_shape(lattice)
    inputs = 2 * config.map_channels
    if config.net.preset == "published":
        kind = PublishedBSplineSTN if transform == "bspline" else PublishedAffineSTN
        return kind(inputs, shape, free if transform == "bspline" else transform == "rigid")
    if transform == "bspline":
        return BSplineSTN(config.map_channels, config.net.stn_width, control_point_positions(grid, lattice))
    return AffineSTN(config.map_channels, shape, parameter_count(config.ndim, transform == "rigid"))


class STN(nn.Module):
    """What the maps alone decide, then what the weights make of it: refining weights repeats only the second step."""

    def forward(self, moving: torch.Tensor, fixed: torch.Tensor) -> torch.Tensor:
        """Maps (N, C, ...) to theta (N, P) or (N, n, *free)."""
        return self.decide(self.see(moving, fixed))


class AffineSTN(STN):
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

    def see(self, moving: torch.Tensor, fixed: torch.Tensor) -> torch.Tensor:
        """Maps (N, C, ...) to the moments' difference and sum (N, 2 C (moments a channel))."""
        first, second = moments(moving, self.polynomials), moments(fixed, self.polynomials)
        return torch.cat([first - second, first + second], dim=1)

    def decide(self, seen: torch.Tensor) -> torch.Tensor:
        """Moments to theta (N, P)."""
        difference = seen.chunk(2, dim=1)[0]
        return self.head(torch.cat([F.relu(self.fc(seen)), 4 * difference], dim=1))


def moment_polynomials(shape: tuple[int, ...]) -> torch.Tensor:
    """1, the coordinates in [-1, 1], and their products in pairs, at every voxel: (1 + n + n (n + 1) / 2, voxels).

    They are filled in one by one, on the CPU also where networks are built on another device: no copy is made.
    """
    n = len(shape)
    axes = torch.meshgrid(*(torch.linspace(-1, 1, size, device="cpu") for size in shape), indexing="ij")
    products = [(i, j) for i in range(n) for j in range(i, n)]
    rows = torch.ones(1 + n + len(products), *shape, device="cpu")
    for row, axis in zip(rows[1 : 1 + n], axes, strict=True):
        row.copy_(axis)
    for row, (i, j) in zip(rows[1 + n :], products, strict=True):
        torch.mul(axes[i], axes[j], out=row)
    return rows.flatten(1)


def moments(maps: torch.Tensor, polynomials: torch.Tensor) -> torch.Tensor:
    """Per channel the root of the mean, the centroid and the second moments of maps (N, C, ...), flat (N, ...)."""
    mean = maps.flatten(2).float() @ polynomials.T / polynomials.shape[1]
    mass = mean[..., :1]
    return torch.cat([mass.clamp(min=1e-8).sqrt(), mean[..., 1:] / (mass + 1e-3)], dim=-1).flatten(1)


class BSplineSTN(STN):
    """Convolutions on demons forces of both maps at two scales, read at the control points.

    A force says which way a structure's edge must move (Thirion 1998, doi:10.1016/S1361-8415(98)80022-4), so what is
    left to learn is how to smooth and scale it.
    """

    def __init__(self, channels: int, width: int, control_points: torch.Tensor) -> None:
        super().__init__()
        ndim = control_points.shape[-1]
        self.register_buffer("control_points", control_points, persistent=False)  # (1, *free, n), feature cube
        forces = 4 * ndim  # two scales, smoothed or not
        inputs = forces + 2 * channels
        self.conv1, self.conv2 = conv(ndim, inputs, width), conv(ndim, width, width)
        self.conv3 = conv(ndim, width + inputs, width)
        self.head = zero(conv(ndim, width + forces, ndim))
        self.forces = forces

    def see(self, moving: torch.Tensor, fixed: torch.Tensor) -> torch.Tensor:
        """Maps (N, C, ...) to forces (N, 4n + 2C, ...), see :func:`force_features`."""
        return force_features(moving, fixed)

    def decide(self, seen: torch.Tensor) -> torch.Tensor:
        """Forces to theta (N, n, *free).

        torch leaves small convolutions of one sample to a slow kernel: the same one twice takes a third of the time.
        """
        count = len(seen)
        seen = seen.expand(2, *seen.shape[1:]) if count == 1 else seen
        x = F.relu(self.conv2(F.relu(self.conv1(seen))))
        x = F.relu(self.conv3(torch.cat([x, seen], dim=1)))
        x = torch.cat([x, seen[:, : self.forces]], dim=1)
        where = self.control_points.expand(len(x), *self.control_points.shape[1:])
        return self.head(sample(x, where, padding="border"))[:count]


def control_point_positions(grid: Grid, lattice: Grid) -> torch.Tensor:
    """Free control points as cube positions (1, *free, n) in a map of block means over ``FEATURE_STRIDE`` voxels."""
    inner = tuple(slice(ZERO_RING, -ZERO_RING) for _ in range(grid.ndim))
    index = grid.physical_to_index(lattice.points()[inner])
    index = (index - (FEATURE_STRIDE - 1) / 2) / FEATURE_STRIDE
    size = np.maximum([s // FEATURE_STRIDE for s in grid.size], 2)
    return torch.as_tensor(2 * index / (size - 1) - 1, dtype=torch.float32)[None]


def force_features(moving: torch.Tensor, fixed: torch.Tensor) -> torch.Tensor:
    """Forces (voxels of their scale), then difference and sum of the maps, at ``FEATURE_STRIDE``; (N, 4n + 2C, ...)."""
    half = [average_pool(maps.float(), FEATURE_STRIDE // 2) for maps in (moving, fixed)]
    quarter = [average_pool(maps, 2) for maps in half]
    fine = [average_pool(part, 2) for part in _force_parts(*half)]
    features = []
    for push, stiffness in (fine, _force_parts(*quarter)):
        features += [_smooth(push) / (_smooth(stiffness) + 1e-3), push / (stiffness + 1e-2)]
    return torch.cat([*features, quarter[0] - quarter[1], quarter[0] + quarter[1]], dim=1)


def _force_parts(moving: torch.Tensor, fixed: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Numerator (N, n, ...) and denominator (N, 1, ...) of the demons force, summed over the channels."""
    gradient = _gradient((moving + fixed) / 2)  # (N, n, C, ...)
    difference = (fixed - moving)[:, None]
    push = (gradient * difference).sum(dim=2)
    stiffness = gradient.square().sum(dim=(1, 2)) + 0.5 * difference.square().sum(dim=(1, 2))
    return push, stiffness[:, None]


def _gradient(maps: torch.Tensor) -> torch.Tensor:
    """Central differences along x, y[, z], zero at the border: (N, n, C, ...)."""
    parts = []
    for axis in range(maps.ndim - 1, 1, -1):
        inner = maps.narrow(axis, 2, maps.shape[axis] - 2) - maps.narrow(axis, 0, maps.shape[axis] - 2)
        parts.append(F.pad(inner / 2, [0, 0] * (maps.ndim - 1 - axis) + [1, 1]))
    return torch.stack(parts, dim=1)


def _smooth(maps: torch.Tensor) -> torch.Tensor:
    """Mean over 5 voxels along each axis, fewer where there are not so many."""
    pool = F.avg_pool2d if maps.ndim == 4 else F.avg_pool3d
    kernel = [min(5, size - 1 + size % 2) for size in maps.shape[2:]]
    return pool(maps, kernel, stride=1, padding=[k // 2 for k in kernel])


class PublishedFeatures(STN):
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

    def see(self, moving: torch.Tensor, fixed: torch.Tensor) -> torch.Tensor:
        """Both maps as channels, (N, 2C, ...)."""
        return torch.cat([moving, fixed], dim=1)

    def features(self, seen: torch.Tensor) -> torch.Tensor:
        """Maps as channels to flat features (N, count)."""
        x = seen
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

    def decide(self, seen: torch.Tensor) -> torch.Tensor:
        """Maps as channels to theta (N, P)."""
        x = F.relu(self.fc(self.features(seen)))
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

    def decide(self, seen: torch.Tensor) -> torch.Tensor:
        """Maps as channels to theta (N, n, *free)."""
        return self.fc(self.features(seen)).view(-1, *self.output)
