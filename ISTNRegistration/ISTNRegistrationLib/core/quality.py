"""How good is it? Numbers per stage of a registration, and a light with its reason. Free of torch.

They are measured by ``data.quality``; panel, command line, batch and report show the same ones.
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass

from .trust import Expectation, Expected

LOW_AGREEMENT, FAIR_AGREEMENT = 0.5, 0.75  # predicted Dice of M' under the transform and F'
LOW_DICE, FAIR_DICE = 0.5, 0.7
FOLDED_PERCENT = 0.5  # of the networks' grid
NEXT = "Try another initial alignment, another checkpoint or a mask."
UNKNOWN = "This checkpoint cannot tell what Dice to expect."
HEADINGS = {
    "stage": "Stage",
    "agreement": "Agreement (predicted)",
    "expected": "Expected Dice",
    "uncertainty_mm": "± mm",
    "dice": "Dice",
    "asd_mm": "ASD mm",
    "hd95_mm": "HD95 mm",
    "tre_mm": "TRE mm",
    "folded": "Folded voxels",
    "displacement_mm": "Displacement mm",
    "seconds": "Seconds",
}
EXPECTED_HEADINGS = ("Structure", "Expected Dice", "nine in ten", "± mm", "nine in ten")
DECIMALS = {"agreement": 3, "expected": 2, "dice": 3, "asd_mm": 2, "hd95_mm": 2, "tre_mm": 2, "displacement_mm": 1}
DECIMALS |= {"seconds": 2, "uncertainty_mm": 2}


@dataclass(frozen=True)
class LabelScore:
    """Dice, true symmetric average surface distance and 95th percentile Hausdorff distance (mm) of one label."""

    label: int
    dice: float
    asd_mm: float
    hd95_mm: float


@dataclass(frozen=True)
class StageQuality:
    """One row of the table; NaN where there is nothing to measure with.

    Attributes:
        stage: name of the stage.
        agreement: label-free, from the networks' own maps: mean Dice of M'∘T and F', both cut at 0.5.
        dice, asd_mm, hd95_mm: mean over the reference labels of both images (symmetric surface distances).
        tre_mm: mean distance of the landmarks after registration.
        folded: voxels of the networks' grid with a Jacobian determinant of zero or less.
        displacement_mm: the longest T(x) - x on the networks' grid.
        seconds: time of the stage.
        kept: whether this stage's transform is the result.
        labels: scores of each reference label.
        expectation: the Dice to expect, of each structure too; None where the checkpoint cannot tell.
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
    labels: tuple[LabelScore, ...] = ()
    expectation: Expectation | None = None

    @property
    def expected(self) -> float:
        """Expected Dice, mean over the structures; NaN where the checkpoint cannot tell."""
        return self.expectation.overall.dice if self.expectation else math.nan

    @property
    def uncertainty_mm(self) -> float:
        """How far the structures' surfaces are expected to lie apart on average; NaN where it is not known."""
        return self.expectation.overall.mm if self.expectation else math.nan


@dataclass(frozen=True)
class Verdict:
    """A traffic light (green, yellow or red) and why."""

    light: str
    reason: str


def in_doubt(agreement: float, expectation: Expectation | None) -> bool:
    """Whether what is expected, or the agreement where that is not known, is too little for a green light."""
    if expectation:
        return expectation.overall.low < expectation.limits.green
    return not agreement >= FAIR_AGREEMENT


def verdict(kept: StageQuality, voxels: int, notes=(), masks=()) -> Verdict:
    """A light for a registration: the worst thing that was found decides, and is said.

    It rests on the expected Dice (core/trust.py), and on rules of thumb about the agreement where the checkpoint cannot
    tell it. A green light does not replace looking.

    Args:
        kept: the row of the stage whose transform is the result.
        voxels: of the networks' grid.
        notes: what the run said about itself, for example that a stage was given up.
        masks: what masks hide (data/masks.py): the next thing to try where the light is not green.
    """
    percent = 100 * kept.folded / voxels
    red = [
        (math.isnan(kept.agreement), "The networks see no structure. Are these the images the checkpoint is for?"),
        *_expected_red(kept, () if masks else (NEXT,)),
        (kept.dice < LOW_DICE, f"The reference structures hardly overlap (Dice {kept.dice:.2f})."),
        (percent > FOLDED_PERCENT, f"The transform folds space in {percent:.1f} % of the voxels."),
    ]
    yellow = [
        *_expected_yellow(kept),
        (kept.dice < FAIR_DICE, f"The reference structures overlap only fairly (Dice {kept.dice:.2f})."),
        (kept.folded > 0, f"The transform folds space in {kept.folded} voxels."),
        (bool(notes), " ".join(notes)),
    ]
    for light, findings in (("red", red), ("yellow", yellow)):
        reasons = [reason for holds, reason in findings if holds]
        if reasons:
            return Verdict(light, " ".join((*reasons, *masks)))
    good = _told(kept, "agree")
    return Verdict("green", f"{good} No folding. Please check the images as well.")


