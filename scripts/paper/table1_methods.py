"""The columns of Table 1: each gives, for a pair, the stages of a registration with a way to warp volumes."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from ISTNRegistrationLib.core.checkpoint import Checkpoint, load_checkpoint
from ISTNRegistrationLib.core.metrics import folded_voxels
from ISTNRegistrationLib.core.placement import place
from ISTNRegistrationLib.core.preprocess import Prepared, anchor_point, resample
from ISTNRegistrationLib.core.register import RegisterOptions, RegistrationResult, register_maps, register_pair
from ISTNRegistrationLib.core.soi import structure_map
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.core.warp import warp_volume
from ISTNRegistrationLib.data.images import read_labels

from paper import peers, peers_deformable
from paper.datasets import DATA, Dataset, Pair, Warp, crop

ANCHORS = {"brain": "center_of_mass", "hippocampus": "center", "synth2d": "center"}
NETWORKS = ("stn-u", "stn-s", "istn-e", "istn-i")
CROP_MM = 70.0  # around the brain's center for ANTs' and Greedy's deformation: all structures, and a margin
IMAGE_BENDING_WEIGHT = 0.3  # of the methods that refine on images; chosen on brain develop-val (results_methods.py)


@dataclass(frozen=True)
class Step:
    """A row of a pair: ``stage`` as in RegistrationResult, or "one pass ..."; seconds since the start."""

    stage: str
    seconds: float
    warp: Warp
    folded: int | None = None


@dataclass(frozen=True)
class Method:
    """``version`` changes when the answers would."""

    key: str
    version: str
    run: Callable[[Pair], Iterator[Step]]


def methods(dataset: Dataset, runs: Path) -> list[Method]:
    """Every column for which there is a checkpoint, and the peers."""
    found = [Method("id", "1", lambda pair: _identity(dataset, pair))]
    for name in NETWORKS:
        path = runs / f"{dataset.name}-{name}" / "best.h5"
        if path.is_file():
            found.append(network(name, load_checkpoint(path)))
            best = found[-1] if name == "istn-e" else None
            if best:
                checkpoint = load_checkpoint(path)
                version = _version(repr(checkpoint.config))
                found.append(Method("soi", version, lambda pair, c=checkpoint: _best_case(dataset, c, pair)))
    return found + _peers(dataset)


def _identity(dataset: Dataset, pair: Pair) -> Iterator[Step]:
    transform = SpatialTransform(start(dataset, pair))
    yield Step("initial", 0.0, warp_with(transform, pair), 0)


def start(dataset: Dataset, pair: Pair) -> np.ndarray:
    """The translation (fixed → moving, LPS mm) that matches what the data set's images are anchored to."""
    fixed, moving = (anchor_point(scan.image, ANCHORS[dataset.name]) for scan in pair)
    matrix = np.eye(len(fixed) + 1)
    matrix[:-1, -1] = moving - fixed
    return matrix


def warp_with(transform: SpatialTransform, pair: Pair) -> Warp:
    """Warps moving volumes onto the grid of the fixed structures."""
    return lambda volume, order: warp_volume(volume, transform, pair[0].structures.grid, order=order).array


def network(name: str, checkpoint: Checkpoint) -> Method:
    """A trained method; STN-u and STN-s refine on the images themselves."""
    if not checkpoint.config.uses_itn:
        checkpoint = stiffer(checkpoint)
    digest = hashlib.sha256(repr(checkpoint.config).encode())
    for tensor in checkpoint.model.state_dict().values():
        digest.update(tensor.numpy().tobytes())
    return Method(name, _version(digest.hexdigest()), lambda pair: _register(checkpoint, pair))


def stiffer(checkpoint: Checkpoint) -> Checkpoint:
    """Refining on images folds space where nothing guides it; more bending energy keeps it whole."""
    bspline = dataclasses.replace(checkpoint.config.bspline, bending_weight=IMAGE_BENDING_WEIGHT)
    config = dataclasses.replace(checkpoint.config, bspline=bspline)
    checkpoint.model.config = config
    return dataclasses.replace(checkpoint, config=config)


def _register(checkpoint: Checkpoint, pair: Pair) -> Iterator[Step]:
    for mode, title in (("none", "one pass "), ("theta", "")):
        began = time.perf_counter()
        options = RegisterOptions(transform="bspline", refine=mode)
        result = register_pair(pair[0].image, pair[1].image, checkpoint, options)
        yield from _steps(result, time.perf_counter() - began, pair, title)


