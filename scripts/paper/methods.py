"""The methods that are compared: each gives, for a pair, the stages of its registration, which can warp volumes."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from ISTNRegistrationLib.core.checkpoint import Checkpoint, load_checkpoint
from ISTNRegistrationLib.core.config import Channel
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.initial import initial_matrix
from ISTNRegistrationLib.core.istn import ISTN
from ISTNRegistrationLib.core.placement import Placement, seen
from ISTNRegistrationLib.core.preprocess import Prepared, resample
from ISTNRegistrationLib.core.register import RegisterOptions, RegistrationResult, register_maps
from ISTNRegistrationLib.core.request import Request, Side
from ISTNRegistrationLib.core.soi import structure_map
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.core.warp import warp_volume
from ISTNRegistrationLib.data.run import run

from paper import peers, peers_deformable, peers_torch
from paper.datasets import Dataset, Pair, Warp, crop
from paper.measuring import Method, Step, version, weights

ANCHORS = {"brain": "center_of_mass", "hippocampus": "center", "synth2d": "center"}
NETWORKS = ("stn-u", "stn-s", "istn-e", "istn-i")
SHIPPED = ("brain", "hippocampus")  # data sets with a checkpoint of their name in the extension
PAD_VOXELS = 10  # zeros; Greedy, hippocampus develop-val, 6 pairs: 0.807 (without: 0.806, border's values: 0.785)
CROP_MM = 70.0  # around the brain's center for ANTs' and Greedy's deformation: all structures, and a margin
# Of the methods that refine on images: develop-val Dice 0.692 at 0.03, 0.715 at 0.3, 0.683 at 3; 150 iterations: 0.712
IMAGE_BENDING_WEIGHT = 0.3
BSPLINE = RegisterOptions(transform="bspline")
Answer = tuple[RegistrationResult, float]  # and its seconds


def columns(dataset: Dataset, runs: Path) -> list[Method]:
    """Of Table 1: every one for which there is a checkpoint, and the peers."""
    found = [identity("id", dataset)]
    for name in NETWORKS:
        path = runs / f"{dataset.name}-{name}" / "best.h5"
        if path.is_file():
            found.append(network(name, load_checkpoint(path)))
        if path.is_file() and name == "istn-e":
            checkpoint = load_checkpoint(path)
            best = functools.partial(best_case, checkpoint, BSPLINE)
            found.append(Method("soi", version(repr(checkpoint.config)), lambda p, f=best: _steps(*f(p), p)))
    settings = peers.settings(dataset.name)
    if dataset.name in SHIPPED:
        checkpoint = load_checkpoint(dataset.name)
        found.append(Method("shipped", version(weights(checkpoint)), functools.partial(shipped_steps, checkpoint)))
    return [
        *found,
        *_tools(dataset),
        Method("simpleitk", version(*settings), functools.partial(simpleitk_steps, settings)),
    ]


def rows(dataset: Dataset, checkpoint: Checkpoint | None = None) -> list[Method]:
    """Of docs/results.md: the start and SimpleITK; with a checkpoint its network, the best case, images alone."""
    affine, bspline = peers.settings(dataset.name)
    simpleitk = functools.partial(simpleitk_steps, (affine, bspline))
    found = [
        identity("identity", dataset),
        Method("intensity_affine", version(affine), lambda pair: itertools.islice(simpleitk(pair), 1)),
        Method("intensity_bspline", version(affine, bspline), lambda pair: [*simpleitk(pair)][1:]),
    ]
    for transform in ("affine", "bspline") if checkpoint else ():
        for mode in ("none", "weights", "theta"):
            options = RegisterOptions(transform=transform, refine=mode)
            which = version(weights(checkpoint), transform, mode, options.iterations)
            found.append(_whole(f"istn_{transform}_{mode}", which, registered, checkpoint, options))
        options, config = RegisterOptions(transform=transform), repr(checkpoint.config)
        which = version(config, transform, IMAGE_BENDING_WEIGHT)
        found.append(_whole(f"ours_on_intensity_{transform}", which, images_as_maps, checkpoint, options))
        best = functools.partial(best_case, of="labels")
        found.append(_whole(f"best_{transform}", version(config, transform), best, checkpoint, options))
    return found


def _whole(key: str, which: str, answer: Callable[..., Answer], checkpoint: Checkpoint, options) -> Method:
    """A method of which the kept transform alone counts."""

    def run_pair(pair: Pair) -> Iterator[Step]:
        result, seconds = answer(checkpoint, options, pair)
        yield Step(result.kept, seconds, warp_with(result.transform, pair), result.transform)

    return Method(key, which, run_pair)


def identity(key: str, dataset: Dataset) -> Method:
    """The images centered."""

    def run_pair(pair: Pair) -> Iterator[Step]:
        transform = SpatialTransform(start(dataset, pair))
        yield Step("initial", 0.0, warp_with(transform, pair), transform)

    return Method(key, "1", run_pair)


def start(dataset: Dataset, pair: Pair) -> np.ndarray:
    """The translation (fixed → moving, LPS mm) that matches what the data set's images are anchored to."""
    fixed, moving = (Prepared(scan.image).anchor(ANCHORS[dataset.name]) for scan in pair)
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
    return Method(name, version(weights(checkpoint)), lambda pair: _one_pass_and_refined(checkpoint, pair))


