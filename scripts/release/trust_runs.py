"""Run drawn registrations; keep each stage's evidence and true Dice in a CSV, with which a later run goes on."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import math
import time
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from ISTNRegistrationLib.core.checkpoint import Checkpoint, load_checkpoint
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.evidence import SMALLEST, look, witness
from ISTNRegistrationLib.core.metrics import dice
from ISTNRegistrationLib.core.options import RegisterOptions
from ISTNRegistrationLib.core.placement import Placement
from ISTNRegistrationLib.core.register import FixedImage, RegistrationResult, register_maps, register_pair
from ISTNRegistrationLib.core.stages import Beside, Progress, Stage
from ISTNRegistrationLib.core.trust import FEATURES, people_of, to_card
from ISTNRegistrationLib.core.uncertainty import thickness_mm
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.core.warp import warp_volume
from ISTNRegistrationLib.data.quality import label_scores
from paper.datasets import Scan, datasets

from release.trust_cases import SHARED, Case, changed, draw, image_of

TEST_NUMBERS = 1_000_000  # the first case of develop-test: other draws than of develop-train and develop-val
SPLITS = {"develop": ("train", "val"), "test": ("test",)}
KEYS = ("case", "kind", "split", "people", "transform", "iterations", "stage", "ends", "structure", "dice", "asd_mm",
        "thickness_mm")  # fmt: skip
KEPT = 24  # images of which it is kept what the networks see


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
    scans = {split: _scans(data, split) for split in SPLITS[part]}
    other = "hippocampus" if data == "brain" else "brain"
    others = [scan for split in SPLITS[part] for scan in _scans(other, split)[:12]]
    looks, channels = Looks(checkpoint), load_checkpoint(data).config.channels
    done, end = _cases_in(path), time.monotonic() + 60 * minutes
    for number in range(count):
        split = SPLITS[part][number // SHARED % len(SPLITS[part])]
        number += TEST_NUMBERS * (part == "test")
        if number in done:
            continue
        if time.monotonic() > end:
            print(f"{part}: stopped before case {number}; run again to go on")
            break
        _append(path, _rows(draw(number, scans[split], others), split, looks, _labels(checkpoint, channels)))


def _scans(data: str, split: str) -> list[Scan]:
    """Every scan of a split, in a fixed order."""
    scans = {scan for pair in datasets()[data].pairs(split) for scan in pair}
    return sorted(scans, key=lambda scan: (scan.person, scan.file))


def _labels(checkpoint: Checkpoint, channels) -> list[tuple[int, ...]]:
    """The data's labels of each of the checkpoint's channels, by the names of the data's own checkpoint.

    Where that joins both sides, its first label is the left one (labels_subcortical.csv).
    """
    known = {channel.name: channel.labels for channel in channels}
    for name, labels in list(known.items()):
        known |= {f"left {name}": labels[:1], f"right {name}": labels[1:]}
    return [known[channel.name] for channel in checkpoint.config.channels]


class Looks:
    """What the networks see of images; of the last ones it is kept, so that cases share it."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint, self._kept = checkpoint, OrderedDict()

    def at(self, image: Volume, options: RegisterOptions, on_progress) -> FixedImage:
        """What is seen of an image where its structures lie; with ``options`` of a dense transform, mirrored, too."""
        key = id(image), options.transform == "dense"
        if key not in self._kept:
            seen = FixedImage.prepare(image, self.checkpoint, options, on_progress)
            self._kept[key] = image, seen
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return self._kept[key][1]

    def register(self, fixed: Volume, moving: Volume, options: RegisterOptions, on_progress) -> RegistrationResult:
        """``register_pair``, with what is known of the images."""
        there = self.at(fixed, options, on_progress)
        if options.initial != "auto":
            return register_pair(there, moving, self.checkpoint, options, on_progress)
        here = self.at(moving, options, on_progress)
        views = here.located.view, there.located.view
        placement = Placement(there.grid, views[0] @ np.linalg.inv(views[1]))
        maps, values = (here.map, there.map), (here.located.values, there.located.values)
        judge = witness(self.checkpoint.config, self.checkpoint.card, values, maps, placement)
        beside = Beside((there.image, here.image), judge)
        return register_maps(there.model, maps, placement, options, on_progress, beside)


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


