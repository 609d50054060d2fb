"""Where the networks' grid lies in the world, and how what is found on it becomes transforms and volumes there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from .bspline import pad_ring
from .config import ModelConfig
from .errors import InputError
from .grid import Grid, apply_matrix
from .istn import as_numpy
from .preprocess import Prepared
from .transform import BSplineField, SpatialTransform
from .volume import Volume
from .warp import warp_volume

MIN_VISIBLE = 0.01  # of the networks' grid that must show something of each image


@dataclass(frozen=True, eq=False)
class Placement:
    """The networks' grid in fixed space, and the initial alignment (fixed → moving, LPS mm) through which M is read."""

    grid: Grid
    initial: np.ndarray

    @property
    def frame(self) -> np.ndarray:
        """From the networks' frame (zero in the middle of the grid, along its axes) to the world, LPS mm."""
        matrix = np.eye(self.grid.ndim + 1)
        matrix[:-1, :-1], matrix[:-1, -1] = self.grid.direction, self.grid.center
        return matrix

    def transform(self, linear: torch.Tensor, coefficients: torch.Tensor | None, lattice: Grid) -> SpatialTransform:
        """From the networks' ``frame`` to the world: L = initial · A."""
        to_world = self.frame
        total = self.initial @ to_world @ as_numpy(linear) @ np.linalg.inv(to_world)
        if coefficients is None:
            return SpatialTransform(total)
        vectors = np.tensordot(to_world[:-1, :-1], pad_ring(as_numpy(coefficients), self.grid.ndim), axes=1)
        return SpatialTransform(total, BSplineField(lattice.moved(to_world), vectors))

    def warped(self, moving_map: torch.Tensor, transform: SpatialTransform) -> torch.Tensor:
        """M'∘T, (1, C, *shape), of a transform fixed → moving in the world."""
        to_map = SpatialTransform(np.linalg.inv(self.initial) @ transform.linear, transform.residual)
        warped = warp_volume(self.fixed_volume(moving_map, "M'"), to_map, self.grid)
        return torch.from_numpy(warped.array)[None].to(moving_map)

    def fixed_volume(self, maps: torch.Tensor, name: str) -> Volume:
        """Maps (1, C, *shape) as a volume in fixed space."""
        return Volume(maps.detach()[0].cpu().numpy(), self.grid, name)

    def moving_volume(self, maps: torch.Tensor, name: str) -> Volume:
        """Maps (1, C, *shape) in moving space: carried there, or resampled if the initial alignment is not rigid."""
        volume = self.fixed_volume(maps, name)
        rotation = self.initial[:-1, :-1]
        if np.allclose(rotation.T @ rotation, np.eye(self.grid.ndim), atol=1e-6):
            return Volume(volume.array, self.grid.moved(self.initial), name)
        corners = apply_matrix(self.initial, self.grid.corners())
        size = np.ceil(np.ptp(corners, axis=0) / self.grid.spacing).astype(int) + 1
        middle = (corners.min(axis=0) + corners.max(axis=0)) / 2
        around = Grid.centered(middle, size.tolist(), self.grid.spacing)
        resampled = warp_volume(volume, SpatialTransform(np.linalg.inv(self.initial)), around)
        return Volume(resampled.array, around, name)


def seen(image: Prepared, grid: Grid, matrix: np.ndarray, config: ModelConfig) -> torch.Tensor:
    """What the ITN sees of an image at matrix(x) for every x of the networks' ``grid``, (1, 1, *shape).

    Raises:
        InputError: nearly nothing of the image lies in the networks' grid.
    """
    values = image.network_input(grid, matrix, config.normalization)
    if float((values > 0).float().mean()) < MIN_VISIBLE:
        size = " x ".join(f"{n * s:.0f}" for n, s in zip(grid.size, grid.spacing, strict=True))
        raise InputError(
            f"Image '{image.volume.name}'",
            "nothing of it lies where the networks look",
            f"overlap with the {size} mm around {np.round(grid.center).tolist()} (LPS) of the fixed image",
            "no overlap",
            "Choose another initial alignment, for example center_of_mass, or a larger mask",
        )
    return values
