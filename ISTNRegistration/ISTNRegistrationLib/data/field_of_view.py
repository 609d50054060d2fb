"""Where the networks' grid should lie and how fine it should be, from where the structures of all scans are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .study_channels import Chosen
from .survey import Looked

MARGIN = 0.2  # of the structures' extent, to each side: what lies around them tells the ITN where it is
LEAST_MARGIN_VOXELS = 4
SMALLEST_SIDE = 16  # voxels
SHARE_COVERED = 90  # percentile of the people whose structures fix the size
CENTER_MUST_BE = 0.8  # of the other anchor's spread, to be preferred
NICE = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)


@dataclass(frozen=True, eq=False)
class FieldOfView:
    """The networks' grid, and why; ``off_mm``: how far people's structures are from its middle, at most."""

    size: tuple[int, ...]
    spacing: float
    anchor: str
    offset: tuple[float, ...]
    off_mm: float
    reasons: dict[str, str]
    cut: tuple[str, ...]

    @property
    def extent(self) -> np.ndarray:
        """mm, x first."""
        return np.asarray(self.size) * self.spacing


def choose_field(chosen: Chosen, most_voxels: float, spacing: float = 0.0) -> FieldOfView:
    """Anchor, offset, spacing and size.

    Args:
        most_voxels: of the grid; the spacing grows until it holds.
        spacing: mm; 0 to choose it.
    """
    boxes = [box(scan, chosen.labels) for scan in chosen.scans]
    anchor, offset, off, why_anchor = _anchor(chosen.scans, boxes)
    middles = np.array([scan.anchors[anchor] for scan in chosen.scans]) + offset
    half = np.maximum([high - m for (_, high), m in zip(boxes, middles, strict=True)],
                      [m - low for (low, _), m in zip(boxes, middles, strict=True)])  # fmt: skip
    need = 2 * np.percentile(half, SHARE_COVERED if len(half) >= 10 else 100, axis=0)
    seen = np.max([_extent(scan) for scan in chosen.scans], axis=0)
    finest = float(np.median([min(scan.spacing) for scan in chosen.scans]))
    chosen_spacing = spacing or _fitting_spacing(need, seen, finest, most_voxels)
    size = _size(need, seen, chosen_spacing)
    reach = np.asarray(size) * chosen_spacing / 2
    cut = [
        f"{scan.name} ({(h - reach).max():.0f} mm beyond the grid)"
        for scan, h in zip(chosen.scans, half, strict=True)
        if (h > reach + 0.5 * chosen_spacing).any()
    ]
    mm = " x ".join(f"{value:.0f}" for value in need)
    reasons = {
        "anchor": why_anchor,
        "size": f"the structures of {SHARE_COVERED} % of the people lie within {mm} mm around it; {MARGIN:.0%} margin",
        "spacing": f"the images have {finest:g} mm; "
        + _why_spacing(chosen_spacing, finest, spacing, size, most_voxels),
    }
    return FieldOfView(size, chosen_spacing, anchor, tuple(offset.tolist()), off, reasons, tuple(cut))


def box(scan: Looked, labels: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Low and high corner (LPS mm) of a scan's structures."""
    found = [scan.structures[value] for value in labels if value in scan.structures]
    found = found or list(scan.structures.values())
    return np.min([s.low for s in found], axis=0), np.max([s.high for s in found], axis=0)


def _anchor(scans, boxes) -> tuple[str, np.ndarray, float, str]:
    """Name, offset (LPS mm) and largest deviation of the anchor from which the structures are found best."""
    middles, spread = np.array([(low + high) / 2 for low, high in boxes]), {}
    for name in ("center_of_mass", "center"):
        apart = middles - np.array([scan.anchors[name] for scan in scans])
        offset = np.median(apart, axis=0)
        spread[name] = offset, np.linalg.norm(apart - offset, axis=1)
    mean = {name: float(away.mean()) for name, (_, away) in spread.items()}
    best = "center" if mean["center"] < CENTER_MUST_BE * mean["center_of_mass"] else "center_of_mass"
    offset, away = spread[best]
    why = ", ".join(f"{value:.1f} mm from the {name.replace('_', ' ')}" for name, value in mean.items())
    return best, np.round(offset, 1), float(away.max()), f"the structures' middle varies by {why} (mean)"


def _extent(scan: Looked) -> np.ndarray:
    """mm along x, y[, z] of the patient: the axes of an image that is not upright are sorted by their letters."""
    order = {"L": 0, "R": 0, "P": 1, "A": 1, "S": 2, "I": 2}
    extent = np.zeros(len(scan.size))
    for letter, size, spacing in zip(scan.axes, scan.size, scan.spacing, strict=True):
        extent[order[letter]] = size * spacing
    return extent


def _size(need: np.ndarray, seen: np.ndarray, spacing: float) -> tuple[int, ...]:
    """Even numbers of voxels around ``need`` mm with a margin, not much beyond what the images show."""
    wanted = need + np.maximum(2 * MARGIN * need, 2 * LEAST_MARGIN_VOXELS * spacing)
    wanted = np.minimum(wanted, np.maximum(seen + 4 * spacing, need))
    return tuple(max(SMALLEST_SIDE, 2 * math.ceil(value / spacing / 2 - 1e-6)) for value in wanted)


def _fitting_spacing(need: np.ndarray, seen: np.ndarray, finest: float, most_voxels: float) -> float:
    """The finest handy spacing, not finer than the images, whose grid is small enough."""
    power = math.floor(math.log10(finest))
    steps = [nice * 10.0**k for k in (power, power + 1, power + 2) for nice in NICE]
    fine_enough = [step for step in sorted(set(steps)) if step > 0.9 * finest]
    small = (step for step in fine_enough if math.prod(_size(need, seen, step)) <= most_voxels)
    return float(round(next(small, fine_enough[-1]), 6))


def _why_spacing(spacing: float, finest: float, given: float, size, most_voxels: float) -> str:
    if given:
        return "you have chosen it"
    voxels = math.prod(size)
    if spacing > 1.1 * finest:
        return f"{voxels} voxels are what the training's time allows (at most {most_voxels:.0f})"
    return "finer than that there is nothing to see"
