import numpy as np
import pytest
import SimpleITK as sitk
import torch
from builders import CASE_IDS, CASES, blob_volume, make_grid, random_transform
from ISTNRegistrationLib.core import warp
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.core.warp import affine_positions, masked, sample, warp_volume
from ISTNRegistrationLib.data.images import to_sitk
from ISTNRegistrationLib.data.transforms import write_transform


@pytest.mark.parametrize(("ndim", "orientation"), CASES, ids=CASE_IDS)
def test_identity_leaves_the_image_as_it_is(ndim, orientation):
    volume = blob_volume(make_grid(ndim, orientation))
    out = warp_volume(volume, SpatialTransform(np.eye(ndim + 1)), volume.grid)
    assert np.abs(out.array - volume.array).max() < 1e-4 * np.ptp(volume.array)


@pytest.mark.parametrize(("ndim", "orientation"), CASES, ids=CASE_IDS)
@pytest.mark.parametrize("bspline", [False, True])
def test_warped_image_equals_simpleitks(ndim, orientation, bspline, tmp_path):
    grid = make_grid(ndim, orientation)
    moving = blob_volume(make_grid(ndim, "oblique", size=(26, 22, 21)))
    transform = random_transform(grid, bspline=bspline)
    write_transform(tmp_path / "t.h5", transform)
    reference = to_sitk(Volume(np.zeros(grid.shape, np.float32), grid))
    oracle = sitk.ReadTransform(str(tmp_path / "t.h5"))
    oracle = sitk.Resample(to_sitk(moving), reference, oracle, sitk.sitkLinear, -5.0)
    ours = warp_volume(moving, transform, grid, fill=-5.0).array
    differs = np.abs(ours - sitk.GetArrayFromImage(oracle)) > 1e-3 * np.ptp(moving.array)
    assert differs.mean() < 1e-3  # points within rounding of the image's border may fall on either side


def test_nearest_keeps_labels_and_type():
    grid = make_grid(3)
    labels = Volume((np.arange(np.prod(grid.shape)).reshape(grid.shape) % 7).astype(np.uint8), grid)
    out = warp_volume(labels, random_transform(grid), grid, order="nearest")
    assert out.array.dtype == np.uint8
    assert set(np.unique(out.array)) <= set(range(7))


def test_nearest_keeps_labels_that_a_float_cannot_hold():
    grid = make_grid(3)
    labels = Volume(np.full(grid.shape, 614454277, np.int32), grid)
    out = warp_volume(labels, SpatialTransform(np.eye(4)), grid, order="nearest").array
    assert out.dtype == np.int32 and (out == 614454277).all()


@pytest.mark.parametrize("ndim", [2, 3])
def test_nearest_equals_simpleitks(ndim, tmp_path):
    grid = make_grid(ndim)
    labels = Volume((blob_volume(make_grid(ndim, "oblique")).array / 20).astype(np.uint8), make_grid(ndim, "oblique"))
    transform = random_transform(grid)
    write_transform(tmp_path / "t.h5", transform)
    reference = to_sitk(Volume(np.zeros(grid.shape, np.float32), grid))
    oracle = sitk.ReadTransform(str(tmp_path / "t.h5"))
    oracle = sitk.GetArrayFromImage(sitk.Resample(to_sitk(labels), reference, oracle, sitk.sitkNearestNeighbor))
    assert (warp_volume(labels, transform, grid, order="nearest").array == oracle).mean() > 0.999


def test_slabs_give_what_one_piece_gives(monkeypatch):
    grid = make_grid(3)
    volume, transform = blob_volume(grid), random_transform(grid)
    whole = warp_volume(volume, transform, grid).array
    monkeypatch.setattr(warp, "_SLAB_VOXELS", 1000)
    assert np.allclose(warp_volume(volume, transform, grid).array, whole, atol=1e-3)


@pytest.mark.parametrize("ndim", [2, 3])
def test_split_sampling_equals_plain_grid_sample(ndim):
    shape = (8, 10, 6)[:ndim]
    maps = torch.randn(1, 3, *shape)
    turn = torch.eye(ndim + 1)[None] + 0.1 * torch.randn(1, ndim + 1, ndim + 1)
    positions = affine_positions(turn, shape)
    plain = torch.nn.functional.grid_sample(maps, positions, align_corners=True)
    assert torch.allclose(sample(maps, positions), plain, atol=1e-6)
    assert torch.allclose(sample(maps.clone().requires_grad_(True), positions), plain, atol=1e-6)


def test_channels_are_warped_alike():
    grid = make_grid(3)
    volume = blob_volume(grid)
    both = Volume(np.stack([volume.array, 2 * volume.array]), grid)
    out = warp_volume(both, random_transform(grid), grid).array
    assert out.shape == (2, *grid.shape)
    assert np.allclose(out[1], 2 * out[0], atol=1e-3)


def test_outside_its_mask_an_image_is_dark():
    volume = blob_volume(make_grid(3), seed=1)
    coarse = Grid.centered(volume.grid.center, (12, 10, 9), (3.0, 3.0, 3.0))
    half = np.zeros(coarse.shape, np.uint8)
    half[:, :, : coarse.shape[2] // 2] = 1
    seen = masked(volume, Volume(half, coarse, "half")).array
    middle = volume.grid.shape[2] // 2
    assert np.array_equal(seen[..., : middle - 2], volume.array[..., : middle - 2])
    assert (seen[..., middle + 2 :] == volume.array.min()).all()
    with pytest.raises(InputError, match="shows nothing"):
        masked(volume, Volume(np.zeros_like(half), coarse, "empty"))


@pytest.mark.parametrize("size", [(1, 6, 7), (5, 2, 7), (5, 6, 2)])
def test_thin_images_are_warped_like_thick_ones(size):
    grid = Grid.centered((4.0, -3.0, 9.0), size, (2.0, 1.5, 3.0))
    volume = Volume(np.random.default_rng(0).normal(size=grid.shape).astype(np.float32), grid)
    out = warp_volume(volume, SpatialTransform(np.eye(4)), grid)
    assert np.allclose(out.array, volume.array, atol=1e-4)
