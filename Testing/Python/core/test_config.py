import dataclasses

import pytest
from ISTNRegistrationLib.core.config import ModelConfig, from_dict
from ISTNRegistrationLib.core.errors import InputError
from networks import config


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_configuration_survives_plain_data(ndim):
    original = config(ndim)
    assert from_dict(ModelConfig, dataclasses.asdict(original)) == original


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": "istn-x"}, ["method", "istn-e"]),
        ({"transforms": ["affine", "warp"]}, ["transforms", "bspline"]),
        ({"color": 1}, ["color", "unknown key", "transforms"]),
        ({"grid": {"size": [8, 8], "spacing": [1.0, 1.0], "anchor": "nose"}}, ["grid.anchor", "center_of_mass"]),
        ({"grid": {"size": [8, 8]}}, ["grid.spacing", "missing"]),
        ({"grid": {"size": [8, 16], "spacing": [1.0, 1.0]}}, ["grid.size", "at least 12"]),
        ({"grid": {"size": "8", "spacing": [1.0]}}, ["grid.size", "list"]),
        ({"grid": {"size": [8, 8, 8, 8], "spacing": [1.0] * 4}}, ["2-D nor 3-D"]),
        ({"bspline": {"spacing_mm": "wide"}}, ["bspline.spacing_mm", "float"]),
        ({"net": {"preset": "vgg"}}, ["net.preset", "published"]),
        ({"transforms": ["bspline", "affine"]}, ["transforms", "in this order"]),
        ({"transforms": []}, ["transforms", "one or more"]),
        ({"channels": []}, ["channels", "one or more"]),
        ({"affine": {"scale_ratio": -1.0}}, ["affine.scale_ratio", "1 or more", "-1.0"]),
        ({"bspline": {"spacing_mm": 0.0}}, ["bspline.spacing_mm", "more than 0 mm"]),
        ({"net": {"itn_widths": []}}, ["net.itn_widths", "1 to"]),
        ({"net": {"preset": "published"}}, ["grid.size", "divisible by 4"]),
        ({"channels": [{"name": "a"}]}, ["channels.labels", "empty", "label values"]),
        ({"channels": [{"name": "a", "labels": [1], "kind": "blob"}]}, ["channels.kind", "centerline"]),
        ({"channels": [{"name": "a", "labels": [1], "width_mm": -1.0}]}, ["channels.width_mm", "default"]),
        ({"convention": "old"}, ["convention", "published"]),
    ],
)
def test_a_mistake_is_named_with_its_key_and_what_is_allowed(change, words):
    with pytest.raises(InputError) as caught:
        from_dict(ModelConfig, dataclasses.asdict(config()) | change)
    assert all(word in str(caught.value) for word in words)


def test_whole_numbers_are_good_enough_for_mm():
    data = dataclasses.asdict(config()) | {"bspline": {"spacing_mm": 12}}
    assert from_dict(ModelConfig, data).bspline.spacing_mm == 12.0
