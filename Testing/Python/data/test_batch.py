"""The engine of ``istn batch``: what counts as done, and what must never be overwritten."""

import csv
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from command import checkpoint_file, small_config, subject
from ISTNRegistrationLib.core.checkpoint import load_checkpoint
from ISTNRegistrationLib.core.errors import InputError, RegistrationCancelled
from ISTNRegistrationLib.core.options import RegisterOptions
from ISTNRegistrationLib.data import run as running
from ISTNRegistrationLib.data.batch import Batch, BatchOptions
from ISTNRegistrationLib.data.markups import write_markups
from ISTNRegistrationLib.data.transforms import write_transform

PLAIN = "fixed,moving\na.nii.gz,b.nii.gz\nb.nii.gz,a.nii.gz\n"
QUICK = RegisterOptions(iterations=2, device="cpu")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for number, name in enumerate("ab"):
        subject(folder, name, 3, 3.0 * number)
    return folder


@pytest.fixture(scope="module")
def options(images):
    return BatchOptions(load_checkpoint(checkpoint_file(images / "tiny.h5", small_config(3))), QUICK)


@pytest.fixture
def pairs(images):
    path = images / "pairs.csv"
    path.write_text(PLAIN)
    return path


def once(pairs, output, options):
    """A run; the rows that were registered in it."""
    with Batch(pairs, output, options) as batch:
        return [batch.register(index) for index in batch.todo()]


def test_what_is_done_is_not_done_again(pairs, tmp_path, options):
    assert [row.state for row in once(pairs, tmp_path, options)] == ["done", "done"]
    assert once(pairs, tmp_path, options) == []


def test_a_result_that_was_deleted_is_made_again(pairs, tmp_path, options):
    first = once(pairs, tmp_path, options)[0]
    (tmp_path / first.folder / "transform.h5").unlink()
    assert [row.folder for row in once(pairs, tmp_path, options)] == [first.folder]
    assert (tmp_path / first.folder / "transform.h5").is_file()


def test_a_pair_is_measured_when_its_labels_come_later(pairs, tmp_path, options):
    assert once(pairs, tmp_path, options)[0].dice == ""
    pairs.write_text("fixed,moving,fixed_soi,moving_soi\na.nii.gz,b.nii.gz,a_soi.nii.gz,b_soi.nii.gz\n")
    assert 0 < once(pairs, tmp_path, options)[0].dice <= 1


def test_stopping_between_two_pairs_keeps_the_first(pairs, tmp_path, options):
    with Batch(pairs, tmp_path, options) as batch:
        batch.register(0)
    assert [row.state for row in Batch(pairs, tmp_path, options).rows] == ["done", "waiting"]


def test_a_cancelled_pair_leaves_no_file_and_is_still_waiting(pairs, tmp_path, options):
    def cancel(progress):
        raise RegistrationCancelled("enough")

    with pytest.raises(RegistrationCancelled), Batch(pairs, tmp_path, options) as batch:
        batch.register(0, cancel)
    assert [path.name for path in tmp_path.iterdir()] == ["batch.csv"]
    assert {row.state for row in Batch(pairs, tmp_path, options).rows} == {"waiting"}


def test_memory_that_runs_out_fails_one_pair_and_not_the_batch(pairs, tmp_path, options, monkeypatch):
    plain, seen = running.register_pair, []

    def register(*args):
        seen.append(args)
        if len(seen) == 1:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return plain(*args)

    monkeypatch.setattr(running, "register_pair", register)
    rows = once(pairs, tmp_path, options)
    assert [row.state for row in rows] == ["failed", "done"] and "allocate" in rows[0].message


def test_the_list_itself_and_other_tables_are_not_overwritten(images, pairs, tmp_path, options):
    own = images / "batch.csv"
    own.write_text(PLAIN)
    with pytest.raises(InputError, match="overwrite"):
        Batch(own, images, options)
    (tmp_path / "batch.csv").write_text("name,age\nx,1\n")
    with pytest.raises(InputError, match="another kind"):
        Batch(pairs, tmp_path, options)
    assert own.read_text() == PLAIN


def test_a_table_that_a_spreadsheet_saved_is_understood(pairs, tmp_path, options):
    once(pairs, tmp_path, options)
    table = tmp_path / "batch.csv"
    table.write_text(table.read_text(encoding="utf-8"), encoding="utf-8-sig")
    assert once(pairs, tmp_path, options) == []


def test_a_different_start_is_a_different_version(options, tmp_path):
    def version(initial):
        return dataclasses.replace(options, register=dataclasses.replace(QUICK, initial=initial)).version

    start = np.eye(4) * 123456.789 + 1e-9  # numbers whose text is longer than a file's name may be
    nearly = start.copy()
    nearly[0, 3] += 1e-10
    file = write_start(tmp_path / "start.tfm", 1.0)
    one = version(file)
    assert len({version("auto"), version(start), version(nearly), one}) == 4
    assert version(start.copy()) == version(start)
    assert version(write_start(file, 2.0)) != one


def write_start(path, shift):
    from ISTNRegistrationLib.core.transform import SpatialTransform

    matrix = np.eye(4)
    matrix[0, 3] = shift
    write_transform(path, SpatialTransform(matrix))
    return str(path)


def test_a_start_that_is_not_there_is_said_before_any_work(options):
    with pytest.raises(InputError, match="no such file"):
        _ = dataclasses.replace(options, register=dataclasses.replace(QUICK, initial="none.tfm")).version


