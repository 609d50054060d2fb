"""Random changes of a training image and its structure map: affine, B-spline, mirror, intensity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from .affine import AffineBounds, affine_matrix, parameter_count
from .bspline import bases_on_grid, expand, free_shape, lattice_for
from .grid import Grid
from .warp import affine_positions, sample


@dataclass(frozen=True)
class AugmentConfig:
    """Largest random change of each kind; 0 (or False) switches it off."""

    translation_mm: float = 6.0
    rotation_deg: float = 10.0
    scale_ratio: float = 1.12
    elastic_mm: float = 3.0
    elastic_spacing_mm: float = 30.0
    mirror: bool = False
    gamma: float = 0.3
    noise: float = 0.03
    bias: float = 0.2


class Augmenter:
    """Draws a view of a cached image on the networks' grid; same random numbers, same view.

    Args:
        source: grid of the cached arrays, larger than ``target`` by the margin; both centred on the same point.
    """

    def __init__(self, config: AugmentConfig, source: Grid, target: Grid) -> None:
        self.config, self.target = config, target
        self.lattice = lattice_for(target, config.elastic_spacing_mm)
        self.bases = bases_on_grid(self.lattice, target)
        self.to_source = torch.as_tensor(np.linalg.inv(source.cube_to_physical()), dtype=torch.float32)
        self.cube = torch.as_tensor(target.cube_to_physical(), dtype=torch.float32)
        self.bounds = AffineBounds(config.translation_mm, config.rotation_deg, config.scale_ratio, 45.0)

    def __call__(self, image: torch.Tensor, soi: torch.Tensor, rng: np.random.Generator, plain: bool = False):
        """Image (1, 1, ...) and map (1, C, ...) of the cache to a pair of tensors on the networks' grid.

        ``plain`` leaves everything as it is (validation).
        """
        both = sample(torch.cat([image, soi], dim=1), self._positions(rng, plain))
        image, soi = both[:, :1], both[:, 1:]
        if plain:
            return image, soi
        if self.config.mirror and rng.random() < 0.5:
            image, soi = image.flip(-1), soi.flip(-1)
        return self._intensity(image, rng), soi

    def _positions(self, rng: np.random.Generator, plain: bool) -> torch.Tensor:
        n = self.target.ndim
        theta = np.zeros(parameter_count(n)) if plain else np.arctanh(rng.uniform(-0.999, 0.999, parameter_count(n)))
        linear = affine_matrix(torch.as_tensor(theta, dtype=torch.float32)[None], n, self.bounds)
        positions = affine_positions(self.to_source @ linear @ self.cube, self.target.shape)
        if plain or not self.config.elastic_mm:
            return positions
        shift = rng.uniform(-1, 1, (1, n, *free_shape(self.lattice))) * self.config.elastic_mm
        to_cube = (self.to_source @ linear)[:, :-1, :-1]
        moved = torch.einsum("nij,nj...->ni...", to_cube, torch.as_tensor(shift, dtype=torch.float32))
        return positions + expand(moved, self.bases)

    def _intensity(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Gamma, a smooth multiplicative bias and white noise; background stays 0."""
        c = self.config
        image = image.clamp(0, 1) ** float(np.exp(rng.uniform(-c.gamma, c.gamma)))
        ramp = image.new_zeros(())
        for axis, size in enumerate(self.target.shape):
            slope = torch.linspace(-1, 1, size) * float(rng.uniform(-c.bias, c.bias))
            ramp = ramp + slope.reshape([-1 if a == axis else 1 for a in range(self.target.ndim)])
        noise = torch.as_tensor(rng.standard_normal(image.shape, dtype=np.float32)) * c.noise * float(rng.random())
        return (image * (1 + ramp) + noise * (image > 0)).clamp(0, 1.2)
