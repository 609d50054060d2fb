"""One HDF5 file of resampled, normalised subjects that training reads from."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import h5py
import numpy as np
import torch

from ..core.augment import AugmentConfig, Augmenter
from ..core.config import ModelConfig
from ..core.errors import InputError
from ..core.grid import Grid
from ..core.preprocess import anchor_point, network_input
from .images import read_image
from .structures import structures_on_grid
from .table import read_table

MARGIN_MM = 16.0
MOST_VALIDATION_PAIRS = 40


@dataclass(frozen=True)
class Subject:
    """One scan: who, where its image and label map are, and which split it belongs to."""

    person: str
    image: Path
    labels: Path
    split: str


def read_subjects(path: Path) -> list[Subject]:
    """Subjects of a CSV with columns person, image, labels, split (``train`` or ``val``); paths relative to the CSV.

    Raises:
        InputError: no such file, not a CSV, a missing column, an empty field or another split, with its line.
    """
    path = Path(path)
    rows = read_table(path, f"Subjects '{path.name}'", ("person", "image", "labels", "split"))
    subjects = []
    for line, row in enumerate(rows, start=2):
        if row["split"] not in ("train", "val"):
            raise InputError(f"Subjects '{path.name}' line {line}", "unknown split", "train or val", row["split"])
        subjects.append(Subject(row["person"], path.parent / row["image"], path.parent / row["labels"], row["split"]))
    for split in ("train", "val"):
        people = {s.person for s in subjects if s.split == split}
        if len(people) < 2:
            got = f"{len(people)}"
            raise InputError(f"Subjects '{path.name}'", f"too few people in split '{split}'", "at least 2", got)
    return subjects


def cache_grid(config: ModelConfig) -> Grid:
    """The networks' grid around zero, larger by the margin that augmentation moves into."""
    size = [s + 2 * round(MARGIN_MM / h) for s, h in zip(config.grid.size, config.grid.spacing, strict=True)]
    return Grid.centered((0.0,) * config.ndim, size, config.grid.spacing)


def fingerprint(subjects: list[Subject], config: ModelConfig) -> str:
    """Changes when a source file or the part of the configuration that decides the cache's content does."""
    files = [(s.person, s.split, str(s.image), _stamp(s.image), str(s.labels), _stamp(s.labels)) for s in subjects]
    seen = asdict(config.grid), [asdict(c) for c in config.channels], config.normalization, MARGIN_MM
    return hashlib.sha256(json.dumps([files, seen], default=str).encode()).hexdigest()


def _stamp(path: Path) -> tuple[int, int]:
    if not path.is_file():
        raise InputError("Subjects", "there is no such file", "an image", str(path))
    return path.stat().st_size, path.stat().st_mtime_ns


def cache_matches(path: Path, subjects: list[Subject], config: ModelConfig) -> bool:
    """Whether ``path`` is a whole cache of these files as they are now, for this configuration."""
    if not path.is_file():
        return False
    try:
        with h5py.File(path, "r") as file:
            return file.attrs.get("fingerprint") == fingerprint(subjects, config)
    except OSError:
        return False


def prepare(subjects: list[Subject], config: ModelConfig, path: Path, on_subject=lambda _: None) -> None:
    """Write the cache: image float16 and structure map uint8 (255 = 1) per subject; nothing is left of a failed run."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    try:
        with h5py.File(partial, "w") as file:
            file.attrs["fingerprint"] = fingerprint(subjects, config)
            for index, subject in enumerate(subjects):
                _write_subject(file.create_group(f"{index:05d}"), subject, config)
                on_subject(index + 1)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _write_subject(group: h5py.Group, subject: Subject, config: ModelConfig) -> None:
    image = read_image(subject.image)
    middle = config.grid.at(anchor_point(image, config.grid.anchor)).center
    grid = Grid.centered(middle, cache_grid(config).size, config.grid.spacing)
    identity = np.eye(config.ndim + 1)
    values = network_input(image, grid, identity, config.normalization)
    soi = structures_on_grid(subject.labels, config.channels, grid)
    group.create_dataset("image", data=values[0].numpy().astype(np.float16))
    group.create_dataset("soi", data=(soi[0] * 255).round().numpy().astype(np.uint8), compression="lzf")
    group.attrs.update({"person": subject.person, "split": subject.split, "image": str(subject.image)})


class CachedPairs:
    """Pairs of different people from the cache: random augmented ones to train, all ordered ones to validate."""

    def __init__(self, path: Path, config: ModelConfig, augment: AugmentConfig) -> None:
        self.file = h5py.File(path, "r")
        target = Grid.centered((0.0,) * config.ndim, config.grid.size, config.grid.spacing)
        self.augment = Augmenter(augment, cache_grid(config), target)
        self.people: dict[str, list[tuple[str, str]]] = {"train": [], "val": []}
        for key, group in self.file.items():
            self.people[group.attrs["split"]].append((key, group.attrs["person"]))

    def random_pair(self, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        """Two scans of different people, each with its own augmentation."""
        scans = self.people["train"]
        moving, person = scans[rng.integers(len(scans))]
        others = [key for key, other in scans if other != person]
        return self._pair(moving, others[rng.integers(len(others))], rng, plain=False)

    def channel_energies(self) -> torch.Tensor:
        """Mean square of each channel over the training scans, (C,)."""
        maps = (self._read(key)[1] for key, _ in self.people["train"])
        return torch.stack([soi[0].flatten(1).square().mean(dim=1) for soi in maps]).mean(dim=0)

    def validation_pairs(self) -> Iterator[dict[str, torch.Tensor]]:
        """Ordered pairs of different people of the validation split: all, or ``MOST_VALIDATION_PAIRS`` drawn once."""
        rng = np.random.default_rng(0)
        pairs = [(m, f) for (m, a), (f, b) in itertools.permutations(self.people["val"], 2) if a != b]
        if len(pairs) > MOST_VALIDATION_PAIRS:
            pairs = [pairs[i] for i in np.sort(rng.choice(len(pairs), MOST_VALIDATION_PAIRS, replace=False))]
        return (self._pair(moving, fixed, rng, plain=True) for moving, fixed in pairs)

    def _pair(self, moving: str, fixed: str, rng: np.random.Generator, plain: bool) -> dict[str, torch.Tensor]:
        views = {}
        for role, key in (("moving", moving), ("fixed", fixed)):
            views[role], views[f"{role}_soi"] = self.augment(*self._read(key), rng, plain)
        return views

    def _read(self, key: str) -> tuple[torch.Tensor, torch.Tensor]:
        group = self.file[key]
        image = torch.from_numpy(group["image"][:].astype(np.float32))[None]
        return image, torch.from_numpy(group["soi"][:].astype(np.float32) / 255)[None]
