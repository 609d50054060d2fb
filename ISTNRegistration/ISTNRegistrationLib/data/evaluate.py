"""Measuring registrations by structures: pair lists, overlap and surface distances, and results that can be resumed.

The results are one tidy CSV: a row per pair, stage and label, and one with label ``mean``; in pandas
``read_csv(path).query("label == 'mean'").groupby("stage")["dice"].agg(["mean", "std"])``.
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch

from ..core.errors import InputError
from ..core.metrics import dice, folded_voxels
from ..core.transform import SpatialTransform
from ..core.volume import Volume
from ..core.warp import warp_volume
from .files import read_text, write_atomically
from .surface import surface_distance
from .table import parse, read_table

PAIR_COLUMNS = ("fixed", "moving", "fixed_soi", "moving_soi")
SCORES = ("dice", "asd_mm", "hd95_mm")
COLUMNS = (*PAIR_COLUMNS, "version", "stage", "label", *SCORES, "folded", "seconds")
MEAN = "mean"


@dataclass(frozen=True)
class PairFiles:
    """One pair as it stands in the pair list (paths relative to the list)."""

    fixed: str
    moving: str
    fixed_soi: str
    moving_soi: str


@dataclass(frozen=True)
class LabelScore:
    """Dice, true symmetric average surface distance and HD95 of one label."""

    label: int
    dice: float
    asd_mm: float
    hd95_mm: float


def read_pairs(path: Path) -> list[PairFiles]:
    """Pairs of a CSV with (at least) the columns ``PAIR_COLUMNS``.

    Raises:
        InputError: no such file, not a CSV, missing columns, no rows, or an empty field, with its line.
    """
    rows = read_table(path, f"Pairs '{path.name}'", PAIR_COLUMNS)
    return [PairFiles(*(row[key] for key in PAIR_COLUMNS)) for row in rows]


def limit_threads(count: int) -> None:
    """Let torch and SimpleITK use ``count`` CPU threads."""
    torch.set_num_threads(count)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(count)


def measure(transform: SpatialTransform, fixed_soi: Volume, moving_soi: Volume, labels=()) -> list[LabelScore]:
    """Scores of the moving label map warped (nearest neighbour) to the fixed one's grid.

    Args:
        labels: which; all positive ones of both maps if empty.

    Raises:
        InputError: neither map has a label.
    """
    present = np.union1d(fixed_soi.array, moving_soi.array)
    labels = labels or present[present > 0].tolist()
    if not labels:
        who, got = f"Labels '{fixed_soi.name}' and '{moving_soi.name}'", "only background"
        raise InputError(who, "there is nothing to measure", "positive whole numbers", got, "Give label maps")
    warped = warp_volume(moving_soi, transform, fixed_soi.grid, order="nearest").array
    return label_scores(fixed_soi.array, warped, fixed_soi.grid.spacing, labels)


def label_scores(fixed: np.ndarray, warped: np.ndarray, spacing, labels) -> list[LabelScore]:
    """Scores of each of ``labels`` in two label maps of one shape; NaN where a number has no meaning."""
    used = np.nonzero((fixed > 0) | (warped > 0))
    box = tuple(slice(i.min(), i.max() + 1) for i in used) if len(used[0]) else ()
    fixed, warped = fixed[box], warped[box]
    scores = []
    for label in labels:
        there, here = fixed == label, warped == label
        surface = surface_distance(there, here, spacing)
        scores.append(LabelScore(int(label), dice(there, here), surface.average, surface.hd95))
    return scores


def stage_rows(stage: str, transform: SpatialTransform, soi: tuple[Volume, Volume], labels, seconds) -> list[dict]:
    """Rows of one stage of one pair: a row per label, then their mean (over the labels that have a number)."""
    scores = [asdict(score) for score in measure(transform, *soi, labels)]
    mean = {key: _mean([score[key] for score in scores]) for key in SCORES}
    whole = {"stage": stage, "folded": folded_voxels(transform, soi[0].grid), "seconds": round(seconds, 3)}
    return [whole | {k: _rounded(v) for k, v in score.items()} for score in [*scores, {"label": MEAN, **mean}]]


class ResultsFile:
    """A CSV that grows by whole pairs. What an interrupted run has left of a pair is taken out when it is opened.

    Args:
        version: of the options; pairs that were measured with others stay in the file and do not count as done.
        last_stage: whose mean row is the last of a pair.

    Raises:
        InputError: it cannot be written, or is a CSV of another kind.
    """

    def __init__(self, path: Path, version: str, last_stage: str) -> None:
        self.path, self.version = path, version
        rows = self._read()
        complete = {_key(row) for row in rows if row["stage"] == last_stage and row["label"] == MEAN}
        self.rows = [row for row in rows if row["version"] != version or _key(row) in complete]
        self.done = {key[:-1] for key in complete if key[-1] == version}
        write_atomically(path, self._write_all, f"Results '{path}'")

    def append(self, pair: PairFiles, rows: list[dict]) -> None:
        """Add the rows of a pair at once."""
        text = [{**asdict(pair), "version": self.version, **row} for row in rows]
        with self.path.open("a", newline="", encoding="utf-8") as file:
            file.write(_lines(text))
        self.rows += [{key: str(value) for key, value in row.items()} for row in text]
        self.done.add(tuple(asdict(pair).values()))

    def means(self, pairs: list[PairFiles]) -> dict[str, list[dict]]:
        """Mean rows of these pairs with this version, by stage."""
        wanted, found = {tuple(asdict(pair).values()) for pair in pairs}, {}
        for row in self.rows:
            if row["label"] == MEAN and row["version"] == self.version and _key(row)[:-1] in wanted:
                found.setdefault(row["stage"], []).append(row)
        return found

    def _read(self) -> list[dict]:
        if not self.path.exists():
            return []
        who = f"Results '{self.path.name}'"
        text = read_text(self.path, who, "a CSV")
        header, rows = parse(text[: text.rfind("\n") + 1], who)  # a last line without an end is half a row
        if text and tuple(header) != COLUMNS:
            got, todo = ", ".join(header)[:80], "Give --output another name"
            raise InputError(who, "it is a CSV of another kind", ", ".join(COLUMNS), got, todo)
        return rows

    def _write_all(self, name: str) -> None:
        Path(name).write_text(",".join(COLUMNS) + "\n" + _lines(self.rows), encoding="utf-8", newline="")


def summary(means: dict[str, list[dict]]) -> str:
    """Mean ± standard deviation over the pairs, a line per stage."""
    keys = (*SCORES, "folded", "seconds")
    lines = ["{:<12}{:>6}".format("stage", "pairs") + "".join(f"{key:>18}" for key in keys)]
    for stage, rows in means.items():
        values = [np.array([float(row[key] or "nan") for row in rows]) for key in keys]
        cells = (_mean_and_deviation(v[np.isfinite(v)]) for v in values)
        lines.append(f"{stage:<12}{len(rows):>6}" + "".join(f"{cell:>18}" for cell in cells))
    return "\n".join(lines)


def _mean_and_deviation(values: np.ndarray) -> str:
    if not len(values):
        return "-"
    deviation = values.std(ddof=1) if len(values) > 1 else 0.0
    return f"{values.mean():.3f} ± {deviation:.3f}"


def _key(row: dict) -> tuple[str, ...]:
    return tuple(row[key] for key in (*PAIR_COLUMNS, "version"))


def _lines(rows: list[dict]) -> str:
    text = io.StringIO()
    csv.DictWriter(text, COLUMNS, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _mean(values) -> float:
    finite = [v for v in values if math.isfinite(v)]
    return float(np.mean(finite)) if finite else float("nan")


def _rounded(value):
    """Numbers to five decimals; NaN as an empty field, which pandas reads as NaN."""
    if not isinstance(value, float):
        return value
    return round(value, 5) if math.isfinite(value) else ""
