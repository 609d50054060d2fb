"""Two images in one picture, by an off-center marker: which image stands where, on grids of any orientation."""

from types import SimpleNamespace

import numpy as np
import pytest
from builders import make_grid
from ISTNRegistrationLib.bridge.compare import (
    GREEN,
    checkered,
    matched,
    middleOfStructures,
    tintedCopy,
    wiped,
    worstPlace,
)
from ISTNRegistrationLib.bridge.volumes import nodeFromVolume
from ISTNRegistrationLib.core.volume import Volume

SIDES = {"Axial": 0, "Coronal": 0, "Sagittal": 1}  # LPS axis from the left of the screen to its right


@pytest.fixture(params=["LPS", "RAS", "LAS", "oblique"])
def images(request):
    """Fixed 1, other 2, everywhere."""
    grid = make_grid(3, request.param)
    return Volume(np.full(grid.shape, 1, np.float32), grid), Volume(np.full(grid.shape, 2, np.float32), grid)


@pytest.mark.parametrize("orientation", SIDES)
def test_a_wipe_has_the_fixed_image_at_the_left_of_the_screen(images, orientation):
    grid = images[0].grid
    picture = wiped(*images, orientation, 0.3)
    along = grid.points()[..., SIDES[orientation]]
    assert along[picture.array == 1].mean() < along[picture.array == 2].mean()
    assert (picture.array == 1).mean() == pytest.approx(0.3, abs=0.03)
    assert (wiped(*images, orientation, 0.0).array == 2).all() and (wiped(*images, orientation, 1.0).array == 1).all()


def test_a_checkerboard_has_about_half_of_each_in_neighboring_fields(images):
    picture = checkered(*images).array
    assert picture[0, 0, 0] == 1 and 0.4 < (picture == 1).mean() < 0.6
    changes = np.argmax(picture[0, 0] == 2)
    assert 0 < changes and picture[0, 0, changes - 1] == 1


def test_gray_values_of_the_other_image_are_scaled_to_the_fixed_one():
    grid = make_grid(3, "LPS")
    random = np.random.default_rng(0).uniform(size=grid.shape).astype(np.float32)
    other = matched(Volume(10 + 5 * random, grid), Volume(-100 + 900 * random, grid))
    np.testing.assert_allclose(other.array, 10 + 5 * random, atol=0.05)


def test_a_tinted_copy_spans_air_to_tissue_unless_the_user_has_chosen_a_window(scene):
    grid = make_grid(3, "LPS")
    array = np.linspace(-1000, 400, int(np.prod(grid.shape))).reshape(grid.shape)
    node = nodeFromVolume(scene, Volume(array, grid), "ct")
    auto = tintedCopy(scene, node, GREEN, "auto").GetDisplayNode()
    assert auto.GetWindowLevelMin() == pytest.approx(-1000, abs=1)
    assert auto.GetWindowLevelMax() == pytest.approx(-1000 + 1.15 * 1393, abs=5)
    node.GetDisplayNode().AutoWindowLevelOff()
    node.GetDisplayNode().SetWindowLevelMinMax(-50, 150)
    chosen = tintedCopy(scene, node, GREEN, "chosen").GetDisplayNode()
    assert (chosen.GetWindowLevelMin(), chosen.GetWindowLevelMax()) == (-50, 150)
    assert node.GetDisplayNode().GetColorNodeID() == "vtkMRMLColorTableNodeGrey" != chosen.GetColorNodeID()


def result(grid, seen, wrong):
    fixed = np.zeros((2, *grid.shape), np.float32)
    fixed[1, seen[2] - 1 : seen[2] + 2, seen[1] - 1 : seen[1] + 2, seen[0] - 1 : seen[0] + 2] = 1
    warped = fixed.copy()
    warped[0, wrong[2] - 1 : wrong[2] + 2, wrong[1] - 1 : wrong[1] + 2, wrong[0] - 1 : wrong[0] + 2] = 0.6
    warped[0, 2, 3, 4] = 1.0  # a single voxel is noise
    return SimpleNamespace(fixed_map=Volume(fixed, grid), warped_map=Volume(warped, grid))


@pytest.mark.parametrize("orientation", ["LPS", "RAS", "oblique"])
def test_the_middle_and_the_worst_place_are_points_in_the_world(orientation):
    grid = make_grid(3, orientation)
    found = result(grid, (5, 9, 12), (11, 4, 7))
    np.testing.assert_allclose(middleOfStructures(found), grid.index_to_physical(np.array([5.0, 9, 12])), atol=1e-6)
    np.testing.assert_allclose(worstPlace(found), grid.index_to_physical(np.array([11.0, 4, 7])), atol=1e-6)


def test_where_nothing_is_seen_there_is_no_middle():
    grid = make_grid(3, "LPS")
    empty = Volume(np.zeros((1, *grid.shape), np.float32), grid)
    assert middleOfStructures(SimpleNamespace(fixed_map=empty)) is None
