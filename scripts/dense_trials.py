"""The dense stage on develop-val brains: Dice, folded voxels and seconds after the B-spline, for each kind of loss.

    python scripts/dense_trials.py [--pairs 6]

Prints a Markdown table for docs/dense.md. Splits are by person; develop-test is never read.
"""

from __future__ import annotations

import argparse
import time

import paths  # noqa: F401

# isort: split
import numpy as np
import torch
from ISTNRegistrationLib.core.checkpoint import load_checkpoint
from ISTNRegistrationLib.core.dense import DenseOptions, dense_stage
from ISTNRegistrationLib.core.dense_box import DensePair
from ISTNRegistrationLib.core.metrics import folded_voxels
from ISTNRegistrationLib.core.options import RegisterOptions
from ISTNRegistrationLib.core.placement import Placement
from ISTNRegistrationLib.core.register import register_pair
from ISTNRegistrationLib.data.quality import finite_mean, measure
from results_methods import ordered_pairs

LOSSES = ("maps", "maps+image", "auto")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=6, help="how many of the ordered pairs (default: all 6)")
    torch.set_num_threads(1)
    rows: dict[str, list] = {}
    for fixed, moving in ordered_pairs("develop-val")[: parser.parse_args().pairs]:
        for name, numbers in trial(fixed, moving).items():
            rows.setdefault(name, []).append(numbers)
    print("| | Dice | folded voxels | seconds more |\n|---|---|---|---|")
    for name, numbers in rows.items():
        dice, folded, seconds = np.mean(numbers, axis=0)
        print(f"| {name} | {dice:.3f} | {folded:.1f} | {seconds:.1f} |")


def trial(fixed, moving) -> dict[str, tuple[float, float, float]]:
    """Dice, folded voxels at 1 mm and seconds of one pair, by what was done."""
    checkpoint = load_checkpoint("brain")
    began = time.perf_counter()
    result = register_pair(fixed.image, moving.image, checkpoint, RegisterOptions("bspline"))
    found = {"B-spline, refined": _numbers(result.transform, fixed, moving, time.perf_counter() - began)}
    maps = [torch.from_numpy(m.array)[None] for m in (result.fixed_map, result.moving_map)]
    pair = DensePair(*maps, fixed.image, moving.image, checkpoint.model.channel_weights)
    placement = Placement(result.fixed_map.grid, result.initial)
    for loss in LOSSES:
        began = time.perf_counter()
        dense = dense_stage(pair, placement, result.transform, DenseOptions(loss))
        found[f"dense, {loss}"] = _numbers(dense.transform, fixed, moving, time.perf_counter() - began)
    return found


def _numbers(transform, fixed, moving, seconds: float) -> tuple[float, float, float]:
    scores = measure(transform, fixed.labels, moving.labels)
    return finite_mean([s.dice for s in scores]), folded_voxels(transform, fixed.labels.grid), seconds


if __name__ == "__main__":
    main()
