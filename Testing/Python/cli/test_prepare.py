"""istn prepare, and the ready configurations."""

from pathlib import Path

import pytest
from command import files_in, run
from ISTNRegistrationLib.cli import training_data
from ISTNRegistrationLib.cli.train import read_config
from ISTNRegistrationLib.data.cache import changes
from ISTNRegistrationLib.data.scans import read_study
from study import write_study

CONFIGS = sorted((Path(__file__).resolve().parents[3] / "Resources" / "Configs").glob("*.toml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_ready_configuration_can_be_read(path):
    assert read_config(path).model.channels


def test_training_uses_what_was_prepared(tmp_path, capsys):
    study = write_study(tmp_path, steps=3)
    assert run("prepare", config=study["config"], output=tmp_path / "data.h5") == 0
    assert "4 scans" in capsys.readouterr().out
    made = (tmp_path / "data.h5").stat().st_mtime_ns
    text = study["config"].read_text().replace('"subjects.csv"', '"subjects.csv"\ncache = "data.h5"')
    study["config"].write_text(text)
    assert run("train", **study, output=tmp_path / "out") == 0
    assert (tmp_path / "data.h5").stat().st_mtime_ns == made
    left = files_in(tmp_path / "out")
    assert {"state.pt", "best.h5", "last.h5"} <= left and "cache.h5" not in left


def test_a_failed_preparation_is_one_line_and_leaves_nothing(tmp_path, capsys):
    study = write_study(tmp_path)
    (tmp_path / "d_soi.nii.gz").write_bytes(b"not an image")
    before = files_in(tmp_path)
    assert run("prepare", config=study["config"], output=tmp_path / "data.h5") == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert len(errors) == 1 and "d_soi.nii.gz" in errors[0]
    assert files_in(tmp_path) == before


def test_the_second_process_of_a_machine_waits_for_the_first(tmp_path, monkeypatch):
    config = read_config(write_study(tmp_path)["config"])
    study, path = read_study(config.data, tmp_path), tmp_path / "cache.h5"
    looks = []

    def first_process_prepares(seconds):
        looks.append(seconds)
        training_data.bring_up_to_date(study, config.model, path)

    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(training_data.time, "sleep", first_process_prepares)
    assert training_data.ready_cache(config.data, config.model, tmp_path, path) == path
    assert len(looks) == 1 and changes(path, study, config.model) == []
