"""A registration goes on from where it stands: what counts, in which direction, and what stays as it was."""

import dataclasses

import numpy as np
import pytest
import torch
from ISTNRegistrationLib.core.again import again
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.istn import ISTN, identity
from ISTNRegistrationLib.core.landmarks import LandmarkPairs
from ISTNRegistrationLib.core.options import RegisterOptions
from ISTNRegistrationLib.core.placement import Placement
from ISTNRegistrationLib.core.preprocess import Prepared
from ISTNRegistrationLib.core.refine import Objective, Pair, State, refine, refine_on
from ISTNRegistrationLib.core.refine_image import ImageLoss
from ISTNRegistrationLib.core.register import register_maps
from ISTNRegistrationLib.core.stages import Beside, best_stage
from ISTNRegistrationLib.core.trust import Expectation, Expected
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.core.weighting import weighted
from networks import blobs, model

SHIFTS = (4.0, -3.0)  # mm along every axis: where each structure of the moving image lies


def apart(net, shifts=SHIFTS):
    """Maps whose structures lie apart by different shifts, so that each asks for its own translation."""
    return torch.cat([blobs(net, shift)[:, k : k + 1] for k, shift in enumerate(shifts)], dim=1)


def picture(net, shift=0.0):
    """An image of many blobs, moved by ``shift`` mm along every axis, (1, 1, *shape)."""
    return sum(blobs(net, shift, seed)[:, :1] * weight for seed, weight in ((5, 1.0), (6, 0.6), (7, -0.5), (8, 0.8)))


def registered(net, moving, beside=None, **options):
    placement = Placement(net.grid, np.eye(net.config.ndim + 1))
    options = RegisterOptions(**{"transform": "affine", "iterations": 60, "device": "cpu", **options})
    return register_maps(net, (moving, blobs(net)), placement, options, None, beside)


def moves(result, net):
    """By how many mm the transform carries the middle of each structure of the fixed image, mean over the axes."""
    points, axes = net.grid.points(), tuple(range(net.config.ndim))
    for values in blobs(net)[0].numpy():
        middle = np.stack([np.average(points[..., k], axis=axes, weights=values) for k in axes])
        yield float((result.transform.map_points(middle) - middle).mean())


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("counting", [0, 1])
def test_only_the_structure_that_counts_is_followed_and_in_its_own_direction(ndim, counting):
    net, off = model(ndim), {f"s{1 - counting}": 0}
    first = registered(net, apart(net), transform="bspline", iterations=3)
    result = again(first, dataclasses.replace(first.options, structure_weights=off), None, 60)
    anew = registered(net, apart(net), structure_weights=off)
    for found in (result, anew):
        assert list(moves(found, net))[counting] == pytest.approx(SHIFTS[counting], abs=0.7)
    assert abs(list(moves(first, net))[counting] - SHIFTS[counting]) > 1


@pytest.mark.parametrize("transform", ["affine", "bspline"])
def test_a_map_that_does_not_count_changes_no_bit_whatever_it_shows(transform):
    net = model(3)
    junk = torch.rand(blobs(net)[:, 1:].shape, generator=torch.Generator().manual_seed(1))
    found = []
    for other in (None, junk):
        maps = [blobs(net, shift).clone() for shift in (4.0, 0.0)]
        if other is not None:
            maps[0][:, 1:], maps[1][:, 1:] = other, other.flip(2)
        options = RegisterOptions(structure_weights={"s1": 0.0})
        pair = weighted(Pair(net, transform, *maps, identity(net)), None, options, ())
        start = 0.1 * torch.ones_like(pair.predict())
        found.append(refine_on(pair, start, 6, lambda *_: None))
    assert torch.equal(found[0].theta, found[1].theta) and found[0].losses == found[1].losses
    assert found[0].losses[-1] < found[0].losses[0]


