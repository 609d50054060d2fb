"""Landmarks that pull: measured as the result's transform has them, weighed as is said, and nothing folds."""

import dataclasses

import numpy as np
import pytest
import torch
from builders import affine_matrix
from deformed import deformation, make_pair
from ISTNRegistrationLib.core.constraints import Constraints
from ISTNRegistrationLib.core.dense import DenseOptions, dense_stage
from ISTNRegistrationLib.core.dense_box import Box
from ISTNRegistrationLib.core.dense_landmarks import LandmarkTerm
from ISTNRegistrationLib.core.diffeomorphism import smallest_determinants
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.istn import identity
from ISTNRegistrationLib.core.landmarks import LandmarkPairs
from ISTNRegistrationLib.core.options import RegisterOptions
from ISTNRegistrationLib.core.placement import Placement
from ISTNRegistrationLib.core.refine import Objective, Pair, refine
from ISTNRegistrationLib.core.refine_terms import LandmarkPull
from ISTNRegistrationLib.core.register import register_maps
from ISTNRegistrationLib.core.stages import Beside, Stage, best_stage
from ISTNRegistrationLib.core.transform import SpatialTransform
from networks import blobs, model


def ignore(_iteration, _loss, _theta):
    return None


def somewhere(net):
    """The networks' grid, turned and off the origin, and a start that is not rigid."""
    ndim = net.config.ndim
    return Placement(net.grid.moved(turned(ndim)), affine_matrix(ndim) @ np.diag([1.1, *[1.0] * ndim]))


def turned(ndim):
    matrix = np.eye(ndim + 1)
    matrix[:2, :2] = [[0.8, -0.6], [0.6, 0.8]]
    matrix[:ndim, ndim] = (31.0, -17.0, 8.0)[:ndim]
    return matrix


def points_in(grid, count=5):
    share = np.random.default_rng(4).uniform(0.25, 0.7, (count, grid.ndim))
    return grid.index_to_physical(share * (np.asarray(grid.size) - 1))


def pulled(ndim, transform, weight=1.0, apart=4.0):
    """A pair whose maps agree already, and landmarks that the start leaves ``apart`` mm from each other."""
    net = model(ndim)
    placement = Placement(net.grid.moved(turned(ndim)), np.eye(ndim + 1))
    fixed = points_in(placement.grid)
    off = np.array([1.0, -0.5, 0.3])[:ndim]
    pairs = LandmarkPairs(fixed, fixed + apart * off / np.linalg.norm(off), ())
    pull = LandmarkPull(net, placement, pairs, weight)
    return Pair(net, transform, blobs(net), blobs(net), identity(net), (pull,)), placement, pairs


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("transform", ["affine", "bspline"])
def test_distances_are_those_of_the_transform_that_leaves_the_registration(ndim, transform):
    net = model(ndim)
    placement = somewhere(net)
    fixed = points_in(placement.grid)
    pairs = LandmarkPairs(fixed, placement.grid.center + np.arange(5 * ndim).reshape(5, ndim), ())
    linear = net.linear(torch.full((1, 12 if ndim == 3 else 6), 0.3))
    pair = Pair(net, transform, blobs(net), blobs(net), linear)
    theta = torch.randn(pair.predict().shape, generator=torch.Generator().manual_seed(1))
    found = LandmarkPull(net, placement, pairs, 1.0).distances(*pair.parts(theta))
    expected = pairs.errors(placement.transform(*pair.parts(theta), net.lattice))
    assert expected.min() > 1 and np.ptp(expected) > 1
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-3)


