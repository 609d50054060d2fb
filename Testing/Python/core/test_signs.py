"""Signs, axes and orders that a network could learn around: each of these one-line faults once went unnoticed."""

import numpy as np
import pytest
import torch
from builders import brains, crop
from ISTNRegistrationLib.core import train
from ISTNRegistrationLib.core.augment import Mirror
from ISTNRegistrationLib.core.checkpoint import load_checkpoint
from ISTNRegistrationLib.core.config import Channel
from ISTNRegistrationLib.core.layers import average_pool
from ISTNRegistrationLib.core.options import RegisterOptions
from ISTNRegistrationLib.core.register import register_pair
from ISTNRegistrationLib.core.stn import FEATURE_STRIDE, control_point_positions, force_features
from ISTNRegistrationLib.core.train import TrainConfig, Trainer
from ISTNRegistrationLib.core.warp import sample
from networks import model


def blob(shape, middle):
    """A Gaussian at index ``middle`` (x, y[, z]) of an array ``shape``, (1, 1, *shape)."""
    index = np.indices(shape)[::-1]
    square = sum(((i - m) / 4.0) ** 2 for i, m in zip(index, middle, strict=True))
    return torch.as_tensor(np.exp(-square), dtype=torch.float32)[None, None]


@pytest.mark.parametrize(("ndim", "axis"), [(2, 0), (2, 1), (3, 0), (3, 1), (3, 2)])
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_demons_force_points_along_the_axis_and_to_the_side_where_the_structure_lies_in_m(ndim, axis, side):
    """M'(x + u) = F'(x): where the structure lies further along an axis in M', u is positive along that axis."""
    shape, middle = (40, 32, 24)[-ndim:], np.array([11.0, 18.0, 21.0])[:ndim]
    moved = middle.copy()
    moved[axis] += 3.0 * side
    forces = force_features(blob(shape, moved), blob(shape, middle))[0]
    for first in range(0, 4 * ndim, ndim):  # two scales, smoothed or not
        sums = forces[first : first + ndim].flatten(1).sum(dim=1)
        assert sums[axis] * side > 5 * sums.abs().sum() / 6


@pytest.mark.parametrize("ndim", [2, 3])
def test_features_are_read_where_the_control_points_are(ndim):
    net = model(ndim, size=(32, 24, 28)[:ndim])
    where = control_point_positions(net.grid, net.lattice)
    points = net.grid.points().astype(np.float32)
    ramps = torch.as_tensor(np.moveaxis(points, -1, 0).copy())[None]  # each channel is one coordinate, mm
    read = sample(average_pool(ramps, FEATURE_STRIDE), where, padding="border")[0].numpy()
    inner = (slice(3, -3),) * ndim
    control = np.moveaxis(net.lattice.points()[inner], -1, 0)
    inside = (np.abs(where[0].numpy()) < 1).all(axis=-1)
    assert inside.sum() >= 2**ndim
    np.testing.assert_allclose(read[:, inside], control[:, inside], atol=1e-3)


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_mirror_swaps_left_and_right_and_nothing_else(ndim):
    image = torch.arange(float(np.prod((4, 5, 6)[-ndim:]))).reshape(1, 1, *(4, 5, 6)[-ndim:])
    channels = tuple(Channel(name, (1,)) for name in ("left a", "right a", "middle"))
    soi = torch.cat([image, image + 1000, image + 2000], dim=1)
    always = type("Always", (), {"random": lambda self: 0.0})()
    flipped, structures = Mirror(True, channels)(image, soi, always)
    assert torch.equal(flipped, image[..., torch.arange(5, -1, -1)])  # the last array axis is x: left to right in LPS
    assert torch.equal(structures[:, 0], flipped[:, 0] + 1000) and torch.equal(structures[:, 2], flipped[:, 0] + 2000)


def test_the_last_transform_chooses_the_best_weights(monkeypatch):
    trainer = Trainer(model(2), TrainConfig(steps=2, validate_every=1))
    found = [{"val/affine": 0.9, "val/bspline": 0.1}, {"val/affine": 0.1, "val/bspline": 0.9}]
    monkeypatch.setattr(train, "validation_scores", lambda *_: found[trainer.step - 1])
    source = type("OnePair", (), {"validation_pairs": lambda self: [{}]})()
    for trainer.step in (1, 2):
        trainer._validate(source, None)
    assert (trainer.best_step, trainer.best_score) == (2, 0.9)


def learning_rates(**changes):
    trainer = Trainer(model(2), TrainConfig(steps=100, warmup_steps=10, learning_rate=1.0, **changes))
    rates = []
    for trainer.step in range(100):
        trainer._set_learning_rate()
        rates.append(trainer.optimizer.param_groups[0]["lr"])
    return rates


def test_a_constant_learning_rate_warms_up_and_stays():
    assert learning_rates(schedule="constant") == pytest.approx([0.1 * (k + 1) for k in range(10)] + [1.0] * 90)


def test_the_learning_rate_warms_up_and_ends_near_zero():
    rates = learning_rates()
    assert rates[0] == pytest.approx(0.1) and rates[4] == pytest.approx(0.5, abs=0.01)
    assert np.argmax(rates) == 9 and rates[50] == pytest.approx(0.5) and rates[-1] < 1e-3


GOLDEN = {
    "brain": (brains, (-18.0, 12.0, -9.0), (0.8065, 0.8289, 0.9075), (-19.018, 10.018, -7.315)),
    "hippocampus": (
        lambda: [crop((0.0, 0.0, 0.0)), crop((3.0, -2.0, 1.5))],
        (5.0, -14.0, 8.0),
        (0.1949, 0.3531, 0.5585),
        (8.209, -14.059, 9.371),
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_one_pass_of_a_shipped_checkpoint_gives_the_numbers_that_it_gave_when_it_was_shipped(name):
    """Anything that changes what the networks see or how their answer is read changes these, and must be meant."""
    images, point, agreements, mapped = GOLDEN[name]
    options = RegisterOptions("bspline", refine="none", keep_best=False, device="cpu")
    result = register_pair(*images(), load_checkpoint(name), options)
    np.testing.assert_allclose([stage.agreement for stage in result.stages], agreements, atol=2e-3)
    np.testing.assert_allclose(result.transform.map_points(np.array(point)), mapped, atol=1e-2)