def test_the_dense_stage_follows_the_structures_that_count_alone():
    net = model(2)
    volumes = [Volume(picture(net, s)[0, 0].numpy(), net.grid, "image") for s in (0.0, 0.0)]
    beside = Beside((Prepared(volumes[0]), Prepared(volumes[1])))
    settings = {"transform": "dense", "keep_best": False, "iterations": 1, "image_share": 0.0}
    first = registered(net, apart(net, (3.0, -3.0)), beside, **settings)
    for counting, sign in ((0, 1), (1, -1)):
        options = dataclasses.replace(first.options, structure_weights={f"s{1 - counting}": 0})
        result = again(first, options, None, 20)
        before, after = (list(moves(r, net))[counting] for r in (first, result))
        assert sign * (after - before) > 0.7 and result.stages[-1].folded == 0
        assert len(result.stages[-1].losses) == 21


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_slider_goes_from_what_the_maps_say_to_what_the_images_say(ndim):
    """The maps of the moving image lie 3 mm on one side, the image itself 3 mm on the other."""
    net = model(ndim)
    beside = Beside(seen=(picture(net, -3.0), picture(net)))
    first = registered(net, blobs(net, 3.0), beside)
    assert list(moves(first, net)) == pytest.approx([3.0, 3.0], abs=0.4)
    found = [registered(net, blobs(net, 3.0), beside, image_share=share) for share in (0.0, 1.0)]
    assert list(moves(found[0], net)) == list(moves(first, net))
    assert list(moves(found[1], net)) == pytest.approx([-3.0, -3.0], abs=0.6)
    back = again(found[1], dataclasses.replace(first.options, image_share=0.0), None, 40)
    assert list(moves(back, net)) == pytest.approx([3.0, 3.0], abs=1.0)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("transform", ["affine", "bspline"])
def test_the_image_term_s_derivative_is_that_of_its_value(ndim, transform):
    net = model(ndim)
    pair = Pair(net, transform, blobs(net, 2.0), blobs(net), identity(net))
    term = ImageLoss(net, (picture(net, 2.0), picture(net)), pair.fixed_map, 0.5)
    generator = torch.Generator().manual_seed(2)
    theta = (0.05 * torch.randn(pair.predict().shape, generator=generator)).requires_grad_(True)
    (gradient,) = torch.autograd.grad(term(*pair.parts(theta)), theta)
    step = gradient / gradient.abs().max() * 0.004
    values = [float(term(*pair.parts(theta.detach() + sign * step))) for sign in (-0.5, 0.5)]
    assert values[1] - values[0] == pytest.approx(float((gradient * step).sum()), rel=0.1)
    assert 0 < values[0] < 0.5  # half of 1 - LNCC


def test_shares_add_up():
    net, seen = model(2), (picture(model(2), 2.0), picture(model(2)))
    pair = Pair(net, "affine", blobs(net, 2.0), blobs(net), identity(net))
    theta = torch.full_like(pair.predict(), 0.05)
    values = []
    for share in (0.0, 0.25, 1.0):
        given = weighted(pair, seen, RegisterOptions(image_share=share), ())
        values.append((float(Objective(given)(theta)), given.loss(theta)))
    for none, some, all_ in zip(*values, strict=True):
        assert some == pytest.approx(0.75 * none + 0.25 * all_, rel=1e-4) and none != pytest.approx(all_)


def test_it_goes_on_without_the_itn_and_leaves_the_first_answer_as_it_was(monkeypatch):
    net = model(3)
    first = registered(net, blobs(net, 3.0), transform="bspline", iterations=4)
    before = first.transform.displacement(net.grid).copy()
    monkeypatch.setattr(ISTN, "maps", lambda *_: 1 / 0)
    monkeypatch.setattr(ISTN, "theta", lambda *_: 1 / 0)
    options = dataclasses.replace(first.options, structure_weights={"s0": 2.0})
    second = again(first, options, None)
    third = again(second, options, None)
    assert [s.name for s in second.stages] == [s.name for s in third.stages] == ["initial", first.kept, "adjusted"]
    assert second.stages[1] is third.stages[1] and second.kept == third.kept == "adjusted"
    assert third.fixed_map is first.fixed_map and third.moving_map is first.moving_map
    np.testing.assert_array_equal(first.transform.displacement(net.grid), before)
    losses = [r.standing.state.pair.loss(r.standing.state.theta) for r in (second, third)]
    assert losses[1] <= losses[0] < second.standing.state.pair.loss(first.standing.state.theta)
    np.testing.assert_allclose(
        second.warped_map.channels, net.warp(blobs(net, 3.0), *second.standing.state.parts())[0].detach(), atol=1e-6
    )


