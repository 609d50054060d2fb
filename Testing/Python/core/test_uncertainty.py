"""Dice in mm: slabs and balls whose surfaces are known, on a grid that is no cube and off the middle."""

import math

import numpy as np
import pytest
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.metrics import dice
from ISTNRegistrationLib.core.trust import Expectation, Expected
from ISTNRegistrationLib.core.uncertainty import thickness_mm, uncertainty_volume
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data.surface import surface_distance

GRID = Grid.centered((10.0, -20.0, 30.0), (36, 30, 24), (0.5, 1.0, 1.5))


def ball(radius, middle, grid=GRID):
    return (np.linalg.norm(grid.points() - middle, axis=-1) < radius).astype(np.float32)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_slab_is_as_thick_as_it_is_along_each_axis(axis):
    slab = np.zeros(GRID.shape, np.float32)
    cut = [slice(None)] * 3
    cut[2 - axis] = slice(7, 13)
    slab[tuple(cut)] = 1
    (found,) = thickness_mm(slab[None], GRID)
    assert found == pytest.approx(6 * GRID.spacing[axis], rel=1e-5)


def test_each_ball_is_two_thirds_of_its_radius_thick_and_an_empty_map_is_not_known():
    grid = Grid.centered((0.0, 0.0, 0.0), (60, 60, 60), (0.5, 0.5, 0.5))
    maps = np.stack([ball(9, (3, -2, 1), grid), np.zeros(grid.shape, np.float32), ball(5, (-4, 2, 3), grid)])
    large, empty, small = thickness_mm(maps, grid)
    assert math.isnan(empty)
    assert large == pytest.approx(6, rel=0.1) and small == pytest.approx(10 / 3, rel=0.1)
    np.testing.assert_allclose(thickness_mm(0.6 * maps, grid), [large, empty, small])
    assert np.isnan(thickness_mm(0.4 * maps, grid)).all()


def test_soft_edges_make_no_structure_thicker():
    sharp = ball(6, (1, -2, 3), grid := Grid.centered((0, 0, 0), (20, 22, 24), (1.0, 1.0, 1.0)))
    distance = np.linalg.norm(grid.points() - (1, -2, 3), axis=-1)
    soft = (1 / (1 + np.exp(distance - 6))).astype(np.float32)
    np.testing.assert_allclose(thickness_mm(soft[None], grid), thickness_mm(sharp[None], grid), rtol=0.02)


@pytest.mark.parametrize("shift", [(1.5, 0, 0), (0, 2.0, 0), (1.0, 1.0, 1.5)])
def test_what_the_dice_stands_for_is_the_distance_of_the_surfaces(shift):
    there, here = (ball(8, np.asarray(GRID.center) + move) for move in ((0, 0, 0), shift))
    overlap = dice(there, here)
    (thick,) = thickness_mm(there[None], GRID)
    measured = surface_distance(there > 0, here > 0, GRID.spacing).average
    assert Expected("a", overlap, 0.0, 1.0, thick).mm == pytest.approx(measured, rel=0.25)


def test_a_wide_interval_of_dice_is_a_wide_one_of_mm_and_in_order():
    one = Expected("a", 0.8, 0.5, 0.95, 4.0)
    assert one.mm == pytest.approx(0.8) and one.interval_mm == pytest.approx((0.2, 2.0))
    assert math.isnan(Expected("a", 0.8, 0.5, 0.9).mm)


def test_thickness_goes_to_its_structure_and_the_mean_knows_the_known_ones():
    each = (Expected("a", 0.9, 0.8, 1.0), Expected("b", 0.5, 0.4, 0.6), Expected("c", 0.5, 0.4, 0.6))
    found = Expectation(Expected("", 0.7, 0.6, 0.8), each).with_thickness(np.array([2.0, math.nan, 6.0]))
    assert [one.mm for one in found.structures] == pytest.approx([0.2, math.nan, 3.0], nan_ok=True)
    assert found.overall.thickness_mm == 4.0 and found.overall.mm == pytest.approx(1.2)


def test_the_volume_has_each_structure_s_mm_inside_fades_outside_and_is_0_far_away():
    maps = np.zeros((3, *GRID.shape), np.float32)
    maps[0, 2:8, 3:9, 4:10] = 1.0
    maps[0, 8, 3:9, 4:10] = 0.25  # half of what counts as inside
    maps[1, 6:12, 3:9, 4:10] = 0.5  # over both
    maps[2, 20, 20, 20] = 1.0  # of which nothing is known
    each = (Expected("a", 0.75, 0, 1, 4.0), Expected("b", 0.5, 0, 1, 6.0), Expected("c", 0.5, 0, 1))
    found = uncertainty_volume(Volume(maps, GRID), Expectation(Expected("", 0.5, 0, 1), each))
    assert found.grid == GRID and found.array.dtype == np.float32
    inside, both, only_b, at_edge = (found.array[z, 5, 6] for z in (3, 7, 11, 8))
    assert (inside, both, only_b, at_edge) == (1.0, 3.0, 3.0, 3.0)
    maps[1] = 0
    faded = uncertainty_volume(Volume(maps, GRID), Expectation(Expected("", 0.5, 0, 1), each)).array
    assert faded[8, 5, 6] == 0.5 and faded[20, 20, 20] == 0 and faded[3, 5, 20] == 0
