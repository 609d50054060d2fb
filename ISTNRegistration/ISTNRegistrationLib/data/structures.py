"""Structures of interest from files, as structure maps on a grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ..core.config import Channel
from ..core.grid import Grid
from ..core.preprocess import resample
from ..core.soi import structure_map
from .images import read_labels


def structures_on_grid(path: Path, channels: tuple[Channel, ...], grid: Grid) -> torch.Tensor:
    """The structure maps of a file on ``grid`` (LPS mm), (1, C, *grid.shape) float32 in [0, 1]."""
    return resample(structure_map(read_labels(path), channels), grid, np.eye(grid.ndim + 1))
