"""How good is it? Numbers per stage of a registration, and a light with its reason."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

LOW_AGREEMENT, FAIR_AGREEMENT = 0.5, 0.75  # predicted Dice of M' under the transform and F'
LOW_DICE, FAIR_DICE = 0.5, 0.7
FOLDED_PERCENT = 0.5  # of the networks' grid
HEADINGS = {
    "stage": "Stage",
    "agreement": "Agreement (predicted)",
    "dice": "Dice",
    "asd_mm": "ASD mm",
    "hd95_mm": "HD95 mm",
    "tre_mm": "TRE mm",
    "folded": "Folded voxels",
    "displacement_mm": "Displacement mm",
    "seconds": "Seconds",
}


@dataclass(frozen=True)
class StageQuality:
    """One row of the table; NaN where there is nothing to measure with.

    Attributes:
        stage: name of the stage.
        agreement: label-free, from the networks' own maps: mean Dice of M'∘T and F', both cut at 0.5.
        dice, asd_mm, hd95_mm: mean over the structures that are known in both images (symmetric surface distances).
        tre_mm: mean distance of the landmarks after registration.
        folded: voxels of the networks' grid with a Jacobian determinant of zero or less.
        displacement_mm: the longest T(x) - x on the networks' grid.
        seconds: time of the stage.
        kept: whether this stage's transform is the result.
    """

    stage: str
    agreement: float
    dice: float
    asd_mm: float
    hd95_mm: float
    tre_mm: float
    folded: int
    displacement_mm: float
    seconds: float
    kept: bool


@dataclass(frozen=True)
class Verdict:
    """A traffic light (green, yellow or red) and why."""

    light: str
    reason: str


def measureStages(result, labels=None, landmarks=None) -> tuple[StageQuality, ...]:
    """A row per stage.

    Args:
        result: RegistrationResult.
        labels: (fixed label map, moving label map, names by label), or None.
        landmarks: fixed and moving points (N, 3), LPS mm, or None.
    """
    return tuple(_measured(stage, result, labels, landmarks) for stage in result.stages)


def _measured(stage, result, labels, landmarks) -> StageQuality:
    dice, asd, hd95 = _overlap(stage.transform, labels) if labels else (math.nan,) * 3
    moved = np.linalg.norm(stage.transform.displacement(result.fixed_map.grid), axis=-1)
    return StageQuality(
        stage=stage.name,
        agreement=stage.agreement,
        dice=dice,
        asd_mm=asd,
        hd95_mm=hd95,
        tre_mm=_landmarkError(stage.transform, landmarks) if landmarks is not None else math.nan,
        folded=stage.folded,
        displacement_mm=float(moved.max()),
        seconds=stage.seconds,
        kept=stage.name == result.kept,
    )


def _overlap(transform, labels) -> tuple[float, float, float]:
    from ..data.evaluate import measure

    scores = measure(transform, labels[0], labels[1], sorted(labels[2]))
    columns = ([getattr(s, key) for s in scores] for key in ("dice", "asd_mm", "hd95_mm"))
    return tuple(_mean(values) for values in columns)


def _landmarkError(transform, landmarks) -> float:
    fixed, moving = landmarks
    return float(np.linalg.norm(transform.map_points(fixed) - moving, axis=1).mean())


def _mean(values) -> float:
    known = [value for value in values if math.isfinite(value)]
    return float(np.mean(known)) if known else math.nan


def verdict(quality: tuple[StageQuality, ...], voxels: int, notes=()) -> Verdict:
    """A light for the kept stage: the worst thing that was found decides, and is said.

    The limits are rules of thumb for a first look; a green light does not replace looking.

    Args:
        quality: of ``measureStages``.
        voxels: of the networks' grid.
        notes: what the run said about itself, for example that a stage was given up.
    """
    kept = next(row for row in quality if row.kept)
    percent = 100 * kept.folded / voxels
    red = [
        (math.isnan(kept.agreement), "The networks see no structure: are these the images the checkpoint is for?"),
        (kept.agreement < LOW_AGREEMENT, f"The structures hardly agree (predicted {kept.agreement:.2f})."),
        (kept.dice < LOW_DICE, f"The known structures hardly overlap (Dice {kept.dice:.2f})."),
        (percent > FOLDED_PERCENT, f"The transform folds space in {percent:.1f} % of the voxels."),
    ]
    yellow = [
        (kept.agreement < FAIR_AGREEMENT, f"The structures agree only fairly (predicted {kept.agreement:.2f})."),
        (kept.dice < FAIR_DICE, f"The known structures overlap only fairly (Dice {kept.dice:.2f})."),
        (kept.folded > 0, f"The transform folds space in {kept.folded} voxels."),
        (bool(notes), " ".join(notes)),
    ]
    for light, findings in (("red", red), ("yellow", yellow)):
        reasons = [reason for holds, reason in findings if holds]
        if reasons:
            return Verdict(light, " ".join(reasons))
    return Verdict("green", f"The structures agree (predicted {kept.agreement:.2f}) and nothing folds. Look, too.")


def cells(row: StageQuality) -> list[str]:
    """The row as text, in the order of HEADINGS; a dash where nothing could be measured."""
    decimals = {"agreement": 3, "dice": 3, "asd_mm": 2, "hd95_mm": 2, "tre_mm": 2, "displacement_mm": 1, "seconds": 2}
    texts = []
    for key in HEADINGS:
        value = getattr(row, key)
        known = isinstance(value, float)
        texts.append("–" if known and math.isnan(value) else f"{value:.{decimals[key]}f}" if known else str(value))
    return texts


def writeCsv(path, quality: tuple[StageQuality, ...]) -> None:
    """The table as CSV (UTF-8); empty where nothing could be measured."""
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*HEADINGS, "kept"])
        for row in quality:
            values = [getattr(row, key) for key in HEADINGS]
            writer.writerow(["" if v != v else v for v in values] + [int(row.kept)])
