"""istn train: it learns, leaves what it should, and a resumed run ends where an uninterrupted one does."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from command import files_in, run
from ISTNRegistrationLib.cli import train
from ISTNRegistrationLib.cli.training_outputs import TrainingOutputs
from ISTNRegistrationLib.core.checkpoint import load_checkpoint
from ISTNRegistrationLib.core.istn import ISTN
from ISTNRegistrationLib.core.losses import training_losses
from ISTNRegistrationLib.data.pair_source import CachedPairs
from study import write_study


def weights(path):
    return load_checkpoint(path).model.state_dict()


@pytest.mark.parametrize("method", ["stn-u", "stn-s", "istn-e", "istn-i"])
@pytest.mark.parametrize("ndim", [2, 3])
def test_every_method_trains_and_leaves_checkpoints_that_load(method, ndim, tmp_path):
    study = write_study(tmp_path, ndim, method, steps=3)
    assert run("train", **study, output=tmp_path / "out") == 0
    left = {name for name in files_in(tmp_path / "out") if not name.startswith("tensorboard")}
    assert left == {"cache.h5", "state.pt", "best.h5", "last.h5", "history.csv", "training.html"}
    for name in ("best.h5", "last.h5"):
        checkpoint = load_checkpoint(tmp_path / "out" / name)
        assert checkpoint.config.method == method
        assert checkpoint.card["license"] == "CC0" and checkpoint.card["steps"] == 3
    assert all(np.isfinite(value) for entry in checkpoint.card["history"] for value in entry.values())


def test_training_lowers_the_loss_on_people_it_has_not_seen(tmp_path):
    study = write_study(tmp_path, steps=60)
    assert run("train", **study, output=tmp_path / "out") == 0
    config = train.read_config(study["config"])
    trained = load_checkpoint(tmp_path / "out" / "last.h5").model
    torch.manual_seed(config.training.seed)
    untrained = ISTN(config.model)
    untrained.channel_weights.copy_(trained.channel_weights)
    pairs = CachedPairs(tmp_path / "out" / "cache.h5", config.model, config.augment).validation_pairs()
    with torch.no_grad():
        before, after = (sum(sum(training_losses(m, p).values()) for p in pairs) for m in (untrained, trained))
    assert after < 0.8 * before


def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(tmp_path, monkeypatch):
    study = write_study(tmp_path)
    assert run("train", **study, output=tmp_path / "whole") == 0
    after_step = TrainingOutputs.__call__

    def stop_at_four(outputs, trainer, values):
        if trainer.step == 4:
            raise KeyboardInterrupt
        after_step(outputs, trainer, values)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingOutputs, "__call__", stop_at_four)
        assert run("train", **study, output=tmp_path / "halves") == 130
    assert load_checkpoint(tmp_path / "halves" / "last.h5").card["steps"] == 3
    assert run("train", "--resume", **study, output=tmp_path / "halves") == 0
    for name in ("last.h5", "best.h5"):
        first, second = (weights(tmp_path / folder / name) for folder in ("whole", "halves"))
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first)
    assert load_checkpoint(tmp_path / "halves" / "last.h5").card["steps"] == 6


def test_a_killed_run_goes_on_to_the_weights_of_an_uninterrupted_one(tmp_path):
    study = write_study(tmp_path, steps=40)
    assert run("train", **study, output=tmp_path / "whole") == 0
    arguments = [f"--{key}={value}" for key, value in study.items()]
    process = start([sys.executable, "-m", "ISTNRegistrationLib.cli"], *arguments, f"--output={tmp_path / 'killed'}")
    while not (tmp_path / "killed" / "last.h5").is_file() and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert load_checkpoint(tmp_path / "killed" / "last.h5").card["steps"] < 40
    assert run("train", "--resume", **study, output=tmp_path / "killed") == 0
    for name in ("last.h5", "best.h5"):
        first, second = (weights(tmp_path / folder / name) for folder in ("whole", "killed"))
        assert all(torch.equal(first[key], second[key]) for key in first)


def test_two_processes_have_the_losses_of_one_with_the_doubled_batch(tmp_path):
    study = write_study(tmp_path, steps=6)
    one = tmp_path / "one.toml"
    one.write_text(study["config"].read_text().replace("[training]", "[training]\nbatch_size = 2"))
    assert run("train", **study | {"config": one}, output=tmp_path / "one") == 0
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    arguments = [f"--{key}={value}" for key, value in study.items()]
    process = start([*torchrun, "-m", "ISTNRegistrationLib.cli"], *arguments, f"--output={tmp_path / 'two'}")
    assert process.wait(120) == 0
    histories = [load_checkpoint(tmp_path / name / "last.h5").card["history"] for name in ("one", "two")]
    for first, second in zip(*histories, strict=True):
        assert first == pytest.approx(second, rel=1e-4, abs=1e-7)


def start(command, *arguments):
    """`istn train` in a process of its own."""
    place = Path(train.__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(place), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([*command, "train", *arguments], env=environment, stderr=subprocess.DEVNULL)


def test_fine_tuning_starts_from_a_checkpoint_and_the_card_says_so(tmp_path):
    study = write_study(tmp_path, steps=3)
    assert run("train", **study, output=tmp_path / "first") == 0
    start = tmp_path / "first" / "last.h5"
    quiet = study["config"].read_text().replace("learning_rate = 5e-3", "learning_rate = 1e-12")
    (tmp_path / "quiet.toml").write_text(quiet)
    assert run("train", **study | {"config": tmp_path / "quiet.toml"}, init=start, output=tmp_path / "second") == 0
    first, second = weights(start), weights(tmp_path / "second" / "last.h5")
    assert all(torch.allclose(first[key], second[key], atol=1e-6) for key in first)
    assert load_checkpoint(tmp_path / "second" / "last.h5").card["init"]["sha256"] == load_checkpoint(start).sha256


def test_fine_tuning_from_other_networks_names_what_differs(tmp_path, capsys):
    study = write_study(tmp_path, steps=3)
    assert run("train", **study, output=tmp_path / "first") == 0
    wider = study["config"].read_text().replace("stn_width = 8", "stn_width = 12")
    (tmp_path / "wider.toml").write_text(wider)
    init = tmp_path / "first" / "last.h5"
    assert run("train", **study | {"config": tmp_path / "wider.toml"}, init=init, output=tmp_path / "second") == 2
    error = capsys.readouterr().err
    assert "stns.bspline.conv1" in error and "istn info" in error
    assert not (tmp_path / "second").exists()


def test_fine_tuning_takes_what_the_configuration_does_not_say_from_the_checkpoint(tmp_path):
    study = write_study(tmp_path, steps=3)
    assert run("train", **study, output=tmp_path / "first") == 0
    text = study["config"].read_text()
    bare = text[text.index("[data]") :]
    (tmp_path / "bare.toml").write_text(bare)
    (tmp_path / "some.toml").write_text("[model]\nbspline = { bending_weight = 0.5 }\n" + bare)
    init = tmp_path / "first" / "last.h5"
    first = load_checkpoint(init).config
    for name, weight in (("bare", 0.0), ("some", 0.5)):
        assert run("train", **study | {"config": tmp_path / f"{name}.toml"}, init=init, output=tmp_path / name) == 0
        config = load_checkpoint(tmp_path / name / "last.h5").config
        assert config.net == first.net and config.channels == first.channels and config.grid == first.grid
        assert (config.bspline.bending_weight, config.bspline.spacing_mm) == (weight, first.bspline.spacing_mm)
    assert run("train", **study | {"config": tmp_path / "bare.toml"}, output=tmp_path / "none") == 2


def test_tensorboard_gets_curves_and_pictures(tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    study = write_study(tmp_path, steps=3)
    assert run("train", **study, output=tmp_path / "out") == 0
    written = events.EventAccumulator(str(tmp_path / "out" / "tensorboard")).Reload().Tags()
    assert {"loss", "learning rate", "val/bspline", "val/bspline_asd"} <= set(written["scalars"])
    assert {"pictures/moving", "pictures/fixed map", "pictures/warped map"} <= set(written["images"])


def test_another_runs_state_is_not_overwritten(tmp_path, capsys):
    study = write_study(tmp_path, steps=3)
    assert run("train", **study, output=tmp_path / "out") == 0
    before = (tmp_path / "out" / "state.pt").read_bytes()
    assert run("train", **study, output=tmp_path / "out") == 2
    assert "--resume" in capsys.readouterr().err
    assert (tmp_path / "out" / "state.pt").read_bytes() == before


@pytest.mark.parametrize(
    "old, new, complaint",
    [
        ("5e-3", "1e-3", "Expected training.learning_rate = 0.005; got training.learning_rate = 0.001"),
        ("spacing_mm = 8.0", "spacing_mm = 9.0", "Expected model.bspline.spacing_mm = 8.0; got"),
        ("[card]", "[augment]\nnoise = 0.5\n[card]", "augment.noise = 0.5"),
    ],
)
def test_a_run_does_not_go_on_with_another_configuration(old, new, complaint, tmp_path, capsys):
    study = write_study(tmp_path, steps=3)
    assert run("train", **study, output=tmp_path / "out") == 0
    before = (tmp_path / "out" / "state.pt").read_bytes()
    study["config"].write_text(study["config"].read_text().replace(old, new))
    capsys.readouterr()
    assert run("train", "--resume", **study, output=tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert complaint in error and len(error.splitlines()) == 1
    assert (tmp_path / "out" / "state.pt").read_bytes() == before


def test_a_run_of_an_older_version_goes_on_where_keys_that_it_lacks_have_their_defaults(tmp_path, capsys):
    study = write_study(tmp_path, steps=2)
    state = tmp_path / "out" / "state.pt"
    assert run("train", **study, output=state.parent) == 0
    saved = torch.load(state, weights_only=True)
    del saved["config"]["training"]["schedule"], saved["config"]["model"]["dense"]
    torch.save(saved, state)
    assert run("train", "--steps", "1", **study, output=state.parent) == 0
    study["config"].write_text(study["config"].read_text().replace("[training]", '[training]\nschedule = "constant"'))
    assert run("train", "--resume", **study, output=state.parent) == 2
    assert "Expected training.schedule = cosine; got training.schedule = constant" in capsys.readouterr().err


def test_resuming_nothing_is_one_line_and_exit_code_2(tmp_path, capsys):
    study = write_study(tmp_path)
    assert run("train", "--resume", **study, output=tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert "no run to go on with" in error and len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "old, new, complaint",
    [
        ('"istn-e"', '"magic"', "key 'method'"),
        ("steps = 6", "steps = 6.5", "training.steps"),
        ("steps = 6", "stepps = 6", "stepps"),
        ("[card]", "[card", "not TOML"),
        ('"subjects.csv"', '"nobody.csv"', "no such file"),
        ("labels = [1, 2]", "labels = [77]", "none of the structures"),
    ],
)
def test_a_wrong_configuration_is_one_line_and_exit_code_2(old, new, complaint, tmp_path, capsys):
    study = write_study(tmp_path)
    text = study["config"].read_text().replace(old, new).replace("[2]", "[77]" if "77" in new else "[2]")
    study["config"].write_text(text)
    assert run("train", **study, output=tmp_path / "out") == 2
    error = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert len(error) == 1 and complaint in error[0]
    assert not list(tmp_path.rglob("*.h5")) and not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("damage", [lambda data: data[:200], lambda data: b"not a state" * 50])
def test_a_damaged_state_is_one_line_and_exit_code_2(damage, tmp_path, capsys):
    study, state = write_study(tmp_path, steps=3), tmp_path / "out" / "state.pt"
    assert run("train", **study, output=tmp_path / "out") == 0
    state.write_bytes(damage(state.read_bytes()))
    capsys.readouterr()
    assert run("train", "--resume", **study, output=tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1 and "state.pt" in error


def test_an_output_folder_that_cannot_be_made_is_one_line_and_exit_code_2(tmp_path, capsys):
    study = write_study(tmp_path)
    assert run("train", **study, output=tmp_path / "config.toml") == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1 and "config.toml" in error


def test_the_history_is_plain_json(tmp_path):
    study = write_study(tmp_path)
    run("train", **study, output=tmp_path / "out")
    with h5py.File(tmp_path / "out" / "best.h5") as file:
        history = json.loads(file.attrs["card"])["history"]
    assert [entry["step"] for entry in history] == [3, 6]
