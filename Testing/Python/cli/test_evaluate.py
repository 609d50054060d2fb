"""istn evaluate: right numbers, resumed runs, pairs that fail."""

import csv

import numpy as np
import pytest
from builders import make_grid
from command import checkpoint_file, files_in, run, small_config, subject
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data.evaluate import COLUMNS, EvaluationWork
from ISTNRegistrationLib.data.quality import measure

STAGES = ["before", "one-pass", "refined"]


@pytest.fixture(scope="module", params=[2, 3], ids=["2d", "3d"])
def given(request, tmp_path_factory):
    """Three subjects that show the same, 0, 3 and 6 mm apart; the options of a run."""
    folder, ndim = tmp_path_factory.mktemp("given"), request.param
    for number, name in enumerate("abc"):
        subject(folder, name, ndim, 3.0 * number)
    checkpoint = checkpoint_file(folder / "tiny.h5", small_config(ndim))
    pairs = write_pairs(folder / "pairs.csv", ("ab", "ac", "bc"))
    return {"pairs": pairs, "checkpoint": checkpoint, "iterations": 2, "device": "cpu"}


def write_pairs(path, pairs):
    rows = [f"{f}.nii.gz,{m}.nii.gz,{f}_soi.nii.gz,{m}_soi.nii.gz,{f}{m}" for f, m in pairs]
    path.write_text("\n".join(["fixed,moving,fixed_soi,moving_soi,note", *rows]) + "\n")
    return path


def one_pass(given):
    """The same run without refinement."""
    return {key: value for key, value in given.items() if key != "iterations"} | {"refine": "none"}


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def measured(monkeypatch):
    """The pairs that were really measured."""
    pairs, measure_pair = [], EvaluationWork._measured

    def watched(self, pair):
        pairs.append(pair.fixed[0] + pair.moving[0])
        return measure_pair(self, pair)

    monkeypatch.setattr(EvaluationWork, "_measured", watched)
    return pairs


def test_a_row_per_pair_stage_and_label_and_a_summary(given, tmp_path, capsys):
    assert run("evaluate", **given, output=tmp_path / "r.csv") == 0
    rows = rows_of(tmp_path / "r.csv")
    assert tuple(rows[0]) == COLUMNS
    found = [(row["fixed"][0] + row["moving"][0], row["stage"], row["label"]) for row in rows]
    assert found == [(p, s, n) for p in ("ab", "ac", "bc") for s in STAGES for n in ("1", "2", "mean")]
    for row in rows:  # the centers of mass are matched, and every image shows the same: nothing is left to do
        assert float(row["dice"]) > 0.95 and float(row["asd_mm"]) < 0.1 and float(row["folded"]) == 0
    text = capsys.readouterr().out
    assert all(stage in text for stage in STAGES) and "±" in text and "     3" in text
    assert files_in(tmp_path) == {"r.csv"}


def test_the_mean_is_over_the_labels_and_before_is_the_initial_alignment(given, tmp_path):
    assert run("evaluate", **one_pass(given), initial="none", output=tmp_path / "r.csv") == 0
    rows = rows_of(tmp_path / "r.csv")
    assert {row["stage"] for row in rows} == {"before", "one-pass"}
    one, two, mean = rows[:3]
    for key in ("dice", "asd_mm", "hd95_mm"):
        assert float(mean[key]) == pytest.approx((float(one[key]) + float(two[key])) / 2, abs=1e-5)
    assert 0 < float(mean["dice"]) < 0.9 and float(mean["hd95_mm"]) >= 2.9


@pytest.mark.parametrize("transform", ["affine", "bspline"])
def test_both_transforms_and_chosen_labels(given, transform, tmp_path):
    options = {"transform": transform, "labels": 2, "threads": 1}
    assert run("evaluate", **given, **options, output=tmp_path / "r.csv") == 0
    assert {row["label"] for row in rows_of(tmp_path / "r.csv")} == {"2", "mean"}


