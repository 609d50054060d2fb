"""Refinement of one pair: the published way beside ours, same network, grid, weights and number of iterations."""

from __future__ import annotations

import statistics
import time
from functools import partial
from unittest.mock import patch

import numpy as np
import torch
from ISTNRegistrationLib.core import refine as core
from ISTNRegistrationLib.core import refine_terms as terms
from ISTNRegistrationLib.core.config import BSplineConfig, Channel, GridConfig, ModelConfig, NetConfig
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.istn import ISTN, identity
from paper.published_refinement import Images, refine_published
from tqdm import tqdm

SEED = 0
TARGETS = {"weights": 15, "theta": 100}  # times faster than the published way
KEEP_GOING = {"PATIENCE": 10**9}  # no early stop: everybody does all iterations
ALL_VOXELS = {"ACTIVE_LEVEL": -float("inf"), "REACH_MM": 0.0}


def published_model(size: tuple[int, ...], images: Images) -> ISTN:
    """The published network, seeded: the ITN has no biases, so the background stays 0; its map of F peaks at 1."""
    torch.manual_seed(SEED)
    config = ModelConfig(
        method="istn-e",
        transforms=("affine", "bspline"),
        grid=GridConfig(size=size, spacing=(1.0,) * 3),
        channels=(Channel("structure", (1,)),),
        net=NetConfig(preset="published"),
        bspline=BSplineConfig(spacing_mm=10.0, max_displacement_mm=10.0),
    )
    model = ISTN(config).eval().requires_grad_(False)
    for name, values in model.itn.named_parameters():
        if name.endswith("bias"):
            values.zero_()
    fixed_map = model.maps(images.fixed)
    model.itn.conv15.weight.div_(fixed_map.flatten()[fixed_map.abs().argmax()])
    return model


def blob_pair(size: tuple[int, ...]) -> Images:
    """A bent blob of a hippocampus' size in a 48 x 64 x 48 mm crop, and a moved, thinner one."""
    grid = Grid.centered((0.0,) * 3, size, (1.0,) * 3)
    unit = np.asarray(size) / (48, 64, 48)
    fixed, moving = _blob(grid, (0, 0, 0) * unit, (5, 14, 6) * unit), _blob(grid, (2, -3, 1) * unit, (4, 13, 6) * unit)
    return Images(*(torch.from_numpy(a)[None, None] for a in (*moving[:1], *fixed[:1], *moving[1:], *fixed[1:])))


def _blob(grid: Grid, middle, radii) -> tuple[np.ndarray, np.ndarray]:
    """Image (1 inside, fading to exactly 0) and segmentation, float32."""
    x = (grid.points() - middle) / radii
    x[..., 0] += 0.5 * x[..., 1] ** 2
    distance = np.linalg.norm(x, axis=-1)
    return np.clip(1.5 - distance, 0, 1).astype(np.float32), (distance < 1).astype(np.float32)


def refine_ours(model: ISTN, transform: str, images: Images, mode: str, iterations: int, everywhere: bool = False):
    """Seconds of the maps and of the refinement, the result, and the pair.

    Args:
        everywhere: on all voxels, not only on the active ones.
    """
    voxels = ALL_VOXELS if everywhere else {"REACH_MM": terms.REACH_MM}
    with patch.multiple(core, **KEEP_GOING), patch.multiple(terms, **voxels), torch.no_grad():
        began = time.perf_counter()
        maps = model.maps(torch.cat([images.moving, images.fixed]))
        mapped = time.perf_counter()
        pair = core.Pair(model, transform, maps[:1], maps[1:], identity(model))
        refined = core.refine(pair, pair.predict(), mode, iterations, _go_on)
        return {"maps": mapped - began, "refinement": time.perf_counter() - mapped}, refined, pair


def _go_on(_iteration: int, _loss: float, _theta) -> None:
    """Nobody wants to stop."""


def compare(transform: str, size: tuple[int, ...], iterations: int, repeats: int) -> dict:
    """Seconds of every repeat, interleaved, with medians, ratios and the losses reached."""
    images = blob_pair(size)
    model = published_model(size, images)
    ways = {
        "published": partial(_run_published, model, transform, images, channels_last=False),
        "published, channels last": partial(_run_published, model, transform, images, channels_last=True),
        "weights": partial(_run_ours, model, transform, images, "weights"),
        "theta": partial(_run_ours, model, transform, images, "theta"),
    }
    runs = {key: [] for key in ways}
    for run in ways.values():
        run(1)  # warm-up
    with tqdm(total=repeats * len(ways), desc=f"refinement, {transform}", unit="run") as bar:
        for _ in range(repeats):
            for key, run in ways.items():
                runs[key].append(run(iterations))
                bar.update()
    return _summary(runs) | check_arithmetic(model, transform, images, runs["published"][0]["losses"])


def _run_published(model, transform, images, iterations: int, channels_last: bool) -> dict:
    began = time.perf_counter()
    losses = [values["stn_r"] for values in refine_published(model, transform, images, iterations, channels_last)]
    return {"refinement": time.perf_counter() - began, "losses": losses, "loss": losses[-1]}


def _run_ours(model, transform, images, mode: str, iterations: int) -> dict:
    seconds, refined, pair = refine_ours(model, transform, images, mode, iterations)
    return seconds | {"losses": list(refined.losses), "loss": pair.loss(refined.theta)}


def _summary(runs: dict[str, list[dict]]) -> dict:
    rows = {}
    reference = statistics.median(run["refinement"] for run in runs["published"])
    for key, of_one in runs.items():
        alone = [run["refinement"] for run in of_one]
        whole = [run["refinement"] + run.get("maps", 0.0) for run in of_one]
        rows[key] = {
            "seconds": alone,
            "median": statistics.median(alone),
            "median_with_maps": statistics.median(whole),
            "ratio": reference / statistics.median(alone),
            "ratio_with_maps": reference / statistics.median(whole),
            "target": TARGETS.get(key),
            "iterations": len(of_one[0]["losses"]) - 1,
            "loss": of_one[0]["loss"],
        }
    return {"ways": rows}


def check_arithmetic(model: ISTN, transform: str, images: Images, published: list[float]) -> dict:
    """Our ``weights`` mode, on all voxels, against the published losses.

    Also the part of the grid that ours normally uses.
    """
    iterations = len(published) - 1
    _, refined, pair = refine_ours(model, transform, images, "weights", iterations, everywhere=True)
    difference = np.abs(np.subtract(refined.losses, published)) / published
    active = terms.active_voxels(torch.cat([pair.moving_map, pair.fixed_map], dim=1), model.grid.spacing)
    return {
        "published_losses": published,
        "weights_losses_all_voxels": list(refined.losses),
        "largest_relative_difference": float(difference.max()),
        "active_part": len(active) / pair.fixed_map.numel(),
    }
