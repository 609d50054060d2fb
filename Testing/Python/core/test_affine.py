import math

import pytest
import torch
from ISTNRegistrationLib.core.affine import AffineBounds, affine_matrix, parameter_count, rotation_matrix
from scipy.spatial.transform import Rotation

BOUNDS = AffineBounds(translation_mm=20.0, rotation_deg=30.0, scale_ratio=1.4, shear_deg=40.0)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("rigid", [False, True])
def test_zero_is_the_identity(ndim, rigid):
    matrix = affine_matrix(torch.zeros(2, parameter_count(ndim, rigid)), ndim, BOUNDS)
    assert torch.equal(matrix, torch.eye(ndim + 1).expand(2, -1, -1))


@pytest.mark.parametrize("ndim", [2, 3])
def test_matrix_is_equation_three(ndim):
    theta = torch.randn(1, parameter_count(ndim), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    bounded, turns = torch.tanh(theta), ndim * (ndim - 1) // 2
    rotation = rotation_matrix(bounded[:, ndim : ndim + turns] * math.radians(30))[0]
    scale = torch.diag(torch.exp(bounded[0, ndim + turns : 2 * ndim + turns] * math.log(1.4)))
    shear = rotation_matrix(bounded[:, 2 * ndim + turns :] * math.radians(40))[0]
    expected = rotation @ torch.linalg.inv(shear) @ scale @ shear
    matrix = affine_matrix(theta, ndim, BOUNDS)[0]
    assert torch.allclose(matrix[:ndim, :ndim], expected, atol=1e-12)
    assert torch.allclose(matrix[:ndim, ndim], bounded[0, :ndim] * 20)


def test_parameters_stay_within_their_bounds():
    matrix = affine_matrix(torch.full((1, 12), 100.0), 3, BOUNDS)[0]
    assert torch.allclose(matrix[:3, 3], torch.tensor([20.0, 20.0, 20.0]))
    singular = torch.linalg.svdvals(matrix[:3, :3])
    assert singular.max() <= 1.4 + 1e-4 and singular.min() >= 1 / 1.4 - 1e-4


def test_rigid_keeps_lengths():
    matrix = affine_matrix(torch.randn(1, parameter_count(3, rigid=True)), 3, BOUNDS)[0, :3, :3]
    assert torch.allclose(matrix.T @ matrix, torch.eye(3), atol=1e-6)
    assert torch.linalg.det(matrix) > 0


def test_rotation_about_z_turns_x_towards_y():
    quarter = rotation_matrix(torch.tensor([[0.0, 0.0, math.pi / 2]]))[0]
    assert torch.allclose(quarter @ torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0]), atol=1e-6)


def test_rotations_are_those_of_scipy_about_x_then_y_then_z():
    angles = torch.tensor([[0.3, -0.5, 0.7], [-0.2, 0.4, 0.1]], dtype=torch.float64)
    expected = torch.as_tensor(Rotation.from_euler("xyz", angles.numpy()).as_matrix())
    assert torch.allclose(rotation_matrix(angles), expected, atol=1e-12)


def test_a_positive_angle_in_the_plane_turns_x_towards_y():
    turned = rotation_matrix(torch.tensor([[0.3]]))[0] @ torch.tensor([1.0, 0.0])
    assert torch.allclose(turned, torch.tensor([math.cos(0.3), math.sin(0.3)]))
