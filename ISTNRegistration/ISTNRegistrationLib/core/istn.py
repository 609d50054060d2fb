"""Image-and-Spatial Transformer Network: ITN and STNs with the geometry that turns theta into a warp (paper section 2).

Convention: everything here lives on the network's grid. ``linear`` are matrices (N, n+1, n+1) and ``coefficients`` free
control points (N, n, *free), fixed → moving, mm, axes LPS, zero in the middle of the grid; T(x) = linear (x + u(x)).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from . import bspline, published
from .affine import affine_matrix
from .bspline import expand
from .config import ModelConfig
from .grid import Grid
from .itn import build_itn
from .layers import memory_format
from .stn import build_stn
from .warp import affine_positions, sample


class ISTN(nn.Module):
    """One ITN (None for STN-u and STN-s), one STN per transform type."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.grid = Grid.centered((0.0,) * config.ndim, config.grid.size, config.grid.spacing)
        self.published = config.convention == "published"
        splines = published if self.published else bspline
        self.lattice = splines.lattice_for(self.grid, config.bspline.spacing_mm)
        self.itn = build_itn(config) if config.uses_itn else None
        self.stns = nn.ModuleDict({t: build_stn(config, t, self.grid, self.lattice) for t in config.transforms})
        for axis, basis in enumerate(splines.bases_on_grid(self.lattice, self.grid)):
            self.register_buffer(f"basis{axis}", basis, persistent=False)
        cube = torch.as_tensor(self.grid.cube_to_physical(), dtype=torch.float32)
        self.register_buffer("cube", cube, persistent=False)
        self.register_buffer("cube_inverse", torch.linalg.inv(cube), persistent=False)
        self.register_buffer("channel_weights", torch.ones(config.map_channels))
        self.to(memory_format=memory_format(config.ndim))

    def balance_channels(self, energies: torch.Tensor) -> None:
        """Make small structures count as much as large ones: weight 1 / energy (mean square), mean weight 1."""
        self.channel_weights.copy_((1 / energies) / (1 / energies).mean())

    def maps(self, images: torch.Tensor) -> torch.Tensor:
        """M' or F' (N, C, ...) of images (N, 1, ...); the images themselves where the method has no ITN."""
        if self.itn is None:
            return images
        layout = memory_format(self.config.ndim)
        return self.itn(images.contiguous(memory_format=layout)).float()

    def theta(self, transform: str, moving: torch.Tensor, fixed: torch.Tensor) -> torch.Tensor:
        """The STN's unbounded parameters from two maps (N, C, ...)."""
        layout = memory_format(self.config.ndim)
        return self.stns[transform](moving.contiguous(memory_format=layout), fixed.contiguous(memory_format=layout))

    def linear(self, theta: torch.Tensor) -> torch.Tensor:
        """Matrices (N, n+1, n+1) of rigid or affine theta (N, P)."""
        if self.published:
            return self.cube @ published.cube_matrix(theta, self.config.ndim) @ self.cube_inverse
        return affine_matrix(theta, self.config.ndim, self.config.affine)

    def coefficients(self, theta: torch.Tensor) -> torch.Tensor:
        """Control points' displacements (N, n, *free) in mm of B-spline theta, bounded by a scaled tanh."""
        if self.published:
            return published.control_points_mm(theta, self.grid)
        return torch.tanh(theta) * self.config.bspline.max_displacement_mm

    def predictions(self, moving_map: torch.Tensor, fixed_map: torch.Tensor):
        """Name, linear part and control points (or None) of every transform, one pass, in the model's order.

        Each starts from the linear part before it, through which no gradient flows back.
        """
        linear = identity(self, len(moving_map))
        for name in self.stns:
            warped = self.warp(moving_map, linear) if name == "bspline" else moving_map
            theta = self.theta(name, warped, fixed_map).float()
            coefficients = self.coefficients(theta) if name == "bspline" else None
            linear = linear if name == "bspline" else self.linear(theta)
            yield name, linear, coefficients
            linear = linear.detach()

    def warp(self, maps: torch.Tensor, linear: torch.Tensor, coefficients: torch.Tensor | None = None) -> torch.Tensor:
        """Maps (N, C, ...) at T(x) for every x of the grid; zero outside."""
        return sample(maps, self.positions(linear, coefficients))

    def positions(self, linear: torch.Tensor, coefficients: torch.Tensor | None = None) -> torch.Tensor:
        """T(x) as cube positions (N, *shape, n)."""
        matrix = self.cube_inverse @ linear @ self.cube
        positions = affine_positions(matrix, self.grid.shape)
        if coefficients is None:
            return positions
        return positions + self.cube_field(linear, coefficients)

    def cube_field(self, linear: torch.Tensor, coefficients: torch.Tensor) -> torch.Tensor:
        """What u(x) adds to the cube positions: linear part times u, (N, *shape, n)."""
        to_cube = (self.cube_inverse @ linear)[:, :-1, :-1]
        moved = torch.einsum("nij,nj...->ni...", to_cube, coefficients)
        return expand(moved, [getattr(self, f"basis{axis}") for axis in range(self.config.ndim)])


def identity(model: ISTN, count: int = 1) -> torch.Tensor:
    """Identity matrices (count, n+1, n+1) on the model's device."""
    return torch.eye(model.config.ndim + 1, device=model.cube.device).expand(count, -1, -1)


def as_numpy(tensor: torch.Tensor) -> np.ndarray:
    """First of a batch as a float64 array."""
    return tensor.detach()[0].double().cpu().numpy()
