"""The scripts that are started on their own find the library and each other, whatever the environment says."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


STARTED = ["paper/results", "paper/peers_validation", "paper/choices", "benchmark/speed", "benchmark/memory"]
STARTED += ["benchmark/robustness", "benchmark/synthesis", "pictures/demo"]
STARTED += ["paper/arrange", "pictures/figure_synthesis", "release/mutants"]


@pytest.mark.parametrize("name", STARTED)
def test_a_script_starts_without_help_from_the_environment(name, tmp_path):
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(SCRIPTS / f"{name}.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage:")


def test_the_head_s_label_maps_are_split_by_file_and_the_test_maps_are_never_listed(tmp_path):
    labels = tmp_path / "head" / "labels"
    labels.mkdir(parents=True)
    numbers = [f"{n:02d}" for n in range(1, 21) if n not in (3, 11, 17)]
    for number in numbers:
        (labels / f"head_{number}.nii.gz").touch()
    command = [sys.executable, str(SCRIPTS / "paper" / "subjects.py"), "head", "--data", str(tmp_path), "--output"]
    subprocess.run([*command, str(tmp_path / "subjects.csv")], check=True)
    with (tmp_path / "subjects.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    splits = {split: {row["person"] for row in rows if row["split"] == split} for split in ("train", "val")}
    assert splits["val"] == {"head_05", "head_10", "head_16"} and len(splits["train"]) == 11 and len(rows) == 14
    assert not {"head_07", "head_14", "head_20"} & (splits["train"] | splits["val"])
    assert all(row["image"] == "" and Path(row["labels"]).is_file() for row in rows)