def _rows(case: Case, split: str, looks: Looks, labels: list[tuple[int, ...]]) -> list[dict]:
    """A row per stage and structure; one without evidence where the registration was refused."""
    image, structures = changed(case)
    fixed, moving = (image_of(case.fixed), case.fixed.structures), (image_of(case.moving), case.moving.structures)
    fixed, moving = ((image, structures), moving) if case.change_fixed else (fixed, (image, structures))
    head = {"case": case.number, "kind": case.kind, "split": split}
    head |= {"people": f"{case.fixed.person} {case.moving.person}"}
    head |= {"transform": case.transform, "iterations": case.iterations}
    options = RegisterOptions(case.transform, case.initial, iterations=case.iterations, keep_best=False)
    if case.transform == "dense" and not case.iterations:
        options = dataclasses.replace(options, transform="bspline")
    try:
        result = looks.register(fixed[0], moving[0], options, lambda progress: _goes_on(progress, case))
    except InputError as error:
        return [head | {"stage": f"refused: {error}"}]
    pair = None if case.kind == "other anatomy" else (_channels(fixed[1], labels), _channels(moving[1], labels))
    names = [channel.name for channel in looks.checkpoint.config.channels]
    return [head | row for stage in result.stages for row in _told(stage, result, pair, names)]


def _goes_on(progress: Progress, case: Case) -> bool:
    """False ends a search for the structures that has taken as many looks as the case has."""
    return not progress.stage.startswith("pose") or progress.iteration < case.looks


def _channels(volume: Volume, labels: list[tuple[int, ...]]) -> Volume:
    """A label map whose labels are the numbers of the channels, from 1 on."""
    numbers = np.zeros(int(max(volume.array.max(), *(max(each) for each in labels))) + 1, np.uint8)
    for number, each in enumerate(labels, start=1):
        numbers[list(each)] = number
    return Volume(numbers[volume.array.astype(np.int64)], volume.grid, volume.name)


def _told(stage: Stage, result: RegistrationResult, pair, names: list[str]) -> list[dict]:
    """A row per structure; the Dice is 0 where the anatomy is another (no ``pair`` of label maps)."""
    ends = stage is result.stages[-1] or stage.name == ("affine refined" if result.options.refines else "affine")
    scores = [(0.0, math.nan)] * len(names) if pair is None else _scores(stage, *pair, len(names), ends)
    thick = thickness_mm(result.fixed_map.channels, result.fixed_map.grid)
    rows = []
    for name, (true, asd), mm, numbers in zip(names, scores, thick, stage.evidence, strict=True):
        told = {"stage": stage.name, "ends": int(ends), "structure": name, "dice": round(true, 4)}
        told |= {"asd_mm": round(asd, 4), "thickness_mm": round(float(mm), 4)}
        rows.append(told | dict(zip(FEATURES, np.round(numbers, 4), strict=True)))
    return rows


def _scores(stage: Stage, fixed: Volume, moving: Volume, count: int, surfaces: bool) -> list[tuple[float, float]]:
    """Dice of each channel's labels as one mask, and the distance of their surfaces in mm where it is wanted."""
    warped, numbers = warp_volume(moving, stage.transform, fixed.grid, order="nearest").array, range(1, count + 1)
    if surfaces:
        scores = label_scores(fixed.array, warped, fixed.grid.spacing, numbers)
        return [(score.dice, score.asd_mm) for score in scores]
    return [(dice(fixed.array == number, warped == number), math.nan) for number in numbers]


def one_thread() -> None:
    """Leave the other cores to others; results do not depend on how many there are."""
    torch.set_num_threads(1)
