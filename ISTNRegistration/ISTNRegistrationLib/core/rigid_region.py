"""Bodies that stay rigid in a transform that bends: each moves as its best rigid fit, and space around it follows.

As in Little, Hill and Hawkes, "Deformations incorporating rigid structures" (1997, doi:10.1006/cviu.1997.0608), the
motions of several bodies are averaged with inverse-distance weights, and the deformation fades to nothing at a body's
surface. Here the deformation is that of a registration, and the bodies' motions are the rigid ones nearest to it.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import torch

from .dense_box import part_of
from .diffeomorphism import repaired, smallest_determinants
from .errors import InputError
from .grid import Grid, apply_matrix
from .pose import procrustes
from .transform import DenseField, SpatialTransform
from .volume import Volume

BLEND_MM = 10.0  # from a body's surface to where the deformation is what it was
BLEND_PER_MM = 4.0  # more, where a body moves by more: over that many times its largest correction
MOST_POINTS = 20_000  # of a body, for its fit
SURFACE = 1e-3  # voxels: a distance that is none


@dataclass(frozen=True, eq=False)
class Bodies:
    """Rigid bodies on voxels ``low`` and on of a lattice and of its continuation.

    ``owner`` (*shape): number of the body, from 1, whose motion a voxel has, 0 elsewhere: the corners of all cells that
    hold any of a body, so that a field that is linear between voxels is rigid in all of it. ``points``: (P, n) of each.
    """

    lattice: Grid
    low: np.ndarray
    owner: np.ndarray
    points: tuple[np.ndarray, ...]


def bodies_on(labels: Volume, lattice: Grid) -> Bodies:
    """The bodies of a label map (each positive value one), on the lattice of a dense field.

    Raises:
        InputError: there is none, or two are so near that nothing lies between them on the lattice.
    """
    who, values = f"Rigid region '{labels.name}'", np.unique(labels.array[labels.array > 0]).tolist()
    if not values:
        raise InputError(who, "it shows no body", "labels above 0", "none", "Draw one, or leave it out")
    to_lattice = np.linalg.inv(lattice.matrix) @ labels.grid.matrix
    half = np.abs(to_lattice[:-1, :-1]).sum(axis=1) / 2  # of a voxel of the label map, in those of the lattice
    voxels = [np.argwhere(labels.array == value)[:, ::-1] for value in values]
    index = [apply_matrix(to_lattice, v) for v in voxels]
    low = np.floor(np.min([i.min(axis=0) for i in index], axis=0) - half).astype(int)
    high = np.floor(np.max([i.max(axis=0) for i in index], axis=0) + half).astype(int) + 2
    owner = np.zeros((high - low)[::-1], int)
    for number, cells in enumerate(index, start=1):
        corners = _corners(cells - low, half, owner.shape)
        if owner[corners].any():
            other = values[owner[corners].max() - 1]
            expected = f"two voxels of the networks' grid ({2 * max(lattice.spacing):g} mm) between two bodies"
            todo = "Make them one body, or leave more between them"
            raise InputError(who, f"{other:g} and {values[number - 1]:g} touch, or nearly", expected, "less", todo)
        owner[corners] = number
    points = tuple(labels.grid.index_to_physical(v[:: max(1, len(v) // MOST_POINTS)]) for v in voxels)
    return Bodies(lattice, low, owner, points)


def _corners(index: np.ndarray, half: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Voxels (*shape) at the corners of all cells that hold any of the boxes ``index`` ± ``half``, (P, n) and (n,)."""
    mask = np.zeros(shape, bool)
    steps = [np.linspace(-h, h, max(2, math.ceil(2 * h) + 1)) for h in half]  # no farther apart than a voxel
    for offset in itertools.product(*steps):
        mask[tuple(np.floor(index + offset).astype(int).T[::-1])] = True
    for axis in range(mask.ndim):
        along = np.moveaxis(mask, axis, 0)
        along[1:] |= along[:-1].copy()
    return mask


