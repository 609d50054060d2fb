"""istn init: what it writes is what istn prepare and istn train read, from folders and lists, in 2-D and 3-D."""

import csv
import re

import messy
import pytest
from command import files_in, run
from ISTNRegistrationLib.cli.train import read_config
from ISTNRegistrationLib.data.pairs import read_pairs
from ISTNRegistrationLib.data.scans import read_study

PAIRED = {k: {"labels": (messy.LEFT, messy.BELOW)} for k in range(8)}


def rows(path):
    return list(csv.DictReader(path.open(encoding="utf-8")))


@pytest.mark.parametrize("ndim, ending", [(3, ".nii.gz"), (2, ".mha")])
def test_a_messy_folder_becomes_a_study_that_can_be_prepared(ndim, ending, tmp_path, capsys):
    messy.write_messy(tmp_path, ndim, ending=ending, odd=PAIRED if ndim == 2 else None)
    before = files_in(tmp_path)
    assert run("init", str(tmp_path), minutes=1, hold_out=2) == 0
    said = capsys.readouterr().out
    assert files_in(tmp_path) - before == {"training.toml", "subjects.csv", "test_pairs.csv", "training-data.html"}
    config = read_config(tmp_path / "training.toml")
    study = read_study(config.data, tmp_path)
    splits = [scan.split for scan in study.scans]
    assert (splits.count("train"), splits.count("val")) == (4, 2) and config.model.ndim == ndim
    assert len(rows(tmp_path / "test_pairs.csv")) == 2
    assert not {row["fixed"] for row in rows(tmp_path / "test_pairs.csv")} & {
        row["image"] for row in rows(tmp_path / "subjects.csv")
    }
    assert "8 scans" in said and "grid " in said and "anchor: the structures' middle varies by" in said
    assert run("prepare", config=tmp_path / "training.toml", output=tmp_path / "training.h5") == 0
    printed = capsys.readouterr().out
    assert len(re.findall(r"100.0% in the grid on average", printed)) == len(config.model.channels)
    assert len(read_pairs(tmp_path / "test_pairs.csv")) == 2


def test_every_choice_has_its_reason_beside_it_and_every_person_a_picture(tmp_path):
    messy.write_messy(tmp_path, odd={0: {"labels": (messy.LEFT, messy.RIGHT)}})
    assert run("init", str(tmp_path), output=tmp_path / "out") == 0
    text = (tmp_path / "out" / "training.toml").read_text()
    for key in ("size", "spacing", "anchor", "translation_mm", "spacing_mm", "mirror", "steps"):
        assert re.search(rf"^{key} = .+  # .+", text, re.M), key
    page = (tmp_path / "out" / "training-data.html").read_text()
    assert page.count("<figure>") == 8 and page.count("data:image/png;base64,") == 24
    assert "left out: lacks label 16" in page and "Anna T1.nii.gz" in page
    assert [row["image"][:3] for row in rows(tmp_path / "out" / "subjects.csv")] == ["../"] * 7


def test_a_list_is_taken_as_it_is(tmp_path, capsys):
    messy.write_messy(tmp_path)
    assert run("init", str(tmp_path)) == 0
    listed = (tmp_path / "subjects.csv").read_text().replace(",val", ",train").replace(",train", ",val", 3)
    (tmp_path / "subjects.csv").write_text(listed)
    capsys.readouterr()
    assert run("init", str(tmp_path / "subjects.csv")) == 0
    assert "those of 'subjects.csv'" in capsys.readouterr().out
    assert (tmp_path / "subjects.csv").read_text() == listed
    assert read_config(tmp_path / "training.toml").data.subjects == "subjects.csv"


def test_a_configuration_of_the_user_is_never_overwritten(tmp_path, capsys):
    messy.write_messy(tmp_path)
    (tmp_path / "training.toml").write_text("# mine\n")
    assert run("init", str(tmp_path)) == 2
    assert "there is one already" in capsys.readouterr().err
    assert (tmp_path / "training.toml").read_text() == "# mine\n" and not (tmp_path / "subjects.csv").exists()


@pytest.mark.parametrize("options", [{"minutes": 0}, {"minutes": "nan"}, {"spacing": -1}, {"hold_out": 1}])
def test_impossible_wishes_are_one_line_and_exit_code_2(options, tmp_path, capsys):
    messy.write_messy(tmp_path, count=4)
    assert run("init", str(tmp_path), **options) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1 and not list(tmp_path.glob("*.toml"))


def test_the_untouched_template_on_small_crops_is_refused_before_training(tmp_path, capsys):
    messy.write_messy(tmp_path)
    assert run("init", str(tmp_path)) == 0
    text = (tmp_path / "training.toml").read_text()
    text = re.sub(r"size = .*", "size = [64, 64, 64]", text, count=1)
    (tmp_path / "large.toml").write_text(re.sub(r"\nspacing = .*", "\nspacing = [2.0, 2.0, 2.0]", text, count=1))
    (tmp_path / "aside.toml").write_text(re.sub(r"offset = .*", "offset = [90.0, 0.0, 0.0]", text, count=1))
    for name, complaint in (("large", "far larger than the images"), ("aside", "misses a structure")):
        capsys.readouterr()
        assert run("prepare", config=tmp_path / f"{name}.toml", output=tmp_path / "data.h5") == 2
        assert complaint in capsys.readouterr().err and not (tmp_path / "data.h5").exists()
