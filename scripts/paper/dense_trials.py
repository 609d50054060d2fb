"""The dense transform on brains as a user gets it, and each kind of its loss: Dice, folded voxels, seconds.

    python scripts/paper/dense_trials.py [--pairs 6]                  # develop-val, for docs/dense.md
    python scripts/paper/dense_trials.py --losses maps+image --iterations 20 35

Prints a Markdown table. Splits are by person; one CPU thread. develop-test: scripts/paper/table1.py, column `shipped`.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import paths  # noqa: F401

# isort: split
import numpy as np
import torch
from ISTNRegistrationLib.core.checkpoint import load_checkpoint
from ISTNRegistrationLib.core.dense import DenseOptions, dense_stage
from ISTNRegistrationLib.core.dense_box import DensePair
from ISTNRegistrationLib.core.metrics import finite_mean, folded_voxels
from ISTNRegistrationLib.core.options import RegisterOptions
from ISTNRegistrationLib.core.placement import Placement
from ISTNRegistrationLib.core.preprocess import Prepared
from ISTNRegistrationLib.core.register import register_pair
from ISTNRegistrationLib.data.quality import measure

from paper.datasets import datasets

LOSSES = ("maps", "maps+image")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, help="how many of the ordered pairs (default: all)")
    parser.add_argument("--losses", nargs="*", default=LOSSES)
    parser.add_argument("--iterations", type=int, nargs="+", default=[DenseOptions.iterations])
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[tuple] = []
    for fixed, moving in datasets()["brain"].pairs("val")[: args.pairs]:
        for name, numbers in trial(fixed, moving, args.losses, args.iterations).items():
            rows.append((fixed.image.name, moving.image.name, name, *numbers))
    print("| | pairs | Dice | folded voxels | seconds |\n|---|---|---|---|---|")
    for name in dict.fromkeys(row[2] for row in rows):
        numbers = np.array([row[3:] for row in rows if row[2] == name])
        dice, folded, seconds = numbers.mean(axis=0)
        print(f"| {name} | {len(numbers)} | {dice:.3f} | {folded:.1f} | {seconds:.1f} |")


def trial(fixed, moving, losses, iterations) -> dict[str, tuple[float, float, float]]:
    """Dice, folded voxels at 1 mm and seconds of one pair, by what was done."""
    checkpoint = load_checkpoint("brain")
    found = {}
    for transform, name in (("bspline", "B-spline, refined"), ("dense", "dense, as built")):
        began = time.perf_counter()
        result = register_pair(fixed.image, moving.image, checkpoint, RegisterOptions(transform, keep_best=False))
        found[name] = _numbers(result.transform, fixed, moving, time.perf_counter() - began)
    maps = [torch.from_numpy(m.array)[None] for m in (result.fixed_map, result.moving_map)]
    pair = DensePair(*maps, Prepared(fixed.image), Prepared(moving.image))
    placement, start = Placement(result.fixed_map.grid, result.initial), result.stages[-2].transform
    for loss, count in itertools.product(losses, iterations):
        began = time.perf_counter()
        dense = dense_stage(pair, placement, start, DenseOptions(loss, count))
        name = f"dense stage alone, {loss}" + (f", {count} iterations" if count != DenseOptions.iterations else "")
        found[name] = _numbers(dense.transform, fixed, moving, time.perf_counter() - began)
    return found


def _numbers(transform, fixed, moving, seconds: float) -> tuple[float, float, float]:
    scores = measure(transform, fixed.labels, moving.labels)
    return finite_mean([s.dice for s in scores]), folded_voxels(transform, fixed.labels.grid), seconds


if __name__ == "__main__":
    main()
