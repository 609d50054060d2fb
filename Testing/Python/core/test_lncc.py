import numpy as np
import pytest
import torch
from ISTNRegistrationLib.core.lncc import NOISE, LocalCorrelation, box_sums
from scipy.ndimage import gaussian_filter, uniform_filter

SHAPES = {2: (14, 17), 3: (9, 12, 10)}


def image(ndim, seed):
    noise = np.random.default_rng(seed).normal(size=SHAPES[ndim])
    smooth = gaussian_filter(noise, 1.2)
    return torch.as_tensor((smooth - smooth.min()) / np.ptp(smooth))[None, None]


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("radius", [1, 2])
def test_box_sums_are_scipys(ndim, radius):
    values, width = image(ndim, 0), 2 * radius + 1
    expected = uniform_filter(values[0, 0].numpy(), width, mode="constant") * width**ndim
    assert np.allclose(box_sums(values, radius)[0, 0], expected)


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_value_is_the_squared_correlation_of_each_window(ndim):
    fixed, moving = image(ndim, 1), image(ndim, 2)
    mask = torch.zeros_like(fixed)
    places = [(4, 6, 5)[:ndim], (5, 3, 6)[:ndim]]
    expected = []
    for place in places:
        mask[(0, 0, *place)] = 1
        window = tuple(slice(p - 2, p + 3) for p in place)
        a, b = (i[(0, 0, *window)].numpy().ravel() for i in (fixed, moving))
        covariance = np.mean((a - a.mean()) * (b - b.mean()))
        expected.append(covariance**2 / ((a.var() + NOISE**2) * (b.var() + NOISE**2)))
    assert LocalCorrelation(fixed, mask, 2)(moving)[0] == pytest.approx(np.mean(expected))


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_derivative_is_that_of_finite_differences(ndim):
    fixed, moving = image(ndim, 1), image(ndim, 2)
    mask = (image(ndim, 3) > 0.5).double()
    correlation = LocalCorrelation(fixed, mask, 1)
    derivative = correlation(moving)[1]
    for place in np.random.default_rng(0).integers(0, SHAPES[ndim], (12, ndim)):
        nudge = torch.zeros_like(moving)
        nudge[(0, 0, *place)] = 1e-5
        slope = (correlation(moving + nudge)[0] - correlation(moving - nudge)[0]) / 2e-5
        assert float(derivative[(0, 0, *place)]) == pytest.approx(slope, rel=1e-4, abs=1e-8)


def test_another_contrast_counts_as_much_and_flat_windows_count_nothing():
    fixed = image(3, 1)
    mask = torch.zeros_like(fixed)
    mask[..., 2:-2, 2:-2, 2:-2] = 1  # beyond the border there are zeros
    assert LocalCorrelation(fixed, mask, 2)(0.9 - 0.5 * fixed)[0] > 0.98
    assert LocalCorrelation(fixed, mask, 2)(torch.full_like(fixed, 0.3))[0] < 1e-6
