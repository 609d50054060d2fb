"""How much of each structure the networks' grid sees: counted on an off-centre label map of an oblique grid."""

import numpy as np
import pytest
from builders import rotation
from ISTNRegistrationLib.core.config import Channel
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.soi import Structures
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data.coverage import check_coverage, coverage_lines, covered_shares, filled_share

CHANNELS = (Channel("bar", (1, 7)), Channel("none", (3,)))


@pytest.mark.parametrize("degrees", [0, 30])
def test_the_share_is_that_of_the_voxels_whose_middle_lies_in_the_grid(degrees):
    grid = Grid.centered((10.0, -5.0, 3.0), (20, 12, 9), (1.0, 2.0, 1.5), rotation(3, degrees))
    array = np.zeros(grid.shape, np.uint8)
    array[4, 6, :10], array[4, 6, 10:] = 1, 7  # along x, through the middle in z; values must not weigh
    seen = Grid.from_matrix(
        (8, 40, 40), Grid.centered(grid.index_to_physical((3.0, 6, 4)), (8, 40, 40), (1.0,) * 3, grid.direction).matrix
    )
    shares = covered_shares(Structures("s", labels=Volume(array, grid)), CHANNELS, seen)
    assert shares[0] == pytest.approx(8 / 20) and np.isnan(shares[1])  # x = -0.5 ... 7 around 3: eight voxels


def test_points_count_as_the_channel_names_them():
    grid = Grid.centered((0.0, 0.0), (10, 10), (1.0, 1.0))
    points = Structures("p", points=np.array([[0.0, 0.0], [50.0, 0.0], [2.0, -3.0]]))
    channels = (Channel("all", (), "landmarks"), Channel("second", (2,), "landmarks"))
    assert covered_shares(points, channels, grid) == pytest.approx([2 / 3, 0.0])


def test_an_image_fills_its_share_of_a_larger_grid():
    grid = Grid.centered((0.0, 0.0, 0.0), (40, 40, 40), (1.0,) * 3)
    assert filled_share(Grid.centered((-10.0, 0.0, 0.0), (20, 80, 80), (1.0,) * 3), grid) == pytest.approx(
        0.5, abs=0.04
    )


def test_a_grid_is_refused_that_misses_a_structure_or_is_far_too_large():
    good, filled = np.array([[1.0, 0.9], [1.0, np.nan]]), np.array([0.6, 0.7])
    check_coverage(("a", "b"), good, filled)
    with pytest.raises(InputError, match="misses a structure.*'b'.*got 4.0%"):
        check_coverage(("a", "b"), np.array([[1.0, 0.08], [1.0, 0.0]]), filled)
    with pytest.raises(InputError, match="far larger than the images.*got 3.0%"):
        check_coverage(("a", "b"), good, np.array([0.02, 0.04]))
    check_coverage(("a", "b"), np.zeros(0), np.zeros(0))  # painted images


def test_the_lines_name_who_is_cut_most_and_who_lacks_it():
    shares = np.array([[1.0, 0.5], [1.0, np.nan], [1.0, 0.98]])
    lines = coverage_lines(("a", "b"), shares, ("x", "y", "z"))
    assert lines[0] == "  a: 100.0% in the grid on average, at least 100.0%"
    assert lines[1] == "  b: 74.0% in the grid on average, at least 50.0% (x), cut in 2 scans, lacking in 1"
