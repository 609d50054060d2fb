"""Data efficiency and corrupted structures: many models of one kind on the same test pairs.

    python scripts/paper/comparisons.py --runs work/runs         what is missing into docs/results_comparisons_pairs.csv
    python scripts/paper/table1_report.py                        then the tables

The rows are those of scripts/paper/table1.py with the run's name as method; the first PAIRS pairs of each data set.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import ROOT

# isort: split
import SimpleITK as sitk
import torch
from ISTNRegistrationLib.core.checkpoint import load_checkpoint

from paper import datasets, experiments, methods, table1

PAIRS = {"hippocampus": 20, "brain": 14}


def compared() -> list[experiments.Experiment]:
    """Every run of part of the people or with corrupted labels, and what it is compared with."""
    return [e for e in experiments.experiments() if e.dataset in experiments.PEOPLE and e.method != "stn-u"]


def main() -> None:
    """Measure the runs that there are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=ROOT / "work" / "runs")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "results_comparisons_pairs.csv")
    args = parser.parse_args()
    torch.set_num_threads(1)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    for name, count in PAIRS.items():
        dataset = datasets.datasets()[name]
        found = []
        for experiment in compared():
            path = args.runs / experiment.name / "best.h5"
            if experiment.dataset.startswith(name) and path.is_file():
                method = methods.network(experiment.method, load_checkpoint(path))
                found.append(dataclasses.replace(method, key=experiment.name))
        table1.run(dataset, found, dataset.pairs("test")[:count], args.output)


if __name__ == "__main__":
    main()
