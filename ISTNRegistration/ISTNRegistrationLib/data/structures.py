"""Structures of interest from files, as structure maps on a grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ..core.config import Channel
from ..core.grid import Grid
from ..core.preprocess import resample
from ..core.soi import structure_map
from ..core.volume import Volume
from .images import read_image, read_labels


def structures_on_grid(path: Path, channels: tuple[Channel, ...], grid: Grid) -> torch.Tensor:
    """The structure maps of a file on ``grid`` (LPS mm), (1, C, *grid.shape) float32 in [0, 1]."""
    if channels[0].kind == "image":
        return resample(_map_image(read_image(path)), grid, np.eye(grid.ndim + 1))
    return resample(structure_map(read_labels(path), channels), grid, np.eye(grid.ndim + 1))


def _map_image(image: Volume) -> Volume:
    """An image that is a structure map: divided by 255 if 8-bit, by its maximum if that is above 1."""
    scale = 255.0 if image.array.dtype == np.uint8 else max(1.0, float(image.array.max()))
    return Volume((image.array / scale).clip(0, 1).astype(np.float32), image.grid, image.name)
