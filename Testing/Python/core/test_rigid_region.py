"""Bodies move rigidly, each as is nearest to the transform that bends, and space around them follows without folds."""

import dataclasses

import numpy as np
import pytest
import torch
from builders import affine_matrix, bspline_field, rotation
from ISTNRegistrationLib.core.again import again
from ISTNRegistrationLib.core.constraints import Constraints
from ISTNRegistrationLib.core.diffeomorphism import smallest_determinants
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.grid import Grid, apply_matrix
from ISTNRegistrationLib.core.options import RegisterOptions
from ISTNRegistrationLib.core.placement import Placement
from ISTNRegistrationLib.core.pose import procrustes
from ISTNRegistrationLib.core.register import register_maps
from ISTNRegistrationLib.core.rigid_region import BLEND_MM, bodies_on, keep_rigid, truncated_distance
from ISTNRegistrationLib.core.stages import Beside
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.volume import Volume
from networks import blobs, model

CENTER = (6.0, -11.0, 4.0)


def rigid_fit(points, moved):
    """The rigid motion nearest to what moved the points."""
    return procrustes(points, moved, np.ones(len(points)), mirror=False)


def lattice(ndim):
    """Networks' grid: anisotropic, turned, off the origin."""
    return Grid.centered(CENTER[:ndim], (34, 30, 26)[:ndim], (2.0, 2.5, 3.0)[:ndim], rotation(ndim, 25.0))


def bodies(ndim, spacing=(1.3, 0.9, 3.6)):
    """A long bone and a bent one, 3 and 7, on a grid of its own."""
    grid = Grid.centered(CENTER[:ndim], [round(60 / s) for s in spacing[:ndim]], spacing[:ndim], rotation(ndim, -12.0))
    x = np.moveaxis((grid.points() - grid.center) @ np.asarray(grid.direction), -1, 0)
    inside = np.abs(x[2]) < 8 if ndim == 3 else True
    long = (np.abs(x[0] + 14) < 4) & (np.abs(x[1] - 2) < 15) & inside
    bent = (np.abs(x[1] + 3 - 0.03 * x[0] ** 2) < 3) & (x[0] > 1) & (x[0] < 17) & inside
    return Volume(3 * long.astype(np.int16) + 7 * bent, grid, "bones")


def bending(ndim, amplitude=6.0):
    """An affine transform that stretches, and a field of a few mm."""
    field = bspline_field(lattice(ndim), seed=5, spacing=18.0, amplitude=amplitude)
    return SpatialTransform(affine_matrix(ndim, seed=2) @ np.diag([1.08, 0.95, 1.02][:ndim] + [1.0]), field)


def anywhere_in(labels, value, count=300):
    """Points anywhere in the voxels of a body, not only in their middles."""
    generator = np.random.default_rng(value)
    voxels = np.argwhere(labels.array == value)[:, ::-1]
    chosen = voxels[generator.integers(len(voxels), size=count)]
    return labels.grid.index_to_physical(chosen + generator.uniform(-0.499, 0.499, chosen.shape))


def apart(points):
    return np.linalg.norm(points[:, None] - points[None], axis=-1)


def smallest(transform):
    """Volume change of the most squeezed cell of the residual's grid."""
    grid = transform.residual.grid
    voxels = np.tensordot(np.linalg.inv(grid.matrix[:-1, :-1]), np.float64(transform.residual.vectors), axes=1)
    return float(smallest_determinants(torch.as_tensor(voxels)[None]).min())


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("linear", [False, True])
def test_each_body_moves_rigidly_as_is_nearest_and_nothing_folds(ndim, linear):
    start, labels = bending(ndim), bodies(ndim)
    start = SpatialTransform(start.linear) if linear else start
    found, motions = keep_rigid(start, bodies_on(labels, lattice(ndim))), []
    for value in (3, 7):
        points = anywhere_in(labels, value)
        moved, before = found.map_points(points), start.map_points(points)
        assert np.abs(apart(moved) - apart(points)).max() < 0.01 < 0.5 < np.abs(apart(before) - apart(points)).max()
        middles = labels.grid.index_to_physical(np.argwhere(labels.array == value)[:, ::-1])
        motion = rigid_fit(middles, start.map_points(middles))
        np.testing.assert_allclose(moved, apply_matrix(motion, points), atol=0.01)
        motions.append(motion)
    assert np.abs(motions[0] - motions[1])[:ndim, :ndim].max() > (0.0 if linear else 0.01)
    assert smallest(found) > 0.2 and np.abs(found.residual.vectors[:, [0, -1]]).max() == 0


@pytest.mark.parametrize(("ndim", "amplitude", "least"), [(2, 12.0, 0.2), (3, 10.0, 0.05), (3, 12.0, -0.5)])
def test_large_corrections_reach_farther_and_folds_are_mended_or_at_least_not_made_worse(ndim, amplitude, least):
    """Without either, the smallest volume change is 0.07, -0.07 and, where mending does not help, -2.3."""
    labels = bodies(ndim)
    found = keep_rigid(bending(ndim, amplitude), bodies_on(labels, lattice(ndim)))
    assert smallest(found) > least
    points = anywhere_in(labels, 7)
    assert np.abs(apart(found.map_points(points)) - apart(points)).max() < 0.01


