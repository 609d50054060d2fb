"""What command line, module and demo make of a registration: one place each."""

import numpy as np
import pytest
from builders import blob_volume, make_grid
from command import checkpoint_file, small_config
from ISTNRegistrationLib.core.checkpoint import load_checkpoint
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data.results import check_has_maps, strongest, warped_moving


@pytest.mark.parametrize("order", ["linear", "nearest"])
def test_where_the_moving_image_shows_nothing_it_is_as_dark_as_anywhere(order):
    grid, shift = make_grid(3), np.eye(4)
    shift[0, 3] = 20.0
    moving = Volume(blob_volume(grid).array - 1024, grid, "CT")
    warped = warped_moving(moving, SpatialTransform(shift), grid, order).array
    assert warped.min() == warped[0, 0, -1] == moving.array.min()
    assert warped.max() > -1000


def test_the_strongest_structure_is_one_channel():
    grid = make_grid(3)
    maps = Volume(np.random.default_rng(0).random((3, *grid.shape), dtype=np.float32), grid, "F'")
    one = strongest(maps)
    assert np.array_equal(one.array, maps.array.max(axis=0)) and one.grid == grid and one.name == "F'"


def test_a_checkpoint_without_maps_is_named(tmp_path):
    plain = load_checkpoint(checkpoint_file(tmp_path / "plain.h5", small_config(3, method="stn-u")))
    with pytest.raises(InputError, match=r"'plain': it makes no structure maps.*got stn-u\. Take another\."):
        check_has_maps(plain, "Take another")
