"""A configuration for a study that was looked at: every number with the reason for it."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..core.config import Channel
from ..core.errors import InputError
from .field_of_view import FieldOfView, choose_field
from .study_channels import FEWEST_PEOPLE, Chosen, choose_channels
from .survey import Looked, Survey

WRITTEN_HERE = "# Written by istn init"
VALIDATION_SHARE = 5  # every fifth person validates
MINUTES = 15.0
TRAINING_SHARE = 0.6  # of the minutes; the rest is for preparing, validating and the last page
VOXEL_STEPS_A_MINUTE = 7e6  # one idle CPU core, istn-e with two channels (Resources/Configs/hippocampus.toml)
AIMED_STEPS, FEWEST_STEPS, MOST_STEPS = 1000, 300, 4000
FEWEST_ACROSS = 4  # voxels; a smaller structure is hard to learn
MOST_TEST_PAIRS = 40


@dataclass(frozen=True)
class Wishes:
    """What a user wants otherwise than proposed; zeros and empty tuples leave the choice to the data.

    Attributes:
        minutes: how long a training may take, about, on two CPU cores.
        spacing: of the grid, mm.
        channels: which labels are shown together.
        method: as in the configuration.
        transforms: as in the configuration.
        control_spacing: of the B-spline's control points, mm.
        steps: of the training.
        hold_out: people that neither train nor validate, for the judgement.
    """

    minutes: float = MINUTES
    spacing: float = 0.0
    channels: tuple[Channel, ...] = ()
    method: str = "istn-e"
    transforms: tuple[str, ...] = ("affine", "bspline")
    control_spacing: float = 0.0
    steps: int = 0
    hold_out: int = 0


@dataclass(frozen=True, eq=False)
class Proposal:
    """What :func:`propose` found; ``numbers``: values of the configuration by ``table.key``, ``reasons`` likewise."""

    survey: Survey
    chosen: Chosen
    view: FieldOfView
    wishes: Wishes
    splits: dict[str, str]
    numbers: dict[str, object]
    reasons: dict[str, str] = field(default_factory=dict)

    def scans(self, split: str) -> list[Looked]:
        """Those of a split; of the test split all that can be used."""
        scans = self.survey.usable if split == "test" else self.chosen.scans
        return [scan for scan in scans if self.splits.get(scan.found.person) == split]


def propose(survey: Survey, wishes: Wishes = Wishes()) -> Proposal:  # noqa: B008  (it is frozen)
    """The configuration that fits a study.

    Raises:
        InputError: too few people, or a wish that cannot be met.
    """
    tests = _held_out(survey, wishes.hold_out)
    seen = replace(survey, scans=tuple(scan for scan in survey.scans if scan.found.person not in tests))
    chosen = choose_channels(seen, wishes.channels)
    splits = _splits(chosen.scans, survey.list_key) | dict.fromkeys(tests, "test")
    budget = max(wishes.minutes, 0.1) * TRAINING_SHARE * VOXEL_STEPS_A_MINUTE
    view = choose_field(chosen, budget / AIMED_STEPS, wishes.spacing)
    steps = wishes.steps or int(np.clip(round(budget / math.prod(view.size), -1), FEWEST_STEPS, MOST_STEPS))
    numbers, reasons = _numbers(chosen, view, wishes, steps)
    return Proposal(survey, chosen, view, wishes, splits, numbers, view.reasons | reasons)


def _held_out(survey: Survey, count: int) -> set[str]:
    """People that nothing is chosen on: those of test folders, and ``count`` others."""
    given = {scan.found.person for scan in survey.usable if scan.found.split == "test"}
    others = {scan.found.person for scan in survey.usable} - given
    return given | (_spread(sorted(others), count) if not survey.list_key else set())


def _splits(scans: tuple[Looked, ...], list_key: str) -> dict[str, str]:
    """Split by person; those of a list stay as they are."""
    if list_key:
        return {scan.found.person: scan.found.split for scan in scans}
    people = sorted({scan.found.person for scan in scans})
    if len(people) < FEWEST_PEOPLE:
        todo = "Annotate more people, or write subjects.csv yourself"
        raise InputError("Study", "there are too few people", f"{FEWEST_PEOPLE} or more", str(len(people)), todo)
    validating = _spread(people, max(2, math.ceil(len(people) / VALIDATION_SHARE)))
    return {person: "val" if person in validating else "train" for person in people}


def _spread(people: list[str], count: int) -> set[str]:
    """``count`` people from all over the sorted list: neighbors are often of one scanner."""
    return {people[int((k + 0.5) * len(people) / count)] for k in range(min(count, len(people)))}


def _numbers(chosen: Chosen, view: FieldOfView, wishes: Wishes, steps: int) -> tuple[dict, dict]:
    """Values of the configuration beside the grid, and why."""
    ndim, shortest = len(view.size), float(view.extent.min())
    across = [_diameter(volumes, ndim) for volumes in _volumes(chosen)]
    middle, least = float(np.median(across)), float(min(across))
    control = wishes.control_spacing or max(3 * view.spacing, _handy(middle / 2))
    move = _handy(max(10 * view.spacing, 1.5 * view.off_mm, shortest / 4))
    numbers = {
        "affine.translation_mm": move,
        "bspline.spacing_mm": control,
        "bspline.max_displacement_mm": _handy(2.5 * control),
        "bspline.bending_weight": 0.03,
        "augment.translation_mm": _handy(0.1 * shortest),
        "augment.elastic_mm": _handy(0.05 * shortest),
        "augment.elastic_spacing_mm": _handy(0.35 * shortest),
        "augment.mirror": chosen.sides,
        "training.steps": steps,
        "training.validate_every": max(1, steps // 5),
        "training.itn_first_steps": steps // 4,
        "training.warmup_steps": min(50, steps // 10),
    }
    fine = f"{least / view.spacing:.1f} voxels" + ("" if least >= FEWEST_ACROSS * view.spacing else ", which is few")
    reasons = {
        "affine": f"structures of two people lie up to {2 * view.off_mm:.0f} mm apart after their anchors are matched",
        "bspline": f"half of the middle structure's diameter ({middle:.0f} mm), at least 3 voxels of the grid",
        "mirror": "left and right have channels of their own" if chosen.sides else "no left and right were found",
        "steps": f"about {wishes.minutes:g} minutes on two CPU cores, if {VOXEL_STEPS_A_MINUTE / 1e6:g} million voxel "
        f"steps take one; the smallest structure is {least:.1f} mm or {fine} across",
    }
    return numbers, reasons


def _volumes(chosen: Chosen) -> list[list[float]]:
    """Of each channel, per scan."""
    values = (
        [s.structures[v].volume for v in c.labels for s in chosen.scans if v in s.structures] for c in chosen.channels
    )
    return [volumes for volumes in values if volumes]


def _diameter(volumes: list[float], ndim: int) -> float:
    """mm: of the ball (disk) with the median volume."""
    volume = float(np.median(volumes))
    return (6 * volume / math.pi) ** (1 / 3) if ndim == 3 else 2 * math.sqrt(volume / math.pi)


def _handy(value: float) -> float:
    """Two significant digits."""
    return float(f"{value:.2g}")


def subjects_csv(proposal: Proposal, folder: Path) -> str:
    """The list of the scans that train and validate; paths relative to ``folder`` where that is possible."""
    rows = [
        [scan.found.person, _path(scan.found.image, folder), _path(scan.found.labels, folder), split]
        for split in ("train", "val")
        for scan in proposal.scans(split)
    ]
    return _csv([["person", "image", "labels", "split"], *rows])


def test_pairs_csv(proposal: Proposal, folder: Path) -> str:
    """Ordered pairs of different people that no choice has seen, as ``istn evaluate`` reads them; "" without any."""
    scans = proposal.scans("test")
    pairs = [(f, m) for f in scans for m in scans if f.found.person != m.found.person]
    chosen = pairs[:: max(1, math.ceil(len(pairs) / MOST_TEST_PAIRS))]
    rows = [
        [_path(p, folder) for p in (f.found.image, m.found.image, f.found.labels, m.found.labels)] for f, m in chosen
    ]
    return _csv([["fixed", "moving", "fixed_labels", "moving_labels"], *rows]) if rows else ""


def _path(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    except ValueError:  # another drive on Windows
        return str(path.resolve())


def _csv(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def toml_text(text: str) -> str:
    """A TOML string."""
    return json.dumps(text, ensure_ascii=False)
