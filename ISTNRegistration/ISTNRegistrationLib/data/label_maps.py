"""Label maps that images are painted from: whole, along the LPS axes, twice as fine as the networks' grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..core.config import ModelConfig
from ..core.errors import InputError
from ..core.grid import Grid
from ..core.synthesis import LABELS
from ..core.transform import SpatialTransform
from ..core.volume import Volume
from ..core.warp import warp_volume
from .images import read_labels


def read_paintable(path: Path, config: ModelConfig) -> tuple[np.ndarray, Grid, np.ndarray]:
    """Labels uint16, their grid with zero in the middle of the structures, and where that middle is (LPS mm).

    Raises:
        InputError: not a label map of the model's dimension, labels above 65535, or none of the structures is there.
    """
    labels, who = read_labels(path), f"Labels '{path}'"
    if labels.grid.ndim != config.ndim:
        expected, got = f"{config.ndim} axes as in model.grid", f"{labels.grid.ndim}"
        raise InputError(who, "they have another dimension than the model", expected, got)
    low, high = int(labels.array.min()), int(labels.array.max())
    if low < 0 or high >= LABELS:
        raise InputError(who, "labels cannot be painted", f"0 to {LABELS - 1}", f"{low} to {high}")
    grid = fine_grid(labels.grid, config.grid.spacing)
    middle = structures_middle(labels, config, who)
    identity = SpatialTransform(np.eye(config.ndim + 1))
    array = warp_volume(labels, identity, grid, order="nearest").array.astype(np.uint16)
    to_middle = grid.matrix
    to_middle[:-1, -1] -= middle
    return array, Grid.from_matrix(grid.size, to_middle), middle


def fine_grid(grid: Grid, spacing) -> Grid:
    """A grid along the LPS axes over all of ``grid``, spacing half of ``spacing`` (mm, x first)."""
    corners = grid.corners(margin=0.5)
    fine = np.asarray(spacing) / 2
    size = np.ceil(np.ptp(corners, axis=0) / fine - 1e-6).astype(int)
    return Grid.centered((corners.min(axis=0) + corners.max(axis=0)) / 2, size.tolist(), fine.tolist())


def structures_middle(labels: Volume, config: ModelConfig, who: str) -> np.ndarray:
    """LPS mm of the middle of the box around the structures of all channels."""
    wanted = [label for channel in config.channels for label in channel.labels]
    found = np.argwhere(np.isin(labels.array, wanted))[:, ::-1]
    if not len(found):
        raise InputError(who, "none of the structures is there", f"labels {wanted}", "none of them")
    points = labels.grid.index_to_physical(found.astype(float))
    return (points.min(axis=0) + points.max(axis=0)) / 2