def stiffer(checkpoint: Checkpoint) -> Checkpoint:
    """Refining on images folds space where nothing guides it; more bending energy keeps it whole."""
    config = checkpoint.model.config = stiffer_config(checkpoint)
    return dataclasses.replace(checkpoint, config=config)


def stiffer_config(checkpoint: Checkpoint):
    """Of a network that sees images."""
    bspline = dataclasses.replace(checkpoint.config.bspline, bending_weight=IMAGE_BENDING_WEIGHT)
    return dataclasses.replace(checkpoint.config, bspline=bspline)


def registered(checkpoint: Checkpoint, options: RegisterOptions, pair: Pair) -> Answer:
    """What every door of the library gives."""
    began = time.perf_counter()
    outcome = run(Request(Side(pair[0].image), Side(pair[1].image), checkpoint, options))
    return outcome.result, time.perf_counter() - began


def shipped_steps(checkpoint: Checkpoint, pair: Pair) -> Iterator[Step]:
    """Each transform type as a user gets it, refined; CPU seconds, each from the start."""
    for transform in ("affine", "bspline", "dense"):
        began = time.process_time()
        result = registered(checkpoint, RegisterOptions(transform=transform), pair)[0]
        yield Step(transform, time.process_time() - began, warp_with(result.transform, pair), result.transform)


def _one_pass_and_refined(checkpoint: Checkpoint, pair: Pair) -> Iterator[Step]:
    for mode, title in (("none", "one pass "), ("theta", "")):
        options = RegisterOptions(transform=checkpoint.config.transforms[-1], refine=mode)
        yield from _steps(*registered(checkpoint, options, pair), pair, title)


def _steps(result: RegistrationResult, seconds: float, pair: Pair, title: str = "") -> Iterator[Step]:
    """The stages after the start; what was not measured by stage (reading, the ITN) counts for each."""
    common = seconds - sum(stage.seconds for stage in result.stages)
    for stage in result.stages[1:]:
        common += stage.seconds
        yield Step(title + stage.name, common, warp_with(stage.transform, pair), stage.transform)


def best_case(checkpoint: Checkpoint, options: RegisterOptions, pair: Pair, of: str = "structures") -> Answer:
    """Our refinement with the true structure maps in the place of M' and F'; ``of``: which labels of a scan."""
    config = checkpoint.config
    placement = placed(options, config, pair)
    both = zip(pair[::-1], (placement.initial, np.eye(config.ndim + 1)), strict=True)
    maps = tuple(resample(_true_map(getattr(scan, of), config), placement.grid, matrix) for scan, matrix in both)
    began = time.perf_counter()
    return _refined(checkpoint.model, maps, placement, options), time.perf_counter() - began


def images_as_maps(checkpoint: Checkpoint, options: RegisterOptions, pair: Pair) -> Answer:
    """Our refinement with the images in the place of M' and F': what the ITN adds is the difference."""
    config = dataclasses.replace(stiffer_config(checkpoint), channels=(Channel("image", (1,)),))
    model, began = ISTN(config).eval(), time.perf_counter()
    placement = placed(options, config, pair)
    both = zip(pair[::-1], (placement.initial, np.eye(config.ndim + 1)), strict=True)
    images = tuple(seen(Prepared(scan.image), placement.grid, matrix, config) for scan, matrix in both)
    return _refined(model, images, placement, options), time.perf_counter() - began


