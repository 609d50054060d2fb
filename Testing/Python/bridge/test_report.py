"""The report's pictures the right way up, by a marker in the right front upper part of the head."""

import base64
import re
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import vtk
from builders import make_grid
from ISTNRegistrationLib.core.colors import FIXED_COLOR, MOVING_COLOR
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.quality import LabelScore, Verdict
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.trust import Expectation, Expected
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data import sections
from ISTNRegistrationLib.data.page import SIGNS, write_page
from ISTNRegistrationLib.data.sections import IMAGES, ZOOM
from vtk.util.numpy_support import vtk_to_numpy

COLUMNS = IMAGES + sections.SEEN
MAPS = ("fixed_map", "moving_map", "warped_map")
GRID = Grid.centered((0.0, 0.0, 0.0), (24, 28, 32), (2.0, 2.0, 2.0))
SEEN = np.array([-12.0, -16.0, 20.0])  # LPS mm: right, front, top
SHIFT = np.array([3.0, 4.0, -3.0])  # from the fixed to the moving image
EXPECTED = Expectation(Expected("", 0.81, 0.76, 0.85), (Expected("putamen", 0.72, 0.61, 0.78),))
MIDDLE = (np.array(GRID.size) - 1) / 2


def ball(grid, center):
    away = np.linalg.norm(grid.points() - center, axis=-1)
    return np.clip(2 - away / 4, 0, 1).astype(np.float32)


@pytest.fixture
def page(tmp_path):
    """The report of a marker that the registration brings back by SHIFT, on an oblique moving image."""
    shift = np.eye(4)
    shift[:3, 3] = SHIFT
    moving = make_grid(3, "oblique", (40, 42, 44), tuple(SEEN + SHIFT))
    maps = [Volume(ball(GRID, place)[None], GRID, "map") for place in (SEEN, SEEN + SHIFT, SEEN)]
    result = SimpleNamespace(initial=np.eye(4), transform=SpatialTransform(shift), **dict(zip(MAPS, maps, strict=True)))
    sides = Volume(ball(GRID, SEEN), GRID, "fixed"), Volume(ball(moving, SEEN + SHIFT), moving, "moving")
    channel = SimpleNamespace(name="putamen", labels=(5,))
    config = SimpleNamespace(uses_itn=True, channels=(channel,))
    card = {"license": "Trained on CC BY-NC data", "title": "A <marker>"}
    before, after = (
        SimpleNamespace(labels=(LabelScore(5, dice, 1.25, 2.5),), expectation=EXPECTED) for dice in (0.25, 0.875)
    )
    outcome = SimpleNamespace(
        request=SimpleNamespace(
            **{k: SimpleNamespace(image=v) for k, v in zip(("fixed", "moving"), sides, strict=True)}
        ),
        result=result,
        checkpoint=SimpleNamespace(name="tiny", sha256="abc123", card=card, config=config),
        quality=(before,),
        kept=after,
        verdict=Verdict("red", "It folds."),
        warnings=("Odd.",),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ISTNRegistrationLib.data.page._stages", lambda quality: "")
        write_page(tmp_path / "report.html", outcome, {"date": "2026-11-25"})
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def pictures(page):
    """(axis, column) to (height, width, 3), first row on top, as a browser shows them."""
    found = []
    for text in re.findall('data:image/png;base64,([^"]+)', page):
        with tempfile.NamedTemporaryFile(suffix=".png", delete=False) as file:
            file.write(base64.b64decode(text))
        reader = vtk.vtkPNGReader()
        reader.SetFileName(file.name)
        reader.Update()
        Path(file.name).unlink()
        image = reader.GetOutput()
        width, height, _ = image.GetDimensions()
        found.append(vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, -1)[::-1].astype(float))
    return {(axis, column): found[axis * len(COLUMNS) + column] for axis in range(3) for column in range(len(COLUMNS))}


def brightest(picture):
    """Middle (column, row) of the bright spot, in voxels."""
    gray = picture.sum(axis=-1)
    rows, columns = np.nonzero(gray > 0.6 * gray.max())
    return np.array([columns.mean(), rows.mean()]) / ZOOM


