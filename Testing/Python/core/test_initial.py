"""Named initial alignments: what goes where, with turned and off-center images."""

import networks
import numpy as np
import pytest
from builders import blob_volume, make_grid, rotation
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.grid import apply_matrix
from ISTNRegistrationLib.core.initial import initial_matrix
from ISTNRegistrationLib.core.placement import Placement
from ISTNRegistrationLib.core.preprocess import Prepared
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.warp import warp_volume


def pair(ndim):
    """An image off the origin, and the same one turned by 20 degrees about another place."""
    fixed = blob_volume(make_grid(ndim, "oblique", size=(26, 22, 20)[:ndim], center=(25.0, -13.0, 8.0)[:ndim]))
    matrix = np.eye(ndim + 1)
    matrix[:ndim, :ndim], matrix[:ndim, ndim] = rotation(ndim, 20), (3.0, -9.0, 14.0)[:ndim]
    grid = fixed.grid.moved(matrix)
    return Prepared(fixed), Prepared(warp_volume(fixed, SpatialTransform(np.linalg.inv(matrix)), grid)), matrix


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("name", ["auto", "center", "center_of_mass", "moments"])
def test_the_fixed_anchor_goes_to_the_moving_one(ndim, name):
    fixed, moving, _ = pair(ndim)
    config = networks.config(ndim)
    anchor = {"auto": config.grid.anchor, "moments": "center_of_mass"}.get(name, name)
    matrix = initial_matrix(name, fixed, moving, config)
    np.testing.assert_allclose(apply_matrix(matrix, fixed.anchor(anchor)), moving.anchor(anchor), atol=1e-9)


@pytest.mark.parametrize("ndim", [2, 3])
def test_moments_find_the_turn_and_the_shift(ndim):
    fixed, moving, matrix = pair(ndim)
    np.testing.assert_allclose(initial_matrix("moments", fixed, moving, networks.config(ndim)), matrix, atol=0.2)


def test_a_given_matrix_is_taken_as_it_is_and_a_broken_one_refused():
    fixed, moving, matrix = pair(3)
    assert np.array_equal(initial_matrix(matrix, fixed, moving, networks.config(3)), matrix)
    for broken in (np.eye(3), matrix * np.nan, np.zeros((4, 4)), np.eye(4)[::-1]):
        with pytest.raises(InputError, match="4 x 4"):
            initial_matrix(broken, fixed, moving, networks.config(3))


def test_a_map_that_a_scaling_start_resamples_is_whole_and_lies_where_the_start_puts_it():
    """Far off the origin: a middle that is not the middle cuts the map off."""
    grid = make_grid(3, "oblique", size=(18, 16, 14), center=(90.0, -70.0, 50.0))
    start = np.diag([1.3, 0.8, 1.1, 1.0])
    start[:3, 3] = 7.0, -4.0, 11.0
    whole = blob_volume(grid)
    import torch

    found = Placement(grid, start).moving_volume(torch.from_numpy(whole.array)[None, None], "M'")
    points = grid.points()[2:-2:3, 2:-2:3, 2:-2:3].reshape(-1, 3)
    read = warp_volume(found, SpatialTransform(start), grid).channels[0][2:-2:3, 2:-2:3, 2:-2:3].ravel()
    assert len(points) and np.abs(read - whole.array[2:-2:3, 2:-2:3, 2:-2:3].ravel()).max() < 0.25 * whole.array.max()
