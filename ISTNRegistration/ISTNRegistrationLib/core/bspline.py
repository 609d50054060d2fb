"""Cubic B-spline displacement fields on a regular lattice of control points (paper section 2.1; Rueckert et al. 1999).

Convention: coefficients are mm; u(x) = sum_k c_k prod_a B(i_a(x) - k_a), with i(x) the lattice index of point x and B
the centered cubic B-spline. The lattice has the free control points and ``ZERO_RING`` layers of zeros around them.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from .grid import Grid

ZERO_RING = 3
_CHUNK_POINTS = 100_000


def lattice_for(grid: Grid, spacing_mm: float) -> Grid:
    """Lattice of control points every ``spacing_mm``, centered on ``grid``, with the ring of zeros.

    Per axis ceil(extent / spacing) + 2 control points are free, as in the published code: the grid's ends move freely.
    """
    free = [math.ceil(s * h / spacing_mm - 1e-9) + 2 for s, h in zip(grid.size, grid.spacing, strict=True)]
    size = [n + 2 * ZERO_RING for n in free]
    return Grid.centered(grid.center, size, [spacing_mm] * grid.ndim, grid.direction)


def free_shape(lattice: Grid) -> tuple[int, ...]:
    """Array shape ([D, ]H, W) of the free control points."""
    return tuple(n - 2 * ZERO_RING for n in lattice.shape)


def pad_ring(free: np.ndarray, ndim: int) -> np.ndarray:
    """Put the ring of zeros around free coefficients (n, [D, ]H, W)."""
    return np.pad(free, [(0, 0)] + [(ZERO_RING, ZERO_RING)] * ndim)


def cubic(t: np.ndarray) -> np.ndarray:
    """Centered cubic B-spline at offsets ``t`` (in control-point spacings)."""
    a = np.abs(t)
    return np.where(a < 1, 2 / 3 - a**2 + a**3 / 2, np.where(a < 2, np.clip(2 - a, 0, None) ** 3 / 6, 0.0))


def cubic_second(t: np.ndarray) -> np.ndarray:
    """Second derivative of :func:`cubic`."""
    a = np.abs(t)
    return np.where(a < 1, 3 * a - 2, np.where(a < 2, 2 - a, 0.0))


def cubic_first(t: np.ndarray) -> np.ndarray:
    """First derivative of :func:`cubic`."""
    a = np.abs(t)
    return np.sign(t) * np.where(a < 1, 1.5 * a**2 - 2 * a, np.where(a < 2, -((2 - a) ** 2) / 2, 0.0))


def bases_on_grid(lattice: Grid, grid: Grid, dtype=torch.float32) -> list[torch.Tensor]:
    """Per array axis ([z, ]y, x), the matrix (voxels, free control points) of B-spline weights.

    ``grid`` must have the lattice's axes; field = Bz ⊗ By ⊗ Bx applied to the free coefficients.
    """
    offset = lattice.physical_to_index(grid.index_to_physical(np.zeros(grid.ndim)))
    bases = []
    for axis in reversed(range(grid.ndim)):
        position = offset[axis] + np.arange(grid.size[axis]) * grid.spacing[axis] / lattice.spacing[axis]
        control = np.arange(ZERO_RING, lattice.size[axis] - ZERO_RING)
        bases.append(torch.as_tensor(cubic(position[:, None] - control), dtype=dtype))
    return bases


def bases_at_points(lattice: Grid, points: np.ndarray) -> list[torch.Tensor]:
    """Per array axis ([z, ]y, x), the matrix (P, free control points) of B-spline weights at points (P, n)."""
    index = lattice.physical_to_index(points)
    control = [np.arange(ZERO_RING, size - ZERO_RING) for size in lattice.size]
    return [torch.as_tensor(cubic(index[:, axis, None] - control[axis])) for axis in reversed(range(lattice.ndim))]


def field_of_bases(coefficients: torch.Tensor, bases: list[torch.Tensor]) -> torch.Tensor:
    """Displacement (P, n) from coefficients (1, n, [D, ]H, W) and ``bases_at_points``."""
    field = torch.tensordot(bases[0], coefficients[0].movedim(0, -1), dims=1)
    for basis in bases[1:]:
        field = torch.einsum("pk,pk...->p...", basis, field)
    return field


def expand(coefficients: torch.Tensor, bases: list[torch.Tensor]) -> torch.Tensor:
    """Separable evaluation: coefficients (N, n, [D, ]H, W), a matrix per axis, to the field (N, [D', ]H', W', n)."""
    field = coefficients.movedim(1, -1)
    for axis in reversed(range(len(bases))):  # x first: the cheapest order
        lead, tail = field.shape[: axis + 1], field.shape[axis + 2 :]
        field = bases[axis] @ field.reshape(*lead, field.shape[axis + 1], -1)
        field = field.reshape(*lead, bases[axis].shape[0], *tail)
    return field


def field_at_points(coefficients: np.ndarray, lattice: Grid, points: np.ndarray) -> np.ndarray:
    """Displacement (..., n) in mm at LPS points (..., n); zero outside the domain (control points 1 to N - 2)."""
    points = np.asarray(points, dtype=float)
    flat = lattice.physical_to_index(points.reshape(-1, lattice.ndim))
    parts = [_gather(coefficients, flat[i : i + _CHUNK_POINTS]) for i in range(0, len(flat), _CHUNK_POINTS)]
    return np.concatenate(parts).reshape(points.shape) if parts else np.zeros_like(points)


def _gather(coefficients: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Sum of the 4^n neighbors' weighted coefficients at lattice indices (P, n); zero outside the domain."""
    n, size = index.shape[1], np.asarray(coefficients.shape[:0:-1])
    inside = ((index >= 1) & (index <= size - 2)).all(axis=1)
    index = index[inside]
    first = np.clip(np.floor(index).astype(np.intp), 1, size - 3) - 1
    weights = [cubic(index - (first + k)) for k in range(4)]  # per offset (P, n)
    stride = np.cumprod([1, *size[:-1]])
    flat, first = coefficients.reshape(n, -1).T, first @ stride
    total = np.zeros(index.shape)
    for corner in np.ndindex(*([4] * n)):
        weight = np.prod([weights[k][:, axis] for axis, k in enumerate(corner)], axis=0)
        total += weight[:, None] * flat[first + int(np.dot(corner, stride))]
    result = np.zeros((len(inside), n))
    result[inside] = total
    return result


def field_on_grid(coefficients: np.ndarray, lattice: Grid, grid: Grid) -> np.ndarray:
    """Displacement (*grid.shape, n) in mm; separable, hence fast, where the axes of both are parallel."""
    turn = np.asarray(lattice.direction).T @ np.asarray(grid.direction)
    order = np.abs(turn).argmax(axis=0)  # lattice axis of each grid axis
    if not np.allclose(np.abs(turn)[order, range(grid.ndim)], 1.0, atol=1e-9):
        return field_at_points(coefficients, lattice, grid.points())
    start = lattice.physical_to_index(grid.index_to_physical(np.zeros(grid.ndim)))
    bases = [None] * grid.ndim  # per lattice array axis
    for axis, along in enumerate(order):
        step = turn[along, axis] * grid.spacing[axis] / lattice.spacing[along]
        position = start[along] + step * np.arange(grid.size[axis])
        inside = (position >= 1) & (position <= lattice.size[along] - 2)
        weights = cubic(position[:, None] - np.arange(lattice.size[along])) * inside[:, None]
        bases[grid.ndim - 1 - along] = torch.as_tensor(weights)
    field = expand(torch.as_tensor(coefficients, dtype=torch.float64)[None], bases)[0].numpy()
    lattice_axis_of = [grid.ndim - 1 - order[grid.ndim - 1 - a] for a in range(grid.ndim)]
    return field.transpose(*lattice_axis_of, grid.ndim)


def bending_energy(coefficients: torch.Tensor, spacing_mm: float) -> torch.Tensor:
    """Mean over control points of the squared second derivatives of u (mm⁻²), mixed ones twice (Rueckert 1999, eq. 3).

    Args:
        coefficients: free ones, (N, n, [D, ]H, W), mm.
    """
    n = coefficients.ndim - 2
    offsets = np.array([-1.0, 0.0, 1.0])
    kernels = [cubic(offsets), cubic_first(offsets) / spacing_mm, cubic_second(offsets) / spacing_mm**2]
    total = coefficients.new_zeros(())
    for a in range(n):
        for b in range(a, n):
            orders = [int(axis == a) + int(axis == b) for axis in range(n)]
            derivative = coefficients
            for axis, order in enumerate(orders):
                derivative = _correlate(derivative, kernels[order], axis + 2)
            total = total + (1 if a == b else 2) * derivative.square().sum(dim=1).mean()
    return total


def _correlate(values: torch.Tensor, kernel: np.ndarray, axis: int) -> torch.Tensor:
    """Three-tap filter along an axis; beyond the free control points there are zeros."""
    zero = torch.zeros_like(values.narrow(axis, 0, 1))
    padded = torch.cat([zero, values, zero], dim=axis)
    size = values.shape[axis]
    return sum(float(k) * padded.narrow(axis, i, size) for i, k in enumerate(kernel[::-1]))
