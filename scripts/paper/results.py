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
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import ROOT

# isort: split
import SimpleITK as sitk
import torch
from ISTNRegistrationLib.core.checkpoint import load_checkpoint
from ISTNRegistrationLib.core.metrics import folded_voxels

from paper import datasets, methods, results_tables
from paper.measuring import Method, Step, run

COLUMNS = ["dice", "asd_mm", "hd95_mm", "union_dice", "union_asd_mm", "folded", "seconds", "threads"]
NAMES = {"dice": "dice", "asd_mm": "asd", "hd95_mm": "hd95", "union_dice": "whole_dice", "union_asd_mm": "whole_asd"}


def main() -> None:
    """Run what is missing, then write the tables."""
    args = _arguments()
    torch.set_num_threads(args.threads)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(args.threads)
    found = _methods(args)
    pairs = datasets.datasets()["brain"].pairs(args.split.removeprefix("develop-"))
    if args.time_only:
        path = args.work / f"{args.split}_seconds.csv"
        results_tables.forget(path, {method.key for method in found})
        run_all(found, pairs[: args.time_only], args.threads, path, measured=False)
    else:
        run_all(found, pairs, args.threads, args.work / f"{args.split}.csv")
    if args.split == "develop-test":
        results_tables.write(args.docs, args.work, args.split)


def run_all(found: list[Method], pairs: list, threads: int, path: Path, measured: bool = True) -> None:
    """Append a row per (method, pair) that ``path`` does not hold yet; ``measured``: scores, too."""

    def measure(pair: datasets.Pair, step: Step) -> dict[str, float]:
        return {"threads": threads} | (evaluate(pair, step) if measured else {})

    run(found, pairs, path, COLUMNS, measure)


def evaluate(pair: datasets.Pair, step: Step) -> dict[str, float]:
    """Overlap and surface distances, means over the 15 structures and of their union; folds in the whole image."""
    scores = datasets.score(datasets.datasets()["brain"], pair, step.warp)
    folded = float(folded_voxels(step.transform, pair[0].labels.grid))
    return {name: scores[key] for name, key in NAMES.items()} | {"folded": folded}


def _methods(args) -> list[Method]:
    """The checkpoint is read only where a method needs it."""
    brain = datasets.datasets()["brain"]
    found = methods.rows(brain)
    if not args.methods or not set(args.methods) <= {method.key for method in found}:
        found = methods.rows(brain, load_checkpoint(args.checkpoint))
    unknown = set(args.methods or []) - {method.key for method in found}
    if unknown:
        raise SystemExit(f"unknown methods {sorted(unknown)}; there are {[method.key for method in found]}")
    return [method for method in found if not args.methods or method.key in args.methods]


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