def keep_rigid(start: SpatialTransform, bodies: Bodies) -> SpatialTransform:
    """``start`` with each body rigid; its residual is a DenseField on the lattice.

    T' = s T + (1 - s) Σ v_b R_b: R_b is the rigid motion nearest to T in body b, s rises from 0 at the bodies to 1
    along half a cosine, v_b ∝ 1/d_b² - 1/reach² for the distances d_b. Folds outside the bodies are smoothed away.
    """
    motions, reach = _motions(start, bodies)
    margin = np.ceil(reach / np.asarray(bodies.lattice.spacing)).astype(int) + 2
    owner = np.pad(bodies.owner, [(m, m) for m in margin[::-1]])
    low = bodies.low - margin
    box = part_of(bodies.lattice, low, low + owner.shape[::-1])
    grid, at = _around(bodies.lattice, low, owner.shape, start)
    field = np.zeros((*grid.shape, grid.ndim)) if start.residual is None else start.residual.on_grid(grid)
    inverse = np.linalg.inv(start.linear)
    field[at] = _mended(_blended(field[at], [inverse @ m for m in motions], box, owner, reach), box, owner)
    return SpatialTransform(start.linear, DenseField(grid, np.moveaxis(field, -1, 0).astype(np.float32)))


def _motions(start: SpatialTransform, bodies: Bodies) -> tuple[list[np.ndarray], float]:
    """The rigid motion of each body, and in mm how far around them the deformation changes."""
    there = [start.map_points(points) for points in bodies.points]
    pairs = zip(bodies.points, there, strict=True)
    motions = [procrustes(p, q, np.ones(len(p)), mirror=False) for p, q in pairs]
    fitted = [apply_matrix(*both) for both in zip(motions, bodies.points, strict=True)]
    moved = max(np.linalg.norm(f - t, axis=1).max() for f, t in zip(fitted, there, strict=True))
    return motions, max(BLEND_MM, BLEND_PER_MM * moved)


def _blended(field: np.ndarray, motions, box: Grid, owner: np.ndarray, reach: float) -> np.ndarray:
    """The residual (*shape, n) mm where bodies move by L⁻¹R and the deformation fades into that."""
    distances = [truncated_distance(owner == number + 1, box, reach) for number in range(len(motions))]
    weights = [1 / np.maximum(d, SURFACE) ** 2 - 1 / reach**2 for d in distances]
    share = (0.5 - 0.5 * np.cos(np.pi * np.min(distances, axis=0) / reach))[..., None]  # of the deformation
    total, points, rigid = np.maximum(sum(weights), 1e-30), box.points(), 0.0
    for weight, motion in zip(weights, motions, strict=True):
        rigid = rigid + (weight / total)[..., None] * (apply_matrix(motion, points) - points)
    return np.where(share < 1, share * field + (1 - share) * rigid, field)


def _around(lattice: Grid, low: np.ndarray, shape: tuple[int, ...], start: SpatialTransform) -> tuple[Grid, tuple]:
    """The part of a lattice that holds a box of it and the start's residual; and where the box is in its arrays."""
    first, last = low, low + shape[::-1]
    if start.residual is not None:
        index = lattice.physical_to_index(start.residual.grid.corners())
        first = np.minimum(first, np.floor(index.min(axis=0)).astype(int))
        last = np.maximum(last, np.ceil(index.max(axis=0)).astype(int) + 1)
    at = tuple(slice(a, a + size) for a, size in zip((low - first)[::-1], shape, strict=True))
    return part_of(lattice, first, last), at


def truncated_distance(mask: np.ndarray, grid: Grid, reach: float) -> np.ndarray:
    """Distance in mm (float64) of each voxel from the nearest one of ``mask``, at most ``reach``; exact up to there."""
    squared = np.where(mask, 0.0, reach**2)
    for axis, step in enumerate(reversed(grid.spacing)):
        before = np.moveaxis(squared, axis, 0)
        nearest = before.copy()
        for k in range(1, min(int(reach / step) + 1, len(before))):
            np.minimum(nearest[k:], before[:-k] + (k * step) ** 2, out=nearest[k:])
            np.minimum(nearest[:-k], before[k:] + (k * step) ** 2, out=nearest[:-k])
        squared = np.moveaxis(nearest, 0, axis)
    return np.sqrt(squared)


def _mended(field: np.ndarray, box: Grid, owner: np.ndarray) -> np.ndarray:
    """A residual (*shape, n) mm without folds outside the bodies; as it was, where mending them made it worse."""
    turn = box.matrix[:-1, :-1]
    voxels = torch.as_tensor(np.moveaxis(field @ np.linalg.inv(turn).T, -1, 0).copy())[None]
    free = torch.as_tensor(owner == 0).to(voxels)[None, None]
    mended = max(voxels, repaired(voxels, free=free)[0], key=lambda v: float(smallest_determinants(v).min()))
    return np.moveaxis(mended[0].numpy(), 0, -1) @ turn.T
