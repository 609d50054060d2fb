import copy
import dataclasses

import numpy as np
import pytest
import torch
from ISTNRegistrationLib.core.augment import AugmentConfig, Augmenter
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.losses import training_losses
from ISTNRegistrationLib.core.train import TrainConfig, Trainer
from networks import blobs, model


class BlobPairs:
    """Pairs whose image shows the structure: easy to learn."""

    def __init__(self, net):
        self.net = net

    def random_pair(self, rng, step=0):
        moving, fixed = (blobs(self.net, float(rng.uniform(-4, 4))) for _ in range(2))
        return {"moving": moving[:, :1], "fixed": fixed[:, :1], "moving_soi": moving, "fixed_soi": fixed}

    def describe(self, rng):
        return f"blobs {rng.uniform(-4, 4):.3f}"

    def channel_energies(self):
        return torch.tensor([0.01, 0.02])

    def validation_pairs(self):
        return [self.random_pair(np.random.default_rng(k)) for k in range(2)]


CONFIG = TrainConfig(steps=12, validate_every=6, itn_first_steps=3, warmup_steps=2, precision="float32", pyramid=(2,))


def trained(config=CONFIG, until=None, state=None):
    net = model(2)
    trainer = Trainer(net, config)
    if state is not None:
        trainer.load_state(state)
    losses, states = [], []

    def on_step(trainer, values):
        losses.append(values["loss"])
        if trainer.step == until:
            states.append(copy.deepcopy(trainer.state()))

    trainer.run(BlobPairs(net), on_step)
    return trainer, losses, states


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_training_lowers_the_loss_and_keeps_the_best_weights(precision):
    config = dataclasses.replace(CONFIG, steps=150, learning_rate=1e-2, precision=precision)
    trainer, losses, _ = trained(config)
    assert np.mean(losses[-20:]) < 0.5 * np.mean(losses[3:20])
    assert trainer.history[-1]["val/bspline"] > trainer.history[-1]["val/identity"]
    assert set(trainer.best_weights) == set(trainer.model.state_dict())


@pytest.mark.parametrize("method", ["stn-u", "stn-s", "istn-e", "istn-i"])
@pytest.mark.parametrize("transforms", [("rigid",), ("rigid", "bspline")])
@pytest.mark.parametrize("ndim", [2, 3])
def test_every_method_trains_rigid_transforms_too(method, transforms, ndim):
    net = model(ndim, method=method, transforms=transforms)
    before = [stn.head.weight.detach().clone() for stn in net.stns.values()]
    trainer = Trainer(net, dataclasses.replace(CONFIG, steps=2, itn_first_steps=0, balance_channels=False))
    trainer.run(BlobPairs(net), lambda trainer, values: None)
    after = [stn.head.weight for stn in net.stns.values()]
    assert not any(torch.equal(first, second) for first, second in zip(before, after, strict=True))
    assert all(np.isfinite(value) for value in trainer.history[-1].values())


def test_an_implicit_itn_learns_first_with_the_identity():
    net = model(2, method="istn-i")
    trainer = Trainer(net, dataclasses.replace(CONFIG, steps=2, itn_first_steps=2, validate_every=2))
    trainer.run(BlobPairs(net), lambda trainer, values: None)
    assert set(trainer.history[-1]) >= {"i", "loss"} and "affine/s" not in trainer.history[-1]
    assert all(torch.equal(stn.head.weight, torch.zeros_like(stn.head.weight)) for stn in net.stns.values())


def test_a_resumed_run_ends_like_an_uninterrupted_one(tmp_path):
    whole, losses, states = trained(until=6)
    torch.save(states[0], tmp_path / "state.pt")
    resumed, rest, _ = trained(state=torch.load(tmp_path / "state.pt", weights_only=True))
    assert rest == losses[6:]
    weights, again = whole.model.state_dict(), resumed.model.state_dict()
    assert all(torch.equal(weights[key], again[key]) for key in weights)
    assert resumed.history == whole.history


def test_the_average_moves_a_tenth_at_first_and_is_what_is_validated():
    """Averages a_n = k a_(n-1) + (1 - k) w_n with k = min(average, (1 + n) / (10 + n)), a_0 the weights of step 1."""
    config = dataclasses.replace(CONFIG, steps=4, validate_every=4, average=0.25, learning_rate=0.1, warmup_steps=1)
    net, seen = model(2), []
    trainer = Trainer(net, config)
    trainer.run(BlobPairs(net), lambda t, _: seen.append(next(t.model.itn.parameters()).detach().clone()))
    expected = seen[0]
    for count, weights in enumerate(seen[1:], start=1):
        kept = min(0.25, (1 + count) / (10 + count))
        expected = kept * expected + (1 - kept) * weights
    averaged = next(trainer.result.itn.parameters())
    torch.testing.assert_close(averaged.detach(), expected)
    assert trainer.result is not net and torch.equal(trainer.result.channel_weights, net.channel_weights)
    assert torch.equal(trainer.best_weights["itn." + next(iter(dict(net.itn.named_parameters())))], averaged)


def test_the_cross_entropy_begins_with_the_structures_frequencies_unless_weights_were_trained():
    config = dataclasses.replace(CONFIG, steps=1, itn_loss="cross_entropy", learning_rate=1e-9)
    net = model(2)
    Trainer(net, config).run(BlobPairs(net), lambda *_: None)
    torch.testing.assert_close(torch.sigmoid(net.itn.out.bias), BlobPairs(net).channel_energies(), rtol=1e-3, atol=1e-5)
    with torch.no_grad():
        net.itn.out.bias.fill_(0.5)
    Trainer(net, config).run(BlobPairs(net), lambda *_: None)
    assert net.itn.out.bias.detach() == pytest.approx(0.5, abs=1e-4)