def _steps(result: RegistrationResult, seconds: float, pair: Pair, title: str = "") -> Iterator[Step]:
    """The stages after the start; what was not measured by stage (reading, the ITN) counts for each."""
    common = seconds - sum(stage.seconds for stage in result.stages)
    for stage in result.stages[1:]:
        common += stage.seconds
        folded = folded_voxels(stage.transform, pair[0].structures.grid)
        yield Step(title + stage.name, common, warp_with(stage.transform, pair), folded)


def _best_case(dataset: Dataset, checkpoint: Checkpoint, pair: Pair) -> Iterator[Step]:
    """Our refinement with the true structure maps in the place of M' and F'."""
    fixed, moving = pair
    config = checkpoint.config
    placement = place(Prepared(fixed.image), Prepared(moving.image), "auto", config)
    matrices = {moving: placement.initial, fixed: np.eye(config.ndim + 1)}
    maps = [resample(_true_map(dataset, scan.structures, config), placement.grid, m) for scan, m in matrices.items()]
    began = time.perf_counter()
    with torch.no_grad():
        result = register_maps(checkpoint.model, tuple(maps), placement, RegisterOptions(transform="bspline"))
    yield from _steps(result, time.perf_counter() - began, pair)


def _true_map(dataset: Dataset, structures: Volume, config) -> Volume:
    if dataset.name == "synth2d":
        return Volume(structures.array.astype(np.float32) / 255, structures.grid, structures.name)
    return structure_map(structures, config.channels)


def _peers(dataset: Dataset) -> list[Method]:
    ants, greedy = peers_deformable.AntsSettings(), peers_deformable.GreedySettings()
    tools = (
        ("ants", peers_deformable.register_ants, ants),
        ("greedy", peers_deformable.register_greedy, greedy),
    )
    found = [
        Method(key, _version(settings, CROP_MM), lambda pair, f=function, s=settings: _peer(dataset, f, s, pair))
        for key, function, settings in tools
    ]
    settings = peers.settings(dataset.name)
    return [*found, Method("simpleitk", _version(*settings), lambda pair: _simpleitk(dataset, settings, pair))]


def _peer(dataset: Dataset, function, settings, pair: Pair) -> Iterator[Step]:
    """Both images start matched, so that the tool's own start is the identity."""
    back = np.linalg.inv(start(dataset, pair))

    def shifted(volume: Volume) -> Volume:
        return Volume(volume.array, volume.grid.moved(back), volume.name)

    images = [cropped(dataset, pair[0].image), cropped(dataset, shifted(pair[1].image))]
    for answer in function(*images, settings):
        yield Step(answer.stage, answer.seconds, lambda v, o, a=answer: _pasted(a.warp(shifted(v), o), images[0], pair))


def cropped(dataset: Dataset, volume: Volume) -> Volume:
    """A brain's middle, on its own voxels; anything else as it is."""
    if dataset.name != "brain":
        return volume
    middle = volume.grid.physical_to_index(anchor_point(volume, "center_of_mass") + [0.0, -10.0, -27.0])
    half = CROP_MM / np.asarray(volume.grid.spacing)
    low = np.clip(np.floor(middle - half), 0, None).astype(int)
    return crop(volume, low, np.minimum(np.ceil(middle + half) + 1, volume.grid.size).astype(int))


def _pasted(array: np.ndarray, image: Volume, pair: Pair) -> np.ndarray:
    """What a tool has warped to the image's grid, on the grid of the fixed structures (the same voxels, other box)."""
    grid = pair[0].structures.grid
    first = np.rint(grid.physical_to_index(image.grid.origin)).astype(int)[::-1]
    result = np.zeros(grid.shape, dtype=array.dtype)
    to = tuple(slice(max(f, 0), min(f + n, m)) for f, n, m in zip(first, array.shape, grid.shape, strict=True))
    of = tuple(slice(t.start - f, t.stop - f) for t, f in zip(to, first, strict=True))
    result[to] = array[of]
    return result


def _simpleitk(dataset: Dataset, settings, pair: Pair) -> Iterator[Step]:
    fixed, moving = pair
    mask = read_labels(DATA / "brain" / "masks" / fixed.image_file.name) if dataset.name == "brain" else None
    began = time.perf_counter()
    affine = peers.register_affine(fixed.image, moving.image, mask, settings[0])
    yield Step("affine", time.perf_counter() - began, warp_with(affine, pair), 0)
    bspline = peers.register_bspline(fixed.image, moving.image, mask, affine, settings[1])
    seconds = time.perf_counter() - began
    yield Step("bspline", seconds, warp_with(bspline, pair), folded_voxels(bspline, fixed.structures.grid))


def _version(*parts) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:8]
