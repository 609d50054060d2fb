"""The published code's own transforms (biomedia-mira/istn, pymira/nets/stn.py), where they differ from the paper.

With the convention ``published`` a model's theta means what it means there; a converted checkpoint registers as it did.
Convention: everything is in the cube [-1, 1] of the networks' grid (x, y[, z]; align_corners=True, as torch 1.1 did),
fixed → moving. Rotations in this cube are rotations in mm only where the grid is a cube.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from .affine import plane_rotation
from .bspline import ZERO_RING
from .errors import InputError
from .grid import Grid

TRANSLATION = 0.1  # of half the grid
LOG_SCALE = 0.2
ANGLE = math.pi / 4
DISPLACEMENT = 0.2  # of half the grid, for every control point


def cube_matrix(theta: torch.Tensor, ndim: int) -> torch.Tensor:
    """Matrices (N, n+1, n+1) in the cube from theta (N, P): T = S D_s Sᵀ R M, where equation (3) has M R S⁻¹ D_s S.

    ``theta`` holds translation, rotation, log scale and shear before their tanh. In 3-D rotations are R_z R_x R_z and
    shears R_x R_y R_z; a rigid theta leaves out scale and shear.
    """
    bounded = torch.tanh(theta)
    turns = ndim * (ndim - 1) // 2
    translation = bounded[:, :ndim] * TRANSLATION
    linear = _turned(bounded[:, ndim : ndim + turns] * ANGLE, "zxz")
    if theta.shape[1] > ndim + turns:
        scale = torch.exp(bounded[:, ndim + turns : 2 * ndim + turns] * LOG_SCALE)
        shear = _turned(bounded[:, 2 * ndim + turns :] * ANGLE, "xyz")
        linear = (shear * scale[:, None, :]) @ shear.transpose(1, 2) @ linear
    top = torch.cat([linear, linear @ translation[:, :, None]], dim=2)
    bottom = top.new_zeros(len(top), 1, ndim + 1)
    bottom[:, :, -1] = 1.0
    return torch.cat([top, bottom], dim=1)


def _turned(angles: torch.Tensor, axes: str) -> torch.Tensor:
    """Rotations (N, n, n): the plane's in 2-D, the product about ``axes`` in 3-D."""
    if angles.shape[1] == 1:
        return plane_rotation(angles[:, 0], 2, 0, 1)
    planes = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}
    first, second, third = (plane_rotation(angles[:, i], 3, *planes[axis]) for i, axis in enumerate(axes))
    return first @ second @ third


def control_points_mm(theta: torch.Tensor, grid: Grid) -> torch.Tensor:
    """Displacements (N, n, *free) in mm of a B-spline theta: in the cube they are 0.2 tanh(theta)."""
    half = [(size - 1) / 2 * spacing for size, spacing in zip(grid.size, grid.spacing, strict=True)]
    scale = torch.tensor(half, dtype=theta.dtype, device=theta.device)
    return torch.tanh(theta) * DISPLACEMENT * scale.reshape(1, -1, *[1] * grid.ndim)


def lattice_for(grid: Grid, spacing_mm: float) -> Grid:
    """Control points of the published B-spline: centered on the grid, or half a voxel off where that does not divide.

    Raises:
        InputError: the control points are not a whole number of voxels apart along every axis.
    """
    step = spacing_mm / np.asarray(grid.spacing)
    if not np.allclose(step, np.rint(step), atol=1e-6):
        expected, got = "a multiple of grid.spacing along every axis", f"{spacing_mm} mm of {grid.spacing}"
        raise InputError("Configuration key 'bspline.spacing_mm'", "the published B-spline has no such", expected, got)
    step, size = np.rint(step).astype(int), np.asarray(grid.size)
    inner = -(-size // step)
    excess = step * inner - (step - 1) - size
    start = np.abs(excess) // 2 * np.sign(excess) + np.remainder(excess, 2) * np.sign(excess)
    first = -start - step * (1 + ZERO_RING)  # in voxels of the grid
    matrix = grid.matrix
    matrix[:-1, -1] = grid.index_to_physical(first.astype(float))
    matrix[:-1, :-1] *= step
    return Grid.from_matrix((inner + 2 + 2 * ZERO_RING).tolist(), matrix)


def bases_on_grid(lattice: Grid, grid: Grid, dtype=torch.float32) -> list[torch.Tensor]:
    """As bspline.bases_on_grid, with the published kernel: four boxes of one control-point spacing, voxel by voxel.

    It differs from the cubic B-spline, which is what leaves the networks' grid as a transform, by a few per cent of
    the displacement at 10 voxels a control point.
    """
    bases = []
    for axis in reversed(range(grid.ndim)):
        step = round(lattice.spacing[axis] / grid.spacing[axis])
        box = np.ones(step)
        kernel = np.convolve(np.convolve(box, box), np.convolve(box, box)) / step**3
        first = round((lattice.origin[axis] - grid.origin[axis]) / grid.spacing[axis])
        control = first + step * np.arange(ZERO_RING, lattice.size[axis] - ZERO_RING)
        offset = np.arange(grid.size[axis])[:, None] - control + len(kernel) // 2
        inside = (offset >= 0) & (offset < len(kernel))
        bases.append(torch.as_tensor(kernel[offset.clip(0, len(kernel) - 1)] * inside, dtype=dtype))
    return bases
