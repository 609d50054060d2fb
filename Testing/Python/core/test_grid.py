import itertools

import numpy as np
import pytest
from builders import CASE_IDS, CASES, make_grid
from ISTNRegistrationLib.core.grid import Grid, apply_matrix


@pytest.mark.parametrize(("ndim", "orientation"), CASES, ids=CASE_IDS)
def test_index_to_physical_and_back_is_exact(ndim, orientation):
    grid = make_grid(ndim, orientation)
    index = np.random.default_rng(0).uniform(-3, 30, (20, ndim))
    assert np.allclose(grid.physical_to_index(grid.index_to_physical(index)), index, atol=1e-9)


@pytest.mark.parametrize(("ndim", "orientation"), CASES, ids=CASE_IDS)
def test_points_have_array_shape_and_last_index_axis_first(ndim, orientation):
    grid = make_grid(ndim, orientation)
    points = grid.points()
    assert points.shape == (*grid.shape, ndim)
    index = tuple(range(1, ndim + 1))
    assert np.allclose(points[index[::-1]], grid.index_to_physical(index))


@pytest.mark.parametrize(("ndim", "orientation"), CASES, ids=CASE_IDS)
def test_cube_corners_are_the_first_and_last_voxel_centers(ndim, orientation):
    grid = make_grid(ndim, orientation)
    corners = apply_matrix(grid.cube_to_physical(), [[-1.0] * ndim, [1.0] * ndim])
    assert np.allclose(corners, grid.index_to_physical([[0] * ndim, [s - 1 for s in grid.size]]))


@pytest.mark.parametrize("margin", [0.0, 0.5])
@pytest.mark.parametrize(("ndim", "orientation"), CASES, ids=CASE_IDS)
def test_the_corners_are_the_ends_of_all_axes(ndim, orientation, margin):
    grid = make_grid(ndim, orientation)
    ends = itertools.product(*((-margin, s - 1 + margin) for s in grid.size))
    assert np.allclose(grid.corners(margin), [grid.index_to_physical(end) for end in ends])


def test_centered_grid_has_its_middle_at_the_center():
    grid = Grid.centered((1.0, 2.0, 3.0), (4, 5, 6), (1.0, 2.0, 0.5))
    assert np.allclose(grid.center, (1, 2, 3))


def test_moved_grid_carries_its_points_along():
    grid, turn = make_grid(3, "oblique"), np.eye(4)
    turn[:3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    turn[:3, 3] = [4, 5, 6]
    assert np.allclose(grid.moved(turn).points(), apply_matrix(turn, grid.points()))


def test_rows_in_the_middle_of_an_oblique_grid_are_where_they_were():
    grid = make_grid(3, "oblique")
    rows = grid.rows(2, 5)
    assert rows.shape == (3, *grid.shape[1:])
    assert np.allclose(rows.points(), grid.points()[2:5])


def test_a_grid_shows_what_lies_within_half_a_voxel_of_its_ends():
    grid = Grid.centered((0.0, 0.0, 0.0), (4, 6, 8), (1.0, 1.0, 1.0))
    index = np.array([[-0.4, 5.4, 7.4], [3.4, -0.4, 0.0], [-0.6, 0, 0], [3.6, 0, 0], [0, 5.6, 0], [0, 0, 7.6]])
    assert grid.shows(index).tolist() == [True, True, False, False, False, False]


def test_the_axes_nearest_to_lps_are_found_in_any_order_and_sense():
    """The grid's third axis runs to the right, its first to the back, its second to the feet: no two can be swapped."""
    angle = np.radians(20)
    tilt = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = tilt @ np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]])
    assert Grid.from_matrix((4, 5, 6), matrix).axes_along_lps() == (2, 0, 1)
