import dataclasses

import pytest
from builders import blob_volume, make_grid
from ISTNRegistrationLib.core import stages
from ISTNRegistrationLib.core.checkpoint import Checkpoint
from ISTNRegistrationLib.core.config import DenseConfig
from ISTNRegistrationLib.core.dense import dense_stage
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.register import RegisterOptions, register_pair
from networks import config, model


@pytest.mark.parametrize(
    ("weight", "share", "expected"),
    [
        (3.0, None, ("auto", 1.0, 3.0)),
        (0.25, None, ("auto", 1.0, 0.25)),
        (0.0, None, ("maps", 1.0, 0.0)),
        (0.25, 0.375, ("maps+image", 0.625, 0.375)),
        (0.25, 0.0, ("maps", 1.0, 0.0)),
    ],
)
def test_a_checkpoint_says_how_much_images_count_in_the_dense_stage_unless_the_user_does(
    weight, share, expected, monkeypatch
):
    net, taken = model(3, method="stn-u", size=(28, 24, 26)), []
    net.config = dataclasses.replace(net.config, dense=DenseConfig(weight))
    monkeypatch.setattr(stages, "dense_stage", lambda *args: taken.append(args[3]) or dense_stage(*args))
    fixed, moving = (blob_volume(make_grid(3), seed=s) for s in (1, 2))
    options = RegisterOptions("dense", iterations=1, image_share=share)
    register_pair(fixed, moving, Checkpoint(net, net.config, {}, "test", "0" * 64), options)
    assert [(t.loss, t.map_weight, t.image_weight) for t in taken] == [expected]


@pytest.mark.parametrize("weight", [-0.1, float("nan"), float("inf")])
def test_a_weight_of_the_images_that_is_no_weight_is_refused(weight):
    with pytest.raises(InputError, match="dense.image_weight"):
        dataclasses.replace(config(), dense=DenseConfig(weight))
