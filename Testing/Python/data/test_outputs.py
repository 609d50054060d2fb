"""The files of one run: all of them take their names, or those before are there again."""

from pathlib import Path

import pytest
from command import files_in
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.files import temporary_name
from ISTNRegistrationLib.data.outputs import all_or_nothing

NAMES = ("a.txt", "b.txt", "c.txt")


def write_all(folder):
    with all_or_nothing() as temporary:
        for name in NAMES:
            temporary(folder / name).write_text(f"new {name}")


def test_all_are_new_and_nothing_else_is_there(tmp_path):
    (tmp_path / "b.txt").write_text("older")
    write_all(tmp_path)
    assert files_in(tmp_path) == set(NAMES) and (tmp_path / "b.txt").read_text() == "new b.txt"


@pytest.mark.parametrize("links", [True, False])
def test_where_one_cannot_take_its_name_all_before_it_get_theirs_back(links, tmp_path, monkeypatch):
    """As on Windows, where a table stands open in another program; a disk without links keeps copies."""
    if not links:
        monkeypatch.setattr("os.link", lambda *args, **options: (_ for _ in ()).throw(OSError("no links here")))
    (tmp_path / "a.txt").write_text("older a")
    (tmp_path / "c.txt").write_text("older c")
    plain = Path.replace

    def replace(path, target):
        if Path(target).name == "c.txt":
            raise PermissionError(13, "The file is used by another process", str(path))
        return plain(path, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(InputError, match=r"another process: '.*/c\.txt'"):
        write_all(tmp_path)
    assert files_in(tmp_path) == {"a.txt", "c.txt"}
    assert [(tmp_path / name).read_text() for name in ("a.txt", "c.txt")] == ["older a", "older c"]


@pytest.mark.parametrize("again", [lambda name: name, temporary_name], ids=["once", "twice"])
def test_an_error_names_the_file_and_not_its_temporary_names(again, tmp_path):
    with pytest.raises(InputError, match=r"File '[^']*/a\.nii\.gz'"), all_or_nothing() as temporary:
        raise InputError(f"File '{again(temporary(tmp_path / 'a.nii.gz'))}'", "no", "yes", "no")