@pytest.mark.parametrize(("apart", "cost"), [(0.0, 0.0), (3.0, 0.09), (10.0, 1.0), (20.0, 3.0)])
def test_ten_millimetres_cost_as_much_as_maps_that_show_nothing(apart, cost):
    pair, _, _ = pulled(3, "affine", apart=apart)
    zero = torch.zeros_like(pair.predict())
    empty = dataclasses.replace(pair, moving_map=torch.zeros_like(pair.moving_map), extra=())
    assert pair.loss(zero) == pytest.approx(cost * empty.loss(zero), rel=1e-3, abs=1e-9)
    assert float(Objective(pair)(zero)) == pytest.approx(pair.loss(zero), rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("transform", ["affine", "bspline"])
@pytest.mark.parametrize("mode", ["theta", "weights"])
def test_a_landmark_pulls_and_a_larger_weight_pulls_more(ndim, transform, mode):
    left = []
    for weight in (0.1, 10.0):
        pair, _, _ = pulled(ndim, transform, weight)
        start = torch.zeros_like(pair.predict())
        theta = refine(pair, start, mode, 60, ignore).theta
        left.append(float(pair.extra[0].distances(*pair.parts(theta)).mean()))
    assert left[1] < left[0] < 4.0 and left[1] < 2.0


@pytest.mark.parametrize("transform", ["affine", "bspline"])
def test_landmarks_of_no_weight_change_nothing_and_are_measured_live(transform):
    pair, placement, pairs = pulled(3, transform)
    maps, seen = (pair.moving_map, pair.fixed_map), []
    options = RegisterOptions(transform, iterations=4)
    with_them = Beside(constraints=Constraints(pairs))
    first = register_maps(pair.model, maps, placement, options)

    def look(progress):
        seen.append((progress.landmark_mm, pairs.errors(progress.transform()).mean()))

    second = register_maps(pair.model, maps, placement, options, look, with_them)
    for a, b in zip(first.stages, second.stages, strict=True):
        assert a.losses == b.losses and np.array_equal(a.transform.linear, b.transform.linear)
        assert np.isnan(a.landmark_mm) and b.landmark_mm == pytest.approx(pairs.errors(b.transform).mean())
    told, true = np.array(seen).T
    assert len(told) >= 4 and np.ptp(true) > 0.1
    np.testing.assert_allclose(told, true, atol=1e-3)


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_dense_force_moves_the_landmark_as_its_value_says(ndim):
    linear = affine_matrix(ndim)
    pair, placement, true = make_pair(ndim, linear)
    start = SpatialTransform(linear, deformation(ndim).residual)
    fixed = points_in(placement.grid, 3)
    pairs = LandmarkPairs(fixed, true.map_points(fixed) + [12.0, -3.0, 2.0][:ndim], ())
    box = Box(dataclasses.replace(pair, include=fixed), placement.grid, placement.initial, start)
    term = LandmarkTerm(box, pairs, 0.7)
    value, force = term(box.field)
    assert term.mm == pytest.approx(pairs.errors(start).mean(), abs=1e-3)
    for axis in range(ndim):  # all voxels step alike
        step = torch.zeros_like(box.field)
        step[:, axis] = 0.02
        assert term(box.field + step)[0] - value == pytest.approx(float((force * step).sum()), rel=0.02)
    assert term.mm == pytest.approx(pairs.errors(box.transform(box.field + step)[0]).mean(), abs=0.02)
    peak = torch.unravel_index(force.norm(dim=1)[0].argmax(), force.shape[2:])
    where = box.grid.index_to_physical(np.array([int(k) for k in peak])[::-1])
    assert np.linalg.norm(fixed - where, axis=1).min() < 3.0
    assert LandmarkTerm(box, pairs, 0.0)(box.field) == (0.0, 0.0)


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_landmark_outside_of_all_structures_pulls_the_dense_field_and_nothing_folds(ndim):
    pair, placement, _ = make_pair(ndim)
    fixed = placement.grid.index_to_physical(np.array([[8.0, 27.0, 7.0]])[:, :ndim])
    pairs = LandmarkPairs(fixed, fixed + [2.0, -1.5, 1.0][:ndim], ())
    start, ends = SpatialTransform(np.eye(ndim + 1)), []
    for weight in (0.0, 1.0):
        given = dataclasses.replace(pair, extra=(lambda box, w=weight: LandmarkTerm(box, pairs, w),), include=fixed)
        found = dense_stage(given, placement, start, DenseOptions("maps")).transform
        field = torch.as_tensor(np.asarray(found.residual.vectors))[None] / 2.0  # voxels of 2 mm
        assert float(smallest_determinants(field).min()) > 0
        ends.append(pairs.errors(found).mean())
    assert ends[0] > 2.3 and ends[1] < 0.7


def test_a_stage_that_leaves_the_landmarks_farther_apart_is_no_better_for_its_agreement():
    def stage(agreement, mm):
        return Stage("", 0.0, 0.0, agreement, 0, (), None, landmark_mm=mm)

    stages = [stage(0.9, 5.0), stage(0.8, 1.0)]
    assert best_stage(stages) == 0 and best_stage(stages, landmarks_pull=True) == 1
    assert best_stage([stage(0.9, 0.5), stages[1]], landmarks_pull=True) == 0


@pytest.mark.parametrize("weight", [-1.0, float("nan"), 1e9, True, "1"])
def test_a_weight_that_means_nothing_is_refused(weight):
    with pytest.raises(InputError, match="landmark_weight"):
        RegisterOptions(landmark_weight=weight).check()


def test_landmarks_cannot_pull_where_nothing_is_refined():
    with pytest.raises(InputError, match="pull only while"):
        RegisterOptions(landmark_weight=1.0, refine="none").check()
