"""Uncertainty in mm comes out of every door, and only where the checkpoint can tell."""

import csv
import json

import numpy as np
import pytest
import torch
from builders import blob_volume
from command import files_in, run
from ISTNRegistrationLib.api import register as register_files
from ISTNRegistrationLib.bridge.outputs import OutputOptions
from ISTNRegistrationLib.bridge.registration import register as register_nodes
from ISTNRegistrationLib.bridge.volumes import nodeFromVolume, volumeFromNode
from ISTNRegistrationLib.core.checkpoint import Checkpoint, save_checkpoint
from ISTNRegistrationLib.core.quality import table_csv
from ISTNRegistrationLib.core.uncertainty import thickness_mm
from ISTNRegistrationLib.data.images import read_image, write_image
from networks import model
from taught import taught

HOW = {"initial": "none", "iterations": 2, "device": "cpu"}


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Folder, checkpoint and images: 3 mm apart, so that the model expects less than 1."""
    folder, net = tmp_path_factory.mktemp("given"), model(3, method="istn-i", size=(24, 20, 22))
    with torch.no_grad():
        net.itn.out.bias.zero_()  # so that its maps show something
    checkpoint = taught(net, {"stretch": 3.0, "moved": 0.05, "unlike": 0.5})
    save_checkpoint(folder / "taught.h5", net, checkpoint.card)
    save_checkpoint(folder / "plain.h5", net, {})
    there = np.eye(4)
    there[:-1, -1] = 3.0
    images = [blob_volume(net.grid, seed=1), blob_volume(net.grid.moved(there), seed=1)]
    for image, name in zip(images, ("fixed", "moving"), strict=True):
        write_image(folder / f"{name}.nii.gz", image)
    return folder, checkpoint, images


@pytest.fixture(scope="module")
def outcome(given):
    folder, checkpoint, _ = given
    return register_files(folder / "fixed.nii.gz", folder / "moving.nii.gz", checkpoint, **HOW)


def command(folder, tmp_path, checkpoint="taught.h5", **more):
    files = {key: folder / f"{key}.nii.gz" for key in ("fixed", "moving")}
    return run("register", **files, checkpoint=folder / checkpoint, output_transform=tmp_path / "t.h5", **HOW, **more)


def test_a_script_gets_mm_of_each_structure_and_a_volume_of_the_larger_ones(outcome):
    first, second = outcome.kept.expectation.structures
    assert 0 < first.mm and 0 < second.mm and first.interval_mm[0] <= first.mm <= first.interval_mm[1]
    maps, values = outcome.result.fixed_map, outcome.uncertainty.array
    assert outcome.uncertainty.grid == maps.grid and values.max() <= max(first.mm, second.mm) + 1e-6
    thick = thickness_mm(maps.channels, maps.grid)
    assert [first.thickness_mm, second.thickness_mm] == pytest.approx(thick.tolist(), rel=1e-6)
    share = np.clip(2 * maps.channels, 0, 1)
    np.testing.assert_allclose(values, np.maximum(share[0] * first.mm, share[1] * second.mm), rtol=1e-5)
    assert outcome.kept.uncertainty_mm == outcome.kept.expectation.overall.mm


def test_the_command_prints_writes_and_reports_it(given, outcome, tmp_path, capsys):
    folder, _, _ = given
    assert command(folder, tmp_path, output_uncertainty=tmp_path / "u.nii.gz", json=tmp_path / "r.json") == 0
    volume = read_image(tmp_path / "u.nii.gz")
    np.testing.assert_allclose(volume.array, outcome.uncertainty.array, rtol=1e-4, atol=1e-4)
    told = json.loads((tmp_path / "r.json").read_text())["stages"][-1]
    assert told["uncertainty_mm"] == pytest.approx(outcome.quality[-1].uncertainty_mm, rel=1e-4)
    mine = {one.name: one for one in outcome.quality[-1].expectation.structures}
    for name in ("s0", "s1"):
        low_mm, high_mm = mine[name].interval_mm
        numbers = [told["expected_dice"][name][key] for key in ("mm", "low_mm", "high_mm")]
        assert numbers == pytest.approx([mine[name].mm, low_mm, high_mm], rel=1e-4)
    said = capsys.readouterr().out.splitlines()
    (line,) = (line for line in said if line.startswith("s1"))
    shown = next(one for one in outcome.kept.expectation.structures if one.name == "s1")
    assert f"{shown.dice:.2f}" in line and f"{shown.mm:.2f}" in line and "± mm" in "".join(said)


def test_a_checkpoint_that_cannot_tell_is_refused_before_any_work(given, tmp_path, capsys):
    folder, checkpoint, images = given
    assert command(folder, tmp_path, "plain.h5", output_uncertainty=tmp_path / "u.nii.gz") == 2
    assert "cannot tell what to expect" in capsys.readouterr().err and files_in(tmp_path) == set()
    without = Checkpoint(checkpoint.model, checkpoint.config, {}, "plain", "0" * 64)
    assert register_files(*images, without, **HOW).uncertainty is None


def test_a_batch_writes_it_beside_the_maps_and_in_its_table(given, outcome, tmp_path):
    folder, _, _ = given
    (folder / "pairs.csv").write_text("fixed,moving,id\nfixed.nii.gz,moving.nii.gz,one\n")
    wanted = {"pairs": folder / "pairs.csv", "checkpoint": folder / "taught.h5", "output": tmp_path / "out", **HOW}
    assert run("batch", "--heatmaps", **wanted) == 0
    volume = read_image(tmp_path / "out" / "one" / "uncertainty.nii.gz")
    np.testing.assert_allclose(volume.array, outcome.uncertainty.array, rtol=1e-4, atol=1e-4)
    with (tmp_path / "out" / "batch.csv").open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert float(row["uncertainty_mm"]) == pytest.approx(outcome.kept.uncertainty_mm, rel=1e-3)
    names, values = zip(*(part.split("=") for part in row["uncertainty_by_structure"].split(";")), strict=True)
    assert names == ("s0", "s1")
    mm = [one.mm for one in outcome.kept.expectation.structures]
    assert [float(value) for value in values] == pytest.approx(mm, rel=1e-3)


def test_the_scene_gets_it_as_a_volume_in_fixed_space(given, outcome, scene):
    _, checkpoint, images = given
    nodes = [nodeFromVolume(scene, image, name) for image, name in zip(images, ("fixed", "moving"), strict=True)]
    made = register_nodes(*nodes, checkpoint, OutputOptions(volume=False, heatmaps=False, uncertainty=True), **HOW)
    node = made.measures["uncertainty"]
    volume, window = volumeFromNode(node), node.GetDisplayNode()
    np.testing.assert_allclose(volume.array, made.outcome.uncertainty.array, rtol=1e-5)
    np.testing.assert_allclose(volume.grid.matrix, outcome.uncertainty.grid.matrix, atol=1e-6)
    assert "uncertainty mm" in node.GetName() and window.GetWindowLevelMax() >= volume.array.max() * 0.999
    without = Checkpoint(checkpoint.model, checkpoint.config, {}, "plain", "0" * 64)
    assert not register_nodes(*nodes, without, OutputOptions(volume=False, uncertainty=True), **HOW).measures


def test_the_saved_table_has_columns_for_each_structure(outcome):
    *_, last = csv.DictReader(table_csv(outcome.quality).splitlines())
    for one in outcome.quality[-1].expectation.structures:
        assert float(last[f"expected {one.name}"]) == one.dice
        assert float(last[f"uncertainty_mm {one.name}"]) == one.mm
