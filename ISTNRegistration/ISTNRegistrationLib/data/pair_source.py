"""Pairs for training and validation, read one at a time from the cache."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import torch

from ..core.augment import AugmentConfig, Augmenter
from ..core.config import ModelConfig
from ..core.grid import Grid
from ..core.pose import Constellation, constellation
from ..core.synthesis import SynthesisConfig, Synthesizer
from .cache import cache_grid, scan_key

MOST_VALIDATION_PAIRS = 40


class CachedPairs:
    """The ``PairSource`` of core/train.py over a cache file.

    Of a list of subjects: pairs of different people, random ones to train, all ordered ones (or
    ``MOST_VALIDATION_PAIRS`` drawn once) to validate. Of a list of pairs: those of the list, in their direction.
    With ``synthesis``, images are painted from the label maps, those of validation always the same ones; scans that
    have an image show it in validation and in the configured share of the training.
    Memory holds one pair, whatever the size of the file, which any number of processes may read at once.
    """

    def __init__(
        self, path: Path, config: ModelConfig, augment: AugmentConfig, synthesis: SynthesisConfig | None = None
    ) -> None:
        self.file = h5py.File(path, "r")
        target = Grid.centered((0.0,) * config.ndim, config.grid.size, config.grid.spacing)
        self.augment = Augmenter(augment, cache_grid(config), target, config.channels)
        self.synthesizer = Synthesizer(synthesis, augment, config) if synthesis else None
        people = ((key, group.attrs["person"], group.attrs["split"]) for key, group in self.file["scans"].items())
        self.people: dict[str, list[tuple[str, str]]] = {"train": [], "val": []}
        self.pairs = {}
        if "pairs" in self.file:
            listed = {split: self.file["pairs"][split][:] for split in self.people}
            self.pairs = {split: [tuple(map(scan_key, row)) for row in rows] for split, rows in listed.items()}
        else:
            for key, person, split in people:
                self.people[split].append((key, person))

    def random_pair(self, rng: np.random.Generator, step: int = 0) -> dict[str, torch.Tensor]:
        """A pair of the training split, each scan with its own augmentation; every draw comes from ``rng``."""
        moving, fixed = self._draw(rng)
        return _pair(self._view(moving, rng, step), self._view(fixed, rng, step))

    def describe(self, rng: np.random.Generator) -> str:
        """Files of the pair that :meth:`random_pair` would draw with this generator."""
        moving, fixed = (self.file["scans"][key].attrs for key in self._draw(rng))
        return ", ".join(f"{role} {a['image'] or a['labels']}" for role, a in (("moving", moving), ("fixed", fixed)))

    def _draw(self, rng: np.random.Generator) -> tuple[str, str]:
        """Keys of a moving and a fixed training scan."""
        if self.pairs:
            return self.pairs["train"][rng.integers(len(self.pairs["train"]))]
        scans = self.people["train"]
        moving, person = scans[rng.integers(len(scans))]
        others = [key for key, other in scans if other != person]
        return moving, others[rng.integers(len(others))]

    def channel_energies(self) -> torch.Tensor:
        """Mean square of each channel over the training scans, (C,)."""
        return torch.stack([soi[0].flatten(1).square().mean(dim=1) for soi in self._training_maps()]).mean(dim=0)

    def constellations(self) -> list[Constellation]:
        """Where each training scan's structures are, in the frame of the networks' grid."""
        return [constellation(soi, self.augment.target) for soi in self._training_maps()]

    def _training_maps(self) -> Iterator[torch.Tensor]:
        """Structure maps (1, C, ...) of the training scans, each once, not augmented."""
        keys = {key for pair in self.pairs.get("train", ()) for key in pair} or {key for key, _ in self.people["train"]}
        return (self._plain(key)[1] for key in sorted(keys))

    def validation_pairs(self) -> Iterator[dict[str, torch.Tensor]]:
        """Pairs of the validation split, not augmented."""
        pairs = self.pairs.get("val") or self._pairs_of_people(np.random.default_rng(0))
        return (_pair(self._plain(moving), self._plain(fixed)) for moving, fixed in pairs)

    def _pairs_of_people(self, rng: np.random.Generator) -> list[tuple[str, str]]:
        pairs = [(m, f) for (m, a), (f, b) in itertools.permutations(self.people["val"], 2) if a != b]
        if len(pairs) <= MOST_VALIDATION_PAIRS:
            return pairs
        return [pairs[i] for i in np.sort(rng.choice(len(pairs), MOST_VALIDATION_PAIRS, replace=False))]

    def _view(self, key: str, rng: np.random.Generator, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """An augmented image and its map: the scan itself or painted from its labels."""
        if not self.synthesizer:
            return self.augment(*self._read(key), rng)
        if "image" not in self.file["scans"][key] or rng.random() >= self.synthesizer.config.real:
            return self.synthesizer(*self._labels(key), rng, step)
        image, soi = self._read(key)
        return self.augment(self.synthesizer.recolor(image, rng), soi, rng)

    def _plain(self, key: str) -> tuple[torch.Tensor, torch.Tensor]:
        """An image and its map, not augmented: the scan itself where there is one."""
        if "image" in self.file["scans"][key]:
            return self.augment(*self._read(key), np.random.default_rng(0), plain=True)
        return self.synthesizer(*self._labels(key), np.random.default_rng(int(key)))

    def _read(self, key: str) -> tuple[torch.Tensor, torch.Tensor]:
        group = self.file["scans"][key]
        image = torch.from_numpy(group["image"][:].astype(np.float32))[None, None]
        return image, torch.from_numpy(group["soi"][:].astype(np.float32) / 255)[None]

    def _labels(self, key: str) -> tuple[torch.Tensor, Grid]:
        """Label values (1, 1, ...) and their grid, zero in the middle of the structures."""
        stored = self.file["scans"][key]["labels"]
        labels = torch.from_numpy(stored[:].astype(np.float32))[None, None]
        return labels, Grid.from_matrix(stored.shape[::-1], stored.attrs["matrix"])


def _pair(moving: tuple[torch.Tensor, torch.Tensor], fixed: tuple[torch.Tensor, torch.Tensor]) -> dict:
    """A batch of one pair from two (image, map)."""
    return {"moving": moving[0], "moving_soi": moving[1], "fixed": fixed[0], "fixed_soi": fixed[1]}
