"""The same image, described otherwise: axes in another order or sense, empty planes at any end."""

import itertools

import numpy as np
import pytest
from builders import CASE_IDS, CASES, blob_volume, brains, crop, make_grid
from ISTNRegistrationLib.core.checkpoint import load_checkpoint
from ISTNRegistrationLib.core.content import along_lps, content, frame
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.options import RegisterOptions
from ISTNRegistrationLib.core.preprocess import Prepared
from ISTNRegistrationLib.core.register import register_pair
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.core.warp import warp_volume


def described(volume, order, flips, low, high, empty=0.0):
    """The same image with its voxel axes in another ``order``, some run from the other end, and empty planes added."""
    n, matrix = volume.grid.ndim, volume.grid.matrix
    array = np.pad(volume.array, list(zip(low, high, strict=True))[::-1], constant_values=empty)
    matrix[:-1, -1] = volume.grid.index_to_physical(-np.asarray(low, dtype=float))
    array = array.transpose([n - 1 - axis for axis in order[::-1]])
    matrix[:-1, :-1] = matrix[:-1, list(order)]
    for axis in flips:
        array = np.flip(array, n - 1 - axis)
        matrix[:-1, -1] += matrix[:-1, axis] * (array.shape[n - 1 - axis] - 1)
        matrix[:-1, axis] *= -1
    return Volume(np.ascontiguousarray(array), Grid.from_matrix(array.shape[::-1], matrix), volume.name)


def descriptions(ndim):
    """Every order of the axes with every set of flips, each with other padding."""
    for i, order in enumerate(itertools.permutations(range(ndim))):
        for j in range(2**ndim):
            flips = [axis for axis in range(ndim) if j >> axis & 1]
            yield order, flips, [(i + axis) % 3 for axis in range(ndim)], [(j + 2 * axis) % 4 for axis in range(ndim)]


@pytest.mark.parametrize(("ndim", "orientation"), CASES, ids=CASE_IDS)
def test_content_is_the_same_array_at_the_same_place_whatever_the_description(ndim, orientation):
    volume = blob_volume(make_grid(ndim, orientation))
    wanted = content(volume)
    assert np.isclose(wanted.array.sum(), volume.array.sum()) and (np.diag(wanted.grid.matrix)[:-1] > 0).all()
    at = wanted.grid.points()
    read = warp_volume(volume, SpatialTransform(np.eye(ndim + 1)), wanted.grid)
    assert np.allclose(read.array, wanted.array, atol=1e-4)
    for description in descriptions(ndim):
        other = content(described(volume, *description, empty=-3.0))
        assert np.array_equal(other.array, wanted.array)
        assert np.allclose(other.grid.points(), at, atol=1e-9)


def test_an_image_that_is_all_empty_stays_whole():
    volume = Volume(np.full((4, 5, 6), 7.0), make_grid(3, size=(6, 5, 4)))
    assert content(volume).array.shape == (4, 5, 6)


def test_only_planes_of_one_value_at_the_ends_are_left_out():
    array = np.full((5, 6, 7), -1.0)
    array[1, 2, 3], array[3, 4, 4] = 2.0, -5.0  # darker than the empty planes: content too
    volume = Volume(array, make_grid(3, "LPS", size=(7, 6, 5)))
    assert along_lps(volume).array.shape == array.shape
    assert np.array_equal(content(volume).array, array[1:4, 2:5, 3:5])
    ramp = Volume(np.moveaxis(np.indices((4, 4, 4)), 0, -1).sum(-1), make_grid(3, size=(4, 4, 4)))
    assert content(ramp).array.shape == (4, 4, 4)


@pytest.mark.parametrize("padding", [-3.0, 7.0])
def test_padding_of_another_value_than_the_background_is_noticed(padding):
    """It cannot be told from the wall of a phantom, so it is said, not guessed."""
    array = np.pad(blob_volume(make_grid(3)).array + 1.0, 2)
    volume = Volume(array, make_grid(3, size=array.shape[::-1]))
    assert frame(volume.array) is None and frame(np.ones((4, 4, 4))) is None
    assert frame(described(volume, (0, 1, 2), [], (1, 0, 2), (0, 3, 1)).array) is None
    for low, high in (((1, 1, 1), (1, 1, 1)), ((0, 0, 0), (0, 2, 0))):
        assert set(frame(described(volume, (1, 0, 2), [2], low, high, padding).array)) == {padding, 0.0}


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("step_from", [50, 10**9])  # a subset of the voxels, and all of them
def test_what_the_networks_see_is_the_same_bits(monkeypatch, ndim, step_from):
    monkeypatch.setattr("ISTNRegistrationLib.core.preprocess._STATISTICS_VOXELS", step_from)
    grid = make_grid(ndim, "oblique", size=(23, 20, 18))
    volume = Volume(blob_volume(grid).array + 4.0, grid)  # the field of view is full: only padding is empty
    target = Grid.centered(grid.center, (14, 12, 10)[:ndim], (4.5,) * ndim)
    seen = [Prepared(volume), *(Prepared(described(volume, *d)) for d in descriptions(ndim))]
    inputs = [image.network_input(target, np.eye(ndim + 1), "percentile").numpy() for image in seen]
    for image, values in zip(seen, inputs, strict=True):
        assert np.array_equal(values, inputs[0])
        for anchor in ("content", "center_of_mass"):
            assert np.allclose(image.anchor(anchor), seen[0].anchor(anchor), atol=1e-9)


PAIRS = {"brain": brains, "hippocampus": lambda: [crop((0.0, 0.0, 0.0)), crop((3.0, -2.0, 1.5))]}
OTHERS = [((2, 0, 1), [1], (0, 3, 1), (2, 0, 0)), ((0, 1, 2), [0, 2], (1, 0, 0), (0, 0, 5))]


WAYS = [(name, transform, "theta") for name in PAIRS for transform in ("bspline", "dense")]


@pytest.mark.parametrize(("name", "transform", "refine"), [*WAYS, ("hippocampus", "bspline", "weights")])
def test_the_refined_result_of_a_shipped_checkpoint_stays_however_the_images_are_described(name, transform, refine):
    """At most 0.002 mm anywhere on the networks' grid, after every stage (issue 13, 14)."""
    images, checkpoint = PAIRS[name](), load_checkpoint(name)
    others = [described(image, *how) for image, how in zip(images, OTHERS, strict=True)]
    options = RegisterOptions(transform, refine=refine, iterations=8, device="cpu")
    first, second = (register_pair(*pair, checkpoint, options) for pair in (images, others))
    points = first.fixed_map.grid.points().reshape(-1, 3)[::5]
    for before, after in zip(first.stages, second.stages, strict=True):
        moved = np.abs(before.transform.map_points(points) - after.transform.map_points(points)).max()
        assert moved <= 0.002, before.name
    assert first.kept == second.kept and len(first.stages) >= 5
