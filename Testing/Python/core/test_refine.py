import copy
import dataclasses

import pytest
import torch
from ISTNRegistrationLib.core import refine as refining
from ISTNRegistrationLib.core import refine_terms
from ISTNRegistrationLib.core.istn import identity
from ISTNRegistrationLib.core.refine import Objective, Pair, refine
from ISTNRegistrationLib.core.refine_terms import active_voxels
from networks import blobs, model


def pair_for(ndim, transform, shift=4.0):
    net = model(ndim)
    return Pair(net, transform, blobs(net, shift), blobs(net), identity(net))


def ignore(_iteration, _loss, _theta):
    return None


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("transform", ["affine", "bspline"])
@pytest.mark.parametrize("mode", ["weights", "theta"])
def test_refinement_lowers_the_loss_and_leaves_the_model_bit_identical(ndim, transform, mode):
    pair = pair_for(ndim, transform)
    before = copy.deepcopy(pair.model.state_dict())
    start = pair.predict()
    result = refine(pair, start, mode, 40, ignore)
    assert pair.loss(result.theta) < 0.7 * pair.loss(start)
    after = pair.model.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert all(not p.grad_fn and p.grad is None for p in pair.model.parameters())


def test_theta_refinement_recovers_a_known_translation_in_mm():
    pair = pair_for(3, "affine", shift=3.0)
    linear = pair.model.linear(refine(pair, pair.predict(), "theta", 200, ignore).theta)[0]
    moved = linear[:3, :3] @ torch.zeros(3) + linear[:3, 3]
    assert torch.allclose(moved, torch.full((3,), 3.0), atol=0.3)


def test_false_from_the_callback_stops_and_keeps_the_best():
    pair, seen = pair_for(3, "affine"), []

    def stop_at_five(iteration, loss, _theta):
        seen.append(loss)
        return iteration < 5

    result = refine(pair, pair.predict(), "theta", 50, stop_at_five)
    assert len(seen) == 6 and result.losses == tuple(seen)
    assert pair.loss(result.theta) <= pair.loss(pair.predict())


@pytest.mark.parametrize("mode", ["weights", "theta"])
def test_never_ends_worse_than_it_started(monkeypatch, mode):
    monkeypatch.setattr(refining, "LEARNING_RATES", {"weights": 10.0, "theta": 50.0})  # every step is a leap
    pair = pair_for(3, "bspline")
    start = pair.predict()
    assert pair.loss(refine(pair, start, mode, 10, ignore).theta) <= pair.loss(start)


@pytest.mark.parametrize("stop_at", [0, 2, 50])
def test_never_ends_worse_than_the_stns_answer_even_where_bending_counts(stop_at):
    pair = pair_for(3, "bspline")
    bspline = dataclasses.replace(pair.model.config.bspline, bending_weight=30.0)
    pair.model.config = dataclasses.replace(pair.model.config, bspline=bspline)
    answer = refine(pair_for(3, "bspline"), pair.predict(), "theta", 30, ignore).theta  # good, but bent
    result = refine(pair, answer, "theta", 50, lambda iteration, loss, theta: iteration < stop_at)
    assert pair.loss(result.theta) <= pair.loss(answer)


def test_maps_that_are_not_finite_end_where_they_began():
    pair = pair_for(3, "affine")
    broken = dataclasses.replace(pair, moving_map=pair.moving_map * float("nan"))
    assert torch.equal(refine(broken, pair.predict(), "theta", 5, ignore).theta, pair.predict())


def test_stops_early_when_nothing_improves():
    net = model(3)
    pair = Pair(net, "affine", blobs(net), blobs(net), identity(net))  # already aligned
    assert len(refine(pair, pair.predict(), "theta", 500, ignore).losses) <= refining.PATIENCE + 1


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("transform", ["affine", "bspline"])
def test_objective_on_all_voxels_is_the_loss_on_the_grid(monkeypatch, ndim, transform):
    monkeypatch.setattr(refine_terms, "ACTIVE_LEVEL", -1.0)
    pair = pair_for(ndim, transform)
    theta = 0.2 * torch.randn_like(pair.predict())
    assert Objective(pair)(theta).item() == pytest.approx(pair.loss(theta), rel=1e-4)


def test_active_voxels_are_those_near_a_structure():
    maps = torch.zeros(1, 2, 9, 11, 13)
    maps[0, 1, 4, 5, 6] = 1.0
    index = active_voxels(maps, (2.5, 2.5, 5.0))  # reach 5 mm: two voxels in x and y, one in z
    found = torch.stack(torch.unravel_index(index, (9, 11, 13)), -1)
    assert found.min(0).values.tolist() == [3, 3, 4] and found.max(0).values.tolist()[:2] == [5, 7]
    assert len(index) % 2 == 0
