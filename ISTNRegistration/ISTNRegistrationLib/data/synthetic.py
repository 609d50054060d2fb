"""The paper's toy, in 2-D and 3-D: a vessel tree on a white box, where intensities align the box and not the tree.

A pair shows one tree twice, the second time under a known affine transform; the box has a transform of its own. Radii
at a bifurcation follow Murray's law, r³ = r₁³ + r₂³ (Murray 1926, doi:10.1073/pnas.12.3.207).
Convention: LPS mm, zero in the middle of the image; the same seed gives the same pair.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..core.affine import AffineBounds, affine_matrix, parameter_count
from ..core.errors import InputError
from ..core.grid import Grid, apply_matrix
from ..core.transform import SpatialTransform
from ..core.volume import Volume

WHITE, VESSEL = 200.0, 100.0  # on black
BOX = 0.42  # half its side, of the image's extent
TREE_BOUNDS = AffineBounds(translation_mm=8.0, rotation_deg=15.0, scale_ratio=1.15, shear_deg=15.0)
BOX_BOUNDS = AffineBounds(translation_mm=2.0, rotation_deg=3.0, scale_ratio=1.03, shear_deg=3.0)
MIN_SIZE = 24


@dataclass(frozen=True, eq=False)
class Tree:
    """Pieces (S, 2, n) from a first to a second end, their radii (S,), and paths from the root to every tip (K, n)."""

    pieces: np.ndarray
    radii: np.ndarray
    paths: tuple[np.ndarray, ...]

    @property
    def landmarks(self) -> np.ndarray:
        """Root, bifurcations and tips, each once, (P, n)."""
        return np.unique(self.pieces.reshape(-1, self.pieces.shape[-1]).round(9), axis=0)


@dataclass(frozen=True, eq=False)
class SyntheticScan:
    """An image with its label map (1 = vessel), landmarks (P, n) and center lines, LPS mm."""

    image: Volume
    labels: Volume
    landmarks: np.ndarray
    centerlines: tuple[np.ndarray, ...]


@dataclass(frozen=True, eq=False)
class SyntheticPair:
    """Two scans of one tree, and the transform (fixed → moving) that carries it."""

    fixed: SyntheticScan
    moving: SyntheticScan
    transform: SpatialTransform


def synthetic_pair(seed: int, ndim: int = 2, size: int = 128, spacing: float = 1.0) -> SyntheticPair:
    """A random pair on a grid of ``size`` voxels a side.

    Raises:
        InputError: not 2-D or 3-D, or a grid too small to show a tree.
    """
    if ndim not in (2, 3) or size < MIN_SIZE:
        expected = f"2 or 3 dimensions, {MIN_SIZE} voxels a side or more"
        raise InputError("Synthetic pair", "it cannot be drawn", expected, f"{ndim} dimensions, {size} voxels")
    rng = np.random.default_rng([seed, ndim, size])
    grid = Grid.centered((0.0,) * ndim, (size,) * ndim, (spacing,) * ndim)
    extent = size * spacing
    tree = grow_tree(rng, ndim, extent)
    scale = extent / 128.0  # the bounds are those of the toy's 128 mm
    carry, boxes = (_random_affine(rng, ndim, bounds, scale) for bounds in (TREE_BOUNDS, BOX_BOUNDS))
    fixed = _scan(tree, grid, np.eye(ndim + 1), np.eye(ndim + 1), rng, "fixed")
    moving = _scan(tree, grid, carry, boxes, rng, "moving")
    return SyntheticPair(fixed, moving, SpatialTransform(carry))


def grow_tree(rng: np.random.Generator, ndim: int, extent: float, levels: int = 4) -> Tree:
    """A tree that grows upwards (-y) from the middle of the box's lower side and forks ``levels`` times."""
    root = np.zeros(ndim)
    root[1] = 0.3 * extent
    up = np.zeros(ndim)
    up[1] = -1.0
    pieces, radii, paths = [], [], []
    _grow(rng, [root], up, 0.2 * extent, 0.028 * extent, levels, (pieces, radii, paths))
    return Tree(np.array(pieces), np.array(radii), tuple(np.array(path) for path in paths))


def _grow(rng, path, direction, length, radius, levels, found) -> None:
    """One piece from the path's end, then its two children."""
    pieces, radii, paths = found
    end = path[-1] + direction * length * rng.uniform(0.8, 1.1)
    pieces.append((path[-1], end))
    radii.append(radius)
    path = [*path, end]
    if levels == 1:
        paths.append(path)
        return
    share = rng.uniform(0.35, 0.65)  # of r³
    across = _perpendicular(rng, direction)
    for part, sign in ((share, 1.0), (1 - share, -1.0)):
        angle = np.deg2rad(rng.uniform(20.0, 45.0))
        turned = np.cos(angle) * direction + sign * np.sin(angle) * across
        _grow(rng, path, turned, 0.75 * length, radius * part ** (1 / 3), levels - 1, found)


def _perpendicular(rng, direction: np.ndarray) -> np.ndarray:
    """A random unit vector at right angles."""
    across = rng.normal(size=len(direction))
    across -= (across @ direction) * direction
    return across / np.linalg.norm(across)


def _random_affine(rng, ndim: int, bounds: AffineBounds, scale: float) -> np.ndarray:
    theta = np.arctanh(rng.uniform(-0.95, 0.95, parameter_count(ndim)))
    matrix = affine_matrix(torch.as_tensor(theta)[None], ndim, bounds)[0].numpy()
    matrix[:-1, -1] *= scale
    return matrix


def _scan(tree: Tree, grid: Grid, carry: np.ndarray, boxes: np.ndarray, rng, name: str) -> SyntheticScan:
    """Tree and box each under its transform: a voxel shows what lies at its preimage; edges are a voxel soft."""
    points = grid.points()
    width = grid.spacing[0]
    at_tree = apply_matrix(np.linalg.inv(carry), points)
    at_box = apply_matrix(np.linalg.inv(boxes), points)
    vessel = np.clip(0.5 - _depth(tree, at_tree) / width, 0, 1)
    extent = grid.size[0] * grid.spacing[0]
    box = np.clip(0.5 - (np.abs(at_box).max(axis=-1) - BOX * extent) / width, 0, 1)
    image = WHITE * box * (1 - vessel) + VESSEL * vessel + rng.normal(0, 2.0, grid.shape)
    return SyntheticScan(
        Volume(image.clip(0, 255).astype(np.float32), grid, name),
        Volume((vessel > 0.5).astype(np.uint8), grid, f"{name} labels"),
        apply_matrix(carry, tree.landmarks),
        tuple(apply_matrix(carry, path) for path in tree.paths),
    )


def _depth(tree: Tree, points: np.ndarray) -> np.ndarray:
    """Distance to the tree's surface, negative inside, (...)."""
    depth = np.full(points.shape[:-1], np.inf)
    for (first, second), radius in zip(tree.pieces, tree.radii, strict=True):
        along, to_point = second - first, points - first
        share = np.clip(to_point @ along / (along @ along), 0.0, 1.0)
        distance = np.linalg.norm(to_point - share[..., None] * along, axis=-1)
        np.minimum(depth, distance - radius, out=depth)
    return depth
