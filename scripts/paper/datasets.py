"""The data sets of docs/results.md: their pairs, and how a registration of each is scored.

A scan's structures are label maps (brain, hippocampus) or a blurred grey image of the structure (synth2d, the paper's
toy). *Structures* are scored one by one and averaged; *whole* is all of them as one mask, as in the paper.
"""

from __future__ import annotations

import csv
import functools
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data.images import read_image, read_labels
from ISTNRegistrationLib.data.quality import label_scores
from paths import DATA

HIPPOCAMPUS_PAIRS = 50
MARGIN_VOXELS = 20
SEED = 2026
Warp = Callable[[Volume, str], np.ndarray]  # a moving volume, "nearest" or "linear", to an array on the fixed grid


@dataclass(frozen=True)
class Scan:
    """One image and its structures by file; ``person`` is empty where pairs are given."""

    image_file: Path
    structures_file: Path
    person: str = ""

    @functools.cached_property
    def image(self) -> Volume:
        """The image."""
        return read_image(self.image_file)

    @property
    def file(self) -> str:
        """The image's name among all of its data set."""
        return self.image_file.name

    @functools.cached_property
    def labels(self) -> Volume:
        """Label map, or the toy's grey image of its structure."""
        return read_labels(self.structures_file)

    @functools.cached_property
    def structures(self) -> Volume:
        """The part of ``labels`` around its structures; the toy's image is whole."""
        return self.labels if self.labels.grid.ndim == 2 else around_structures(self.labels)

    @functools.cached_property
    def mask(self) -> Volume | None:
        """Of the brain; None where a data set has no masks."""
        path = self.image_file.parent.parent / "masks" / self.file
        return read_labels(path) if path.is_file() else None


def around_structures(labels: Volume) -> Volume:
    """The labels' bounding box and MARGIN_VOXELS more: what is warped and measured (a brain has 5 million voxels)."""
    where = np.argwhere(labels.array > 0)[:, ::-1]
    low = np.maximum(where.min(axis=0) - MARGIN_VOXELS, 0)
    high = np.minimum(where.max(axis=0) + MARGIN_VOXELS + 1, labels.grid.size)
    return crop(labels, low, high)


def crop(volume: Volume, low, high) -> Volume:
    """Voxels ``low`` to ``high`` - 1 (x, y[, z])."""
    box = tuple(slice(a, b) for a, b in zip(low[::-1], high[::-1], strict=True))
    matrix = volume.grid.matrix
    matrix[:-1, -1] = volume.grid.index_to_physical(np.asarray(low, dtype=float))
    grid = Grid.from_matrix((np.asarray(high) - low).tolist(), matrix)
    return Volume(np.ascontiguousarray(volume.array[box]), grid, volume.name)


Pair = tuple[Scan, Scan]  # fixed, moving


@dataclass(frozen=True)
class Dataset:
    """``masks`` turns structures (array, reference array) into boolean masks: each structure, then the whole."""

    name: str
    unit: str
    order: str  # how structures are interpolated
    pairs: Callable[[str], list[Pair]]  # of the split "train", "val" or "test"
    masks: Callable[[np.ndarray, np.ndarray], list[np.ndarray]]
    measures: tuple[str, str]  # what the two scores are called in tables


def score(dataset: Dataset, pair: Pair, warp: Warp) -> dict[str, float]:
    """Dice, true ASD and HD95 of the structures (mean) and of the whole, and the whole's average Hausdorff distance.

    The last is what the published code calls ASD: the distance averaged over filled masks, zero inside the overlap.
    """
    fixed, moving = pair
    there, spacing = fixed.structures.array, fixed.structures.grid.spacing
    here = warp(moving.structures, dataset.order)
    masks = list(zip(dataset.masks(there, there), dataset.masks(here, there), strict=True))
    *each, whole = (label_scores(*both, spacing, [True])[0] for both in masks)
    values = {
        "dice": np.nanmean([one.dice for one in each]),
        "asd": np.nanmean([one.asd_mm for one in each]),
        "hd95": np.nanmean([one.hd95_mm for one in each]),
        "whole_dice": whole.dice,
        "whole_asd": whole.asd_mm,
        "whole_average_hausdorff": average_hausdorff(*masks[-1], spacing),
    }
    return {key: round(float(value), 5) for key, value in values.items()}


def average_hausdorff(first: np.ndarray, second: np.ndarray, spacing) -> float:
    """ITK's average Hausdorff distance of two filled masks; NaN when one is empty."""
    if not (first.any() and second.any()):
        return float("nan")
    used = np.nonzero(first | second)
    box = tuple(slice(i.min(), i.max() + 1) for i in used)
    images = [sitk.GetImageFromArray(mask[box].astype(np.uint8)) for mask in (first, second)]
    for image in images:
        image.SetSpacing(spacing)
    measure = sitk.HausdorffDistanceImageFilter()
    measure.Execute(*images)
    return measure.GetAverageHausdorffDistance()


def datasets() -> dict[str, Dataset]:
    """By name."""
    labels = ("mean of the structures", "all as one mask")
    toy = ("at half maximum", "support (published)")
    return {
        "synth2d": Dataset("synth2d", "px", "linear", _synth2d_pairs, _toy_masks, toy),
        "hippocampus": Dataset("hippocampus", "mm", "nearest", _hippocampus_pairs, _label_masks(2), labels),
        "brain": Dataset("brain", "mm", "nearest", _brain_pairs, _label_masks(15), labels),
    }


def _label_masks(count: int):
    return lambda array, _reference: [*(array == label for label in range(1, count + 1)), array > 0]


def _toy_masks(array: np.ndarray, reference: np.ndarray) -> list[np.ndarray]:
    """Half the fixed image's maximum; and, as the published code does with its 0 to 255, all above 0.5."""
    return [array > reference.max() / 2, array > 0.5]


def _brain_pairs(split: str) -> list[Pair]:
    return _of_different_people(_scans("brain", "labels_subcortical", split))


def _hippocampus_pairs(split: str) -> list[Pair]:
    pairs = _of_different_people(_scans("hippocampus", "labels", split))
    return random.Random(SEED).sample(pairs, HIPPOCAMPUS_PAIRS)


def _scans(name: str, labels: str, split: str) -> list[Scan]:
    folder = DATA / name
    with (folder / "splits.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == f"develop-{split}"]
    return [Scan(folder / "images" / row["file"], folder / labels / row["file"], row["subject"]) for row in rows]


def _of_different_people(scans: list[Scan]) -> list[Pair]:
    return [(fixed, moving) for fixed in scans for moving in scans if fixed.person != moving.person]


def _synth2d_pairs(split: str) -> list[Pair]:
    """The official lists: 100 training pairs; 10 test pairs, which the published code also validates on."""
    name = "train" if split == "train" else "val"
    images, structures = (_published_list(DATA / "synth2d" / f"{name}{kind}.csv") for kind in ("", ".seg"))
    rows = zip(images, structures, strict=True)
    return [(Scan(i["trg"], s["trg"]), Scan(i["src"], s["src"])) for i, s in rows]


def _published_list(path: Path) -> list[dict[str, Path]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [{role: DATA.parent / row[role] for role in ("src", "trg")} for row in csv.DictReader(file)]
