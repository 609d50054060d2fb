import numpy as np
import pytest
import torch
from builders import CASE_IDS, CASES, blob_volume, make_grid
from ISTNRegistrationLib.core.config import Channel, GridConfig
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.initial import initial_matrix
from ISTNRegistrationLib.core.preprocess import Prepared, resample
from ISTNRegistrationLib.core.soi import soft_dice, structure_map
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.core.warp import warp_volume
from networks import config


def shifted(grid, millimetres):
    """The grid moved along every axis."""
    return Grid(grid.size, grid.spacing, tuple(np.add(grid.origin, millimetres)), grid.direction)


@pytest.mark.parametrize(("ndim", "orientation"), CASES, ids=CASE_IDS)
def test_resampling_reads_positions_right_in_any_orientation(ndim, orientation):
    """An image that holds a coordinate, resampled, holds the target's coordinate; finer sources are averaged first."""
    for factor in (1, 3):
        source = make_grid(ndim, orientation, size=(40, 36, 38))
        size, spacing = [s * factor for s in source.size], np.divide(source.spacing, factor)
        finer = Grid.centered(source.center, size, spacing, source.direction)
        volume = Volume(finer.points()[..., 0].astype(np.float32), finer)
        target = Grid.centered(source.center, (6, 7, 8)[:ndim], (2.0,) * ndim)
        out = resample(volume, target, np.eye(ndim + 1))[0, 0].numpy()
        assert np.abs(out - target.points()[..., 0]).max() < 1e-3


def test_block_means_do_not_alias():
    grid = Grid.centered((0.0, 0.0), (96, 96), (0.5, 0.5))
    board = np.indices(grid.shape).sum(0) % 2
    target = Grid.centered((0.0, 0.0), (16, 16), (2.0, 2.0))
    assert np.allclose(resample(Volume(board, grid), target, np.eye(3)), 0.5, atol=1e-6)


def test_intensities_are_normalized_whatever_their_scale_and_outside_is_zero():
    volume = blob_volume(make_grid(3))
    other = Volume(volume.array * 37 - 1000, volume.grid)
    target = Grid.centered(volume.grid.center, (40, 40, 40), (1.5,) * 3)
    first, second = (Prepared(v).network_input(target, np.eye(4), "percentile").numpy() for v in (volume, other))
    assert np.abs(first - second).max() < 1e-4
    assert first.max() == 1.0 and first[0, 0, 0, 0, 0] == 0.0


@pytest.mark.parametrize(("ndim", "orientation"), CASES, ids=CASE_IDS)
def test_center_of_mass_moves_with_the_image(ndim, orientation):
    volume = blob_volume(make_grid(ndim, orientation, size=(40, 40, 40)))
    moved = Volume(volume.array, shifted(volume.grid, 7))
    assert np.allclose(Prepared(moved).center_of_mass - Prepared(volume).center_of_mass, 7)
    assert np.allclose(Prepared(volume).anchor("center"), volume.grid.center)


@pytest.mark.parametrize("ndim", [2, 3])
def test_moments_find_a_turn(ndim):
    grid = Grid.centered((0.0,) * ndim, (60, 60, 60)[:ndim], (1.0,) * ndim)
    points = grid.points()
    volume = Volume(np.exp(-((points / np.array([14.0, 9.0, 5.0])[:ndim]) ** 2).sum(-1)).astype(np.float32), grid)
    turn = np.eye(ndim + 1)
    angle = np.deg2rad(25)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    moving = warp_volume(volume, SpatialTransform(np.linalg.inv(turn)), grid)
    assert np.allclose(initial_matrix("moments", Prepared(volume), Prepared(moving), config(ndim)), turn, atol=0.02)


def test_auto_follows_the_checkpoints_anchor():
    volume = blob_volume(make_grid(3))
    moving = Volume(volume.array, shifted(volume.grid, 5))
    matrix = initial_matrix("auto", Prepared(volume), Prepared(moving), config(3))
    assert np.allclose(matrix[:3, 3], 5) and np.allclose(matrix[:3, :3], np.eye(3))
    assert np.array_equal(initial_matrix("none", volume, moving, config(3)), np.eye(4))


def test_structure_map_groups_labels_into_channels():
    labels = Volume(np.array([[0, 1, 2], [3, 1, 9]]), Grid.centered((0, 0), (3, 2), (1.0, 1.0)))
    maps = structure_map(labels, (Channel("a", (1, 3)), Channel("b", (2,)))).array
    assert np.array_equal(maps, [[[0, 1, 0], [1, 1, 0]], [[0, 0, 1], [0, 0, 0]]])
    with pytest.raises(InputError, match="none of the structures"):
        structure_map(labels, (Channel("c", (77,)),))


def test_soft_dice_knows_nothing_where_both_are_empty():
    a = torch.zeros(1, 2, 4, 4)
    a[0, 0, 1] = 1.0
    for other, expected in ((a, 1.0), (a.roll(1, 2), 0.0)):
        first, second = soft_dice(a, other).tolist()
        assert first == expected and np.isnan(second)


def test_negative_and_huge_labels_are_just_labels():
    labels = Volume(np.array([[-1, 614454277], [0, 1]]), Grid.centered((0, 0), (2, 2), (1.0, 1.0)))
    maps = structure_map(labels, (Channel("a", (614454277,)), Channel("b", (1,)))).array
    assert np.array_equal(maps, [[[0, 1], [0, 0]], [[0, 0], [0, 1]]])


def test_the_grid_sits_at_the_anchor_plus_offset():
    grid = GridConfig((4, 4, 4), (2.0, 2.0, 2.0), "center", (1.0, 2.0, 3.0)).at((10.0, 20.0, 30.0))
    assert np.allclose(grid.center, (11, 22, 33))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("side", [-1, 1])
def test_nothing_of_an_image_lies_far_away_from_it(axis, side):
    """Not even its border, however bright: neither before its first voxel nor after its last."""
    grid = make_grid(3, "oblique")
    bright = Volume(np.full(grid.shape, 100.0, np.float32), grid, "bright")
    center = np.array(grid.center) + side * 200.0 * np.eye(3)[axis]
    assert float(resample(bright, make_grid(3, center=tuple(center)), np.eye(4)).abs().max()) == 0.0
