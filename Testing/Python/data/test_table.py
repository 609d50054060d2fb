"""Lists and configurations as people save them: one reader, one clear line for what is wrong."""

from pathlib import Path

import pytest
from ISTNRegistrationLib.cli.train import read_config
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.data.evaluate import NEEDED
from ISTNRegistrationLib.data.pairs import read_pairs
from ISTNRegistrationLib.data.scans import read_subjects

ROWS = zip("abcd", ("train", "train", "val", "val"), strict=True)
SUBJECTS = "person,image,labels,split\n" + "".join(f"{p},{p}.nii,{p}s.nii,{s}\n" for p, s in ROWS)
PAIRS = "fixed,moving,fixed_soi,moving_soi\na.nii,b.nii,as.nii,bs.nii\n"
def read_labelled_pairs(path):
    return read_pairs(path, NEEDED)


READERS = pytest.mark.parametrize("read, text", [(read_subjects, SUBJECTS), (read_labelled_pairs, PAIRS)])


@READERS
def test_a_list_as_a_spreadsheet_saves_it_is_read(read, text, tmp_path):
    path = tmp_path / "list.csv"
    path.write_text(text, encoding="utf-8")
    plain = read(path)
    path.write_bytes(text.replace("\n", "\r\n").encode("utf-8-sig"))
    assert read(path) == plain


@READERS
@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda text: text.replace("a", "ä").encode("latin-1"), "a CSV in UTF-8; got another encoding"),
        (lambda text: (text + "e\n").encode(), "line [0-9]: a field is empty"),
        (lambda text: text.split("\n")[0].encode(), "no rows"),
        (lambda text: b"", "columns are missing.*got an empty file"),
        (lambda text: b"name,age\nAda,36\n", "columns are missing.*got name, age"),
        (lambda text: text.encode() + b'"' + b"x" * 140_000, "it cannot be read"),
    ],
)
def test_what_is_wrong_in_a_list_is_one_line(read, text, spoil, words, tmp_path):
    path = tmp_path / "list.csv"
    path.write_bytes(spoil(text))
    with pytest.raises(InputError, match=f"'list.csv'.*{words}"):
        read(path)


@pytest.mark.parametrize("read", [read_subjects, read_pairs, read_config])
def test_a_file_that_is_not_there_is_named(read):
    with pytest.raises(InputError, match="'nowhere.csv': there is no such file"):
        read(Path("nowhere.csv"))


def test_a_configuration_in_another_encoding_is_one_line(tmp_path):
    path = tmp_path / "config.toml"
    path.write_bytes('[card]\ntitle = "Kopf, männlich"\n'.encode("latin-1"))
    with pytest.raises(
        InputError, match="'config.toml': it cannot be read.*a TOML file in UTF-8; got another encoding"
    ):
        read_config(path)
