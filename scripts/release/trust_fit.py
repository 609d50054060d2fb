"""Fit the curves of core/trust.py to registrations whose true Dice is known, and say how far they can be trusted."""

from __future__ import annotations

import csv
import functools
import itertools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ISTNRegistrationLib.core.trust import FEATURES, Limits, TrustModel, ramps
from scipy.optimize import minimize

QUANTILES = (0.02, 0.25, 0.5, 0.75, 0.9, 0.98)  # of the evidence: where a curve can bend
SMALLEST_DICE = 0.02
HOLDS = (
    5e-4,
    2e-3,
    6e-3,
    2e-2,
)  # of a curve to the ground: the one that is best for people who were left out
HUBER = 0.05  # differences larger than this count linearly
TRAIN_WEIGHT = 0.5  # of a pair of training people, which the networks know, against one of validation people
LEVELS = 6  # at which intervals are told
OUTSIDE = 0.05  # below the interval, and above it
FOLDS = 6
OWN, BELOW, STEP = 0.95, 0.1, 0.01
FALSE_GREEN, FALSE_RED = 0.01, 0.1
CONTRAST = ("strange brightness", "strange contrast", "strange in all", "unlike", "opposed")  # evidence of it


@dataclass(frozen=True, eq=False)
class Table:
    """Stages (N): evidence (N, C, F), true Dice (N, C), and of which case, kind, split and people; ends of a run.

    ``asd_mm``: true surface distance, ``thickness_mm``: of F', (N, C); NaN where they were not measured. A run's end is
    its last stage; its last affine stage is the end of a run of which no more was asked.
    """

    evidence: np.ndarray
    dice: np.ndarray
    case: np.ndarray
    kind: np.ndarray
    split: np.ndarray
    people: list[frozenset[str]]
    ends: np.ndarray
    asd_mm: np.ndarray
    thickness_mm: np.ndarray

    def only(self, chosen) -> Table:
        """The stages that are chosen (N,)."""
        arrays = {key: value[chosen] for key, value in vars(self).items() if key != "people"}
        return Table(**arrays, people=[p for p, keep in zip(self.people, chosen, strict=True) if keep])


def read_table(path: Path, structures: list[str]) -> Table:
    """The CSV of ``trust_runs``; registrations that were refused are left out, structures that no label has count 0."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["structure"]]
    stages = [rows[k : k + len(structures)] for k in range(0, len(rows), len(structures))]
    stages = [s for s in stages if [row["structure"] for row in s] == structures]  # a kill may have cut the last one
    first = [s[0] for s in stages]
    return Table(
        evidence=np.array([[[float(row[name]) for name in FEATURES] for row in s] for s in stages]),
        dice=np.nan_to_num(_numbers(stages, "dice")),
        asd_mm=_numbers(stages, "asd_mm"),
        thickness_mm=_numbers(stages, "thickness_mm"),
        case=np.array([int(row["case"]) for row in first]),
        kind=np.array([row["kind"] for row in first]),
        split=np.array([row["split"] for row in first]),
        people=[frozenset(row["people"].split()) for row in first],
        ends=np.array([row["ends"] == "1" for row in first]),
    )


def fair(table: Table, card: dict, structures: list[str]) -> Table:
    """Without what a checkpoint cannot be judged by.

    Contrast, of one that was trained on painted images of every contrast; and mirrored images, of one with a channel
    for each side: nothing in an image says which side it shows (docs/pose.md).
    """
    if any(name.startswith("left ") for name in structures):
        table = table.only(table.kind != "mirrored")
    if not card.get("synthesis"):
        return table
    evidence = table.evidence.copy()
    evidence[..., [FEATURES.index(name) for name in CONTRAST]] = 0
    return replace(table, evidence=evidence)


def _numbers(stages: list[list[dict]], column: str) -> np.ndarray:
    return np.array([[float(row[column] or "nan") for row in stage] for stage in stages])


def fit(table: Table) -> TrustModel:
    """Curves fitted to all of the table; intervals, limits and the curves' hold, to people who were left out."""
    told, hold = judged(table)
    model = TrustModel(**vars(fit_curves(table, hold)) | intervals(told, table))
    return replace(model, limits=limits(model, told, table))


@functools.lru_cache(maxsize=1)
def judged(table: Table) -> tuple[np.ndarray, float]:
    """Dice (N, C) said without having seen the people, by the hold that does so best; and that hold."""
    tried = [(left_out(table, hold), hold) for hold in HOLDS]
    return min(tried, key=lambda one: np.nanmean(np.abs(one[0] - table.dice)[table.ends].mean(1)))


