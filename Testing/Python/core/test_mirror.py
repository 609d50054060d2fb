import dataclasses

import pytest
import torch
from ISTNRegistrationLib.core.config import Channel
from ISTNRegistrationLib.core.istn import ISTN
from ISTNRegistrationLib.core.mirror import mirror_averaged, trained_on_mirrors
from networks import config


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
