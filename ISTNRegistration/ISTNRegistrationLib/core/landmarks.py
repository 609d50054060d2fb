"""Landmarks of both images, paired by their labels. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .errors import InputError
from .transform import SpatialTransform

BY_ORDER = "The two lists of landmarks have no label in common: they were paired by their order."


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Points (N, n), LPS mm, NaN for one that was never placed; and the label of each, or none at all."""

    points: np.ndarray
    labels: tuple[str, ...] = ()

    @property
    def placed(self) -> np.ndarray:
        """Which points were placed, (N,) bool."""
        return np.isfinite(self.points).all(axis=1)

    def __len__(self) -> int:
        return int(self.placed.sum())


@dataclass(frozen=True, eq=False)
class LandmarkPairs:
    """Points that belong together, (N, n) LPS mm, the label of each pair, and what is to be said about the pairing."""

    fixed: np.ndarray
    moving: np.ndarray
    labels: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    def errors(self, transform: SpatialTransform) -> np.ndarray:
        """Distance in mm of each mapped fixed point from its moving one, (N,)."""
        return np.linalg.norm(transform.map_points(self.fixed) - self.moving, axis=1)


def as_landmarks(points) -> Landmarks:
    """Landmarks as they are, or of a plain array (N, n)."""
    return points if isinstance(points, Landmarks) else Landmarks(np.asarray(points, dtype=float))


def pair_landmarks(fixed: Landmarks, moving: Landmarks) -> LandmarkPairs:
    """Pair two lists by label; what has no partner, or was never placed, is left out, and that is said.

    Lists without labels, or without a common one (Slicer's default labels begin with the list's name), are paired by
    their order; with labels that is said too.

    Raises:
        InputError: no label is common and the numbers of points differ; a common label stands twice in one list; no
            pair is left.
    """
    common = [label for label in dict.fromkeys(fixed.labels) if label and label in moving.labels]
    first, second, labels = _by_label(fixed, moving, common) if common else _by_order(fixed, moving)
    both = fixed.placed[first] & moving.placed[second]
    left_out = [label for label, kept in zip(labels, both, strict=True) if not kept]
    left_out += [f"{label} (fixed only)" for label in fixed.labels if common and label not in common]
    left_out += [f"{label} (moving only)" for label in moving.labels if common and label not in common]
    if not both.any():
        todo = "Place the same landmarks on both images"
        raise InputError("Landmarks", "no point of one list has a partner", "one pair or more", "none", todo)
    said = (BY_ORDER,) if not common and any(fixed.labels) and any(moving.labels) else ()
    said += (f"Landmarks that are not placed on both images were left out: {', '.join(left_out)}.",) if left_out else ()
    kept = tuple(label for label, use in zip(labels, both, strict=True) if use)
    return LandmarkPairs(fixed.points[first][both], moving.points[second][both], kept, said)


def _by_label(fixed: Landmarks, moving: Landmarks, common: list[str]):
    """Numbers of the points of each label, and the labels."""
    for label in common:
        if fixed.labels.count(label) > 1 or moving.labels.count(label) > 1:
            todo = "Rename one of the points, or remove it"
            raise InputError("Landmarks", "a label stands for two points", "each label once a list", repr(label), todo)
    return [fixed.labels.index(x) for x in common], [moving.labels.index(x) for x in common], common


def _by_order(fixed: Landmarks, moving: Landmarks):
    """Numbers of the points in their order, and the fixed list's labels, or numbers."""
    counts = len(fixed.points), len(moving.points)
    if fixed.points.shape != moving.points.shape:
        expected, got = "common labels, or the same number of points, in order", f"{counts[0]} and {counts[1]} points"
        raise InputError("Landmarks", "they cannot be paired", expected, got, "Give both lists the same labels")
    numbers = list(range(counts[0]))
    return numbers, numbers, list(fixed.labels) if any(fixed.labels) else [str(k + 1) for k in numbers]
