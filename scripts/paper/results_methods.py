"""The methods of the results table, each a function of one pair that gives a transform fixed -> moving and seconds."""

from __future__ import annotations

import csv
import dataclasses
import functools
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from ISTNRegistrationLib.core.checkpoint import Checkpoint
from ISTNRegistrationLib.core.config import Channel
from ISTNRegistrationLib.core.istn import ISTN
from ISTNRegistrationLib.core.placement import place, seen
from ISTNRegistrationLib.core.preprocess import Prepared, anchor_point, resample
from ISTNRegistrationLib.core.register import RegisterOptions, register_maps, register_pair
from ISTNRegistrationLib.core.soi import structure_map
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data.images import read_image, read_labels
from paths import DATA

from paper import peers

BRAIN = DATA / "brain"
IMAGE_BENDING_WEIGHT = 0.3  # develop-val Dice 0.692 at 0.03, 0.715 at 0.3, 0.683 at 3; 150 iterations: 0.712
Answer = tuple[SpatialTransform, float]


@dataclass(frozen=True)
class Scan:
    """One scan of ../shared/data/brain by its file's name."""

    file: str
    subject: str

    @functools.cached_property
    def image(self) -> Volume:
        """Skull-stripped T1w image, 1 mm."""
        return read_image(BRAIN / "images" / self.file)

    @functools.cached_property
    def labels(self) -> Volume:
        """The 15 sub-cortical structures, 1 to 15."""
        return read_labels(BRAIN / "labels_subcortical" / self.file)

    @functools.cached_property
    def mask(self) -> Volume:
        """Brain mask."""
        return read_labels(BRAIN / "masks" / self.file)


@dataclass(frozen=True)
class Method:
    """``key`` names it in the files; ``version`` changes when the answers would."""

    key: str
    version: str
    run: Callable[[Scan, Scan], Answer]


def ordered_pairs(split: str) -> list[tuple[Scan, Scan]]:
    """All (fixed, moving) of different people of a split; a person's two scans are never paired."""
    with (BRAIN / "splits.csv").open(newline="", encoding="utf-8") as file:
        scans = [Scan(row["file"], row["subject"]) for row in csv.DictReader(file) if row["split"] == split]
    return [(fixed, moving) for fixed in scans for moving in scans if fixed.subject != moving.subject]


def intensity_methods() -> list[Method]:
    """The start, and SimpleITK on intensities with the settings chosen on develop-val (peers_validation.py)."""
    affine, bspline = _version(peers.AFFINE), _version(peers.AFFINE, peers.BSPLINE)
    return [
        Method("identity", "1", _centered),
        Method("intensity_affine", affine, _intensity_affine),
        Method("intensity_bspline", bspline, _intensity_bspline),
    ]


def network_methods(checkpoint: Checkpoint, initial: str = "auto") -> list[Method]:
    """ISTN-e one pass and refined, and the best case, for both transforms of ``checkpoint``."""
    methods = []
    for transform in ("affine", "bspline"):
        for mode in ("none", "weights", "theta"):
            options = RegisterOptions(transform=transform, initial=initial, refine=mode)
            run = functools.partial(_network, checkpoint, options)
            version = _version(_weights(checkpoint), transform, mode, options.iterations)
            methods.append(Method(f"istn_{transform}_{mode}", version, run))
        options = RegisterOptions(transform=transform, initial=initial)
        run = functools.partial(_images_as_maps, checkpoint, options)
        version = _version(repr(checkpoint.config), transform, IMAGE_BENDING_WEIGHT)
        methods.append(Method(f"ours_on_intensity_{transform}", version, run))
        run = functools.partial(_best_case, checkpoint, options)
        version = _version(repr(checkpoint.config), transform)
        methods.append(Method(f"best_{transform}", version, run))
    return methods


def _weights(checkpoint: Checkpoint) -> str:
    """Hash of configuration and weights: a fuller card does not change the answers."""
    digest = hashlib.sha256(repr(checkpoint.config).encode())
    for tensor in checkpoint.model.state_dict().values():
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def _version(*parts) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:8]


def _timed(function, *args) -> Answer:
    start = time.perf_counter()
    transform = function(*args)
    return transform, time.perf_counter() - start


@functools.lru_cache(maxsize=1)
def _intensity_affine(fixed: Scan, moving: Scan) -> Answer:
    return _timed(peers.register_affine, fixed.image, moving.image, fixed.mask)


def _intensity_bspline(fixed: Scan, moving: Scan) -> Answer:
    affine, first = _intensity_affine(fixed, moving)
    transform, then = _timed(peers.register_bspline, fixed.image, moving.image, fixed.mask, affine)
    return transform, first + then


def _centered(fixed: Scan, moving: Scan) -> Answer:
    matrix = np.eye(4)
    start = time.perf_counter()
    matrix[:3, 3] = anchor_point(moving.image, "center_of_mass") - anchor_point(fixed.image, "center_of_mass")
    return SpatialTransform(matrix), time.perf_counter() - start


def _network(checkpoint: Checkpoint, options: RegisterOptions, fixed: Scan, moving: Scan) -> Answer:
    result, seconds = _timed(register_pair, fixed.image, moving.image, checkpoint, options)
    return result.transform, seconds


def _images_as_maps(checkpoint: Checkpoint, options: RegisterOptions, fixed: Scan, moving: Scan) -> Answer:
    """Our own refinement with the images in the place of M' and F': what the ITN adds is the difference."""
    config = dataclasses.replace(
        checkpoint.config,
        channels=(Channel("image", (1,)),),
        bspline=dataclasses.replace(checkpoint.config.bspline, bending_weight=IMAGE_BENDING_WEIGHT),
    )
    return _timed(_register_images, ISTN(config).eval(), options, fixed, moving)


def _register_images(model: ISTN, options: RegisterOptions, fixed: Scan, moving: Scan) -> SpatialTransform:
    config = model.config
    sides = Prepared(fixed.image), Prepared(moving.image)
    placement = place(*sides, options.initial, config)
    poses = placement.initial, np.eye(4)
    images = tuple(seen(s, placement.grid, pose, config) for s, pose in zip(sides[::-1], poses, strict=True))
    with torch.no_grad():
        return register_maps(model, images, placement, options).transform


def _best_case(checkpoint: Checkpoint, options: RegisterOptions, fixed: Scan, moving: Scan) -> Answer:
    """Our own refinement with the true structure maps in the place of M' and F'."""
    config = checkpoint.config
    sides = Prepared(fixed.image), Prepared(moving.image)
    placement = place(*sides, options.initial, config)
    maps = [
        resample(structure_map(scan.labels, config.channels), placement.grid, matrix)
        for scan, matrix in ((moving, placement.initial), (fixed, np.eye(4)))
    ]
    with torch.no_grad():
        result, seconds = _timed(register_maps, checkpoint.model, tuple(maps), placement, options)
    return result.transform, seconds