def test_a_line_put_on_top_of_a_finished_list_leaves_the_others_done(pairs, tmp_path, options):
    first = once(pairs, tmp_path, options)
    pairs.write_text(PLAIN.replace("\n", "\na.nii.gz,a.nii.gz\n", 1))
    new = once(pairs, tmp_path, options)
    assert [(row.fixed, row.moving) for row in new] == [("a.nii.gz", "a.nii.gz")]
    assert new[0].folder not in {row.folder for row in first}
    assert (
        "same image" in new[0].message and [row.state for row in Batch(pairs, tmp_path, options).rows] == ["done"] * 3
    )


def test_two_lists_whose_files_have_the_same_names_do_not_share_a_folder(images, tmp_path, options):
    for person, source in (("sub-01", "a"), ("sub-02", "b")):
        (tmp_path / person).mkdir()
        shutil.copy(images / f"{source}.nii.gz", tmp_path / person / "T1w.nii.gz")
    rows = ["sub-01/T1w.nii.gz,sub-02/T1w.nii.gz", "sub-02/T1w.nii.gz,sub-01/T1w.nii.gz"]
    made = []
    for number, row in enumerate(rows):
        (tmp_path / f"{number}.csv").write_text(f"fixed,moving\n{row}\n")
        made += once(tmp_path / f"{number}.csv", tmp_path / "out", options)
    assert len({row.folder for row in made}) == 2
    assert all((tmp_path / "out" / row.folder / "transform.h5").is_file() for row in made)


def test_an_image_that_changed_under_its_name_is_registered_again(images, tmp_path, options):
    for name in "ab":
        shutil.copy(images / f"{name}.nii.gz", tmp_path)
    (tmp_path / "pairs.csv").write_text("fixed,moving\na.nii.gz,b.nii.gz\n")
    once(tmp_path / "pairs.csv", tmp_path / "out", options)
    shutil.copy(images / "a.nii.gz", tmp_path / "b.nii.gz")
    assert [row.state for row in once(tmp_path / "pairs.csv", tmp_path / "out", options)] == ["done"]


def test_a_failed_line_goes_when_its_pair_is_done_and_only_then(images, tmp_path, options):
    """The list names a file that is not there yet, and another that never will be; another list changes nothing."""
    path = images / "late.csv"
    path.write_text("fixed,moving\na.nii.gz,late.nii.gz\na.nii.gz,never.nii.gz\n")
    (images / "other.csv").write_text("fixed,moving\na.nii.gz,b.nii.gz\n")

    def table():
        with (tmp_path / "batch.csv").open(encoding="utf-8", newline="") as file:
            return sorted((Path(row["moving_path"]).name, row["state"]) for row in csv.DictReader(file))

    once(path, tmp_path, options)
    once(images / "other.csv", tmp_path, options)
    assert table() == [("b.nii.gz", "done"), ("late.nii.gz", "failed"), ("never.nii.gz", "failed")]
    subject(images, "late", 3, 5.0)
    once(path, tmp_path, options)
    assert table() == [("b.nii.gz", "done"), ("late.nii.gz", "done"), ("never.nii.gz", "failed")]
    once(images / "other.csv", tmp_path, dataclasses.replace(options, register=RegisterOptions(iterations=1)))
    assert table().count(("b.nii.gz", "done")) == 2  # what is done stays, whatever is done besides


def test_two_processes_cannot_write_into_one_folder(pairs, tmp_path, options):
    with Batch(pairs, tmp_path, options) as first:
        first.register(0)
        with pytest.raises(InputError, match="another process is writing"), Batch(pairs, tmp_path, options):
            pass
        first.register(1)
    assert [row.state for row in Batch(pairs, tmp_path, options).rows] == ["done", "done"]


def test_masks_landmarks_and_the_initial_alignment_of_a_pair_count(images, tmp_path, options):
    header = "fixed,moving,fixed_mask,fixed_landmarks,moving_landmarks,initial,id"
    write_markups(images / "f.mrk.json", [("Fiducial", np.diag([20.0, 30.0, 40.0]))])
    moved = np.diag([20.0, 30.0, 40.0]) + [3.0, 0.0, 0.0]
    write_markups(images / "m.mrk.json", [("Fiducial", moved)])
    row = "a.nii.gz,b.nii.gz,a_soi.nii.gz,f.mrk.json,m.mrk.json,landmarks,first"
    (images / "full.csv").write_text(f"{header}\n{row}\n")
    (done,) = once(images / "full.csv", tmp_path, options)
    report = json.loads((tmp_path / "first" / "report.json").read_text())
    assert done.folder == "first" and report["fixed"]["mask"] and report["options"]["initial"] == "landmarks"
    np.testing.assert_allclose(np.asarray(report["initial_fixed_to_moving_LPS"])[:3, 3], [3.0, 0.0, 0.0], atol=1e-6)
    assert report["stages"][0]["tre_mm"] == pytest.approx(0.0, abs=1e-6) and done.tre_mm == 0


def test_ids_that_cannot_name_folders_are_refused(images, tmp_path, options):
    for ids in (("x", "x"), ("../x", "y")):
        rows = "".join(f"a.nii.gz,b.nii.gz,{name}\n" for name in ids)
        (images / "ids.csv").write_text("fixed,moving,id\n" + rows)
        with pytest.raises(InputError, match="column id"):
            Batch(images / "ids.csv", tmp_path, options)
