"""Whether an image is of the kind that a checkpoint was trained for, and which shipped one fits better. Free of torch.

From what costs nothing: size, spacing, darkest value, and how bright the middle is beside the rim. What the networks
themselves find is said after the run (``locate``, ``trust``) and by `istn info --for`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from .card import read_card, shipped
from .config import ModelConfig
from .errors import InputError
from .grid import Grid

CT_BELOW = -200  # MR images have no such values
COARSE_FACTOR = 2.5  # times the networks' spacing
SMALL_PART, LARGE_PART = 0.25, 8.0  # of the networks' grid
# 17 brains of develop-train and -val: T1 1.28 to 1.40, bundled T1 templates 1.10 and 1.18; remapped: inverted up to
# 0.98, T2-like up to 0.83; FLAIR- and CT-like 1.00 to 1.16 cannot be told from T1.
T1_LIKE = 1.0
RIM_SPACING_MM, RIM_VOXELS = 4.0, 2
MOST_FILLED = 0.7  # share of an image that an organ on a dark background fills


@dataclass(frozen=True, eq=False)
class ImageFacts:
    """What must be known of an image to warn.

    Attributes:
        grid: where it lies (any one frame for both images).
        lowest: its darkest value.
        middle: of :func:`middle_over_rim`; NaN where that says nothing.
    """

    grid: Grid
    lowest: float
    middle: float = math.nan

    @classmethod
    def of(cls, array: np.ndarray, grid: Grid) -> ImageFacts:
        """Of voxels ([D, ]H, W) and their grid."""
        return cls(grid, float(array.min()), middle_over_rim(array, grid.spacing))

    @property
    def extent(self) -> np.ndarray:
        """Size in mm along the voxel axes."""
        return np.multiply(self.grid.size, self.grid.spacing)

    @property
    def box(self) -> np.ndarray:
        """Lowest and highest corner (2, n), mm."""
        points = self.grid.corners(margin=0.5)
        return np.stack([points.min(axis=0), points.max(axis=0)])


def middle_over_rim(array: np.ndarray, spacing) -> float:
    """Mean intensity, above the darkest, of an organ's middle over that of its outer 8 mm; above 1 for T1 brains.

    NaN where the image is filled (a crop), or too thin to have a middle.

    Args:
        array: ([D, ]H, W).
        spacing: mm, x, y[, z].
    """
    steps = [max(1, round(RIM_SPACING_MM / size)) for size in spacing[::-1]]
    values = array[tuple(slice(None, None, step) for step in steps)].astype(float)
    low, high = np.percentile(values, (0.5, 99.5))
    organ = values > low + 0.1 * (high - low)
    middle = organ
    for _ in range(RIM_VOXELS):
        middle = _eroded(middle)
    rim = organ & ~middle
    if not middle.any() or not rim.any() or organ.mean() > MOST_FILLED:
        return math.nan
    return float((values[middle].mean() - low) / (values[rim].mean() - low))


def _eroded(mask: np.ndarray) -> np.ndarray:
    """Without the voxels that have a neighbor outside."""
    padded = np.pad(mask, 1)
    inside = (slice(1, -1),) * mask.ndim
    for axis in range(mask.ndim):
        mask = mask & np.roll(padded, 1, axis)[inside] & np.roll(padded, -1, axis)[inside]
    return mask


def doubts(role: str, facts: ImageFacts, config: ModelConfig, card: dict) -> list[str]:
    """Why an image (``role``: fixed or moving) is unlike those that a checkpoint was trained on; empty if it is not."""
    found, about = [], f"{card.get('title', '')} {card.get('data', '')}"
    if facts.lowest < CT_BELOW and ("MR" in about or "T1" in about):
        found.append(f"The {role} image looks like CT; the checkpoint was trained on MR.")
    if facts.middle < T1_LIKE and "T1" in card.get("title", ""):
        found.append(f"The {role} image is darker inside than at its rim: no T1, which the checkpoint was trained on.")
    coarse, network = max(facts.grid.spacing), max(config.grid.spacing)
    if coarse > COARSE_FACTOR * network:
        found.append(f"The {role} image's voxels ({coarse:.1f} mm) are coarse: the networks see {network:g} mm.")
    return found + _field_of_view(role, facts, config)


def _field_of_view(role: str, facts: ImageFacts, config: ModelConfig) -> list[str]:
    seen = np.multiply(config.grid.size, config.grid.spacing)
    share = float(np.prod(facts.extent) / np.prod(seen))
    image, region = (" x ".join(f"{size:.0f}" for size in sizes) for sizes in (facts.extent, seen))
    who = f"The {role} image ({image} mm) shows"
    if share < SMALL_PART:
        return [f"{who} much less than the region that the checkpoint was trained on ({region} mm)."]
    if share > LARGE_PART and config.grid.anchor in ("center", "content"):  # where the structures should be
        return [f"{who} far more than the region around which the checkpoint expects a crop ({region} mm)."]
    return []


def suggestion(sides: Iterable[ImageFacts], config: ModelConfig, card: dict) -> str | None:
    """Name of the shipped checkpoint to use in the place of one (``config``, ``card``) that an image does not fit.

    None where it fits, or where no shipped one fits better. Names are tried in their order: `brain` before `head`.
    """
    sides = list(sides)
    if not _any_doubt(sides, config, card):
        return None
    for name, path in sorted(shipped().items()):
        try:
            other = read_card(path)
        except InputError:
            continue
        if other.config.ndim == config.ndim and not _any_doubt(sides, other.config, other.card):
            return name
    return None


def _any_doubt(sides: list[ImageFacts], config: ModelConfig, card: dict) -> bool:
    return any(doubts("", facts, config, card) for facts in sides)
