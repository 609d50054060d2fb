"""Structure maps: structures of interest as float images in [0, 1] (paper section 2.2).

Label maps, points and curves become maps here; docs/structure_maps.md shows each kind. Distances are mm, positions LPS.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from .config import Channel
from .errors import InputError
from .grid import Grid
from .volume import Volume

DEFAULT_WIDTH_MM = {"distance": 5.0, "centroid": 3.0, "landmarks": 3.0, "centerline": 2.0}


@dataclass(frozen=True, eq=False)
class Structures:
    """What is known of one scan's structures: any of a label map, a ready map, points (P, n) and curves, LPS mm."""

    name: str
    labels: Volume | None = None
    image: Volume | None = None
    points: np.ndarray | None = None
    curves: tuple[np.ndarray, ...] = ()


def width_mm(channel: Channel) -> float:
    """The channel's width, or its kind's default."""
    return channel.width_mm or DEFAULT_WIDTH_MM[channel.kind]


def distance_to_map(signed_distance: np.ndarray, width: float) -> np.ndarray:
    """Truncated signed distance (mm, negative inside) scaled to [0, 1]: 1 from ``width`` inside, 0.5 at the surface."""
    return np.clip(0.5 - signed_distance / (2 * width), 0.0, 1.0).astype(np.float32)


def gaussians(points: np.ndarray, grid: Grid, width: float) -> np.ndarray:
    """The largest of Gaussians of height 1 and standard deviation ``width`` mm at points (P, n), ``grid.shape``."""
    return _faded(_squared_distance(grid.points(), [(point, point) for point in points]), width)


def centerlines(curves: tuple[np.ndarray, ...], grid: Grid, width: float) -> np.ndarray:
    """exp(-d² / 2 width²) with d the distance in mm to polylines (P, n), ``grid.shape``."""
    segments = [segment for curve in curves for segment in zip(curve[:-1], curve[1:], strict=True)]
    return _faded(_squared_distance(grid.points(), segments), width)


def _squared_distance(points: np.ndarray, segments) -> np.ndarray:
    """From points (..., n) to the nearest of segments (first end, second end); a point is a segment of no length."""
    nearest = np.full(points.shape[:-1], np.inf)
    for first, second in segments:
        along, to_point = second - first, points - first
        share = np.clip(to_point @ along / max(float(along @ along), 1e-12), 0.0, 1.0)
        np.minimum(nearest, ((to_point - share[..., None] * along) ** 2).sum(axis=-1), out=nearest)
    return nearest


def _faded(squared_distance: np.ndarray, width: float) -> np.ndarray:
    return np.exp(-squared_distance / (2 * width**2)).astype(np.float32)


def structure_map(labels: Volume, channels: tuple[Channel, ...]) -> Volume:
    """Binary map with one channel per group of labels, (C, [D, ]H, W) float32.

    Raises:
        InputError: when none of the labels occurs.
    """
    maps = np.stack([np.isin(labels.array, channel.labels) for channel in channels])
    if not maps.any():
        wanted = ", ".join(str(v) for c in channels for v in c.labels)
        got = f"values {labels.array.min()} to {labels.array.max()}"
        raise InputError(f"Label map '{labels.name}'", "it has none of the structures", f"labels {wanted}", got)
    return Volume(maps.astype(np.float32), labels.grid, labels.name)


def soft_dice(a: torch.Tensor, b: torch.Tensor, threshold: float = 0.5) -> torch.Tensor:
    """Dice per channel of two maps (1, C, ...) cut at ``threshold``, (C,); NaN where both are empty."""
    a, b = a > threshold, b > threshold
    axes = tuple(range(2, a.ndim))
    both, total = (a & b).sum(axes)[0].float(), (a.sum(axes) + b.sum(axes))[0].float()
    return 2 * both / total
