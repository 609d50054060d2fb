"""The toy: what it says of itself is so, in 2-D and 3-D."""

import numpy as np
import pytest
from command import files_in, run
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.metrics import dice
from ISTNRegistrationLib.core.soi import centerlines
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.warp import warp_volume
from ISTNRegistrationLib.data.images import read_labels
from ISTNRegistrationLib.data.markups import read_markups
from ISTNRegistrationLib.data.synthetic import grow_tree, synthetic_pair
from ISTNRegistrationLib.data.transforms import read_transform

SIZES = {2: 96, 3: 48}  # at 48 voxels a vessel's end is a voxel wide: hence a Dice of 0.8, not 0.9, below
both = pytest.mark.parametrize("ndim", [2, 3])


def pair(ndim, seed=4):
    return synthetic_pair(seed, ndim, SIZES[ndim])


@both
def test_the_same_seed_gives_the_same_pair_and_another_seed_another(ndim):
    first, again, other = pair(ndim), pair(ndim), pair(ndim, 5)
    assert np.array_equal(first.moving.image.array, again.moving.image.array)
    assert not np.array_equal(first.fixed.labels.array, other.fixed.labels.array)


@both
def test_the_known_transform_carries_landmarks_center_lines_and_vessels(ndim):
    made = pair(ndim)
    np.testing.assert_allclose(made.transform.map_points(made.fixed.landmarks), made.moving.landmarks, atol=1e-6)
    for fixed, moving in zip(made.fixed.centerlines, made.moving.centerlines, strict=True):
        np.testing.assert_allclose(made.transform.map_points(fixed), moving, atol=1e-6)
    grid = made.fixed.labels.grid
    warped = warp_volume(made.moving.labels, made.transform, grid, order="linear").array > 0.5
    still = warp_volume(made.moving.labels, SpatialTransform(np.eye(ndim + 1)), grid, order="nearest").array > 0
    assert dice(made.fixed.labels.array > 0, warped) > 0.8 > 0.7 > dice(made.fixed.labels.array > 0, still)


@both
def test_landmarks_and_center_lines_lie_in_the_vessels(ndim):
    scan = pair(ndim).fixed
    index = np.rint(scan.labels.grid.physical_to_index(scan.landmarks)).astype(int)[:, ::-1]
    assert scan.labels.array[tuple(index.T)].mean() > 0.9  # a tip may be thinner than a voxel
    line = centerlines(scan.centerlines, scan.labels.grid, 0.5)
    assert scan.labels.array[line > 0.9].mean() > 0.9


@both
def test_radii_follow_murrays_law(ndim):
    tree = grow_tree(np.random.default_rng(1), ndim, 100.0)
    for number, (_, fork) in enumerate(tree.pieces):
        children = [r for (start, _), r in zip(tree.pieces, tree.radii, strict=True) if np.array_equal(start, fork)]
        if children:
            assert np.sum(np.power(children, 3)) == pytest.approx(tree.radii[number] ** 3)


@both
def test_intensities_mislead(ndim):
    """The images agree better when the box is in place than when the tree is."""
    made = pair(ndim)
    grid = made.fixed.image.grid
    tree, box = (
        float(np.mean((warp_volume(made.moving.image, t, grid).array - made.fixed.image.array) ** 2))
        for t in (made.transform, SpatialTransform(np.eye(ndim + 1)))
    )
    assert tree > 1.2 * box


def test_the_command_writes_what_training_and_slicer_read(tmp_path):
    assert run("synthesize", output=tmp_path, count=5, size=48, seed=2) == 0
    rows = (tmp_path / "pairs.csv").read_text().splitlines()
    assert (
        rows[0] == "fixed,moving,fixed_soi,moving_soi,split" and [r.split(",")[-1] for r in rows[1:]].count("val") == 1
    )
    assert len(files_in(tmp_path)) == 1 + 5 * 9
    made = synthetic_pair(2, 2, 48)
    assert np.array_equal(read_labels(tmp_path / "0000_moving_labels.nii.gz").array, made.moving.labels.array)
    points, _ = read_markups(tmp_path / "0000_fixed_landmarks.mrk.json")
    np.testing.assert_allclose(points[:, :2], made.fixed.landmarks)
    _, curves = read_markups(tmp_path / "0000_fixed_centerlines.mrk.json")
    assert len(curves) == len(made.fixed.centerlines)
    read = read_transform(tmp_path / "0000_transform.tfm")
    np.testing.assert_allclose(read.map_points(made.fixed.landmarks), made.moving.landmarks, atol=1e-5)


def test_a_grid_too_small_is_named():
    with pytest.raises(InputError, match="24 voxels"):
        synthetic_pair(0, 2, 8)
