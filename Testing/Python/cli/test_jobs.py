"""--jobs, --threads, --quiet and --verbose of ``istn batch`` and ``istn evaluate``."""

import csv
import os
import signal
import subprocess
import sys
import time
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from command import checkpoint_file, files_in, run, small_config, subject
from ISTNRegistrationLib.cli import main as command
from ISTNRegistrationLib.core.checkpoint import load_checkpoint
from ISTNRegistrationLib.core.options import RegisterOptions
from ISTNRegistrationLib.data import batch as batches
from ISTNRegistrationLib.data.images import read_image
from workers import Crashing

PACKAGE = Path(command.__file__).parents[2]
OWN = ("seconds", "date")  # differ from run to run


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jobs")
    for number, name in enumerate("abc"):
        subject(folder, name, 3, 3.0 * number)
    rows = [f"{f}.nii.gz,{m}.nii.gz,{f}_soi.nii.gz,{m}_soi.nii.gz" for f, m in ("ab", "ac", "ba", "bc")]
    (folder / "pairs.csv").write_text("\n".join(["fixed,moving,fixed_labels,moving_labels", *rows]) + "\n")
    checkpoint = checkpoint_file(folder / "tiny.h5", small_config(3))
    return {"pairs": folder / "pairs.csv", "checkpoint": checkpoint, "iterations": 2, "device": "cpu"}


def table(path):
    with path.open(newline="", encoding="utf-8") as file:
        return [{key: value for key, value in row.items() if key not in OWN} for row in csv.DictReader(file)]


def test_two_jobs_have_the_results_of_one(given, tmp_path):
    assert run("batch", output=tmp_path / "one", threads=1, **given) == 0
    assert run("batch", output=tmp_path / "two", threads=2, jobs=2, **given) == 0
    assert table(tmp_path / "one" / "batch.csv") == table(tmp_path / "two" / "batch.csv")
    assert files_in(tmp_path / "one") == files_in(tmp_path / "two")
    for name in (row["folder"] for row in table(tmp_path / "one" / "batch.csv")):
        one, two = (read_image(tmp_path / which / name / "warped.nii.gz").array for which in ("one", "two"))
        np.testing.assert_array_equal(one, two)


def test_an_evaluation_with_two_jobs_is_that_with_one_in_the_order_of_the_list(given, tmp_path):
    assert run("evaluate", output=tmp_path / "one.csv", threads=1, **given) == 0
    assert run("evaluate", output=tmp_path / "two.csv", threads=2, jobs=2, **given) == 0
    assert table(tmp_path / "one.csv") == table(tmp_path / "two.csv")
    assert [row["moving"][0] for row in table(tmp_path / "two.csv") if row["label"] == "mean"][::3] == list("bcac")


def test_a_pair_whose_process_dies_is_listed_and_the_others_go_on(given, tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "PairWork", Crashing)
    options = batches.BatchOptions(load_checkpoint(given["checkpoint"]), RegisterOptions(iterations=2, device="cpu"))
    with batches.Batch(given["pairs"], tmp_path / "out", options) as batch:
        assert len(list(batch.register_all(batch.todo(), 2, 2))) == 4
    rows = table(tmp_path / "out" / "batch.csv")
    assert [row["state"] for row in rows] == ["failed", "done", "done", "done"]
    assert "ended before the pair was done" in rows[0]["message"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_ctrl_c_ends_all_processes_and_the_same_command_goes_on(given, tmp_path):
    names = [subject(tmp_path, name, 3, 2.0 * number)[0].name for number, name in enumerate("abcdef")]
    (tmp_path / "pairs.csv").write_text("\n".join(["fixed,moving", *map(",".join, permutations(names, 2))]) + "\n")
    words = ["batch", "--output", str(tmp_path / "out"), "--jobs", "2", "--threads", "2", "--iterations", "20"]
    words += ["--pairs", str(tmp_path / "pairs.csv"), "--checkpoint", str(given["checkpoint"]), "--device", "cpu"]
    whole, journal = [sys.executable, "-m", "ISTNRegistrationLib.cli", *words], tmp_path / "out" / "batch.csv"
    heeds = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}  # what shells start with & does not
    process = subprocess.Popen(whole, cwd=PACKAGE, stderr=subprocess.PIPE, text=True, env={**os.environ}, **heeds)
    until = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < until:
        if journal.is_file() and journal.read_text().count("\n") > 1:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and "interrupted" in said and "Traceback" not in said
    assert not [name for name in files_in(tmp_path / "out") if Path(name).name.startswith(".istn-")]
    done = [row["folder"] for row in table(journal)]
    assert 1 <= len(done) < 30
    before = {name: (tmp_path / "out" / name / "transform.h5").stat().st_mtime_ns for name in done}
    assert run(*words, jobs=1) == 0
    assert len(table(journal)) == 30
    assert before == {name: (tmp_path / "out" / name / "transform.h5").stat().st_mtime_ns for name in done}


def test_a_row_names_full_paths_labels_verdict_and_date(given, tmp_path):
    assert run("batch", output=tmp_path / "out", **given) == 0
    with (tmp_path / "out" / "batch.csv").open(newline="", encoding="utf-8") as file:
        row = next(csv.DictReader(file))
    assert row["fixed_path"] == str(given["pairs"].parent.resolve() / "a.nii.gz") and row["reason"]
    scores = dict(pair.split("=") for pair in row["dice_by_label"].split())
    assert set(scores) == {"1", "2"}
    assert np.mean([float(v) for v in scores.values()]) == pytest.approx(float(row["dice"]), abs=1e-4)
    assert row["date"].startswith("20") and row["date"].endswith("+00:00")


def test_a_table_of_an_older_version_goes_on(given, tmp_path, capsys):
    assert run("batch", output=tmp_path / "out", **given) == 0
    rows, path = table(tmp_path / "out" / "batch.csv"), tmp_path / "out" / "batch.csv"
    older = batches.COLUMNS[: batches.COLUMNS.index("message") + 1]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, older, extrasaction="ignore", restval="1.0")
        writer.writeheader()
        writer.writerows(rows)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("transform.h5")}
    assert run("batch", output=tmp_path / "out", **given) == 0
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("transform.h5")}
    assert len(table(path)) == 4


def test_all_missing_files_are_named_at_once(given, tmp_path, capsys):
    pairs = given["pairs"].parent / "holes.csv"
    pairs.write_text("fixed,moving,fixed_labels\na.nii.gz,none.nii.gz,\na.nii.gz,b.nii.gz,nor.nii.gz\n")
    assert run("batch", output=tmp_path / "out", **given | {"pairs": pairs}) == 1
    first = capsys.readouterr().err.splitlines()[0]
    assert "2 files of the list are missing" in first and "none.nii.gz" in first and "nor.nii.gz" in first


def test_quiet_says_nothing_of_what_went_well_and_verbose_more(given, tmp_path, capsys):
    one = given["pairs"].parent / "one.csv"
    one.write_text("\n".join(given["pairs"].read_text().splitlines()[:2]))
    given = given | {"pairs": one}

    def said(*words):
        assert run(*words, output=tmp_path / f"r{len(words)}{words[-1]}.csv", labels=1, **given) == 0
        return capsys.readouterr()

    quiet, loud = said("evaluate", "--quiet"), said("evaluate", "--verbose")
    assert not quiet.out and not quiet.err
    assert "refined" in loud.out and "threads" in loud.err and "torch" in loud.err
    assert run("evaluate", "--quiet", "--verbose", output=tmp_path / "r.csv", **given) == 2
    assert "not allowed with" in capsys.readouterr().err
