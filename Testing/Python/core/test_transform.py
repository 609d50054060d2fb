"""T(x) = L(x + u(x)), in this order, in 2-D and 3-D."""

import numpy as np
import pytest
from builders import make_grid, random_transform
from ISTNRegistrationLib.core.grid import apply_matrix
from ISTNRegistrationLib.core.transform import SpatialTransform


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_residual_comes_first_then_the_matrix(ndim):
    grid = make_grid(ndim, "oblique", size=(14, 12, 10)[:ndim])
    transform = random_transform(grid)
    points = grid.points()
    expected = apply_matrix(transform.linear, points + transform.residual.displacement(points))
    assert np.abs(transform.residual.displacement(points)).max() > 0.5
    np.testing.assert_allclose(transform.map_points(points), expected, atol=1e-9)
    np.testing.assert_allclose(transform.displacement(grid), expected - points, atol=1e-4)
    assert transform.ndim == ndim


def test_a_shift_moves_points_towards_plus_and_along_its_own_axis():
    matrix = np.eye(4)
    matrix[:3, 3] = 1.0, 20.0, 300.0
    assert np.array_equal(SpatialTransform(matrix).map_points([[0.0, 0.0, 0.0]]), [[1.0, 20.0, 300.0]])
    grid = make_grid(3, "LAS", size=(4, 5, 6))
    assert np.allclose(SpatialTransform(matrix).displacement(grid), [1.0, 20.0, 300.0])
