"""[synthesis]: label maps, with images or without, are trained on; istn synthesize --from writes what is painted."""

import csv
import dataclasses
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from command import files_in, run
from ISTNRegistrationLib.cli import train
from ISTNRegistrationLib.cli.training_outputs import TrainingOutputs
from ISTNRegistrationLib.core.checkpoint import load_checkpoint
from ISTNRegistrationLib.core.config import from_dict
from ISTNRegistrationLib.core.synthesis import SynthesisConfig, Synthesizer
from ISTNRegistrationLib.data.images import read_image, read_labels
from ISTNRegistrationLib.data.pair_source import CachedPairs
from study import write_study

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ENDED = (0, 3)  # 3: trained to the end, and worse than nothing after so few steps
CONFIGS = Path(__file__).resolve().parents[3] / "Resources" / "Configs"
SYNTHESIS = "\n[synthesis]\nclasses = [[1, 2]]\noutside = [[9]]\nharsh_from = 4\nreal = {real}\n"


def painted_study(folder, ndim=2, images=0, real=0.5, extra=""):
    """A study whose first ``images`` scans keep their image and whose others have label maps alone."""
    study = write_study(folder, ndim)
    with (folder / "subjects.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows[images:]:
        (folder / row["image"]).unlink()
        row["image"] = ""
    lines = [",".join(row.values()) for row in rows]
    (folder / "subjects.csv").write_text("\n".join([",".join(rows[0]), *lines]) + "\n")
    text = study["config"].read_text().replace("[card]", extra + SYNTHESIS.format(real=real) + "[card]")
    study["config"].write_text(text)
    return study


def source_of(study, folder):
    config = train.read_config(study["config"])
    return CachedPairs(folder / "cache.h5", config.model, config.augment, config.synthesis)


@pytest.mark.parametrize("ndim", [2, 3])
def test_label_maps_alone_are_prepared_and_trained_on(ndim, tmp_path, capsys):
    study = painted_study(tmp_path, ndim)
    assert run("prepare", config=study["config"], output=tmp_path / "cache.h5") == 0
    assert "labels (" in capsys.readouterr().out
    with h5py.File(tmp_path / "cache.h5") as file:
        assert all(set(group) == {"labels"} for group in file["scans"].values())
    assert run("train", **study, output=tmp_path / "out") in ENDED
    card = load_checkpoint(tmp_path / "out" / "best.h5").card
    assert card["synthesis"]["outside"] == [[9]] and card["steps"] == 6
    assert ("constellation" in card) == (ndim == 2), "two structures tell a pose in 2-D only"


def test_a_pair_is_drawn_from_its_seed_step_and_sample_alone(tmp_path):
    study = painted_study(tmp_path)
    assert run("prepare", config=study["config"], output=tmp_path / "cache.h5") == 0
    first, second = (source_of(study, tmp_path) for _ in "ab")
    pairs = [source.random_pair(np.random.default_rng([7, 3, 1]), 3) for source in (first, second)]
    assert all(torch.equal(pairs[0][key], pairs[1][key]) for key in pairs[0])
    other = first.random_pair(np.random.default_rng([7, 3, 2]), 3)
    assert not torch.equal(other["moving"], pairs[0]["moving"])
    validation = [list(source.validation_pairs()) for source in (first, second)]
    assert all(torch.equal(a[key], b[key]) for a, b in zip(*validation, strict=True) for key in a)
    assert first.describe(np.random.default_rng(0)).count("_soi.nii.gz") == 2


def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(tmp_path, monkeypatch):
    """Painted images grow harsher with the step and the weights are averaged: both go on where they were."""
    study = painted_study(tmp_path)
    study["config"].write_text(study["config"].read_text().replace("[training]", "[training]\naverage = 0.5"))
    assert run("train", **study, output=tmp_path / "whole") in ENDED
    after_step = TrainingOutputs.__call__

    def stop_at_four(outputs, trainer, values):
        if trainer.step == 4:
            raise KeyboardInterrupt
        after_step(outputs, trainer, values)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingOutputs, "__call__", stop_at_four)
        assert run("train", **study, output=tmp_path / "halves") == 130
    assert run("train", "--resume", **study, output=tmp_path / "halves") in ENDED
    states = [load_checkpoint(tmp_path / name / "last.h5").model.state_dict() for name in ("whole", "halves")]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_a_changed_painting_cannot_be_resumed(tmp_path, capsys):
    study = painted_study(tmp_path)
    assert run("train", **study, output=tmp_path / "out") in ENDED
    study["config"].write_text(study["config"].read_text().replace("harsh_from = 4", "harsh_from = 5"))
    assert run("train", "--resume", **study, output=tmp_path / "out") == 2
    assert "synthesis.harsh_from = 4" in capsys.readouterr().err


@pytest.mark.parametrize("real", [0.0, 1.0])
def test_real_images_are_mixed_in_by_their_share_and_validate(real, tmp_path):
    """Images are cut to 0.25 in the cache: only a real view is that dark before its curve."""
    study = painted_study(tmp_path, images=4, real=real, extra="\n[augment]\nnoise = 0.0\nbias = 0.0\ngamma = 0.0\n")
    study["config"].write_text(study["config"].read_text().replace("real =", "recolored = 0.0\nreal ="))
    assert run("prepare", config=study["config"], output=tmp_path / "cache.h5") == 0
    with h5py.File(tmp_path / "cache.h5", "r+") as file:
        for group in file["scans"].values():
            assert set(group) == {"image", "soi", "labels"}
            group["image"][...] = 0.25
    source = source_of(study, tmp_path)
    brightest = [float(source.random_pair(np.random.default_rng(k), 9)["moving"].max()) for k in range(8)]
    assert all(value == pytest.approx(0.25, abs=1e-3) for value in brightest) == (real == 1.0)
    assert all(pair["fixed"].max() == pytest.approx(0.25, abs=1e-3) for pair in source.validation_pairs())


