import dataclasses

import numpy as np
import pytest
import torch
from builders import blob_volume, make_grid
from ISTNRegistrationLib.core.checkpoint import Checkpoint
from ISTNRegistrationLib.core.config import Channel
from ISTNRegistrationLib.core.istn import ISTN
from ISTNRegistrationLib.core.mirror import mirror_averaged, trained_on_mirrors
from ISTNRegistrationLib.core.options import RegisterOptions
from ISTNRegistrationLib.core.register import register_pair
from ISTNRegistrationLib.core.request import Request, Side
from ISTNRegistrationLib.data.run import Runner
from networks import config, model


class Stub(torch.nn.Module):
    """An ITN that knows the side: channel 0 sees the first half of the columns, channel 1 the second, twice."""

    def forward(self, x):
        half = x.shape[-1] // 2
        left, right = torch.zeros_like(x), torch.zeros_like(x)
        left[..., :half] = x[..., :half]
        right[..., half:] = 2 * x[..., half:]
        return torch.cat([left, right], dim=1)


@pytest.mark.parametrize("ndim", [2, 3])
def test_left_and_right_change_places_in_the_mirror(ndim):
    chosen = dataclasses.replace(config(ndim), channels=(Channel("left eye", (1,)), Channel("right eye", (2,))))
    model = ISTN(chosen)
    model.itn = Stub()
    images = torch.rand(2, 1, *model.grid.shape)
    maps, half = mirror_averaged(model, images), images.shape[-1] // 2
    assert torch.allclose(maps[:, 0, ..., :half], 1.5 * images[:, 0, ..., :half])  # (1 + 2) / 2
    assert torch.allclose(maps[:, 1, ..., half:], 1.5 * images[:, 0, ..., half:])
    assert float(maps[:, 0, ..., half:].abs().max()) == 0


def test_an_odd_channel_stays_itself():
    model = ISTN(config(3, channels=2)).eval()
    images = torch.rand(1, 1, *model.grid.shape)
    there = mirror_averaged(model, images)
    assert torch.allclose(mirror_averaged(model, images.flip(-1)).flip(-1), there, atol=1e-6)


@pytest.mark.parametrize(("card", "expected"), [({}, False), ({"augment": {"mirror": True}}, True)])
def test_the_card_tells(card, expected):
    assert trained_on_mirrors(card) is expected


@pytest.mark.parametrize(("transform", "mirror", "averaged"), [
    ("dense", True, True), ("dense", False, False), ("bspline", True, False),
])  # fmt: skip
def test_a_dense_transform_averages_both_maps_where_the_itn_was_trained_on_mirrors(transform, mirror, averaged):
    net = model(3, method="istn-e", size=(28, 24, 26)).requires_grad_(False)
    checkpoint = Checkpoint(net, net.config, {"augment": {"mirror": mirror}}, "test", "0" * 64)
    images = [blob_volume(make_grid(3), seed=seed) for seed in (1, 2)]
    seen = []
    net.itn.register_forward_pre_hook(lambda _itn, given: seen.append(given[0].clone()))
    result = register_pair(*images, checkpoint, RegisterOptions(transform, initial="none", iterations=1))
    looks = seen[:2]  # the mirror images come after both
    see = (lambda image: mirror_averaged(net, image)) if averaged else net.maps
    assert len(seen) == (4 if averaged else 2)
    for image, found in zip(looks, (result.fixed_map, result.moving_map), strict=True):
        np.testing.assert_allclose(found.channels, see(image)[0], atol=1e-6)


def test_a_fixed_image_that_was_seen_for_a_bspline_is_seen_again_for_dense():
    net = model(3, method="istn-e", size=(28, 24, 26)).requires_grad_(False)
    checkpoint = Checkpoint(net, net.config, {"augment": {"mirror": True}}, "test", "0" * 64)
    fixed, moving = (Side(blob_volume(make_grid(3), seed=seed)) for seed in (1, 2))
    runner = Runner()
    for transform in ("bspline", "dense"):
        last = runner.run(Request(fixed, moving, checkpoint, RegisterOptions(transform, iterations=1)))
    alone = Runner().run(Request(fixed, moving, checkpoint, RegisterOptions("dense", iterations=1)))
    np.testing.assert_array_equal(last.result.fixed_map.array, alone.result.fixed_map.array)