def placed(options: RegisterOptions, config, pair: Pair) -> Placement:
    """The networks' grid around the fixed image's anchor, upright, and the initial alignment."""
    fixed, moving = (Prepared(scan.image) for scan in pair)
    grid = config.grid.at(fixed.anchor(config.grid.anchor))
    return Placement(grid, initial_matrix(options.initial, fixed, moving, config))


@torch.no_grad()
def _refined(model: ISTN, maps: tuple, placement: Placement, options: RegisterOptions) -> RegistrationResult:
    return register_maps(model, maps, placement, options)


def _true_map(structures: Volume, config) -> Volume:
    if config.ndim == 2:  # the toy's grey image
        return Volume(structures.array.astype(np.float32) / 255, structures.grid, structures.name)
    return structure_map(structures, config.channels)


def _tools(dataset: Dataset) -> list[Method]:
    tools = {
        "ants": (peers_deformable.register_ants, peers_deformable.AntsSettings()),
        "greedy": (peers_deformable.register_greedy, peers_deformable.GreedySettings()),
    }
    if dataset.name != "synth2d":  # these two know three dimensions only, or are made for them
        tools["convexadam"] = (peers_torch.register_convexadam, peers_torch.ConvexAdamSettings())
        tools["fireants"] = (peers_torch.register_fireants, peers_torch.FireAntsSettings())
    return [
        Method(key, version(settings, CROP_MM, PAD_VOXELS), functools.partial(tool_steps, dataset, function, settings))
        for key, (function, settings) in tools.items()
    ]


def tool_steps(dataset: Dataset, function, settings, pair: Pair, whole: bool = False) -> Iterator[Step]:
    """Both images start matched, so that the tool's own start is the identity; ``whole`` images, or cropped ones."""
    back = np.linalg.inv(start(dataset, pair))

    def shifted(volume: Volume) -> Volume:
        return Volume(volume.array, volume.grid.moved(back), volume.name)

    images = [pair[0].image, shifted(pair[1].image)]
    images = images if whole else [cropped(dataset, image) for image in images]
    for answer in function(*images, settings):
        yield Step(answer.stage, answer.seconds, lambda v, o, a=answer: _pasted(a.warp(shifted(v), o), images[0], pair))


def cropped(dataset: Dataset, volume: Volume) -> Volume:
    """A brain's middle, on its own voxels; anything else with PAD_VOXELS more, else Greedy fails by its own edge."""
    if dataset.name != "brain":
        return padded(volume, PAD_VOXELS)
    middle = volume.grid.physical_to_index(Prepared(volume).center_of_mass + [0.0, -10.0, -27.0])
    half = CROP_MM / np.asarray(volume.grid.spacing)
    low = np.clip(np.floor(middle - half), 0, None).astype(int)
    return crop(volume, low, np.minimum(np.ceil(middle + half) + 1, volume.grid.size).astype(int))


def padded(volume: Volume, voxels: int) -> Volume:
    """With zeros around it."""
    matrix = volume.grid.matrix
    matrix[:-1, -1] = volume.grid.index_to_physical(np.full(volume.grid.ndim, -float(voxels)))
    grid = Grid.from_matrix([n + 2 * voxels for n in volume.grid.size], matrix)
    return Volume(np.pad(volume.array, voxels), grid, volume.name)


def _pasted(array: np.ndarray, image: Volume, pair: Pair) -> np.ndarray:
    """What a tool has warped to the image's grid, on the grid of the fixed structures (the same voxels, other box)."""
    grid = pair[0].structures.grid
    first = np.rint(grid.physical_to_index(image.grid.origin)).astype(int)[::-1]
    result = np.zeros(grid.shape, dtype=array.dtype)
    to = tuple(slice(max(f, 0), min(f + n, m)) for f, n, m in zip(first, array.shape, grid.shape, strict=True))
    of = tuple(slice(t.start - f, t.stop - f) for t, f in zip(to, first, strict=True))
    result[to] = array[of]
    return result


def simpleitk_steps(settings: tuple, pair: Pair) -> Iterator[Step]:
    """Affine, then B-spline from there."""
    fixed, moving = pair
    began = time.process_time()
    affine = peers.register_affine(fixed.image, moving.image, fixed.mask, settings[0])
    yield Step("affine", time.process_time() - began, warp_with(affine, pair), affine)
    bspline = peers.register_bspline(fixed.image, moving.image, fixed.mask, affine, settings[1])
    yield Step("bspline", time.process_time() - began, warp_with(bspline, pair), bspline)
