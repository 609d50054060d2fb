"""The engine of ``istn batch``: what counts as done, and what must never be overwritten."""

import dataclasses

import numpy as np
import pytest
from command import checkpoint_file, small_config, subject
from ISTNRegistrationLib.core.checkpoint import load_checkpoint
from ISTNRegistrationLib.core.errors import InputError, RegistrationCancelled
from ISTNRegistrationLib.core.register import RegisterOptions
from ISTNRegistrationLib.data import batch
from ISTNRegistrationLib.data.batch import BatchOptions, read_batch, run_batch
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
    return list(run_batch(read_batch(pairs, output, options.version), pairs, output, options))


def test_what_is_done_is_not_done_again(pairs, tmp_path, options):
    assert [row.state for row in once(pairs, tmp_path, options)] == ["done", "done"]
    assert once(pairs, tmp_path, options) == []


def test_a_result_that_was_deleted_is_made_again(pairs, tmp_path, options):
    first = once(pairs, tmp_path, options)[0]
    (tmp_path / first.name / "transform.h5").unlink()
    assert [row.name for row in once(pairs, tmp_path, options)] == [first.name]
    assert (tmp_path / first.name / "transform.h5").is_file()


def test_a_pair_is_measured_when_its_labels_come_later(pairs, tmp_path, options):
    assert once(pairs, tmp_path, options)[0].dice == ""
    pairs.write_text("fixed,moving,fixed_soi,moving_soi\na.nii.gz,b.nii.gz,a_soi.nii.gz,b_soi.nii.gz\n")
    assert 0 < once(pairs, tmp_path, options)[0].dice <= 1


def test_stopping_between_two_pairs_keeps_the_first(pairs, tmp_path, options):
    next(run_batch(read_batch(pairs, tmp_path, options.version), pairs, tmp_path, options))
    assert [row.state for row in read_batch(pairs, tmp_path, options.version)] == ["done", "waiting"]


def test_a_cancelled_pair_leaves_no_file_and_is_still_waiting(pairs, tmp_path, options):
    def cancel(progress):
        raise RegistrationCancelled("enough")

    rows = read_batch(pairs, tmp_path, options.version)
    with pytest.raises(RegistrationCancelled):
        next(run_batch(rows, pairs, tmp_path, options, cancel))
    assert [path.name for path in tmp_path.iterdir()] == ["batch.csv"]
    assert {row.state for row in read_batch(pairs, tmp_path, options.version)} == {"waiting"}


def test_memory_that_runs_out_fails_one_pair_and_not_the_batch(pairs, tmp_path, options, monkeypatch):
    plain, seen = batch.register_pair, []

    def register(*args):
        seen.append(args)
        if len(seen) == 1:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return plain(*args)

    monkeypatch.setattr(batch, "register_pair", register)
    rows = once(pairs, tmp_path, options)
    assert [row.state for row in rows] == ["failed", "done"] and "allocate" in rows[0].message


def test_the_list_itself_and_other_tables_are_not_overwritten(images, pairs, tmp_path, options):
    own = images / "batch.csv"
    own.write_text(PLAIN)
    with pytest.raises(InputError, match="overwrite"):
        read_batch(own, images, options.version)
    (tmp_path / "batch.csv").write_text("name,age\nx,1\n")
    with pytest.raises(InputError, match="another kind"):
        read_batch(pairs, tmp_path, options.version)
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
