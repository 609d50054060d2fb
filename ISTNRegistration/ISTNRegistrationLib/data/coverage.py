"""How much of each structure the networks' grid sees, scan by scan; a grid that sees next to nothing is refused."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..core.config import Channel
from ..core.errors import InputError
from ..core.grid import Grid
from ..core.soi import Structures
from ..core.volume import Volume

LEAST_COVERED = 0.1  # of a structure, mean over the scans: less is a grid in the wrong place
LEAST_FILLED = 0.1  # of the grid by the images: less is a grid for larger images
WHOLE = 0.99
PROPOSE = "Let istn init propose the grid, or set model.grid: anchor, offset, size and spacing"


def covered_shares(structures: Structures, channels: Sequence[Channel], grid: Grid) -> list[float]:
    """Share of each channel's voxels or points that lies in ``grid``; NaN where the scan has none."""
    return [_share(*_points(structures, channel), grid) for channel in channels]


def filled_share(image: Grid, grid: Grid) -> float:
    """Share of ``grid`` that lies in an image's field of view, from points spread over it."""
    points = grid.spread_points([0] * grid.ndim, np.asarray(grid.size) - 1, count=15)
    return float(_inside(points, image).mean())


def _points(structures: Structures, channel: Channel) -> tuple[np.ndarray, np.ndarray]:
    """Places (P, n), LPS mm, and weights of what a channel shows."""
    if channel.kind == "landmarks" and structures.points is not None:
        points = structures.points
        return _whole(points[[n - 1 for n in channel.labels]] if channel.labels else points)
    if channel.kind == "centerline" and structures.curves:
        chosen = [structures.curves[n - 1] for n in channel.labels] if channel.labels else structures.curves
        return _whole(np.concatenate(chosen))
    if channel.kind == "image" and structures.image is not None:
        mask = structures.image.array > 0
        return _places(structures.image, mask), structures.image.array[mask].astype(float)
    return _whole(_places(structures.labels, np.isin(structures.labels.array, channel.labels)))


def _whole(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return points, np.ones(len(points))


def _places(volume: Volume, mask: np.ndarray) -> np.ndarray:
    return volume.grid.index_to_physical(np.argwhere(mask)[:, ::-1].astype(float))


def _share(points: np.ndarray, weights: np.ndarray, grid: Grid) -> float:
    total = float(weights.sum())
    return float(weights[_inside(points, grid)].sum() / total) if total > 0 else float("nan")


def _inside(points: np.ndarray, grid: Grid) -> np.ndarray:
    return grid.shows(grid.physical_to_index(points))


def check_coverage(names: Sequence[str], shares: np.ndarray, filled: np.ndarray) -> None:
    """Refuse a grid that does not show what is to be learnt.

    Args:
        shares: (scans, channels), NaN where a scan lacks a structure.
        filled: (scans,) share of the grid that the image fills.

    Raises:
        InputError: a structure is hardly in the grid, or the images fill next to nothing of it.
    """
    for name, column in zip(names, np.reshape(shares, (-1, len(names))).T, strict=True):
        known = column[np.isfinite(column)]
        if len(known) and known.mean() < LEAST_COVERED:
            got = f"{known.mean():.1%} on average"
            expected = f"{LEAST_COVERED:.0%} or more of '{name}' in the grid"
            raise InputError("Configuration table 'model.grid'", "it misses a structure", expected, got, PROPOSE)
    if len(filled) and np.mean(filled) < LEAST_FILLED:
        expected, got = f"images that fill {LEAST_FILLED:.0%} of it or more", f"{np.mean(filled):.1%} on average"
        raise InputError("Configuration table 'model.grid'", "it is far larger than the images", expected, got, PROPOSE)


def coverage_lines(names: Sequence[str], shares: np.ndarray, scans: Sequence[str]) -> list[str]:
    """A line per structure: mean and least share in the grid, and how many scans are cut."""
    lines = []
    for name, column in zip(names, np.asarray(shares).T, strict=True):
        known = np.isfinite(column)
        if not known.any():
            lines.append(f"  {name}: in no scan")
            continue
        worst, cut = int(np.nanargmin(column)), int((column[known] < WHOLE).sum())
        missing = f", lacking in {int((~known).sum())}" if not known.all() else ""
        least = f"{column[worst]:.1%} ({scans[worst]}), cut in {cut} scans" if cut else f"{column[worst]:.1%}"
        lines.append(f"  {name}: {column[known].mean():.1%} in the grid on average, at least {least}{missing}")
    return lines
