import pytest
import torch
from ISTNRegistrationLib.core.istn import identity
from ISTNRegistrationLib.core.losses import cross_entropy, pyramid_mse, training_losses, weighted_mse
from networks import blobs, model


def batch_for(net, shift=4.0):
    moving_soi, fixed_soi = blobs(net, shift), blobs(net)
    if net.itn is None:
        moving_soi, fixed_soi = (torch.cat([soi, 0.5 * soi], dim=1) for soi in (moving_soi, fixed_soi))
    moving, fixed = moving_soi[:, :1] + 0.1, fixed_soi[:, :1] + 0.1
    return {"moving": moving, "fixed": fixed, "moving_soi": moving_soi, "fixed_soi": fixed_soi}


@pytest.mark.parametrize("ndim", [2, 3])
def test_untrained_losses_are_the_papers_at_the_identity(ndim):
    """Every head starts at the identity, so each term is a plain MSE of things that we can compute by hand."""
    mse = torch.nn.functional.mse_loss
    for method in ("stn-u", "stn-s", "istn-e", "istn-i"):
        net = model(ndim, method=method)
        batch = batch_for(net)
        terms = training_losses(net, batch)
        supervised = mse(batch["moving_soi"], batch["fixed_soi"])
        moving_map, fixed_map = net.maps(batch["moving"]), net.maps(batch["fixed"])
        explicit = implicit = torch.zeros(())
        if net.itn is not None:
            explicit = mse(moving_map, batch["moving_soi"]) + mse(fixed_map, batch["fixed_soi"])
            implicit = mse(moving_map, batch["fixed_soi"]) + mse(batch["moving_soi"], fixed_map)
        expected = {
            "stn-u": {"u": mse(batch["moving"], batch["fixed"])},
            "stn-s": {"s": supervised},
            "istn-e": {"s": supervised},
            "istn-i": {"s": supervised, "i": implicit},
        }[method]
        if method == "istn-e":
            assert torch.allclose(terms.pop("itn"), explicit, rtol=1e-3)
        assert set(terms) == {f"{t}/{name}" for t in net.stns for name in expected}
        for key, value in terms.items():
            assert torch.allclose(value, expected[key.split("/")[1]], rtol=1e-3, atol=1e-6), (method, key)


def test_gradients_reach_every_network_after_the_heads_have_moved():
    net = model(method="istn-i")
    with torch.no_grad():
        for stn in net.stns.values():
            stn.head.weight.normal_(0, 0.01)
    sum(training_losses(net, batch_for(net)).values()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.itn.parameters())
    assert all(p.grad is not None for p in net.stns.parameters())


def test_weights_choose_the_channels():
    first, second = torch.zeros(1, 2, 4, 4), torch.stack([torch.ones(4, 4), 2 * torch.ones(4, 4)])[None]
    assert weighted_mse(first, second, torch.tensor([2.0, 0.0])) == 1.0
    assert weighted_mse(first, second, torch.ones(2)) == torch.nn.functional.mse_loss(first, second)


def test_pyramid_prefers_a_structure_that_comes_nearer_to_one_that_vanishes():
    def square(x):
        image = torch.zeros(1, 1, 32, 32)
        image[..., 12:16, x : x + 4] = 1.0
        return image

    fixed, far, near, gone, weights = square(4), square(16), square(9), torch.zeros(1, 1, 32, 32), torch.ones(1)
    assert weighted_mse(gone, fixed, weights) < weighted_mse(near, fixed, weights)  # the trap
    levels = (4, 8)
    assert pyramid_mse(near, fixed, weights, levels) < pyramid_mse(far, fixed, weights, levels)
    assert pyramid_mse(fixed, fixed, weights, levels) == 0
    assert pyramid_mse(near, fixed, weights) == weighted_mse(near, fixed, weights)


def test_identity_has_the_models_device_and_dimension():
    assert identity(model(2), 3).shape == (3, 3, 3)


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_cross_entropy_is_torch_s_and_weighs_channels(ndim):
    torch.manual_seed(0)
    maps, soi = torch.rand(2, 3, *[5] * ndim), torch.rand(2, 3, *[5] * ndim).round()
    maps[0, 0, 0] = 0.0
    soi[0, 0, 0] = 0.0
    single = [torch.nn.functional.binary_cross_entropy(maps[:, c], soi[:, c]) for c in range(3)]
    weights = torch.tensor([1.0, 2.0, 0.0])
    expected = (single[0] + 2 * single[1]) / 3
    torch.testing.assert_close(cross_entropy(maps, soi, weights), expected, rtol=1e-4, atol=1e-5)


def test_a_structure_that_is_not_seen_at_all_has_a_slope_in_the_cross_entropy_only():
    logits = torch.full((1, 1, 4, 4), -9.0, requires_grad=True)
    soi, slopes = torch.ones(1, 1, 4, 4), {}
    for loss in (weighted_mse, cross_entropy):
        (slope,) = torch.autograd.grad(loss(torch.sigmoid(logits), soi, torch.ones(1)), logits)
        slopes[loss] = float(-slope.sum())
    assert slopes[cross_entropy] > 0.9 and slopes[weighted_mse] < 1e-3


def test_the_itn_s_loss_is_the_one_that_is_asked_for():
    net = model(2, method="istn-e")
    batch = batch_for(net)
    maps = net.maps(torch.cat([batch["moving"], batch["fixed"]]))
    soi = torch.cat([batch["moving_soi"], batch["fixed_soi"]])
    found = training_losses(net, batch, with_stn=False, itn_loss="cross_entropy")
    torch.testing.assert_close(found["itn"], 2 * cross_entropy(maps, soi, net.channel_weights))
