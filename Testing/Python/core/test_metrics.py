import builders
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.metrics import dice, folded_voxels, jacobian_determinants, label_dice
from ISTNRegistrationLib.core.transform import BSplineField, SpatialTransform


def test_dice_of_half_overlapping_boxes_is_a_half():
    first, second = np.zeros((2, 4, 6, 8), dtype=bool)
    first[:, :, :4] = True
    second[:, :, 2:6] = True
    assert dice(first, second) == 0.5
    assert dice(first, first) == 1.0
    assert dice(first, ~first) == 0.0
    assert dice(torch.from_numpy(first), torch.from_numpy(second)) == 0.5


def test_dice_of_nothing_is_not_a_number():
    assert np.isnan(dice(np.zeros((3, 3)), np.zeros((3, 3))))


def test_dice_of_labels_agrees_with_simpleitk():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 4, (2, 8, 9, 10)).astype(np.uint8)
    measure = sitk.LabelOverlapMeasuresImageFilter()
    measure.Execute(sitk.GetImageFromArray(first), sitk.GetImageFromArray(second))
    got = label_dice(first, second, (1, 2, 3, 7))
    assert all(got[label] == pytest.approx(measure.GetDiceCoefficient(label)) for label in (1, 2, 3))
    assert np.isnan(got[7])


@pytest.mark.parametrize(("ndim", "orientation"), builders.CASES, ids=builders.CASE_IDS)
def test_the_volume_change_of_an_affine_is_its_determinant(ndim, orientation):
    grid = builders.make_grid(ndim, orientation, (8, 7, 6))
    transform = builders.random_transform(grid, bspline=False)
    expected = np.linalg.det(transform.linear[:ndim, :ndim])
    assert np.allclose(jacobian_determinants(transform, grid), expected, atol=1e-9)
    assert folded_voxels(transform, grid) == 0


@pytest.mark.parametrize(("ndim", "orientation"), builders.CASES, ids=builders.CASE_IDS)
def test_the_volume_change_of_a_bspline_agrees_with_simpleitk(ndim, orientation):
    grid = builders.make_grid(ndim, orientation, (12, 11, 10))
    transform = SpatialTransform(np.eye(ndim + 1), builders.bspline_field(grid, amplitude=4.0))
    along_axes = transform.displacement(grid) @ np.asarray(grid.direction)  # ITK's filter ignores the direction
    field = sitk.GetImageFromArray(along_axes, isVector=True)
    field.SetSpacing(grid.spacing)
    expected = sitk.GetArrayFromImage(sitk.DisplacementFieldJacobianDeterminant(field))
    inner = (slice(1, -1),) * ndim  # ITK has another rule at the border
    assert np.allclose(jacobian_determinants(transform, grid)[inner], expected[inner], atol=1e-5)


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_control_point_pushed_beyond_its_neighbor_folds_space_there(ndim):
    grid = Grid.centered(np.zeros(ndim), (21,) * ndim, (1.0,) * ndim)
    lattice = Grid.centered(np.zeros(ndim), (11,) * ndim, (4.0,) * ndim)
    coefficients = np.zeros((ndim, *lattice.shape))
    coefficients[(0,) + (5,) * ndim] = 3.0
    mirror = np.diag([-1.0] + [1.0] * ndim)
    assert folded_voxels(SpatialTransform(mirror, BSplineField(lattice, coefficients)), grid) == 0
    coefficients[(0,) + (5,) * ndim] = 30.0
    count = folded_voxels(SpatialTransform(mirror, BSplineField(lattice, coefficients)), grid)
    assert 0 < count < 0.2 * 21**ndim


def test_a_flattened_space_counts_as_folded():
    grid = builders.make_grid(2)
    flat = np.diag([1.0, 0.0, 1.0])
    assert np.allclose(jacobian_determinants(SpatialTransform(flat), grid), 0.0)
