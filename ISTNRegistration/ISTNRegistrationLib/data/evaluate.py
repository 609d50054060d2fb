"""Measuring many registrations label by label: a batch that writes numbers and no images.

The results are one tidy CSV: a row per pair, stage and label, and one with label ``mean``; in pandas
``read_csv(path).query("label == 'mean'").groupby("stage")["dice"].agg(["mean", "std"])``.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from ..core.quality import StageQuality
from .batch import FAILURES, BatchOptions, number
from .jobs import results_of
from .journal import Journal
from .pairs import PairFiles, PairReader, read_pairs
from .quality import SCORES
from .run import Runner

NEEDED = ("fixed", "moving", "fixed_labels", "moving_labels")
COLUMNS = ("id", "fixed", "moving", "stage", "label", *SCORES, "agreement", "expected", "uncertainty_mm", "light")
COLUMNS += ("folded", "seconds")
BEFORE, ONE_PASS, REFINED = "before", "one-pass", "refined"
MEAN = "mean"


class Evaluation:
    """The pairs of a list and what is measured of them. A context: within it no other process writes to ``output``.

    Stages: before (the initial alignment), one-pass (the networks' answer, whatever it is worth) and, where something
    is refined, refined (the transform that the user gets).

    Args:
        labels: which; all positive ones of both maps of a pair if empty.

    Raises:
        InputError: the list cannot be read, or the checkpoint cannot do what is asked for.
    """

    def __init__(self, pairs: Path, output: Path, options: BatchOptions, labels=()) -> None:
        options.register.check()
        options.checkpoint.check_options(options.register)
        self._options, self._labels = options, tuple(sorted(labels))
        self._pairs, self._reader = read_pairs(pairs, NEEDED), PairReader(pairs.parent)
        self._work = EvaluationWork(pairs.parent, options, self._labels)
        self._version = hashlib.sha256(json.dumps([options.version, self._labels]).encode()).hexdigest()[:8]
        self._journal = Journal(output, COLUMNS, self._complete)
        self.failures: list[str] = []

    def __enter__(self) -> Evaluation:
        self._journal.__enter__()
        return self

    def __exit__(self, *_) -> None:
        self._journal.sort([self._identity(pair) for pair in self._pairs])
        self._journal.__exit__()

    @property
    def count(self) -> int:
        return len(self._pairs)

    def todo(self) -> list[int]:
        """Numbers of the pairs that are not measured; a pair with a missing file is among them."""
        return [k for k, pair in enumerate(self._pairs) if self._identity(pair) not in self._journal.entries]

    def missing(self) -> list[Path]:
        """Files of the list that are not there."""
        return self._reader.missing(self._pairs)

    def measure_all(self, indices: list[int], jobs: int = 1, threads: int | None = None) -> Iterator[None]:
        """Register many pairs and add their rows, or lines to ``failures``, a step each (``jobs.results_of``)."""
        pairs = [self._pairs[index] for index in indices]
        for done, rows in results_of(self._work, pairs, jobs, threads):
            yield self._keep(pairs[done], str(rows) if isinstance(rows, InputError) else rows)

    def _keep(self, pair: PairFiles, rows: list[dict] | str) -> None:
        if isinstance(rows, str):
            self.failures.append(f"{pair.fixed} with {pair.moving}: {' '.join(rows.split())}")
        else:
            self._journal.append(self._identity(pair), rows)

    def means(self) -> dict[str, list[dict]]:
        """Mean rows of the pairs of the list, by stage."""
        found: dict[str, list[dict]] = {}
        for identity in {self._identity(pair) for pair in self._pairs}:
            for row in self._journal.entries.get(identity, []):
                if row["label"] == MEAN:
                    found.setdefault(row["stage"], []).append(row)
        return found

    def _identity(self, pair: PairFiles) -> str:
        """What the numbers depend on, first the version of the options; empty if a file is missing."""
        try:
            return f"{self._version}-{self._reader.identity(pair, self._version)}"
        except FAILURES:
            return ""

    def _complete(self, rows: list[dict]) -> bool:
        """Whether nothing of a pair is missing; pairs that were measured with other options are left as they are."""
        last = REFINED if self._options.register.refines else ONE_PASS
        other = not rows[0]["id"].startswith(self._version)
        return other or (rows[-1]["stage"] == last and rows[-1]["label"] == MEAN)


class EvaluationWork:
    """Measures pairs; it can be sent to another process.

    Args:
        base: folder that the list's paths are relative to.
    """

    def __init__(self, base: Path, options: BatchOptions, labels: tuple[int, ...]) -> None:
        self._options, self._labels, self._reader, self._runner = options, labels, PairReader(base), Runner()

    def __call__(self, pair: PairFiles) -> list[dict] | str:
        """The rows of one pair, or why there are none."""
        try:
            return self._measured(pair)
        except FAILURES as error:
            return str(error)

    def _measured(self, pair: PairFiles) -> list[dict]:
        register, checkpoint = self._options.register, self._options.checkpoint
        request = self._reader.request(pair, checkpoint, register, self._labels)
        how = dataclasses.replace(request.options, refine="none", keep_best=False, landmark_weight=0.0)
        one_pass = self._runner.run(dataclasses.replace(request, options=how))
        first, last = (one_pass.measure(one_pass.result.stages[k]) for k in (0, -1))
        rows = _rows(pair, BEFORE, first, 0.0) + _rows(pair, ONE_PASS, last, one_pass.seconds)
        if register.refines:
            refined = self._runner.run(request)
            rows += _rows(pair, REFINED, refined.kept, refined.seconds, refined.verdict.light)
        return rows


def _rows(pair: PairFiles, stage: str, quality: StageQuality, seconds: float, light: str = "") -> list[dict]:
    """A row per label, then their mean (over the labels that have a number)."""
    scores = [asdict(score) for score in quality.labels]
    scores.append({"label": MEAN, **{key: getattr(quality, key) for key in SCORES}})
    whole = {"fixed": pair.fixed, "moving": pair.moving, "stage": stage, "light": light, "folded": quality.folded}
    whole |= {"agreement": number(quality.agreement), "expected": number(quality.expected)}
    whole["uncertainty_mm"] = number(quality.uncertainty_mm)
    whole["seconds"] = round(seconds, 3)
    return [whole | {"label": score["label"], **{key: number(score[key]) for key in SCORES}} for score in scores]


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
