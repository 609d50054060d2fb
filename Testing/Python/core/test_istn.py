import numpy as np
import pytest
import torch
from ISTNRegistrationLib.core.bspline import free_shape, pad_ring
from ISTNRegistrationLib.core.istn import as_numpy, identity
from ISTNRegistrationLib.core.transform import BSplineField, SpatialTransform
from networks import blobs, model


@pytest.mark.parametrize("ndim", [2, 3])
def test_identity_positions_are_the_voxel_centers(ndim):
    net = model(ndim)
    maps = blobs(net)
    assert torch.allclose(net.warp(maps, identity(net)), maps, atol=1e-5)


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_translation_in_mm_reads_the_map_that_far_away(ndim):
    net = model(ndim)
    linear = identity(net).clone()
    linear[:, :ndim, ndim] = torch.tensor([3.0, -2.0, 4.0])[:ndim]
    points = torch.as_tensor(net.grid.points(), dtype=torch.float32).movedim(-1, 0)[None]  # maps that hold positions
    warped = net.warp(points, linear)
    inner = (slice(None), slice(None)) + (slice(4, -4),) * ndim
    expected = points + linear[0, :ndim, ndim].reshape(1, ndim, *[1] * ndim)
    assert (warped - expected)[inner].abs().max() < 1e-3


@pytest.mark.parametrize("ndim", [2, 3])
def test_positions_are_what_the_exported_transform_says(ndim):
    """torch on the networks' grid and SpatialTransform in the world, to 1e-3 mm."""
    net = model(ndim)
    generator = torch.Generator().manual_seed(0)
    theta = 0.3 * torch.randn(1, net.stns["affine"].head.out_features, generator=generator)
    linear = net.linear(theta)
    coefficients = net.coefficients(torch.randn(1, ndim, *free_shape(net.lattice), generator=generator))
    points = net.positions(linear, coefficients)[0].double() @ net.cube[:-1, :-1].T.double()
    field = BSplineField(net.lattice, pad_ring(as_numpy(coefficients), ndim))
    expected = SpatialTransform(as_numpy(linear), field).map_points(net.grid.points())
    assert np.abs(points.numpy() - expected).max() < 1e-3


def test_coefficients_are_bounded():
    net = model()
    bound = net.config.bspline.max_displacement_mm
    theta = torch.randn(1, 3, *free_shape(net.lattice)) * 2
    assert net.coefficients(theta * 100).abs().max() <= bound


def test_balanced_channels_weigh_small_structures_more_with_mean_one():
    net = model()
    net.balance_channels(torch.tensor([0.01, 0.03]))
    assert torch.allclose(net.channel_weights, torch.tensor([1.5, 0.5]))