@pytest.mark.parametrize("ndim", [2, 3])
def test_around_a_body_its_motion_fades_into_the_deformation(ndim):
    start, labels = bending(ndim, 2.0), bodies(ndim, (2.0, 2.0, 2.0))
    labels.array[labels.array == 7] = 0
    found = keep_rigid(start, bodies_on(labels, lattice(ndim)))
    inside = labels.grid.index_to_physical(np.argwhere(labels.array > 0)[:, ::-1])
    points = lattice(ndim).points().reshape(-1, ndim)[:: 2 * ndim]
    distance = np.array([np.linalg.norm(inside - point, axis=1).min() for point in points])
    before = start.map_points(points)
    wholly = apply_matrix(rigid_fit(inside, start.map_points(inside)), points) - before
    share = ((found.map_points(points) - before) * wholly).sum(axis=1) / (wholly**2).sum(axis=1)
    at, far = distance < 1, distance > 2 * BLEND_MM
    assert at.sum() > 5 and share[at].min() > 0.99 and np.abs(share[far]).max() < 1e-3 and np.abs(wholly).max() > 1
    means = [share[np.abs(distance - mm) < 1.5].mean() for mm in (4, 7, 10, 13)]  # a cell around the body is rigid, too
    assert means == sorted(means, reverse=True) and means[0] > 0.8 and 0.2 < means[2] < 0.8 and means[3] < 0.4


def test_a_rigid_fit_is_the_motion_and_never_a_mirror():
    points = np.random.default_rng(1).normal(size=(20, 3)) * [10, 6, 3]
    motion = np.eye(4)
    motion[:3, :3], motion[:3, 3] = rotation(3, 33.0), (5.0, -7.0, 2.0)
    np.testing.assert_allclose(rigid_fit(points, apply_matrix(motion, points)), motion, atol=1e-9)
    assert np.linalg.det(rigid_fit(points, points * [1, 1, -1])) == pytest.approx(1)
    flat = points[:, :2]
    assert np.linalg.det(rigid_fit(flat, flat * [1, -1])) == pytest.approx(1)


@pytest.mark.parametrize("ndim", [2, 3])
def test_distances_are_exact_up_to_their_reach(ndim):
    grid = lattice(ndim)
    mask = np.zeros(grid.shape, bool)
    mask[(4, *[7] * (ndim - 1))] = mask[(9, *[3] * (ndim - 1))] = True
    places = grid.points()[mask]
    exact = np.min([np.linalg.norm(grid.points() - place, axis=-1) for place in places], axis=0)
    np.testing.assert_allclose(truncated_distance(mask, grid, 17.0), np.minimum(exact, 17.0), atol=1e-9)


def test_a_thin_plate_between_the_voxels_of_the_lattice_is_a_body():
    grid = Grid.centered(CENTER, (60, 60, 40), (0.5,) * 3, rotation(3, 40.0))
    array = np.zeros(grid.shape, np.uint8)
    array[17, 10:50, 8:40] = 1
    labels = Volume(array, grid, "plate")
    found = keep_rigid(bending(3), bodies_on(labels, lattice(3)))
    points = anywhere_in(labels, 1)
    assert np.abs(apart(found.map_points(points)) - apart(points)).max() < 0.01


@pytest.mark.parametrize(("ends", "said"), [((12, 13), "1 and 2 touch"), (None, "shows no body")])
def test_bodies_that_touch_and_none_at_all_are_refused(ends, said):
    grid = Grid.centered(CENTER, (40, 40, 40), (1.0,) * 3)
    array = np.zeros(grid.shape, np.uint8)
    if ends:
        array[:, :, 3 : ends[0]], array[:, :, ends[1] : 30] = 1, 2
    with pytest.raises(InputError, match=said):
        bodies_on(Volume(array, grid, "bones"), lattice(3))


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("keep_best", [True, False])
def test_it_is_a_stage_of_its_own_and_the_result(ndim, keep_best):
    net = model(ndim)
    placement = Placement(net.grid.moved(np.eye(ndim + 1)), affine_matrix(ndim) @ np.diag([1.1, *[1.0] * ndim]))
    grid = Grid.centered(placement.grid.center, (16,) * ndim, (1.0,) * ndim)
    array = np.zeros(grid.shape, np.uint8)
    array[(slice(2, 9), slice(4, 14))] = 5
    labels = Volume(array, grid, "bone")
    told = Beside(constraints=Constraints(rigid=labels))
    result = register_maps(
        net,
        (blobs(net, 4.0), blobs(net)),
        placement,
        RegisterOptions("bspline", iterations=10, keep_best=keep_best),
        beside=told,
    )
    last = result.stages[-1]
    assert (last.name, result.kept) == ("rigid region", "rigid region") and result.transform is last.transform
    assert last.base in [stage.name for stage in result.stages[:-1]] and 0 < last.agreement <= 1
    points = anywhere_in(labels, 5)
    assert np.abs(apart(result.transform.map_points(points)) - apart(points)).max() < 0.01
    changed = dataclasses.replace(result.options, structure_weights={"s1": 0})
    adjusted = again(result, changed, None, 5)
    assert [stage.name for stage in adjusted.stages] == ["initial", "rigid region", "adjusted"]
    assert len(adjusted.stages[-1].losses) == 6 and adjusted.transform is adjusted.stages[-1].transform
    moved = adjusted.transform.map_points(points)
    assert np.abs(apart(moved) - apart(points)).max() < 0.01
    assert np.abs(moved - result.transform.map_points(points)).max() > 0.05
    affine = register_maps(net, (blobs(net, 4.0), blobs(net)), placement, RegisterOptions(iterations=2), beside=told)
    assert affine.stages[-1].name == "affine refined"
