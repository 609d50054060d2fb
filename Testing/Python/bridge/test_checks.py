"""Warnings before a run: each for its reason, none for a pair like the training data."""

import numpy as np
import pytest
from ISTNRegistrationLib.bridge import checks
from ISTNRegistrationLib.bridge.volumes import nodeFromVolume
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.volume import Volume

CONFIG = {"grid": {"size": [16, 16, 16], "spacing": [2.0] * 3}, "affine": {"translation_mm": 10.0}}
CARD = {"title": "Brains in T1-weighted MRI", "data": ""}


def volume(scene, center=(0.0, 0.0, 0.0), size=(20, 20, 20), spacing=(2.0, 2.0, 2.0), low=0.0):
    array = np.full(size[::-1], low, np.float32)
    array[1, 1, 1] = 100.0
    return nodeFromVolume(scene, Volume(array, Grid.centered(center, size, spacing)), "volume")


def said(scene, fixed, moving, initial="auto"):
    return " ".join(checks.warnings(fixed, moving, CONFIG, CARD, initial))


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
    monkeypatch.setattr(checks, "memoryFree", lambda: 1e6)
    assert "0.0 GB are free" in said(scene, volume(scene), volume(scene))
    monkeypatch.setattr(checks, "memoryFree", lambda: None)
    assert said(scene, volume(scene), volume(scene)) == ""
