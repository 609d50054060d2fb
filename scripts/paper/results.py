"""Table on real data: every method on every ordered pair of different people of a split of ../shared/data/brain.

    python scripts/paper/results.py                      all methods on develop-test, then docs/results.md
    python scripts/paper/results.py --methods identity intensity_affine intensity_bspline --threads 1
    python scripts/paper/results.py --time-only 3        seconds per pair on an idle machine with 2 threads

Every (method, pair) is appended to work/results/<split>.csv as it ends; what is there already is not run again, unless
the method's settings or the checkpoint have changed. One rule for all: the moving label map is warped with nearest
neighbor to the fixed image's 1 mm grid by the same code.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import ROOT

# isort: split
import numpy as np
import SimpleITK as sitk
import torch
from ISTNRegistrationLib.core.checkpoint import load_checkpoint
from ISTNRegistrationLib.core.metrics import folded_voxels
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.warp import warp_volume
from ISTNRegistrationLib.data.quality import label_scores
from tqdm import tqdm

from paper import results_methods, results_tables
from paper.results_methods import Method, Scan

LABELS = range(1, 16)
COLUMNS = ["method", "version", "fixed", "moving", "dice", "asd_mm", "hd95_mm", "union_dice", "union_asd_mm", "folded"]
COLUMNS += ["seconds", "threads"]


def main() -> None:
    """Run what is missing, then write the tables."""
    args = _arguments()
    torch.set_num_threads(args.threads)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(args.threads)
    methods = _methods(args)
    pairs = results_methods.ordered_pairs(args.split)
    if args.time_only:
        path = args.work / f"{args.split}_seconds.csv"
        results_tables.forget(path, {method.key for method in methods})
        run_all(methods, pairs[: args.time_only], args.threads, path, measure=False)
    else:
        run_all(methods, pairs, args.threads, args.work / f"{args.split}.csv")
    if args.split == "develop-test":
        results_tables.write(args.docs, args.work, args.split)


def run_all(methods: list[Method], pairs, threads: int, path: Path, measure: bool = True) -> None:
    """Append a row per (method, pair) that ``path`` does not hold yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    done = {(row["method"], row["version"], row["fixed"], row["moving"]) for row in results_tables.read(path)}
    todo = [(fixed, moving, method) for fixed, moving in pairs for method in methods]
    todo = [t for t in todo if (t[2].key, t[2].version, t[0].file, t[1].file) not in done]
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if file.tell() == 0:
            writer.writeheader()
        for fixed, moving, method in tqdm(todo, desc=path.name, unit="registration"):
            transform, seconds = method.run(fixed, moving)
            row = {"method": method.key, "version": method.version, "fixed": fixed.file, "moving": moving.file}
            row |= evaluate(transform, fixed, moving) if measure else {}
            writer.writerow(row | {"seconds": round(seconds, 3), "threads": threads})
            file.flush()


def evaluate(transform: SpatialTransform, fixed: Scan, moving: Scan) -> dict[str, float]:
    """Overlap and surface distances on the fixed image's grid: means over the 15 structures, and of their union."""
    grid = fixed.labels.grid
    warped = warp_volume(moving.labels, transform, grid, order="nearest").array
    there = fixed.labels.array
    scores = label_scores(there, warped, grid.spacing, LABELS)
    (union,) = label_scores(there > 0, warped > 0, grid.spacing, [True])
    values = {
        "dice": np.mean([score.dice for score in scores]),
        "asd_mm": np.mean([score.asd_mm for score in scores]),
        "hd95_mm": np.mean([score.hd95_mm for score in scores]),
        "union_dice": union.dice,
        "union_asd_mm": union.asd_mm,
        "folded": folded_voxels(transform, grid),
    }
    return {key: round(float(value), 5) for key, value in values.items()}


def _methods(args) -> list[Method]:
    methods = results_methods.intensity_methods()
    if not args.methods or not set(args.methods) <= {method.key for method in methods}:
        methods += results_methods.network_methods(load_checkpoint(args.checkpoint))
    unknown = set(args.methods or []) - {method.key for method in methods}
    if unknown:
        raise SystemExit(f"unknown methods {sorted(unknown)}; there are {[method.key for method in methods]}")
    return [method for method in methods if not args.methods or method.key in args.methods]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", help="keys of the methods to run (default: all)")
    parser.add_argument("--split", choices=("develop-test", "develop-val"), default="develop-test")
    parser.add_argument("--checkpoint", default="brain", help="name or path of the checkpoint")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--time-only", type=int, default=0, metavar="N", help="only measure seconds, on N pairs")
    parser.add_argument("--work", type=Path, default=ROOT / "work" / "results")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs")
    return parser.parse_args()


if __name__ == "__main__":
    main()