def fit_curves(table: Table, hold: float) -> TrustModel:
    """The curves alone: bounded least squares with a robust loss, each rise held to zero (L-BFGS-B)."""
    count = table.dice.shape[1]
    knots = _knots(table.evidence)
    steps = ramps(table.evidence, knots).reshape(len(table.dice), count, -1)
    weights = np.where(table.split == "train", TRAIN_WEIGHT, 1.0)[:, None]
    stages = np.array([np.sum(table.case == case) for case in table.case])[:, None]
    weights = weights / stages / np.mean(weights / stages)

    def loss(parameters):
        base, gains = parameters[:count], parameters[count:]
        said = np.exp(-(base + steps @ gains))
        off = said - table.dice
        root = np.sqrt(1 + (off / HUBER) ** 2)
        slope = weights * off / root * -said / off.size
        value = (weights * HUBER**2 * (root - 1)).mean() + hold * HUBER * (gains**2).sum() / 2
        return value, np.concatenate([slope.sum(0), np.tensordot(slope, steps, 2) + hold * HUBER * gains])

    told = steps.reshape(-1, steps.shape[-1]).any(axis=0)  # where nothing was seen, a curve stays at exactly zero
    start = np.concatenate([np.full(count, 0.15), 0.01 * told])
    bounds = [(0, -np.log(SMALLEST_DICE))] * len(start)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500})
    base, gains = found.x[:count], found.x[count:].reshape(len(FEATURES), -1)
    none = np.array([[0.0, 1.0]] * 2)
    return TrustModel(base, knots, gains, none, np.zeros((2, 2)), np.zeros((2, 2)))


def _knots(evidence: np.ndarray) -> np.ndarray:
    values = evidence.reshape(-1, evidence.shape[-1])
    return np.maximum.accumulate(np.quantile(values, QUANTILES, axis=0).T, axis=1)


def left_out(table: Table, hold: float) -> np.ndarray:
    """Dice (N, C) said by curves that never saw either person of the pair."""
    everyone = sorted(frozenset().union(*table.people))
    np.random.default_rng(2026).shuffle(everyone)
    told = np.full(table.dice.shape, np.nan)
    for a, b in itertools.combinations_with_replacement(range(FOLDS), 2):
        out = {person for k, person in enumerate(everyone) if k % FOLDS in (a, b)}
        asked = np.array([_in_folds(people, everyone) == {a, b} for people in table.people])
        kept = np.array([not people & out for people in table.people])
        if asked.any() and kept.any():
            told[asked] = fit_curves(table.only(kept), hold).dice(table.evidence[asked])
    return told


def _in_folds(people: frozenset[str], everyone: list[str]) -> set[int]:
    return {everyone.index(person) % FOLDS for person in people}


def intervals(told: np.ndarray, table: Table) -> dict[str, np.ndarray]:
    """How far below and above what was said the true Dice lay, at some levels; of structures, and of their mean."""
    tables = []
    for said, true in ((told.ravel(), table.dice.ravel()), (told.mean(1), table.dice.mean(1))):
        known = np.isfinite(said)
        tables.append(_interval(said[known], true[known]))
    return {key: np.array([t[k] for t in tables]) for k, key in enumerate(("levels", "below", "above"))}


def limits(model: TrustModel, told: np.ndarray, table: Table) -> Limits:
    """Where the light changes: the rule of docs/trust.md, on runs whose people were left out.

    Good is the Dice that ``OWN`` of the checkpoint's registrations of plain images reach, poor what is ``BELOW`` less.
    The light is green where the interval begins at poor or above, red where less than poor is expected; each limit is
    moved away in steps of ``STEP`` until it is wrong of no more than its share of the poor, or good, runs.
    """
    known = table.ends & np.isfinite(told).all(axis=1)
    said, true = told[known].mean(1), table.dice[known].mean(1)
    good = round(float(np.quantile(true[table.kind[known] == "plain"], 1 - OWN)), 2)
    poor = round(good - BELOW, 2)
    low = said - np.interp(said, model.levels[1], model.below[1])
    green, red = poor, poor
    while (low[true < poor] >= green).sum() > FALSE_GREEN * (true < poor).sum():
        green = round(green + STEP, 2)
    while (said[true >= good] < red).sum() > FALSE_RED * (true >= good).sum():
        red = round(red - STEP, 2)
    return Limits(green, red, good, poor)


def _interval(said: np.ndarray, true: np.ndarray):
    """Levels with as many differences around each; the share ``OUTSIDE`` of them lies beyond either end."""
    order, off = np.argsort(said), true - said
    parts = np.array_split(order, LEVELS)
    levels = np.array([said[part].mean() for part in parts])
    low, high = (np.array([_quantile(off[part], q) for part in parts]) for q in (OUTSIDE, 1 - OUTSIDE))
    return levels + 1e-6 * np.arange(LEVELS), np.maximum(-low, 0), np.maximum(high, 0)


def _quantile(values: np.ndarray, share: float) -> float:
    """A quantile that a small sample keeps for new values, too (conformal: one more value, at the far end)."""
    far = np.append(values, values.min() if share < 0.5 else values.max())
    return float(np.quantile(far, share))