def _expected_red(kept: StageQuality, todo: tuple[str, ...]) -> list[tuple[bool, str]]:
    """The finding of the expected Dice, or, where it is not known, of the agreement, that makes a light red."""
    said = _told(kept, "hardly agree")
    if kept.expectation:
        return [(kept.expected < kept.expectation.limits.red, " ".join((said, *todo)))]
    return [(kept.agreement < LOW_AGREEMENT, said)]


def _expected_yellow(kept: StageQuality) -> list[tuple[bool, str]]:
    """The same for a yellow light."""
    return [(in_doubt(kept.agreement, kept.expectation), _told(kept, "agree only fairly"))]


def _told(kept: StageQuality, how: str) -> str:
    """The expected Dice in words; where it is not known, ``how`` the structures agree."""
    if kept.expectation:
        return _expected(kept.expectation)
    return f"The structures {how} (predicted {kept.agreement:.2f}). {UNKNOWN}"


def _expected(expectation: Expectation) -> str:
    """Expected Dice with its interval, and the structure that is expected to be the worst."""
    worst = expectation.worst
    return f"Expected Dice {expectation.overall}, worst in {worst.name}: {worst}."


def cells(row: StageQuality) -> list[str]:
    """The row as text, in the order of HEADINGS; a dash where nothing could be measured."""
    return [_text(key, getattr(row, key)) for key in HEADINGS]


def structure_cells(row: StageQuality) -> dict[str, str]:
    """± mm of each structure as text, by "± name"; a dash where it is not known."""
    structures = row.expectation.structures if row.expectation else ()
    return {f"± {expected.name}": _text("uncertainty_mm", expected.mm) for expected in structures}


def _text(key: str, value) -> str:
    if not isinstance(value, float):
        return str(value)
    return "–" if math.isnan(value) else f"{value:.{DECIMALS[key]}f}"


def table_text(quality: tuple[StageQuality, ...]) -> str:
    """The table as people read it in a terminal, without columns in which nothing was measured."""
    rows = [list(HEADINGS.values()), *(cells(row) for row in quality)]
    shown = [column for column in zip(*rows, strict=True) if set(column[1:]) != {"–"}]
    return _in_columns(shown)


def expected_rows(expectation: Expectation) -> list[list[str]]:
    """A row for the mean and for each structure, in the order of EXPECTED_HEADINGS; a dash where no mm are known."""
    told = (expectation.overall, *expectation.structures)
    return [[e.name or "Mean", f"{e.dice:.2f}", f"{e.low:.2f} to {e.high:.2f}", *_mm(e)] for e in told]


def _mm(expected: Expected) -> tuple[str, str]:
    if math.isnan(expected.mm):
        return "–", "–"
    low, high = expected.interval_mm
    return f"{expected.mm:.2f}", f"{low:.2f} to {high:.2f}"


def expected_text(expectation: Expectation) -> str:
    """The expected Dice and mm of each structure as people read them in a terminal."""
    return _in_columns(list(zip(EXPECTED_HEADINGS, *expected_rows(expectation), strict=True)))


def _in_columns(columns: list[tuple[str, ...]]) -> str:
    """Lines of aligned cells, the first column to the left."""
    padded = [_aligned(column, str.rjust if number else str.ljust) for number, column in enumerate(columns)]
    return "\n".join("  ".join(line) for line in zip(*padded, strict=True))


def _aligned(column, justify) -> list[str]:
    width = max(map(len, column))
    return [justify(cell, width) for cell in column]


def table_csv(quality: tuple[StageQuality, ...]) -> str:
    """The table as CSV; empty where nothing could be measured."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    known = all(row.expectation for row in quality)
    names = [expected.name for expected in quality[0].expectation.structures] if quality and known else []
    each = [f"{what} {name}" for name in names for what in ("expected", "uncertainty_mm")]
    writer.writerow([*HEADINGS, "kept", *each])
    for row in quality:
        values = [*(getattr(row, key) for key in HEADINGS), int(row.kept)]
        for expected in row.expectation.structures if names else ():
            values += [expected.dice, expected.mm]
        writer.writerow(["" if v != v else v for v in values])
    return text.getvalue()
