"""Bias, resolution, range, field of view, curves: what each does, and that none of them moves anything."""

import numpy as np
import pytest
import torch
from ISTNRegistrationLib.core.paint import at_resolution, cut, recolored, stretched, with_bias

SHAPES = {2: (31, 41), 3: (21, 31, 41)}
PLACE = {2: (11, 27), 3: (6, 11, 27)}  # array order, off-center


def spot(ndim, sigma=2.0):
    axes = torch.meshgrid(*(torch.arange(n, dtype=torch.float32) for n in SHAPES[ndim]), indexing="ij")
    squared = sum((axis - place) ** 2 for axis, place in zip(axes, PLACE[ndim], strict=True))
    return torch.exp(-0.5 * squared / sigma**2)[None, None]


def moments(image):
    """Centroid and standard deviation along each axis of the array."""
    axes = torch.meshgrid(*(torch.arange(n, dtype=torch.float32) for n in image.shape[2:]), indexing="ij")
    mean = [float((image[0, 0] * axis).sum() / image.sum()) for axis in axes]
    return mean, [
        float((image[0, 0] * (axis - m) ** 2).sum() / image.sum()) ** 0.5 for axis, m in zip(axes, mean, strict=True)
    ]


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("axis", [0, 1])
def test_thick_slices_blur_their_axis_alone_and_move_nothing(ndim, axis):
    widths = [4.0 if a == axis else 0.5 for a in range(ndim)]
    place, width = moments(at_resolution(spot(ndim), widths))
    np.testing.assert_allclose(place, PLACE[ndim], atol=0.15)
    assert width[axis] > 2.4
    assert all(w == pytest.approx(2.0, abs=0.05) for a, w in enumerate(width) if a != axis)


def test_voxels_as_fine_as_the_grid_leave_the_image_alone():
    assert torch.equal(at_resolution(spot(3), [1.0, 0.3, 0.0]), spot(3))


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_bias_is_smooth_positive_and_as_strong_as_said(ndim):
    even = torch.ones(1, 1, *SHAPES[ndim])
    fields = [with_bias(even, 0.5, np.random.default_rng(seed)) for seed in range(30)]
    for field in fields:
        assert field.min() > 0
        assert all(field.log().diff(dim=axis).abs().max() < 0.5 for axis in range(2, 2 + ndim))
    corners = torch.stack([field.flatten()[0].log() for field in fields])
    assert 0.3 < corners.std() < 0.7
    assert torch.equal(with_bias(even, 0.0, np.random.default_rng(0)), even)


def test_a_stretched_image_has_the_range_that_registration_would_give_it():
    rng = np.random.default_rng(0)
    image = torch.zeros(1, 1, 40, 50)
    image[..., 10:30, 20:45] = torch.from_numpy(rng.uniform(30, 80, (20, 25)).astype(np.float32))
    for scale, shift in ((1.0, 0.0), (0.01, 5.0)):
        found = stretched(image * scale + shift)
        assert found[0, 0, 0, 0] == 0 and found.max() == 1
        assert float(found[..., 10:30, 20:45].mean()) == pytest.approx(55 / 80, abs=0.03)


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_cut_darkens_one_side_to_the_edge_and_no_more_than_its_share(ndim):
    even, sides = torch.ones(1, 1, *SHAPES[ndim]), set()
    for seed in range(40):
        kept = cut(even, 0.25, np.random.default_rng(seed))[0, 0]
        assert kept.mean() >= 0.75 - 0.05
        lost = [(axis, end) for axis in range(ndim) for end in (0, -1) if kept.select(axis, end).max() == 0]
        assert len(lost) == (0 if kept.all() else 1)
        sides |= set(lost)
    assert len(sides) == 2 * ndim


def test_a_curve_keeps_edges_and_background_and_need_not_be_monotone():
    ramp = torch.linspace(0, 1, 101)[None, None, None]
    curves = [recolored(ramp, np.random.default_rng(seed)).flatten() for seed in range(30)]
    assert all(curve[0] == 0 and 0 <= curve.min() and curve.max() <= 1 for curve in curves)
    rises = [bool((curve[1:].diff() >= 0).all()) for curve in curves]
    falls = [bool((curve[1:].diff() <= 0).all()) for curve in curves]
    assert any(rises) or any(falls)
    assert sum(not (r or f) for r, f in zip(rises, falls, strict=True)) > 10
    assert all(curve[1:].diff().abs().max() < 0.1 for curve in curves)
