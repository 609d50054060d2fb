"""Random changes of a training image and its structure map: affine, B-spline, mirror, intensity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from .affine import AffineBounds, affine_matrix, parameter_count
from .bspline import bases_on_grid, expand, free_shape, lattice_for
from .config import Channel
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


class Deformation:
    """Draws where each voxel of ``target`` reads from: affine and elastic; same random numbers, same deformation."""

    def __init__(self, config: AugmentConfig, target: Grid) -> None:
        self.elastic_mm, self.target = config.elastic_mm, target
        self.lattice = lattice_for(target, config.elastic_spacing_mm)
        self.bases = bases_on_grid(self.lattice, target)
        self.cube = torch.as_tensor(target.cube_to_physical(), dtype=torch.float32)
        self.bounds = AffineBounds(config.translation_mm, config.rotation_deg, config.scale_ratio, 45.0)

    def __call__(self, source: Grid, rng: np.random.Generator, plain: bool = False) -> torch.Tensor:
        """Cube positions (1, *target.shape, n) in ``source``; both grids share their zero. ``plain``: undeformed."""
        n, shape = self.target.ndim, free_shape(self.lattice)
        theta = np.zeros(parameter_count(n)) if plain else np.arctanh(rng.uniform(-0.999, 0.999, parameter_count(n)))
        linear = affine_matrix(torch.as_tensor(theta, dtype=torch.float32)[None], n, self.bounds)
        to_source = torch.as_tensor(np.linalg.inv(source.cube_to_physical()), dtype=torch.float32)
        positions = affine_positions(to_source @ linear @ self.cube, self.target.shape)
        if plain or not self.elastic_mm:
            return positions
        shift = torch.as_tensor(rng.uniform(-1, 1, (1, n, *shape)) * self.elastic_mm, dtype=torch.float32)
        moved = torch.einsum("nij,nj...->ni...", (to_source @ linear)[:, :-1, :-1], shift)
        return positions + expand(moved, self.bases)


class Mirror:
    """Flips left and right of an image and its map together, half of the time if ``wanted``."""

    def __init__(self, wanted: bool, channels: tuple[Channel, ...]) -> None:
        self.wanted, self.order = wanted, mirrored_order(channels) or slice(None)

    def __call__(self, image: torch.Tensor, soi: torch.Tensor, rng: np.random.Generator):
        """Image (1, 1, ...) and map (1, C, ...), of which channels of left and right change places."""
        if self.wanted and rng.random() < 0.5:
            return image.flip(-1), soi.flip(-1)[:, self.order]
        return image, soi


def mirrored_order(channels: tuple[Channel, ...]) -> list[int]:
    """For each channel the number of the one that it becomes in a mirror: ``left x`` and ``right x`` by their names."""
    names = [channel.name for channel in channels]
    sides = {"left": "right", "right": "left"}
    partners = [" ".join(sides.get(word, word) for word in name.split(" ")) for name in names]
    return [names.index(p) if p in names else i for i, p in enumerate(partners)]


class Augmenter:
    """Draws a view of a cached image on the networks' grid; same random numbers, same view.

    Args:
        source: grid of the cached arrays, larger than ``target`` by the margin; both centered on the same point.
        channels: of the maps; a mirror swaps those of left and right.
    """

    def __init__(self, config: AugmentConfig, source: Grid, target: Grid, channels: tuple[Channel, ...] = ()) -> None:
        self.config, self.source, self.target = config, source, target
        self.deformation, self.mirror = Deformation(config, target), Mirror(config.mirror, channels)

    def __call__(self, image: torch.Tensor, soi: torch.Tensor, rng: np.random.Generator, plain: bool = False):
        """Image (1, 1, ...) and map (1, C, ...) of the cache to a pair of tensors on the networks' grid.

        ``plain`` leaves everything as it is (validation).
        """
        both = sample(torch.cat([image, soi], dim=1), self.deformation(self.source, rng, plain))
        image, soi = both[:, :1], both[:, 1:]
        if plain:
            return image, soi
        image, soi = self.mirror(image, soi, rng)
        return self._intensity(image, rng), soi

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
