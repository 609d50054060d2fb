"""The networks' frame may lie at any angle in fixed space: transforms, control points and maps follow it."""

import numpy as np
import pytest
import torch
from builders import affine_matrix, rotation
from ISTNRegistrationLib.core.bspline import ZERO_RING, pad_ring
from ISTNRegistrationLib.core.grid import apply_matrix
from ISTNRegistrationLib.core.placement import Placement
from ISTNRegistrationLib.core.transform import BSplineField, SpatialTransform
from networks import blobs, model


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("bspline", [False, True])
def test_a_transform_of_a_turned_grid_is_that_of_the_networks_frame_carried_along(ndim, bspline):
    """T_world = initial . pose . T_net . pose^-1, point by point; vectors of control points turn with the grid."""
    net, pose, initial = model(ndim), np.eye(ndim + 1), affine_matrix(ndim, 2)
    pose[:-1, :-1], pose[:-1, -1] = rotation(ndim, 70.0), (40.0, -25.0, 13.0)[:ndim]
    linear, rng = affine_matrix(ndim, 1), np.random.default_rng(0)
    free = [n - 2 * ZERO_RING for n in net.lattice.shape]
    values = rng.uniform(-4, 4, (ndim, *free)) if bspline else None
    own = SpatialTransform(linear, BSplineField(net.lattice, pad_ring(values, ndim)) if bspline else None)
    parts = torch.as_tensor(linear)[None], torch.as_tensor(values)[None] if bspline else None
    found = Placement(net.grid.moved(pose), initial).transform(*parts, net.lattice)
    points = net.grid.points().reshape(-1, ndim)[::7] * 0.7
    expected = apply_matrix(initial @ pose, own.map_points(points))
    np.testing.assert_allclose(found.map_points(apply_matrix(pose, points)), expected, atol=1e-4)


@pytest.mark.parametrize("ndim", [2, 3])
def test_maps_warped_in_the_world_are_those_that_the_networks_warp_at_a_turned_grid(ndim):
    net, pose = model(ndim), np.eye(ndim + 1)
    pose[:-1, :-1], pose[:-1, -1] = rotation(ndim, 70.0), (40.0, -25.0, 13.0)[:ndim]
    maps, linear = blobs(net), torch.as_tensor(affine_matrix(ndim, 1), dtype=torch.float32)[None]
    placement = Placement(net.grid.moved(pose), affine_matrix(ndim, 2))
    warped = placement.warped(maps, placement.transform(linear, None, net.lattice))
    inner = (..., *[slice(4, -4)] * ndim)
    assert (warped - net.warp(maps, linear, None))[inner].abs().max() < 1e-4
    moving = placement.moving_volume(maps, "M'")
    assert moving.grid.ndim == ndim and np.ptp(moving.grid.corners(), axis=0).min() > 0