# what runs to the right and downwards on the screen: LPS axis and its sign
SCREEN = {0: ((0, 1), (1, 1)), 1: ((0, 1), (2, -1)), 2: ((1, 1), (2, -1))}


@pytest.mark.parametrize("column, place", [(0, SEEN), (1, SEEN + SHIFT), (2, SEEN)])
@pytest.mark.parametrize("axis", SCREEN)
def test_each_picture_shows_the_marker_where_a_reader_expects_it(page, axis, column, place):
    picture = pictures(page)[axis, column]
    expected = [MIDDLE[a] + sign * place[a] / GRID.spacing[a] for a, sign in SCREEN[axis]]
    np.testing.assert_allclose(brightest(picture), expected, atol=1.0)


@pytest.mark.parametrize("axis", SCREEN)
def test_the_heat_lies_on_what_is_seen(page, axis):
    for column, gray in ((3, 0), (4, 2)):
        heated = pictures(page)[axis, column] - pictures(page)[axis, gray]
        rows, columns = np.nonzero(np.abs(heated).sum(axis=-1) > 60)
        expected = [MIDDLE[a] + sign * SEEN[a] / GRID.spacing[a] for a, sign in SCREEN[axis]]
        np.testing.assert_allclose([columns.mean() / ZOOM, rows.mean() / ZOOM], expected, atol=1.0)


@pytest.mark.parametrize("column, moved", [(5, SHIFT), (6, 0 * SHIFT)])
@pytest.mark.parametrize("axis", SCREEN)
def test_both_outlines_run_around_what_is_seen(page, axis, column, moved):
    picture = pictures(page)[axis, column]
    for color, place in ((FIXED_COLOR, SEEN), (MOVING_COLOR, SEEN + moved)):
        rows, columns = np.nonzero((picture == np.rint(np.array(color) * 255)).all(axis=-1))
        if color == FIXED_COLOR and not moved.any():
            assert len(rows) == 0  # the other line lies on it
            continue
        middle = [(np.min(v) + np.max(v)) / 2 / ZOOM for v in (columns, rows)]
        expected = [MIDDLE[a] + sign * place[a] / GRID.spacing[a] for a, sign in SCREEN[axis]]
        np.testing.assert_allclose(middle, expected, atol=1.0)
        deep = picture[int(np.mean(rows)), int(np.mean(columns))]
        assert (deep == deep[0]).all()  # a line, not a filled shape


def table(page, heading):
    """The cells of the table below a heading, row by row."""
    rows = re.findall("<tr>(.*?)</tr>", page.split(f"<h2>{heading}</h2>")[1].split("<h2>")[0], re.S)
    return [re.findall("<td>(.*?)</td>", row) for row in rows[1:]]


def test_the_dice_to_expect_is_told_for_the_mean_and_each_structure(page):
    told = [["Mean", "0.81", "0.76 to 0.85", "–", "–"], ["putamen", "0.72", "0.61 to 0.78", "–", "–"]]  # no mm known
    assert table(page, "Expected Dice") == told


def test_each_structure_has_its_numbers_before_and_after(page):
    agreement, reference = table(page, "Structures")
    assert agreement[0] == "putamen" and 0.2 < float(agreement[1]) < 0.9 and float(agreement[2]) == 1.0
    assert reference == ["putamen, label 5", "–", "–", "0.250", "0.875", "1.250", "2.500"]


def test_date_checkpoint_license_and_warnings_are_told(page):
    assert "<p>2026-11-25</p>" in page and "Warning: Odd." in page and "abc123" in page
    assert "A &lt;marker&gt;" in page and "Trained on CC BY-NC data" in page
    assert "<b>product:</b> no" in page and "no legal advice" in page


def test_the_light_is_told_in_a_sign_and_a_word(page):
    assert SIGNS["red"] in page and "It folds." in page and len(set(SIGNS.values())) == 3


def test_without_structures_the_middle_of_the_grid_is_shown():
    assert sections._middle(np.zeros((10, 12, 14))) == [5, 6, 7]
