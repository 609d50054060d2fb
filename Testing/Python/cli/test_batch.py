"""istn batch: a folder per pair, one table; resumed, failures listed and skipped."""

import csv
import json

import numpy as np
import pytest
from command import checkpoint_file, run, small_config, subject
from ISTNRegistrationLib.data import run as running
from ISTNRegistrationLib.data.images import read_image
from ISTNRegistrationLib.data.transforms import read_linear


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    folder = tmp_path_factory.mktemp("batch")
    for number, name in enumerate("abc"):
        subject(folder, name, 3, 3.0 * number)
    rows = [f"{f}.nii.gz,{m}.nii.gz,{f}_soi.nii.gz,{m}_soi.nii.gz" for f, m in ("ab", "ac")]
    (folder / "pairs.csv").write_text("\n".join(["fixed,moving,fixed_soi,moving_soi", *rows]) + "\n")
    checkpoint = checkpoint_file(folder / "tiny.h5", small_config(3))
    return {"pairs": folder / "pairs.csv", "checkpoint": checkpoint, "iterations": 2, "device": "cpu"}


def table(output):
    with (output / "batch.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_pair_gets_a_folder_and_a_row(given, tmp_path):
    assert run("batch", output=tmp_path / "out", **given) == 0
    rows = table(tmp_path / "out")
    assert [row["folder"].rsplit("-", 1)[0] for row in rows] == ["b-to-a", "c-to-a"]
    for row in rows:
        folder = tmp_path / "out" / row["folder"]
        assert {p.name for p in folder.iterdir()} == {"transform.h5", "warped.nii.gz", "report.json"}
        assert row["state"] == "done" and 0 < float(row["dice"]) <= 1 and row["folded"] == "0"
        assert row["light"] in ("green", "yellow", "red")
        report = json.loads((folder / "report.json").read_text())
        linear = read_linear(folder / "transform.h5")
        np.testing.assert_allclose(linear, report["linear_fixed_to_moving_LPS"], atol=1e-9)
        assert (
            read_image(folder / "warped.nii.gz").grid.size == read_image(given["pairs"].parent / "a.nii.gz").grid.size
        )


def test_heatmaps_are_written_when_asked_for(given, tmp_path):
    assert run("batch", "--heatmaps", output=tmp_path / "out", **given) == 0
    assert len(list((tmp_path / "out").glob("b-to-a-*/warped_map.nii.gz"))) == 1


def test_a_second_run_does_only_what_is_missing_or_was_done_otherwise(given, tmp_path, monkeypatch):
    assert run("batch", output=tmp_path / "out", **given) == 0
    rows = table(tmp_path / "out")
    rows[1]["state"] = "failed"
    with (tmp_path / "out" / "batch.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    registered, plain = [], running.register_pair
    monkeypatch.setattr(running, "register_pair", lambda *a: registered.append(a[1].name) or plain(*a))
    assert run("batch", output=tmp_path / "out", **given) == 0
    assert len(registered) == 1 and all(row["state"] == "done" for row in table(tmp_path / "out"))
    assert run("batch", output=tmp_path / "out", **given | {"iterations": 3}) == 0
    assert len(registered) == 3


def test_a_pair_that_fails_is_listed_and_skipped(given, tmp_path, capsys):
    pairs = given["pairs"].parent / "more.csv"
    pairs.write_text("fixed,moving\na.nii.gz,none.nii.gz\na.nii.gz,b.nii.gz\n")
    assert run("batch", output=tmp_path / "out", **given | {"pairs": pairs}) == 1
    rows = table(tmp_path / "out")
    assert [row["state"] for row in rows] == ["failed", "done"] and "none.nii.gz" in rows[0]["message"]
    assert "none-to-a" in capsys.readouterr().err


def test_a_list_that_cannot_be_used_is_one_line_and_nothing_is_written(given, tmp_path, capsys):
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("a,b\n1,2\n")
    assert run("batch", output=tmp_path / "out", **given | {"pairs": pairs}) == 2
    assert "columns are missing" in capsys.readouterr().err and not (tmp_path / "out").exists()
