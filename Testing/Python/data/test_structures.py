"""Every kind of structure map against its formula, on oblique anisotropic grids, in 2-D and 3-D."""

import numpy as np
import pytest
from builders import make_grid
from ISTNRegistrationLib.core.config import Channel
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.soi import Structures, centerlines, gaussians
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data.images import write_image
from ISTNRegistrationLib.data.markups import read_markups, write_markups
from ISTNRegistrationLib.data.structures import centroids, draw, read_structures


def structures_on_grid(path, channels, grid):
    return draw(read_structures(path, channels, grid.ndim), channels, grid)


both = pytest.mark.parametrize("ndim", [2, 3])


@both
def test_a_landmark_is_a_gaussian_in_mm_whatever_the_grid(ndim):
    grid = make_grid(ndim, "oblique")
    point = grid.index_to_physical(np.array([5.0, 6.0, 4.0][:ndim])) + 0.3
    values = gaussians(point[None], grid, 4.0)
    expected = np.exp(-((grid.points() - point) ** 2).sum(axis=-1) / (2 * 4.0**2))
    np.testing.assert_allclose(values, expected, atol=1e-6)


def test_a_center_line_fades_with_the_distance_to_its_nearest_piece():
    grid = Grid.centered((0.0, 0.0), (21, 21), (1.0, 1.0))
    bend = np.array([[-5.0, 0.0], [0.0, 0.0], [0.0, 6.0]])
    values = centerlines((bend,), grid, 2.0)
    for point, distance in (((-3, 0), 0.0), ((-3, -4), 4.0), ((3, 3), 3.0), ((-8, -4), 5.0), ((0, 10), 4.0)):
        index = grid.physical_to_index(np.array(point, dtype=float)).astype(int)
        assert values[tuple(index[::-1])] == pytest.approx(np.exp(-(distance**2) / 8), rel=1e-5)


def ball(ndim, radius=6.0):
    grid = Grid.centered((1.0,) * ndim, (25,) * ndim, (1.0,) * ndim)
    inside = ((grid.points() - 1.0) ** 2).sum(axis=-1) <= radius**2
    return Volume(np.where(inside, 3, 0).astype(np.uint8), grid, "ball")


@both
def test_the_distance_map_of_a_ball_is_half_at_its_surface_and_ends_at_the_width(ndim):
    labels = ball(ndim)
    values = draw(Structures("ball", labels=labels), (Channel("b", (3,), "distance", 4.0),), labels.grid)[0, 0].numpy()
    distance = np.sqrt(((labels.grid.points() - 1.0) ** 2).sum(axis=-1)) - 6.0
    expected = np.clip(0.5 - distance / 8.0, 0, 1)
    assert np.abs(values - expected).max() < 0.6 / 8.0  # the voxels' border lies within 0.6 mm of the ball's
    assert values.min() == 0.0 and values.max() == 1.0


@both
def test_a_centroid_is_that_of_the_label_in_the_world(ndim):
    np.testing.assert_allclose(centroids(ball(ndim), (3, 8)), [[1.0] * ndim])
    values = draw(Structures("ball", labels=ball(ndim)), (Channel("b", (3,), "centroid"),), ball(ndim).grid)
    assert float(values.max()) == pytest.approx(1.0)


def test_an_eight_bit_image_is_divided_by_255_and_another_by_its_maximum(tmp_path):
    grid = Grid.centered((0.0, 0.0), (8, 8), (1.0, 1.0))
    for array, expected in ((np.full(grid.shape, 51, np.uint8), 0.2), (np.full(grid.shape, 0.7, np.float32), 0.7)):
        write_image(tmp_path / "map.nii.gz", Volume(array, grid, "map"))
        values = structures_on_grid(tmp_path / "map.nii.gz", (Channel("m", (), "image"),), grid)
        assert float(values.mean()) == pytest.approx(expected, rel=1e-5)


def test_markups_come_back_as_written_and_ras_files_are_flipped(tmp_path):
    points, curve = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 2.0]])
    write_markups(tmp_path / "a.mrk.json", [("Fiducial", points), ("Curve", curve), ("ClosedCurve", curve)])
    read, curves = read_markups(tmp_path / "a.mrk.json")
    np.testing.assert_allclose(read, points)
    np.testing.assert_allclose(curves[0], curve)
    np.testing.assert_allclose(curves[1], [*curve, curve[0]])
    text = (tmp_path / "a.mrk.json").read_text().replace('"LPS"', '"RAS"')
    (tmp_path / "b.mrk.json").write_text(text)
    np.testing.assert_allclose(read_markups(tmp_path / "b.mrk.json")[0], points * [-1, -1, 1])
    (tmp_path / "c.fcsv").write_text("# CoordinateSystem = 0\n# columns = id,x,y,z\n1,1.0,2.0,3.0,0\n")
    np.testing.assert_allclose(read_markups(tmp_path / "c.fcsv")[0], [[-1.0, -2.0, 3.0]])


def test_channels_of_points_choose_by_number(tmp_path):
    grid = Grid.centered((0.0, 0.0, 0.0), (16, 16, 16), (1.0,) * 3)
    write_markups(tmp_path / "p.mrk.json", [("Fiducial", np.array([[-4.0, 0, 0], [4.0, 0, 0]]))])
    channels = (Channel("first", (1,), "landmarks"), Channel("all", (), "landmarks"))
    values = structures_on_grid(tmp_path / "p.mrk.json", channels, grid)
    assert values.shape == (1, 2, 16, 16, 16)
    np.testing.assert_allclose(values[0, 0], gaussians(np.array([[-4.0, 0, 0]]), grid, 3.0))
    assert (values[0, 1] >= values[0, 0]).all() and values[0, 1].sum() > 1.5 * values[0, 0].sum()


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        (Channel("c", (), "centerline"), ["centerline", "curves"]),
        (Channel("b", (1,)), ["label map"]),
        (Channel("p", (7,), "landmarks"), ["not there", "1 to 2"]),
    ],
)
def test_a_file_that_does_not_fit_the_kind_is_named(channel, words, tmp_path):
    write_markups(tmp_path / "p.mrk.json", [("Fiducial", np.zeros((2, 3)))])
    grid = Grid.centered((0.0,) * 3, (12,) * 3, (1.0,) * 3)
    with pytest.raises(InputError) as caught:
        structures_on_grid(tmp_path / "p.mrk.json", (channel,), grid)
    assert all(word in str(caught.value) for word in ("p.mrk.json", *words))


def test_a_file_that_is_no_markups_is_named(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(InputError, match=r"x\.json.*cannot be read"):
        read_markups(tmp_path / "x.json")
