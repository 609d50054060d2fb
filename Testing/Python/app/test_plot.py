"""Loss curves as pixels."""

import math

import pytest

pytest.importorskip("PySide6", reason="the panel needs PySide6-Essentials in place of Slicer's Qt")
from harness import panel  # noqa: E402, F401  makes qt
from ISTNRegistrationLib.app.plot import MARGIN, curvePoints, curvesPixmap  # noqa: E402


def test_a_curve_runs_from_the_left_and_from_the_top_on_a_logarithmic_scale():
    points = curvePoints([1.0, 0.1, 0.01], 100 + 2 * MARGIN, 50 + 2 * MARGIN)
    assert points == [(MARGIN, MARGIN), (MARGIN + 50, MARGIN + 25), (MARGIN + 100, MARGIN + 50)]


def test_what_has_no_logarithm_is_left_out():
    assert curvePoints([0.0, math.nan], 100, 50) == []
    assert len(curvePoints([1.0, 0.0, 0.5], 100, 50)) == 2


def test_the_picture_is_not_empty():
    image = curvesPixmap({"affine": [1.0, 0.5]}, 120, 60).toImage()
    colors = {image.pixelColor(x, y).name() for x in range(120) for y in range(60)}
    assert "#0072b2" in colors
