"""Validation scores as pixels."""

import pytest

pytest.importorskip("PySide6", reason="the panel needs PySide6-Essentials in place of Slicer's Qt")
from harness import panel  # noqa: E402, F401  makes qt
from ISTNRegistrationLib.app.plot import MARGIN  # noqa: E402
from ISTNRegistrationLib.app.training_plot import BOTTOM, LEFT, diceCurves, dicePoints, trainingPixmap  # noqa: E402


def test_steps_run_to_the_right_and_dice_upwards():
    size = 100 + LEFT + MARGIN, 50 + MARGIN + BOTTOM
    assert dicePoints([10.0, 20.0], [0.0, 1.0], 20.0, *size) == [(LEFT + 50, MARGIN + 50), (LEFT + 100, MARGIN)]


def test_losses_and_distances_are_no_dice():
    history = {"step": [1.0], "loss": [0.3], "val/affine": [0.5], "val/affine_asd": [2.0], "val/identity": [0.4]}
    assert diceCurves(history) == {"before": [0.4], "affine": [0.5]}


def test_one_validation_alone_can_be_seen():
    image = trainingPixmap({"step": [5.0], "val/identity": [0.4], "val/affine": [0.5]}, 10.0, 200, 120).toImage()
    point = dicePoints([5.0], [0.5], 10.0, 200, 120)[0]
    assert image.pixelColor(point[0] - 1, point[1] - 1).name() == "#0072b2"