def test_a_shift_by_one_voxel_has_the_known_distances():
    grid = make_grid(3)
    array = np.zeros(grid.shape, np.uint8)
    array[5:13, 5:13, 5:13] = 4
    shift = np.eye(4)
    shift[0, 3] = 1.5
    (score,) = measure(SpatialTransform(shift), Volume(array, grid), Volume(array, grid))
    assert (score.label, score.dice, score.hd95_mm) == (4, 2 * 7 / 16, 1.5)
    # 296 surface voxels; per side the far face is one voxel away, and so is the inner part of the near one
    assert score.asd_mm == pytest.approx(1.5 * (64 + 36) / 296)


@pytest.mark.parametrize("cut", [3, 40, 400, "whole pair"])
def test_it_goes_on_where_it_stopped_and_mends_what_is_half_written(given, cut, tmp_path, measured):
    path = tmp_path / "r.csv"
    assert run("evaluate", **given, output=path) == 0
    whole = path.read_text()
    cut = sum(len(line) for line in whole.splitlines(keepends=True)[-9:]) if cut == "whole pair" else cut
    path.write_text(whole[:-cut])
    measured.clear()
    assert run("evaluate", **given, output=path) == 0
    assert measured == ["bc"]
    without_seconds = [text.replace("\n", ",").split(",")[:-2] for text in whole.splitlines(keepends=True)]
    assert [line.split(",")[:-1] for line in path.read_text().splitlines()] == without_seconds


def test_nothing_is_done_twice_but_other_options_are_other_results(given, tmp_path, measured, capsys):
    path = tmp_path / "r.csv"
    run("evaluate", **given, output=path)
    before = path.read_bytes()
    assert run("evaluate", **given, output=path) == 0
    assert path.read_bytes() == before and len(measured) == 3
    capsys.readouterr()
    assert run("evaluate", **one_pass(given), output=path) == 0
    assert path.read_bytes().startswith(before) and len(measured) == 6
    assert "refined" not in capsys.readouterr().out


def test_ctrl_c_keeps_the_pairs_that_are_done(given, tmp_path, monkeypatch):
    measure_pair = EvaluationWork._measured

    def second_stops(self, pair):
        if pair.moving == "c.nii.gz":
            raise KeyboardInterrupt
        return measure_pair(self, pair)

    monkeypatch.setattr(EvaluationWork, "_measured", second_stops)
    assert run("evaluate", **given, output=tmp_path / "r.csv") == 130
    assert len(rows_of(tmp_path / "r.csv")) == 9


def test_a_pair_that_fails_is_named_and_skipped(given, tmp_path, capsys):
    folder = given["pairs"].parent
    pairs = write_pairs(folder / "with_missing.csv", ("ab", "ax", "bc"))
    assert run("evaluate", **{**given, "pairs": pairs}, output=tmp_path / "r.csv") == 1
    assert {row["fixed"][0] + row["moving"][0] for row in rows_of(tmp_path / "r.csv")} == {"ab", "bc"}
    error = capsys.readouterr().err
    first, second = error.splitlines()
    assert "2 files of the list are missing" in first and "x_soi.nii.gz" in first
    assert "skipped a.nii.gz with x.nii.gz" in second and "no such file" in second


@pytest.mark.parametrize(
    "text, complaint",
    [
        (None, "no such file"),
        (b"\xff\xfe\x00PNG", "columns are missing"),
        (b"", "columns are missing"),
        (b"fixed,moving\na,b\n", "columns are missing"),
        (b"fixed,moving,fixed_soi,moving_soi\n", "no rows"),
        (b"fixed,moving,fixed_soi,moving_soi\na,b,c\n", "line 2: a field is empty"),
    ],
)
def test_a_pair_list_that_cannot_be_used(given, text, complaint, tmp_path, capsys):
    pairs = tmp_path / "pairs.csv"
    if text is not None:
        pairs.write_bytes(text)
    assert run("evaluate", **{**given, "pairs": pairs}, output=tmp_path / "r.csv") == 2
    error = capsys.readouterr().err
    assert complaint in error and len(error.splitlines()) == 1
    assert not (tmp_path / "r.csv").exists()


def test_a_csv_of_another_kind_is_not_touched(given, tmp_path, capsys):
    (tmp_path / "r.csv").write_text("name,age\nAda,36\n")
    assert run("evaluate", **given, output=tmp_path / "r.csv") == 2
    assert "another kind" in capsys.readouterr().err
    assert (tmp_path / "r.csv").read_text() == "name,age\nAda,36\n"
