"""Measuring a registration: overlap and surface distances of reference labels, landmark error, per stage."""

from __future__ import annotations

import math

import numpy as np

from ..core.errors import InputError
from ..core.landmarks import LandmarkPairs
from ..core.metrics import dice, finite_mean
from ..core.quality import LabelScore, StageQuality
from ..core.register import RegistrationResult, Stage
from ..core.transform import SpatialTransform
from ..core.volume import Volume
from ..core.warp import warp_volume
from .surface import surface_distance

SCORES = ("dice", "asd_mm", "hd95_mm")


def measure_stage(stage: Stage, result: RegistrationResult, labels=None, landmarks=None, only=()) -> StageQuality:
    """The row of one stage.

    Args:
        labels: fixed and moving label map, or None.
        landmarks: ``LandmarkPairs``, or None.
        only: which labels; all positive ones of both maps if empty.
    """
    scores = tuple(measure(stage.transform, *labels, only)) if labels else ()
    moved = np.linalg.norm(stage.transform.displacement(result.fixed_map.grid), axis=-1)
    return StageQuality(
        stage=stage.name,
        agreement=stage.agreement,
        **{key: finite_mean([getattr(score, key) for score in scores]) for key in SCORES},
        tre_mm=mean_error(stage.transform, landmarks),
        folded=stage.folded,
        displacement_mm=float(moved.max()),
        seconds=stage.seconds,
        kept=stage.name == result.kept,
        labels=scores,
        expectation=stage.expected,
    )


def measure(transform: SpatialTransform, fixed: Volume, moving: Volume, labels=()) -> list[LabelScore]:
    """Scores of the moving label map warped (nearest neighbor) to the fixed one's grid.

    Convention: label maps are ([D, ]H, W), or (L, [D, ]H, W) in layers where structures overlap.

    Args:
        labels: which; all positive ones of both maps if empty.

    Raises:
        InputError: neither map has a label.
    """
    present = np.union1d(fixed.array, moving.array)
    labels = labels or present[present > 0].tolist()
    if not labels:
        who, got = f"Labels '{fixed.name}' and '{moving.name}'", "only background"
        raise InputError(who, "there is nothing to measure", "positive whole numbers", got, "Give label maps")
    warped = warp_volume(moving, transform, fixed.grid, order="nearest")
    return label_scores(fixed.array, warped.array, fixed.grid.spacing, labels)


def label_scores(fixed: np.ndarray, warped: np.ndarray, spacing, labels) -> list[LabelScore]:
    """Scores of each of ``labels`` in two label maps of one grid; NaN where a number has no meaning.

    Args:
        fixed, warped: ([D, ]H, W), or (L, [D, ]H, W) in layers.
        spacing: mm, x, y[, z].
    """
    fixed, warped = (array.reshape(-1, *array.shape[-len(spacing) :]) for array in (fixed, warped))
    used = np.nonzero((fixed > 0).any(axis=0) | (warped > 0).any(axis=0))
    box = (slice(None), *(slice(i.min(), i.max() + 1) for i in used)) if len(used[0]) else ()
    fixed, warped = fixed[box], warped[box]
    scores = []
    for label in labels:
        there, here = (fixed == label).any(axis=0), (warped == label).any(axis=0)
        surface = surface_distance(there, here, spacing)
        scores.append(LabelScore(int(label), dice(there, here), surface.average, surface.hd95))
    return scores


def mean_error(transform: SpatialTransform, landmarks: LandmarkPairs | None) -> float:
    """Their mean distance in mm; NaN without landmarks."""
    return float(landmarks.errors(transform).mean()) if landmarks is not None else math.nan
