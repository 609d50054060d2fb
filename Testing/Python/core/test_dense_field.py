import numpy as np
import pytest
import SimpleITK as sitk
from builders import affine_matrix, blob_volume, make_grid, points_inside
from ISTNRegistrationLib.core.dense_field import DenseField, inverse_transform
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.core.warp import warp_volume
from ISTNRegistrationLib.data.images import to_sitk

CASES = [(2, "oblique"), (3, "oblique"), (3, "left-handed"), (3, "anisotropic")]


def wave(grid, amplitude=3.0):
    """A smooth field (mm) that pushes along another direction everywhere and is zero on the border."""
    n = grid.ndim
    index = np.stack(np.meshgrid(*(np.linspace(0, 1, s) for s in grid.shape), indexing="ij")[::-1])
    window = np.prod(np.sin(np.pi * index), axis=0)
    field = np.stack([np.sin(2.0 + k + 3 * index[k - 1]) for k in range(n)]) * window * amplitude
    inner = np.zeros(grid.shape)
    inner[(slice(1, -1),) * n] = 1
    return DenseField(grid, (field * inner).astype(np.float32))


def oracle(transform):
    """The same transform made of SimpleITK's own."""
    field, n = transform.residual, transform.ndim
    image = sitk.GetImageFromArray(np.moveaxis(field.vectors, 0, -1).astype(np.float64), isVector=True)
    image.SetSpacing(field.grid.spacing)
    image.SetOrigin(field.grid.origin)
    image.SetDirection(np.ravel(field.grid.direction).tolist())
    affine = sitk.AffineTransform(n)
    affine.SetMatrix(np.ravel(transform.linear[:n, :n]).tolist())
    affine.SetTranslation(transform.linear[:n, n].tolist())
    return sitk.CompositeTransform([affine, sitk.DisplacementFieldTransform(image)])


@pytest.mark.parametrize(("ndim", "orientation"), CASES)
def test_points_go_where_simpleitks_displacement_field_sends_them(ndim, orientation):
    grid = make_grid(ndim, orientation)
    transform = SpatialTransform(affine_matrix(ndim), wave(grid))
    points = np.concatenate([points_inside(grid), points_inside(grid) + 40.0])
    expected = [oracle(transform).TransformPoint(point.tolist()) for point in points]
    assert np.abs(transform.map_points(points) - expected).max() < 1e-4
    assert np.abs(transform.residual.displacement(points_inside(grid))).max() > 0.5


@pytest.mark.parametrize(("ndim", "orientation"), CASES)
def test_a_marker_is_warped_as_by_simpleitk(ndim, orientation):
    grid, moving = make_grid(ndim, orientation), blob_volume(make_grid(ndim, "oblique", size=(26, 22, 21)))
    moving.array[(slice(5, 8), slice(12, 17), slice(6, 8))[:ndim]] += 200  # off-center, another size along each axis
    transform = SpatialTransform(affine_matrix(ndim), wave(make_grid(ndim, "RAS", size=(20, 17, 18))))
    reference = to_sitk(Volume(np.zeros(grid.shape, np.float32), grid))
    expected = sitk.Resample(to_sitk(moving), reference, oracle(transform), sitk.sitkLinear, -5.0)
    ours = warp_volume(moving, transform, grid, fill=-5.0).array
    differs = np.abs(ours - sitk.GetArrayFromImage(expected)) > 1e-3 * np.ptp(moving.array)
    assert differs.mean() < 2e-3  # points within rounding of the image's border may fall on either side


@pytest.mark.parametrize(("ndim", "orientation"), CASES)
def test_the_inverse_brings_points_back(ndim, orientation):
    grid = make_grid(ndim, orientation)
    field, points = wave(grid), points_inside(grid, 300)
    missed = np.linalg.norm(field.inverse().map_points(field.map_points(points)) - points, axis=-1)
    assert missed.mean() < 0.02 and missed.max() < 0.2
    moved = np.linalg.norm(field.displacement(points), axis=-1)
    assert moved.mean() > 0.5


def test_the_inverse_is_exact_where_space_is_stretched_to_three_times_its_size():
    grid = make_grid(2, size=(41, 9), center=(0.0, 0.0))
    x = grid.points()[..., 0]
    stretched = np.where(np.abs(x) < 6, 2.2 * x, np.sign(x) * (30 - np.abs(x)) * 13.2 / 24) * (np.abs(x) < 29.9)
    stretched[[0, -1]] = 0
    field = DenseField(grid, np.stack([stretched, 0 * x]).astype(np.float32))
    points = np.stack([np.linspace(-5, 5, 30), np.zeros(30)], axis=-1)
    assert np.abs(field.inverse(4).map_points(field.map_points(points)) - points).max() < 0.1


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_whole_transform_is_inverted(ndim):
    grid = make_grid(ndim, "oblique")
    transform = SpatialTransform(affine_matrix(ndim, center=grid.center), wave(grid))
    points = points_inside(grid, 300)
    missed = np.linalg.norm(inverse_transform(transform).map_points(transform.map_points(points)) - points, axis=-1)
    assert missed.mean() < 0.03
    linear = SpatialTransform(transform.linear)
    assert np.allclose(inverse_transform(linear).map_points(linear.map_points(points)), points)
