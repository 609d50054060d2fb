"""Table 1 of the paper on three data sets: run what is missing, pair by pair, into docs/results_DATASET_pairs.csv.

    python scripts/paper/experiments.py                         train the models (hours), into work/runs
    python scripts/paper/table1.py hippocampus --runs work/runs
    python scripts/paper/table1.py brain --methods ants greedy  some columns only

ANTs and Greedy are benchmark extras: pip install antspyx picsl-greedy. The tables: scripts/paper/table1_report.py.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import ROOT

# isort: split
import SimpleITK as sitk
import torch
from tqdm import tqdm

from paper import datasets, table1_methods

SCORES = ["dice", "asd", "hd95", "whole_dice", "whole_asd", "whole_average_hausdorff"]
COLUMNS = ["method", "version", "fixed", "moving", "stage", *SCORES, "folded", "seconds"]


def run(dataset: datasets.Dataset, methods: list, pairs: list, path: Path) -> None:
    """Append the rows of every (pair, method) that ``path`` does not hold; one pair is written as a whole."""
    done = {(row["method"], row["version"], row["fixed"], row["moving"]) for row in read(path)}
    todo = [(pair, method) for method in methods for pair in pairs]
    todo = [(p, m) for p, m in todo if (m.key, m.version, *names(p)) not in done]
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if file.tell() == 0:
            writer.writeheader()
        for pair, method in tqdm(todo, desc=dataset.name, unit="registration"):
            rows = []
            for step in method.run(pair):
                scores = datasets.score(dataset, pair, step.warp)
                row = dict(zip(COLUMNS[:5], (method.key, method.version, *names(pair), step.stage), strict=True))
                row |= {key: round(float(value), 5) for key, value in scores.items()}
                rows.append(row | {"folded": step.folded, "seconds": round(step.seconds, 3)})
            writer.writerows(rows)
            file.flush()


def names(pair: datasets.Pair) -> tuple[str, str]:
    """File names of the fixed and the moving image."""
    return pair[0].image_file.name, pair[1].image_file.name


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file; none if there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


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
    methods = table1_methods.methods(dataset, args.runs)
    methods = [m for m in methods if not args.methods or m.key in args.methods]
    output = args.output or ROOT / "docs" / f"results_{args.dataset}_pairs.csv"
    run(dataset, methods, dataset.pairs(args.split)[: args.pairs], output)


if __name__ == "__main__":
    main()