def test_a_few_careful_steps_help_where_the_usual_ones_lead_away():
    net = model(3)
    pair = Pair(net, "affine", blobs(net, 3.0), blobs(net), identity(net))
    near = refine(pair, pair.predict(), "theta", 100, lambda *_: None).theta
    other = dataclasses.replace(pair, moving_map=apart(net, (3.0, 3.6)))
    usual, careful = (
        other.loss(how.theta)
        for how in (refine(other, near, "theta", 8, lambda *_: None), refine_on(other, near, 8, lambda *_: None))
    )
    assert careful < 0.9 * other.loss(near) and careful < usual


def test_where_nothing_helped_it_begins_with_the_first_transform():
    net = model(3)
    first = registered(net, blobs(net, 2.0), transform="bspline", iterations=2)
    pair = dataclasses.replace(first.standing.state.pair, transform="", linear=identity(net))
    kept = dataclasses.replace(first, kept="initial", standing=dataclasses.replace(first.standing, state=State(pair)))
    result = again(kept, first.options, None, 40)
    assert result.transform.residual is None and [s.name for s in result.stages] == ["initial", "adjusted"]
    assert list(moves(result, net)) == pytest.approx([2.0, 2.0], abs=0.5)


def test_landmarks_pull_the_way_they_were_dragged():
    net = model(3)
    first = registered(net, blobs(net), transform="bspline", iterations=3)
    point = np.array([[3.0, -4.0, 5.0]])
    dragged = point + [[0.0, 5.0, -2.0]]
    told = LandmarkPairs(point, dragged, ("A",))
    quick, long = (again(first, dataclasses.replace(first.options, landmark_weight=5.0), told, n) for n in (None, 60))
    moved = (quick.transform.map_points(point) - point)[0]
    assert 2.5 < moved[1] < 6 and -3 < moved[2] < -1 and abs(moved[0]) < 0.7
    assert long.transform.map_points(point) == pytest.approx(dragged, abs=0.6)
    assert long.stages[-1].landmark_mm < quick.stages[-1].landmark_mm < 2.5


def test_earlier_stages_are_better_only_in_structures_that_count():
    def stage(*dice):
        each = tuple(Expected(str(k), value, 0.0, 1.0) for k, value in enumerate(dice))
        return dataclasses.replace(first.stages[0], expected=Expectation(Expected("", np.mean(dice), 0, 1), each))

    first = registered(model(2), blobs(model(2)), iterations=0)
    stages = [stage(0.9, 0.2), stage(0.4, 0.5)]
    assert best_stage(stages) == best_stage(stages, counts=torch.tensor([1.0, 0.0])) == 0
    assert best_stage(stages, counts=torch.tensor([0.0, 2.0])) == 1
    told = [dataclasses.replace(first.stages[0], overlaps=np.array(values)) for values in ((0.9, 0.2), (0.4, 0.5))]
    assert [best_stage(told, counts=torch.tensor(c)) for c in ([1.0, 0.0], [0.0, 2.0])] == [0, 1]


def test_what_cannot_be_used_is_said():
    net = model(2)
    first = registered(net, blobs(net), iterations=0)
    for options, words in (
        ({"structure_weights": {"s7": 1}}, "no such structure. Expected s0, s1; got 's7'"),
        ({"structure_weights": {"s0": 0, "s1": 0}}, "no structure counts"),
        ({"structure_weights": {"s0": -1}}, "each with a number from 0"),
        ({"structure_weights": {"s0": float("nan")}}, "each with a number from 0"),
        ({"structure_weights": ["s0"]}, "each with a number from 0"),
        ({"image_share": 1.5}, "Option 'image_share'.*0 to 1; got 1.5"),
        ({"image_share": True}, "Option 'image_share'"),
        ({"image_share": 0.5}, "only maps are known"),
    ):
        with pytest.raises(InputError, match=words):
            again(first, dataclasses.replace(first.options, **options), None)
    with pytest.raises(InputError, match="nothing is known to go on from"):
        again(dataclasses.replace(first, standing=None), first.options, None)