def test_the_cross_entropy_needs_maps_between_0_and_1():
    net = model(2, method="stn-s")
    with pytest.raises(InputError, match="'training.itn_loss': it does not fit the networks"):
        Trainer(net, dataclasses.replace(CONFIG, itn_loss="cross_entropy")).run(BlobPairs(net), lambda *_: None)


def test_stns_wait_until_the_itn_sees_structures():
    trainer, _, _ = trained(dataclasses.replace(CONFIG, steps=3, itn_first_steps=3, validate_every=3))
    assert all(torch.equal(stn.head.weight, torch.zeros_like(stn.head.weight)) for stn in trainer.model.stns.values())


def test_a_loss_that_is_not_finite_stops_with_the_step_and_the_pairs_named():
    net = model(2)
    source = BlobPairs(net)
    good = source.random_pair
    source.random_pair = lambda rng, step: {k: v * float("nan") for k, v in good(rng).items()}
    drawn = np.random.default_rng([CONFIG.seed, 0, 0]).uniform(-4, 4)
    with pytest.raises(InputError, match=f"step 0.*not finite.*blobs {drawn:.3f}"):
        Trainer(net, CONFIG).run(source, lambda trainer, values: None)


def test_a_pyramid_larger_than_the_grid_is_named():
    with pytest.raises(InputError, match="training.pyramid.*up to 20.*got 32"):
        trained(dataclasses.replace(CONFIG, pyramid=(4, 32)))


def test_two_samples_have_the_mean_of_their_losses():
    net = model(2)
    first, second = (BlobPairs(net).random_pair(np.random.default_rng(k)) for k in (1, 2))
    both = {key: torch.cat([first[key], second[key]]) for key in first}
    alone = [training_losses(net, batch, True, (2,)) for batch in (first, second)]
    for key, value in training_losses(net, both, True, (2,)).items():
        assert torch.allclose(value, (alone[0][key] + alone[1][key]) / 2, rtol=1e-5)


def test_validation_measures_surfaces_when_it_is_told_how():
    net = model(2)
    trainer = Trainer(net, dataclasses.replace(CONFIG, steps=1))
    trainer.run(
        BlobPairs(net), lambda trainer, values: None, distance=lambda first, second: float((first ^ second).sum())
    )
    pairs = BlobPairs(net).validation_pairs()
    masks = [[pair[f"{role}_soi"][0] > 0.5 for role in ("moving", "fixed")] for pair in pairs]
    expected = np.mean([(moving ^ fixed).sum() / len(moving) for moving, fixed in masks])
    assert trainer.history[0]["val/identity_asd"] == pytest.approx(expected)


def test_bfloat16_is_chosen_only_where_the_processor_multiplies_it(monkeypatch):
    for native in (False, True):
        for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
            monkeypatch.setattr(torch.cpu, name, lambda native=native: native, raising=False)
        assert Trainer(model(2), dataclasses.replace(CONFIG, precision="auto")).bfloat16 is native
    assert Trainer(model(2), dataclasses.replace(CONFIG, precision="float32")).bfloat16 is False


def test_a_structure_that_no_scan_has_is_named():
    net = model(2)
    source = BlobPairs(net)
    source.channel_energies = lambda: torch.tensor([0.01, 0.0])
    with pytest.raises(InputError, match="no training scan.*s1"):
        Trainer(net, CONFIG).run(source, lambda trainer, values: None)


NUMBERS = [{"steps": 0}, {"batch_size": 0}, {"validate_every": 0}, {"seed": -1}, {"pyramid": (0,)}]
NUMBERS += [{"average": 1.0}, {"itn_loss": "dice"}, {"schedule": "step"}]


@pytest.mark.parametrize("keys", NUMBERS)
def test_numbers_that_no_training_can_use_are_named(keys):
    with pytest.raises(InputError, match=next(iter(keys))):
        TrainConfig(**keys)


@pytest.mark.parametrize("ndim", [2, 3])
def test_augmentation_moves_image_and_map_alike_and_repeats_with_its_seed(ndim):
    source = Grid.centered((0.0,) * ndim, (30, 28, 26)[:ndim], (2.0,) * ndim)
    target = Grid.centered((0.0,) * ndim, (16, 14, 12)[:ndim], (2.0,) * ndim)
    image = torch.rand(1, 1, *source.shape).round()
    config = AugmentConfig(mirror=True, gamma=0, noise=0, bias=0)
    augmenter = Augmenter(config, source, target)
    (view, soi), (again, _) = (augmenter(image, image, np.random.default_rng(3)) for _ in range(2))
    assert view.shape == (1, 1, *target.shape)
    assert torch.allclose(view, soi, atol=1e-6) and torch.equal(view, again)
    plain, _ = augmenter(image, image, np.random.default_rng(3), plain=True)
    crop = tuple(slice((s - t) // 2, (s - t) // 2 + t) for s, t in zip(source.shape, target.shape, strict=True))
    assert torch.allclose(plain[0, 0], image[0, 0][crop], atol=1e-4)
    assert not torch.allclose(view, plain)
