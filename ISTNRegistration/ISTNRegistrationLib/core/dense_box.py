"""Where the dense stage works: the box of the networks' grid around the structures, and its terms there."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from .dense_field import DenseField, refined
from .dense_terms import ImageTerm, MapTerm, Warp
from .diffeomorphism import repaired
from .grid import Grid, apply_matrix
from .layers import dilated
from .lncc import LocalCorrelation
from .preprocess import Prepared, means_widths, part_means
from .transform import SpatialTransform

VISIBLE = 0.05  # of the largest map value
MARGIN_MM = 8.0  # of the box around what the maps show
MOTION_MM = 10.0  # more than the stage's steps add up to (20 of 0.35 mm)
COARSE_IMAGE = 0.75  # images with voxels of less than this share of the networks' are compared on half their spacing


@dataclass(frozen=True, eq=False)
class DensePair:
    """What is registered: maps F', M' over the same points (1, C, *shape), and the images.

    ``weights`` (C,): how far each channel's maps can be trusted; equal if None, which was best on develop-val. They are
    not ``ISTN.channel_weights``: the maps' term makes small structures count as much as large ones by itself.
    ``extra``: functions of the Box that give what counts beside maps and images; ``include`` (P, n): LPS points that
    the box holds, as far as the networks' grid does.
    """

    fixed_map: torch.Tensor
    moving_map: torch.Tensor
    fixed_image: Prepared
    moving_image: Prepared
    weights: torch.Tensor | None = None
    normalization: str = "percentile"
    extra: tuple[Callable[[Box], Callable], ...] = ()
    include: np.ndarray | None = None


class Box:
    """A part of the networks' grid with a start T0(x) = linear (x + u0(x)); fields are displacements in its voxels."""

    def __init__(self, pair: DensePair, lattice: Grid, initial: np.ndarray, start: SpatialTransform) -> None:
        """``lattice``: the networks' grid in fixed space; ``initial``: the alignment through which M was read."""
        self.pair, self.lattice, self.start = pair, lattice, start
        self.linear = np.linalg.inv(initial) @ start.linear  # to where M' has the value
        whole = Warp(pair.moving_map, self._to(lattice, self.linear, lattice), lattice.shape)(self._u0(lattice))
        shown = torch.cat([whole, pair.fixed_map], dim=1).amax(dim=1, keepdim=True)
        self.shown = shown > VISIBLE * shown.max()
        self.low, self.high = bounds(self._held(), [math.ceil(MARGIN_MM / s) for s in lattice.spacing])
        self.grid = part_of(lattice, self.low, self.high)
        self.field = self._u0(self.grid)

    def _held(self) -> torch.Tensor:
        """What the box holds, bool on the networks' grid."""
        held = self.shown[0, 0].clone()
        if self.pair.include is not None:
            index = np.rint(self.lattice.physical_to_index(self.pair.include)).astype(int)
            inside = ((index >= 0) & (index < self.lattice.size)).all(axis=1)
            held[tuple(index[inside].T[::-1])] = True
        return held

    def map_term(self, weight: float = 1.0) -> MapTerm:
        """The maps' part of the loss, times ``weight``."""
        warp = Warp(self.pair.moving_map, self._to(self.lattice, self.linear, self.grid), self.grid.shape)
        weights = self.pair.weights
        weights = self.field.new_ones(self.pair.fixed_map.shape[1]) if weights is None else weights
        return MapTerm(warp, self.cut(self.pair.fixed_map), weights, weight)

    def image_term(self, weight: float, reach_mm: float, window: int) -> ImageTerm:
        """The images' part: windows ``window`` voxels to each side, around all within ``reach_mm`` of a structure."""
        fixed, moving = self.pair.fixed_image, self.pair.moving_image
        factor = 2 if min(fixed.volume.grid.spacing) < COARSE_IMAGE * min(self.grid.spacing) else 1
        fine = refined(self.grid, factor)
        there = fixed.network_input(fine, np.eye(fine.ndim + 1), self.pair.normalization).to(self.field)
        near = dilated(self.cut(self.shown).float(), [round(reach_mm / s) for s in reversed(self.grid.spacing)])
        mask = torch.nn.functional.interpolate(near, size=fine.shape)
        needed = dilated(mask, [window + 1] * fine.ndim).flatten().nonzero()[:, 0]
        values, grid = detailed(moving, fine, self._moving_points(), self.pair.normalization)
        matrix = self._to(grid, self.start.linear, fine)
        warp = Warp(values.to(self.field), matrix, fine.shape, needed[: len(needed) // 2 * 2])
        return ImageTerm(warp, LocalCorrelation(there, mask, window), factor, weight)

    def _moving_points(self) -> np.ndarray:
        """LPS (P, n) of corners around where T may lead from the box."""
        reach = float(self.field.abs().max()) + MOTION_MM / min(self.grid.spacing)
        return apply_matrix(self.start.linear, self.grid.corners(reach))

    def cut(self, values: torch.Tensor) -> torch.Tensor:
        """The box's part of values on the networks' grid."""
        return values[(..., *(slice(a, b) for a, b in zip(self.low[::-1], self.high[::-1], strict=True)))]

    def transform(self, field: torch.Tensor) -> tuple[SpatialTransform, int]:
        """The start with ``field`` in the place of u0 in the box, without folds; and how many cells were repaired."""
        low, high = self.low, self.high
        if self.start.residual is not None:
            index = self.lattice.physical_to_index(self.start.residual.grid.corners())
            low = np.minimum(low, np.floor(index.min(axis=0)).astype(int))
            high = np.maximum(high, np.ceil(index.max(axis=0)).astype(int) + 1)
        grid = part_of(self.lattice, low, high)
        whole = self._u0(grid)
        box = tuple(slice(a - c, b - c) for a, b, c in zip(self.low[::-1], self.high[::-1], low[::-1], strict=True))
        whole[(..., *box)] = field
        whole, count = repaired(whole)
        turn = whole.new_tensor(grid.matrix[:-1, :-1])
        vectors = torch.einsum("ij,j...->i...", turn, whole[0]).cpu().numpy()
        return SpatialTransform(self.start.linear, DenseField(grid, vectors)), count

    def _u0(self, grid: Grid) -> torch.Tensor:
        """The start's residual in voxels, (1, n, *grid.shape)."""
        like = self.pair.fixed_map
        if self.start.residual is None:
            return like.new_zeros((1, grid.ndim, *grid.shape))
        field = self.start.residual.on_grid(grid) @ np.linalg.inv(grid.matrix[:-1, :-1]).T
        return torch.as_tensor(np.moveaxis(field, -1, 0).copy(), dtype=like.dtype, device=like.device)[None]

    @staticmethod
    def _to(target: Grid, matrix: np.ndarray, source: Grid) -> np.ndarray:
        """From the cube of ``source`` through ``matrix`` (mm) to the cube of ``target``."""
        return np.linalg.inv(target.cube_to_physical()) @ matrix @ source.cube_to_physical()


def bounds(mask: torch.Tensor, margin: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """First voxel and one past the last (x, y[, z]) of what a mask shows and ``margin`` more; all of it if nothing."""
    where = mask.nonzero().flip(1)
    size = np.asarray(mask.shape[::-1])
    if not len(where):
        return np.zeros_like(size), size
    low = np.maximum(where.amin(dim=0).cpu().numpy() - margin, 0)
    return low, np.minimum(where.amax(dim=0).cpu().numpy() + 1 + margin, size)


def part_of(grid: Grid, low, high) -> Grid:
    """Voxels ``low`` to ``high`` - 1 (x, y[, z]) of a grid and of its continuation beyond the border."""
    matrix = grid.matrix
    matrix[:-1, -1] = grid.index_to_physical(np.asarray(low, dtype=float))
    return Grid.from_matrix((np.asarray(high) - low).tolist(), matrix)


def detailed(image: Prepared, grid: Grid, points: np.ndarray, normalization: str) -> tuple[torch.Tensor, Grid]:
    """Normalized intensities (1, 1, ...) as far as ``points``, on the image's own voxels; means if these are fine."""
    low, high = image.intensity_range(normalization)
    values, own = part_means(image.content, points, means_widths(image.content.grid, grid), low)
    return values.div_(high - low).clamp_(max=1), own
