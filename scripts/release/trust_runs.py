"""Run drawn registrations; keep each stage's evidence and true Dice in a CSV, with which a later run goes on."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import time
from pathlib import Path

import numpy as np
import torch
from ISTNRegistrationLib.core.checkpoint import Checkpoint
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.evidence import SMALLEST, look
from ISTNRegistrationLib.core.metrics import dice
from ISTNRegistrationLib.core.register import FixedImage, RegisterOptions, register_pair
from ISTNRegistrationLib.core.trust import FEATURES, people_of, to_card
from ISTNRegistrationLib.core.warp import warp_volume
from paper.datasets import datasets

from release.trust_cases import Case, changed, draw, image_of

TEST_NUMBERS = 1_000_000  # the first case of develop-test: other draws than of develop-train and develop-val
SPLITS = {"develop": ("train", "val"), "test": ("test",)}
KEYS = ("case", "kind", "split", "people", "transform", "iterations", "stage", "kept", "structure", "dice")


def weights_hash(checkpoint: Checkpoint) -> str:
    """Of the networks alone: what is written into the card later does not change it."""
    digest = hashlib.sha256()
    for key, value in checkpoint.model.state_dict().items():
        digest.update(key.encode() + value.numpy().tobytes())
    return digest.hexdigest()[:12]


def with_people(checkpoint: Checkpoint, data: str) -> Checkpoint:
    """The checkpoint, its card saying how the structures of the people of develop-train and develop-val look in it."""
    scans = {scan for split in SPLITS["develop"] for pair in datasets()[data].pairs(split) for scan in pair}
    scans = sorted(scans, key=lambda scan: (scan.person, scan.image_file))[:40]
    looks = []
    for scan in scans:
        fixed = FixedImage.prepare(image_of(scan), checkpoint, RegisterOptions(device="cpu"))
        looks.append(look(fixed.map, fixed.located.values, fixed.grid))
    card = checkpoint.card | {"trust": to_card(None, people_of(looks, SMALLEST))}
    return dataclasses.replace(checkpoint, card=card)


def run_cases(checkpoint: Checkpoint, data: str, part: str, count: int, path: Path, minutes: float) -> None:
    """Run the first ``count`` cases of a part ("develop", "test") that the CSV does not hold, for so many minutes."""
    pairs = {split: datasets()[data].pairs(split) for split in SPLITS[part]}
    other = datasets()["brain" if data == "hippocampus" else "hippocampus"]
    others = [scan for split in SPLITS[part] for scan, _ in other.pairs(split)[:12]]
    done, end = _cases_in(path), time.monotonic() + 60 * minutes
    for number in range(count):
        number += TEST_NUMBERS * (part == "test")
        if number in done:
            continue
        if time.monotonic() > end:
            print(f"{part}: stopped before case {number}; run again to go on")
            break
        split = SPLITS[part][number % len(SPLITS[part])]
        rows = _rows(draw(number, pairs[split], others), split, checkpoint)
        _append(path, rows)


def _cases_in(path: Path) -> set[int]:
    if not path.exists():
        return set()
    with path.open(newline="", encoding="utf-8") as file:
        return {int(row["case"]) for row in csv.DictReader(file)}


def _append(path: Path, rows: list[dict]) -> None:
    new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*KEYS, *FEATURES], lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(rows)


def _rows(case: Case, split: str, checkpoint: Checkpoint) -> list[dict]:
    """A row per stage and structure; one without evidence where the registration was refused."""
    image, labels = changed(case)
    fixed, moving = (image_of(case.fixed), case.fixed.structures), (image_of(case.moving), case.moving.structures)
    fixed, moving = ((image, labels), moving) if case.change_fixed else (fixed, (image, labels))
    head = {"case": case.number, "kind": case.kind, "split": split}
    head |= {"people": f"{case.fixed.person} {case.moving.person}"}
    head |= {"transform": case.transform, "iterations": case.iterations}
    options = RegisterOptions(case.transform, case.initial, iterations=case.iterations, keep_best=False)
    if case.transform == "dense" and not case.iterations:
        options = dataclasses.replace(options, transform="bspline")
    try:
        result = register_pair(fixed[0], moving[0], checkpoint, options)
    except InputError as error:
        return [head | {"stage": f"refused: {error}"}]
    rows = []
    for stage in result.stages:
        true = _true_dice(stage.transform, fixed[1], moving[1], checkpoint, case.kind)
        for channel, value, numbers in zip(checkpoint.config.channels, true, stage.evidence, strict=True):
            last = int(stage is result.stages[-1])
            told = {"stage": stage.name, "kept": last, "structure": channel.name, "dice": round(value, 4)}
            rows.append(head | told | dict(zip(FEATURES, np.round(numbers, 4), strict=True)))
    return rows


def _true_dice(transform, fixed, moving, checkpoint: Checkpoint, kind: str) -> list[float]:
    """Dice of each channel's labels as one mask; 0 where the anatomy is another."""
    channels = checkpoint.config.channels
    if kind == "other anatomy":
        return [0.0] * len(channels)
    warped = warp_volume(moving, transform, fixed.grid, order="nearest")
    return [dice(np.isin(fixed.array, c.labels), np.isin(warped.array, c.labels)) for c in channels]


def one_thread() -> None:
    """Leave the other cores to others; results do not depend on how many there are."""
    torch.set_num_threads(1)