def test_an_empty_image_is_refused_where_nothing_is_painted(tmp_path, capsys):
    study = painted_study(tmp_path)
    study["config"].write_text(study["config"].read_text().split("[synthesis]")[0])
    assert run("train", **study, output=tmp_path / "out") == 2
    assert "line 2: a field is empty" in capsys.readouterr().err


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("ndim", [2, 3])
def test_the_command_paints_images_whose_labels_lie_where_the_label_map_s_do(ndim, whole, tmp_path):
    study = painted_study(tmp_path, ndim, extra="\n[augment]\ntranslation_mm = 0\nrotation_deg = 0\nelastic_mm = 0\n")
    words = ["--from", str(tmp_path / "b_soi.nii.gz"), *(["--whole"] if whole else [])]
    options = {"config": study["config"], "output": tmp_path / "out", "count": 2}
    assert run("synthesize", *words, **options, seed=3) == 0
    assert files_in(tmp_path / "out") == {f"b_soi_000{k}{end}.nii.gz" for k in (0, 1) for end in ("", "_labels")}
    original = read_labels(tmp_path / "b_soi.nii.gz")
    first, second = (read_image(tmp_path / "out" / f"b_soi_000{k}.nii.gz") for k in (0, 1))
    labels = read_labels(tmp_path / "out" / "b_soi_0000_labels.nii.gz")
    assert labels.grid == first.grid and not np.array_equal(first.array, second.array)
    assert first.grid.spacing == pytest.approx([1.0 if whole else 2.0] * ndim)
    places = [v.grid.index_to_physical(np.argwhere(v.array == 2)[:, ::-1].mean(axis=0)) for v in (labels, original)]
    np.testing.assert_allclose(places[0], places[1], atol=1.5)


def test_a_head_of_too_many_voxels_is_painted_whole_with_wider_ones(tmp_path, monkeypatch):
    monkeypatch.setattr("ISTNRegistrationLib.cli.synthesize.MOST_VOXELS", 6000)
    study = painted_study(tmp_path, 3, extra="\n[augment]\ntranslation_mm = 0\nrotation_deg = 0\nelastic_mm = 0\n")
    words = ["--from", str(tmp_path / "b_soi.nii.gz"), "--whole"]
    assert run("synthesize", *words, config=study["config"], output=tmp_path / "out", count=1) == 0
    original = read_labels(tmp_path / "b_soi.nii.gz")
    labels = read_labels(tmp_path / "out" / "b_soi_0000_labels.nii.gz")
    assert labels.array.size <= 6000 < original.array.size and labels.grid.spacing[0] > 1
    assert all(labels.grid.shows(labels.grid.physical_to_index(original.grid.corners())))
    places = [v.grid.index_to_physical(np.argwhere(v.array == 2)[:, ::-1].mean(axis=0)) for v in (labels, original)]
    np.testing.assert_allclose(places[0], places[1], atol=1.5)


@pytest.mark.parametrize("given", ["--from", "--config"])
def test_painting_needs_label_maps_and_a_configuration(given, tmp_path, capsys):
    study = write_study(tmp_path)
    path = tmp_path / "b_soi.nii.gz" if given == "--from" else study["config"]
    assert run("synthesize", given, str(path), output=tmp_path / "out") == 2
    assert "Expected --from and --config together; got one of them" in capsys.readouterr().err
    files = ["--from", str(tmp_path / "b_soi.nii.gz")]
    assert run("synthesize", *files, config=study["config"], output=tmp_path / "out") == 2
    assert "it does not say how to paint. Expected a table [synthesis]" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_template_explains_every_key_with_its_default():
    lines = (CONFIGS / "template.toml").read_text().split("# [synthesis]")[1].split("\n[training]")[0].splitlines()[1:]
    given = tomllib.loads("\n".join(line.removeprefix("# ") for line in lines))
    assert from_dict(SynthesisConfig, given) == SynthesisConfig()
    assert given.keys() == {field.name for field in dataclasses.fields(SynthesisConfig)}


@pytest.mark.parametrize("name", ["head", "head-coarse"])
def test_the_shipped_configurations_paint_both_sides_alike(name):
    config = train.read_config(CONFIGS / f"{name}.toml")
    class_of = {label: number for number, group in enumerate(config.synthesis.classes) for label in group}
    left, right = ([c for c in config.model.channels if c.name.startswith(side)] for side in ("left", "right"))
    assert len(left) == len(right) == 7 and len(config.model.channels) == 15
    for one, other in zip(left, right, strict=True):
        assert one.name.removeprefix("left") == other.name.removeprefix("right")
        assert class_of[one.labels[0]] == class_of[other.labels[0]]
    Synthesizer(config.synthesis, config.augment, config.model)


def test_the_brain_s_configuration_mixes_real_and_painted_images():
    config = train.read_config(CONFIGS / "brain-any.toml")
    assert 0 < config.synthesis.real < 1 and config.synthesis.recolored > 0
    classes = [set(group) for group in config.synthesis.classes]
    sides = [set(channel.labels) for channel in config.model.channels if len(channel.labels) > 1]
    assert len(sides) == 7 and all(any(pair <= group for group in classes) for pair in sides)
    Synthesizer(config.synthesis, config.augment, config.model)
