"""The dense stage on develop-val: Dice, folds, error of the inverse and CPU seconds of each choice, for docs/dense.md.

    python scripts/paper/dense_choices.py                              brain, all 6 pairs
    python scripts/paper/dense_choices.py --data hippocampus --pairs 50

Prints a Markdown table. One thread; develop-test is never read.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import paths  # noqa: F401

# isort: split
import numpy as np
import torch
from ISTNRegistrationLib.core.checkpoint import Checkpoint, load_checkpoint
from ISTNRegistrationLib.core.dense import DenseOptions, dense_stage
from ISTNRegistrationLib.core.dense_box import DensePair
from ISTNRegistrationLib.core.dense_field import inverse_transform
from ISTNRegistrationLib.core.metrics import finite_mean, folded_voxels
from ISTNRegistrationLib.core.mirror import mirror_averaged, trained_on_mirrors
from ISTNRegistrationLib.core.options import RegisterOptions
from ISTNRegistrationLib.core.placement import Placement, seen
from ISTNRegistrationLib.core.preprocess import Prepared
from ISTNRegistrationLib.core.register import register_pair
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.data.quality import measure

from paper import datasets

INVERSE_POINTS = 5000
SEED = 0


@dataclass(frozen=True, eq=False)
class Case:
    """A pair of scans after the B-spline: what a dense stage is given, and what it is measured with."""

    pair: DensePair
    placement: Placement
    start: SpatialTransform
    one_pass: SpatialTransform
    scans: tuple
    seconds: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=("brain", "hippocampus"), default="brain")
    parser.add_argument("--pairs", type=int, default=6, help="how many of the pairs, from the first on")
    args = parser.parse_args()
    torch.set_num_threads(1)
    checkpoint, rows = load_checkpoint(args.data), {}
    for scans in val_pairs(args.data)[: args.pairs]:
        for name, numbers in trial(checkpoint, prepared(checkpoint, scans)).items():
            rows.setdefault(name, []).append(numbers)
    print("| | pairs | Dice | folded voxels | inverse, mm | CPU s |\n|---|---|---|---|---|---|")
    for name, numbers in rows.items():
        dice, folded, inverse, seconds = np.mean(numbers, axis=0)
        print(f"| {name} | {len(numbers)} | {dice:.4f} | {folded:.1f} | {inverse:.3f} | {seconds:.2f} |")


def val_pairs(data: str) -> list[tuple]:
    """(fixed, moving) scans of different people of develop-val."""
    return datasets.datasets()[data].pairs("val")


def prepared(checkpoint: Checkpoint, scans: tuple) -> Case:
    """Registered up to the refined B-spline, with the maps of both."""
    began = time.process_time()
    result = register_pair(scans[0].image, scans[1].image, checkpoint, RegisterOptions("bspline", keep_best=False))
    seconds = time.process_time() - began
    placement = Placement(result.fixed_map.grid, result.initial)
    images = (Prepared(scan.image) for scan in scans)
    pair = DensePair(*_maps(checkpoint, placement, scans, checkpoint.model.maps), *images)
    transforms = {stage.name: stage.transform for stage in result.stages}
    return Case(pair, placement, transforms["bspline refined"], transforms["bspline"], scans, seconds)


def trial(checkpoint: Checkpoint, case: Case) -> dict[str, tuple]:
    """Dice, folded voxels, mean error of the inverse, CPU seconds of one pair, by what was done."""
    balanced = dataclasses.replace(case.pair, weights=checkpoint.model.channel_weights)
    found = {
        "B-spline, refined (all of it)": _numbers(case.start, case, case.seconds),
        "dense, maps": _dense(case, "maps"),
        "dense, maps+image": _dense(case, "maps+image"),
        "dense, auto": _dense(case, "auto"),
        "dense, auto, from the B-spline's one pass": _dense(dataclasses.replace(case, start=case.one_pass), "auto"),
        "dense, auto, channels balanced twice": _dense(dataclasses.replace(case, pair=balanced), "auto"),
    }
    if trained_on_mirrors(checkpoint.card):
        began = time.process_time()
        maps = _maps(checkpoint, case.placement, case.scans, lambda seen: mirror_averaged(checkpoint.model, seen))
        more = time.process_time() - began
        pair = dataclasses.replace(case.pair, fixed_map=maps[0], moving_map=maps[1])
        found["dense, auto, mirror-averaged maps"] = _dense(dataclasses.replace(case, pair=pair), "auto", more)
        both = dataclasses.replace(case, pair=pair, start=case.one_pass)
        found["dense, auto, mirror-averaged maps, from the B-spline's one pass"] = _dense(both, "auto", more)
    return found


@torch.no_grad()
def _maps(checkpoint: Checkpoint, placement: Placement, scans: tuple, see) -> tuple[torch.Tensor, torch.Tensor]:
    """F' and M'."""
    matrices = np.eye(placement.grid.ndim + 1), placement.initial
    given = zip(scans, matrices, strict=True)
    return tuple(see(seen(Prepared(s.image), placement.grid, m, checkpoint.config)) for s, m in given)


def _dense(case: Case, loss: str, seconds: float = 0.0) -> tuple:
    began = time.process_time()
    result = dense_stage(case.pair, case.placement, case.start, DenseOptions(loss))
    return _numbers(result.transform, case, seconds + time.process_time() - began)


def _numbers(transform: SpatialTransform, case: Case, seconds: float) -> tuple:
    fixed, moving = (scan.structures for scan in case.scans)
    dice = finite_mean([score.dice for score in measure(transform, fixed, moving)])
    return dice, folded_voxels(transform, fixed.grid), _inverse_error(transform, fixed), seconds


def _inverse_error(transform: SpatialTransform, labels) -> float:
    """Mean distance of inverse(T(x)) from x in mm, x drawn inside the structures; NaN where there is no inverse."""
    if not hasattr(transform.residual, "inverse"):
        return float("nan")
    rng = np.random.default_rng(SEED)
    inside = labels.grid.points()[labels.array > 0]
    points = inside[rng.integers(0, len(inside), INVERSE_POINTS)]
    points = points + rng.uniform(-0.5, 0.5, points.shape) * labels.grid.spacing
    back = inverse_transform(transform).map_points(transform.map_points(points))
    return float(np.linalg.norm(back - points, axis=-1).mean())


if __name__ == "__main__":
    main()
