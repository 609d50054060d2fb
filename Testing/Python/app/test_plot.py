"""Loss curves as pixels."""

import math

import pytest

pytest.importorskip("PySide6", reason="the panel needs PySide6-Essentials in place of Slicer's Qt")
from harness import panel  # noqa: E402, F401  makes qt
from ISTNRegistrationLib.app.plot import (  # noqa: E402
    COLORS,
    COLORS_ON_DARK,
    curvePoints,
    curvesPixmap,
    lossLimits,
    lossTicks,
)

import qt  # noqa: E402  isort: skip  made by the harness

AREA = (30, 8, 100, 50)


def colors(image):
    return [[image.pixelColor(x, y).name() for x in range(image.width())] for y in range(image.height())]


@pytest.fixture
def dark():
    before = qt.QApplication.palette()
    palette = qt.QPalette(before)
    palette.setColor(qt.QPalette.Base, qt.QColor("#1e1e1e"))
    palette.setColor(qt.QPalette.Text, qt.QColor("#eeeeee"))
    qt.QApplication.setPalette(palette)
    yield
    qt.QApplication.setPalette(before)


def test_a_curve_runs_from_the_left_and_from_the_top_on_a_logarithmic_scale():
    points = curvePoints([1.0, 0.1, 0.01], AREA, (-2.0, 0.0), 3)
    assert points == [(30, 8), (80, 33), (130, 58)]


def test_a_shorter_curve_ends_earlier_on_the_same_axis():
    assert curvePoints([1.0, 0.1], AREA, (-2.0, 0.0), 3) == [(30, 8), (80, 33)]


def test_what_has_no_logarithm_is_left_out():
    assert curvePoints([0.0, math.nan], AREA, (-1.0, 0.0), 2) == []
    assert [x for x, _ in curvePoints([1.0, 0.0, 0.5], AREA, (-1.0, 0.0), 3)] == [30, 130]


def test_the_axis_spans_all_curves_and_names_powers_of_ten_or_its_ends():
    assert lossLimits({"affine": [0.5, 0.02], "bspline": [0.02, 0.001, 0.0]}) == (
        pytest.approx(-3), pytest.approx(math.log10(0.5)),
    )  # fmt: skip
    assert list(lossTicks((-3.0, -0.3)).values()) == ["0.001", "0.01", "0.1"]
    assert list(lossTicks((math.log10(0.012), math.log10(0.034))).values()) == ["0.012", "0.034"]
    low, high = lossLimits({"flat": [0.5, 0.5]})
    assert low < math.log10(0.5) < high and lossLimits({}) == (-1.0, 0.0)


def test_each_curve_and_its_sample_in_the_legend_have_a_color():
    image = curvesPixmap({"affine": [1.0, 0.5, 0.3], "B-spline": [0.3, 0.2, 0.1]}, 240, 120).toImage()
    rows = colors(image)
    for color in COLORS[:2]:
        places = [(x, y) for y, row in enumerate(rows) for x, name in enumerate(row) if name == color]
        assert min(x for x, _ in places) < 120 and max(x for x, _ in places) > 130
    assert rows[60][239] == "#ffffff"


def test_on_dark_paper_text_and_curves_are_light(dark):
    image = curvesPixmap({"affine": [1.0, 0.5, 0.3]}, 240, 120).toImage()
    names = {name for row in colors(image) for name in row}
    assert image.pixelColor(239, 60).name() == "#1e1e1e" and COLORS_ON_DARK[0] in names and COLORS[0] not in names
    assert "#eeeeee" in names


def test_a_longer_run_moves_the_same_iteration_to_the_left():
    assert curvePoints([1.0, 0.1], AREA, (-1.0, 0.0), 2)[1][0] > curvePoints([1.0, 0.1], AREA, (-1.0, 0.0), 11)[1][0]
