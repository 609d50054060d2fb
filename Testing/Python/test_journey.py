"""From a folder with messy names to a checkpoint that improves held-out pairs: four commands of docs/training.md."""

import csv
import re
import shlex
from pathlib import Path

import messy
import pytest
from command import run

PAGE = (Path(__file__).parents[2] / "docs" / "training.md").read_text("utf-8")
WORDS = " ".join(PAGE.split())


def of_page(start):
    """The words of the page's command that begins like this, without `istn`."""
    return shlex.split(re.search(rf"`istn ({start}[^`]*)`", WORDS)[1])


def mean_dice(path, stage):
    rows = [row for row in csv.DictReader(path.open()) if row["stage"] == stage and row["label"] == "mean"]
    assert len(rows) == 2
    return sum(float(row["dice"]) for row in rows) / len(rows)


@pytest.mark.slow
def test_the_commands_of_the_page_lead_from_a_folder_to_better_held_out_pairs(tmp_path, monkeypatch):
    odd = {k: {"labels": (messy.LEFT, messy.BELOW)} for k in range(8)}
    messy.write_messy(tmp_path, ndim=2, ending=".mha", odd=odd)
    monkeypatch.chdir(tmp_path)
    init, prepare, train, evaluate = map(of_page, ("init FOLDER", "prepare --", "train --config", "evaluate --"))
    assert init == ["init", "FOLDER"]
    assert run("init", ".", hold_out=2, minutes=0.05) == 0
    assert run(*prepare) == 0
    assert run(*train, device="cpu", threads=1) == 0
    assert run(*evaluate, threads=1) == 0
    before, refined = (mean_dice(tmp_path / "scores.csv", stage) for stage in ("before", "refined"))
    assert refined > before + 0.05
    assert "better than doing nothing" in (tmp_path / "run" / "training.html").read_text()
