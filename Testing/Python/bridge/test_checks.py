"""Warnings before a run: each for its reason, none for a pair like the training data."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import slicer
from ISTNRegistrationLib.bridge import checks as bridge_checks
from ISTNRegistrationLib.bridge.checks import imageFacts, pairWarnings
from ISTNRegistrationLib.bridge.volumes import nodeFromVolume
from ISTNRegistrationLib.core import checks
from ISTNRegistrationLib.core.card import CheckpointCard
from ISTNRegistrationLib.core.config import AffineBounds, Channel, GridConfig, ModelConfig
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.volume import Volume

GRID = GridConfig((16, 16, 16), (2.0, 2.0, 2.0))
CONFIG = ModelConfig("istn-e", ("affine",), GRID, (Channel("a", (1,)),), affine=AffineBounds(translation_mm=10.0))


def volume(scene, center=(0.0, 0.0, 0.0), size=(20, 20, 20), spacing=(2.0, 2.0, 2.0), low=0.0):
    array = np.full(size[::-1], low, np.float32)
    array[1, 1, 1] = 100.0
    return nodeFromVolume(scene, Volume(array, Grid.centered(center, size, spacing)), "volume")


def said(scene, fixed, moving, initial="auto", anchor="center_of_mass"):
    config = dataclasses.replace(CONFIG, grid=dataclasses.replace(GRID, anchor=anchor))
    card = CheckpointCard(Path("brain.h5"), config, {"title": "Brains in T1-weighted MRI", "data": ""}, "", True)
    return " ".join(pairWarnings(fixed, moving, card, initial))


def test_a_pair_like_the_training_data_gives_no_warning(scene):
    assert said(scene, volume(scene), volume(scene, center=(8.0, 0.0, 0.0)), "none") == ""


@pytest.mark.parametrize(
    "changes, initial, words",
    [
        ({"low": -1000.0}, "auto", "looks like CT"),
        ({"spacing": (2.0, 2.0, 6.0)}, "auto", "coarse"),
        ({"size": (5, 5, 5)}, "auto", "much less than the region"),
        ({"center": (100.0, 0.0, 0.0)}, "none", "do not overlap"),
        ({"center": (15.0, 0.0, 0.0)}, "none", "15 mm apart"),
    ],
)
def test_each_oddity_is_said(scene, changes, initial, words):
    assert words in said(scene, volume(scene), volume(scene, **changes), initial)


def test_far_apart_is_no_matter_with_an_initial_alignment(scene):
    assert said(scene, volume(scene), volume(scene, center=(100.0, 0.0, 0.0))) == ""


def test_the_same_image_twice_is_said(scene):
    fixed, moving = volume(scene), volume(scene)
    moving.SetAndObserveImageData(fixed.GetImageData())
    assert "same image" in said(scene, fixed, moving)


def test_too_little_memory_is_said_before_the_run(scene, monkeypatch):
    monkeypatch.setattr(checks, "memory_free", lambda: 1e6)
    assert "0.0 GB are free" in said(scene, volume(scene), volume(scene))
    monkeypatch.setattr(checks, "memory_free", lambda: None)
    assert said(scene, volume(scene), volume(scene)) == ""


def test_a_whole_head_where_a_crop_is_expected_is_said(scene):
    head = volume(scene, size=(90, 90, 90))
    assert "far more than the region" in said(scene, head, volume(scene), anchor="center")
    assert said(scene, head, volume(scene)) == ""


def test_the_middle_and_the_rim_are_measured_once_for_each_state_of_an_image(scene, monkeypatch):
    measured = []
    monkeypatch.setattr(bridge_checks, "middle_over_rim", lambda array, _spacing: measured.append(1) or array.mean())
    nodes = volume(scene), volume(scene, low=5.0)
    first = [imageFacts(node).middle for node in nodes * 2]
    assert first[:2] == first[2:] and first[0] != first[1] and len(measured) == 2
    slicer.util.arrayFromVolume(nodes[0])[:] = 7.0
    slicer.util.arrayFromVolumeModified(nodes[0])
    assert imageFacts(nodes[0]).middle == 7.0 and len(measured) == 3
    nodes[1].SetSpacing(1.0, 2.0, 3.0)
    assert imageFacts(nodes[1]).middle == first[1] and len(measured) == 4
