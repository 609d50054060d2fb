"""Lists and configurations as people save them: one reader, one clear line for what is wrong."""

import os
from pathlib import Path

import pytest
from ISTNRegistrationLib.cli.train import read_config
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.data.evaluate import NEEDED
from ISTNRegistrationLib.data.lists import listed_path, read_table
from ISTNRegistrationLib.data.pairs import read_pairs
from ISTNRegistrationLib.data.scans import DataConfig, read_study, read_subjects

ROWS = zip("abcd", ("train", "train", "val", "val"), strict=True)
SUBJECTS = "person,image,labels,split\n" + "".join(f"{p},{p}.nii,{p}s.nii,{s}\n" for p, s in ROWS)
PAIRS = "fixed,moving,fixed_soi,moving_soi\na.nii,b.nii,as.nii,bs.nii\n"


def read_labelled_pairs(path):
    return read_pairs(path, NEEDED)


READERS = pytest.mark.parametrize("read, text", [(read_subjects, SUBJECTS), (read_labelled_pairs, PAIRS)])


WAYS = {
    "Windows line ends": lambda text: text.replace("\n", "\r\n").encode("utf-8-sig"),
    "old Mac line ends": lambda text: text.replace("\n", "\r").encode(),
    "semicolons": lambda text: text.replace(",", ";").encode(),
    "Excel in German": lambda text: ("sep=;\r\n" + text.replace(",", ";")).encode("cp1252"),
    "tabs in UTF-16": lambda text: text.replace(",", "\t").encode("utf-16"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-le"),
    "UTF-16, big endian": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "UTF-32": lambda text: text.encode("utf-32"),
    "a header in capitals": lambda text: (text.split("\n")[0].upper() + text[text.index("\n") :]).encode(),
    "blanks around fields": lambda text: text.replace(",", " ,  ").encode(),
    "blanks and hyphens in names": lambda text: text.replace("fixed_soi", "Fixed SOI").replace("_soi", "-soi").encode(),
    "quotes": lambda text: "\n".join(",".join(f'"{f}"' for f in r.split(",")) for r in text.split("\n")).encode(),
    "empty rows": lambda text: (text.replace("\n", "\n\n") + ",,,\n\n").encode(),
    "one more column": lambda text: text.replace("\n", ",1\n").replace(",1", ",age", 1).encode(),
    "empty surplus fields": lambda text: text.replace("nii\n", "nii,,\n").encode(),
}


@READERS
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_list_as_people_save_it_is_read(read, text, way, tmp_path):
    path = tmp_path / "list.csv"
    path.write_text(text, encoding="utf-8")
    plain = read(path)
    path.write_bytes(way(text))
    assert read(path) == plain


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_letters_of_other_languages_come_through(encoding, tmp_path):
    path = tmp_path / "list.csv"
    path.write_bytes("fixed;moving\nMüller é.nii;b, c.nii\n".encode(encoding))
    assert read_table(path, "List", ("fixed", "moving")) == [{"fixed": "Müller é.nii", "moving": "b, c.nii"}]


def test_paths_written_on_another_system_are_found(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.nii").touch()
    assert listed_path(tmp_path, r"sub\a.nii") == tmp_path / "sub/a.nii"
    assert listed_path(tmp_path, "sub/a.nii") == tmp_path / "sub/a.nii"
    assert listed_path(tmp_path, "/sub/a.nii") == Path("/sub/a.nii")
    if os.sep == "/":
        (tmp_path / r"odd\name.nii").touch()
        assert listed_path(tmp_path, r"odd\name.nii") == tmp_path / r"odd\name.nii"


def test_all_missing_files_are_named_at_once(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text(SUBJECTS)
    (tmp_path / "a.nii").touch()
    with pytest.raises(InputError, match="got 7 missing in .*: as.nii, b.nii, bs.nii, c.nii, cs.nii, 2 more"):
        read_study(DataConfig(subjects="list.csv"), tmp_path)


@READERS
@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda text: text.encode() + b"\x81", "text in UTF-8, UTF-16 or cp1252; got another encoding"),
        (lambda text: text.encode() + b"\0\0\0", "got another encoding"),
        (lambda text: (text.strip() + ",x,y\n").encode(), "it has too many fields"),
        (
            lambda text: text.replace(",", ",,", 1).replace(",,", ",moving,person,", 1).encode(),
            "a column is there twice",
        ),
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


@pytest.mark.parametrize("name, meant", [("fixed_masks", "fixed_mask"), ("Moving Label", "moving_labels")])
def test_a_column_that_is_nearly_one_of_ours_is_not_ignored_in_silence(tmp_path, name, meant):
    (tmp_path / "pairs.csv").write_text(f"fixed,moving,{name}\na.nii,b.nii,c\n")
    with pytest.raises(InputError, match=f"a column is not known.*Is '{meant}' meant"):
        read_pairs(tmp_path / "pairs.csv")


def test_columns_of_one_s_own_are_left_alone(tmp_path):
    (tmp_path / "pairs.csv").write_text("fixed,moving,age,fixed_path,moving_age,dice\na.nii,b.nii,61,/a.nii,70,0.5\n")
    assert [(pair.fixed, pair.moving) for pair in read_pairs(tmp_path / "pairs.csv")] == [("a.nii", "b.nii")]
