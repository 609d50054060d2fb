"""Corrected structures take the place of the right channel, drawn as in training, and of nothing else."""

import dataclasses
import functools

import numpy as np
import pytest
import torch
from builders import blob_volume, make_grid, rotation
from command import small_config
from ISTNRegistrationLib.core.checkpoint import Checkpoint
from ISTNRegistrationLib.core.config import Channel
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.istn import ISTN
from ISTNRegistrationLib.core.options import RegisterOptions
from ISTNRegistrationLib.core.soi import Structures
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data.run import Request, Runner, Side
from ISTNRegistrationLib.data.structures import draw

CHANNELS = (Channel("Putamen", (1, 4)), Channel("caudate", (2,)), Channel("rim", (3,), "distance", 4.0))


def checkpoint(ndim, channels=CHANNELS, method="istn-e"):
    torch.manual_seed(0)
    config = small_config(ndim, channels=channels, method=method)
    net = ISTN(config).eval()
    if net.itn is not None:
        with torch.no_grad():
            net.itn.out.bias.zero_()
            net.itn.out.weight.mul_(8)
    return Checkpoint(net, config, {}, "test", "0" * 64)


@functools.cache
def images(ndim):
    return tuple(blob_volume(make_grid(ndim, center=(5.0 + k, -3.0, 2.0)), seed=3) for k in (0, 2))


def segmentation(ndim, values=(1, 2, 3, 4)):
    """Off-center, asymmetric boxes of the labels on a finer, turned grid."""
    grid = Grid.centered((6.0, -2.0, 1.0)[:ndim], [40] * ndim, [0.9] * ndim, rotation(ndim, 20.0))
    array = np.zeros(grid.shape, np.int16)
    for k, value in enumerate(values):
        array[(..., slice(8 + 3 * k, 14 + 3 * k), slice(6 + 6 * k, 12 + 6 * k))] = value
    array[: 40 // 4] = 0
    return Volume(array, grid, "corrected")


def run(ndim, fixed=None, moving=None, runner=None, **options):
    a, b = images(ndim)
    options = RegisterOptions(**{"iterations": 2, "device": "cpu", "initial": "none", **options})
    sides = Side(a, corrected=fixed), Side(b, corrected=moving)
    return (runner or Runner()).run(Request(*sides, CHECKPOINTS[ndim], options))


CHECKPOINTS = {ndim: checkpoint(ndim) for ndim in (2, 3)}


@pytest.mark.parametrize("ndim", [2, 3])
def test_each_channel_is_what_training_draws_of_it_and_the_others_are_the_networks(ndim):
    labels = segmentation(ndim, (1, 3, 4))
    start = np.eye(ndim + 1)
    start[:ndim, :ndim], start[:ndim, ndim] = rotation(ndim, 9.0), (2.0, -1.5, 1.0)[:ndim]
    plain, changed = run(ndim, initial=start), run(ndim, labels, labels, initial=start)
    for name in ("fixed_map", "moving_map"):
        before, after = (getattr(outcome.result, name) for outcome in (plain, changed))
        drawn = draw(Structures("", labels=labels), CHANNELS, after.grid)[0].numpy()
        np.testing.assert_array_equal(after.array[1], before.array[1])
        np.testing.assert_allclose(after.array[[0, 2]], drawn[[0, 2]], atol=2e-5)
        assert np.abs(after.array - before.array)[[0, 2]].max() > 0.3 and drawn[0].max() > 0.99


def test_the_registration_follows_what_was_corrected():
    labels = segmentation(3)
    shift = np.eye(4)
    shift[:3, 3] = 3.0, -2.0, 1.0
    there = dataclasses.replace(labels, grid=labels.grid.moved(shift))
    linear = run(3, labels, there, iterations=80).result.transform.linear
    middle = labels.grid.center
    np.testing.assert_allclose(linear[:3, :3] @ middle + linear[:3, 3] - middle, shift[:3, 3], atol=0.25)


def test_one_side_alone_and_a_runner_that_forgets():
    runner = Runner()
    plain = run(3, runner=runner)
    before = plain.result.fixed_map.array.copy()
    changed = run(3, fixed=segmentation(3, (2,)), runner=runner)
    again = run(3, runner=runner)
    assert np.array_equal(plain.result.moving_map.array, changed.result.moving_map.array)
    assert not np.array_equal(plain.result.fixed_map.array[1], changed.result.fixed_map.array[1])
    assert np.array_equal(before, again.result.fixed_map.array)


def test_it_is_said_what_was_replaced():
    outcome = run(
        3, fixed=segmentation(3, (2,)), moving={"PUTAMEN ": segmentation(3, (7,)), "3": segmentation(3, (3,))}
    )
    notes = [note for note in outcome.notes if "corrected segmentation" in note]
    assert [note.split(" is the")[0] for note in notes] == [
        "Structure 'caudate' of the fixed image",
        "Structure 'Putamen' of the moving image",
        "Structure 'rim' of the moving image",
    ]
    report = outcome.report()
    assert report["fixed"]["corrected"] == ["2"] and report["moving"]["corrected"] == ["PUTAMEN ", "3"]
    assert not any("corrected" in note for note in run(3).notes)


def empty():
    labels = segmentation(3)
    return Volume(np.zeros_like(labels.array), labels.grid)


FAR = Grid.centered((500.0, 0.0, 0.0), [40] * 3, [0.9] * 3)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"thalamus": segmentation(3)}, "'thalamus' is no structure .* Putamen .1 and 4., caudate .2., rim .3."),
        (segmentation(3, (2, 9)), "'9' is no structure"),
        (segmentation(3, (1, 2)), "a part of 'Putamen' is missing. Expected labels 1 and 4; got 1"),
        ({"caudate": segmentation(3), "2": segmentation(3)}, "structure 'caudate' is there twice"),
        ({"caudate": empty()}, "'caudate' is empty"),
        ({"caudate": Volume(segmentation(3).array, FAR, "caudate")}, "not where the networks look"),
        ({"1": segmentation(3), "4": Volume(segmentation(3).array, FAR)}, "on different grids"),
        ({"caudate": segmentation(2)}, "wrong dimension"),
    ],
)
def test_what_cannot_be_placed_is_refused(given, said):
    for side in ("fixed", "moving"):
        with pytest.raises(InputError, match=said):
            run(3, **{side: given})


def test_a_name_of_two_structures_and_kinds_without_a_mask_are_refused():
    labels = {"caudate": segmentation(3)}
    twice = checkpoint(3, (Channel("caudate", (1,)), Channel("Caudate", (2,))))
    points = checkpoint(3, (Channel("caudate", (), "landmarks"), CHANNELS[0]))
    unseen = checkpoint(3, CHANNELS[1:2], "stn-u")
    for given, said in ((twice, "several structures"), (points, "kind landmarks"), (unseen, "nothing can be replaced")):
        with pytest.raises(InputError, match=said):
            a, b = images(3)
            Runner().run(Request(Side(a, corrected=labels), Side(b), given, RegisterOptions(iterations=1)))


def test_labels_of_a_part_by_part_segmentation_are_one_map():
    labels = segmentation(3, (1, 4))
    parts = {name: dataclasses.replace(labels, array=labels.array == int(name)) for name in ("1", "4")}
    whole = {"putamen": labels}
    maps = [run(3, fixed=given).result.fixed_map.array for given in (labels, parts, whole)]
    assert np.array_equal(maps[0], maps[1]) and np.array_equal(maps[0], maps[2])
