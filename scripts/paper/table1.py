"""Table 1 of the paper on three data sets: run what is missing, pair by pair, into docs/results_DATASET_pairs.csv.

    python scripts/paper/experiments.py                         train the models (hours), into work/runs
    python scripts/paper/table1.py hippocampus --runs work/runs
    python scripts/paper/table1.py brain --methods ants greedy  some columns only

ANTs and Greedy are benchmark extras: pip install antspyx picsl-greedy. The tables: scripts/paper/table1_report.py.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import ROOT

# isort: split
import SimpleITK as sitk
import torch
from ISTNRegistrationLib.core.metrics import folded_voxels

from paper import datasets, measuring, methods

SCORES = ["dice", "asd", "hd95", "whole_dice", "whole_asd", "whole_average_hausdorff"]
COLUMNS = ["stage", *SCORES, "folded", "seconds"]


def run(dataset: datasets.Dataset, found: list[measuring.Method], pairs: list, path: Path) -> None:
    """Append the rows of every (method, pair) that ``path`` does not hold."""

    def measure(pair: datasets.Pair, step: measuring.Step) -> dict:
        folded = folded_voxels(step.transform, pair[0].structures.grid) if step.transform else None
        return {"stage": step.stage, **datasets.score(dataset, pair, step.warp), "folded": folded}

    measuring.run(found, pairs, path, COLUMNS, measure)


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=("synth2d", "hippocampus", "brain"))
    parser.add_argument("--runs", type=Path, default=ROOT / "work" / "runs")
    parser.add_argument("--methods", nargs="+", help="columns (default: all there are)")
    parser.add_argument("--split", default="test", choices=("train", "val", "test"))
    parser.add_argument("--pairs", type=int, help="only the first so many")
    parser.add_argument("--output", type=Path, help="CSV (default: docs/results_DATASET_pairs.csv)")
    args = parser.parse_args()
    os.environ.setdefault("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "1")  # ANTs and Greedy, not yet imported, read it
    torch.set_num_threads(1)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    dataset = datasets.datasets()[args.dataset]
    found = [m for m in methods.columns(dataset, args.runs) if not args.methods or m.key in args.methods]
    output = args.output or ROOT / "docs" / f"results_{args.dataset}_pairs.csv"
    run(dataset, found, dataset.pairs(args.split)[: args.pairs], output)


if __name__ == "__main__":
    main()
