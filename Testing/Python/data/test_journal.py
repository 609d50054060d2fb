"""A long table of results: a line more costs a line, whatever stands there already."""

from command import checkpoint_file, small_config
from ISTNRegistrationLib.core.checkpoint import load_checkpoint
from ISTNRegistrationLib.core.options import RegisterOptions
from ISTNRegistrationLib.data import journal as journals
from ISTNRegistrationLib.data import pairs
from ISTNRegistrationLib.data.batch import Batch, BatchOptions
from ISTNRegistrationLib.data.journal import Journal

LINES, MORE = 5000, 20
TEXT = "a line as long as those of a batch, " * 6


def test_a_table_of_5000_lines_is_appended_to_not_written_again(tmp_path, monkeypatch):
    path = tmp_path / "batch.csv"
    lines = [f"{number:05d},{TEXT.replace(',', ';')}" for number in range(LINES)]
    path.write_text("id,text\n" + "\n".join(lines) + "\n")
    before, written = path.read_bytes(), []
    with Journal(path, ("id", "text")) as journal:
        plain, file = Journal._lines, path.stat().st_ino
        monkeypatch.setattr(Journal, "_lines", lambda self, rows: written.append(plain(self, rows)) or written[-1])
        monkeypatch.setattr(journals, "write_atomically", lambda *_: written.append("x" * len(before)))
        for number in range(MORE):
            journal.append(f"new {number}", [{"text": TEXT}])
    after = path.read_bytes()
    assert path.stat().st_ino == file and after.startswith(before) and len(journal.entries) == LINES + MORE
    assert sum(map(len, written)) == len(after) - len(before) < 0.01 * len(before)


def test_the_files_of_a_long_list_are_read_once(tmp_path, monkeypatch):
    """It is gone through when the list is read, and again when the table of results is locked."""
    count, hashed = 40, []
    assert pairs._sha256.cache_info().maxsize > 4 * LINES
    for number in range(count):
        (tmp_path / f"{number}.nii").write_bytes(number.to_bytes(4, "big"))
    rows = "".join(f"0.nii,{number}.nii\n" for number in range(1, count))
    (tmp_path / "pairs.csv").write_text(f"fixed,moving\n{rows}")
    monkeypatch.setattr(pairs, "sha256_of", lambda path: hashed.append(path) or str(path))
    checkpoint = load_checkpoint(checkpoint_file(tmp_path / "tiny.h5", small_config(2)))
    with Batch(tmp_path / "pairs.csv", tmp_path / "out", BatchOptions(checkpoint, RegisterOptions())) as batch:
        assert len(batch.todo()) == count - 1
    assert len(hashed) == len(set(hashed)) == count


def test_a_table_of_an_older_version_with_fewer_columns_goes_on(tmp_path):
    path = tmp_path / "batch.csv"
    path.write_text("id,text\n1,a\n")
    with Journal(path, ("id", "new", "text")) as journal:
        assert journal.entries == {"1": [{"id": "1", "new": "", "text": "a"}]}
        journal.append("2", [{"new": "n", "text": "b"}])
    assert path.read_text() == "id,new,text\n1,,a\n2,n,b\n"


def test_what_is_forgotten_leaves_the_file(tmp_path):
    for forgotten, left in (([], ["a", "b"]), (["a"], ["b"])):
        with Journal(tmp_path / "t.csv", ("id", "value")) as journal:
            for key in () if journal.entries else "ab":
                journal.append(key, [{"value": 1}])
            journal.forget(forgotten)
        assert list(Journal(tmp_path / "t.csv", ("id", "value")).read()) == left
