import numpy as np
import pytest
import torch
from ISTNRegistrationLib.core.diffeomorphism import (
    compose,
    fade,
    gradient,
    repaired,
    smallest_determinants,
    smooth,
)
from scipy.ndimage import gaussian_filter

SHAPES = {2: (13, 16), 3: (9, 12, 11)}


def linear_field(ndim, seed=0):
    """The displacement of x -> A x + b in voxels, and A - 1 and b."""
    rng = np.random.default_rng(seed)
    matrix, shift = torch.as_tensor(rng.uniform(-0.1, 0.1, (ndim, ndim))), torch.as_tensor(rng.uniform(-1, 1, ndim))
    index = torch.stack(torch.meshgrid(*(torch.arange(s).double() for s in SHAPES[ndim]), indexing="ij")[::-1])
    field = torch.einsum("ij,j...->i...", matrix, index) + shift.reshape(-1, *[1] * ndim)
    return field[None], matrix, shift


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_step_is_taken_first(ndim):
    field, matrix, shift = linear_field(ndim)
    step = torch.zeros_like(field)
    middle = tuple(s // 2 for s in SHAPES[ndim])
    step[(0, slice(None), *middle)] = torch.as_tensor([1.2, -0.7, 0.4], dtype=torch.double)[:ndim]
    at = torch.as_tensor(middle[::-1]).double() + step[(0, slice(None), *middle)]
    expected = matrix @ at + shift + step[(0, slice(None), *middle)]
    assert torch.allclose(compose(field, step)[(0, slice(None), *middle)], expected)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("sigma", [0.3, 1.25])
def test_smoothing_is_scipys_gaussian(ndim, sigma):
    values = torch.as_tensor(np.random.default_rng(0).normal(size=(1, 1, *SHAPES[ndim])))
    reach = max(1, int(np.ceil(3 * sigma)))
    expected = gaussian_filter(values[0, 0].numpy(), sigma, mode="nearest", truncate=reach / sigma)
    assert np.allclose(smooth(values, sigma)[0, 0], expected)


def test_the_gradients_components_are_x_y_z():
    values = torch.zeros(1, 1, 6, 7, 8)
    values += torch.arange(8.0) + 10 * torch.arange(7.0)[:, None] + 100 * torch.arange(6.0)[:, None, None]
    assert gradient(values)[0, 0, :, 2, 3, 4].tolist() == [1, 10, 100]


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_determinant_is_that_of_a_linear_map(ndim):
    field, matrix, _ = linear_field(ndim)
    expected = torch.linalg.det(torch.eye(ndim) + matrix)
    assert torch.allclose(smallest_determinants(field), expected)


def test_fading_is_zero_on_the_border_and_one_inside():
    weights = fade((12, 16), 4, torch.zeros(1))[0, 0]
    assert weights[0].max() == 0 and weights[:, -1].max() == 0 and weights[6, 8] == 1
    assert 0 < weights[1, 8] < weights[2, 8] < weights[3, 8] < 1


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("amplitude", [2.0, 30.0])
def test_folds_are_repaired_and_what_is_far_from_them_stays(ndim, amplitude):
    shape = (24, 30, 28)[:ndim]
    field = torch.zeros(1, ndim, *shape)
    field[(0, 0, *(slice(6, 9) for _ in shape))] = amplitude  # off-center block pushed through its neighbors
    field[(0, 1, *(slice(18, 20) for _ in shape))] = 0.3
    assert (smallest_determinants(field) <= 0).any()
    mended, count = repaired(field)
    assert count > 0 and float(smallest_determinants(mended).min()) > 0.05
    assert (smallest_determinants(mended) > 0).all()
    if amplitude == 2.0:
        assert mended[(0, 0, *(7 for _ in shape))] > 0.05
        assert torch.equal(mended[..., -6:], field[..., -6:])


def test_a_field_without_folds_is_left_alone():
    field = 0.2 * fade((10, 12, 14), 4, torch.zeros(1)).expand(1, 3, -1, -1, -1)
    mended, count = repaired(field)
    assert count == 0 and torch.equal(mended, field)
