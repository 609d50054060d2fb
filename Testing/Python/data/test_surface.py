import time

import numpy as np
import pytest
from ISTNRegistrationLib.data.surface import surface_distance
from scipy import ndimage


def by_scipy(first, second, spacing):
    """The same two numbers with scipy's erosion and exact distance transform."""
    surfaces = [
        mask & ~ndimage.binary_erosion(mask, ndimage.generate_binary_structure(mask.ndim, 1))
        for mask in (first, second)
    ]
    maps = [ndimage.distance_transform_edt(~surface, sampling=spacing[::-1]) for surface in surfaces]
    there, back = maps[1][surfaces[0]], maps[0][surfaces[1]]
    pooled = np.concatenate([there, back])
    return pooled.mean(), max(np.percentile(there, 95), np.percentile(back, 95))


def ball(radius, center, size=64, ndim=3):
    index = np.stack(np.meshgrid(*[np.arange(size)] * ndim, indexing="ij"), -1)
    return ((index - np.asarray(center[:ndim])) ** 2).sum(-1) <= radius**2


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.7, 1.1, 2.5)])
@pytest.mark.parametrize("ndim", [2, 3])
def test_random_shapes_agree_with_scipy(ndim, spacing):
    rng = np.random.default_rng(ndim)
    for _ in range(5):
        masks = [ndimage.gaussian_filter(rng.normal(size=(30, 25, 20)[:ndim]), 2) > 0.02 for _ in range(2)]
        got = surface_distance(*masks, spacing[:ndim])
        assert np.allclose([got.average, got.hd95], by_scipy(*masks, spacing[:ndim]), atol=1e-5)


def test_a_cube_shifted_by_a_voxel_is_a_third_of_a_voxel_away():
    cube = np.zeros((30, 30, 30), dtype=bool)
    cube[10:20, 10:20, 10:20] = True
    got = surface_distance(cube, np.roll(cube, 1, axis=2), (2.0, 2.0, 2.0))
    assert got.average / 2.0 == pytest.approx(0.33, abs=0.03)
    assert got.hd95 == 2.0


@pytest.mark.parametrize(("inner", "outer"), [(10, 14), (15, 22)])
@pytest.mark.parametrize("ndim", [2, 3])
def test_concentric_balls_are_the_difference_of_their_radii_apart(ndim, inner, outer):
    got = surface_distance(ball(inner, (32, 32, 32), ndim=ndim), ball(outer, (32, 32, 32), ndim=ndim), (1.5,) * ndim)
    assert got.average == pytest.approx(1.5 * (outer - inner), abs=0.5)  # a third of a voxel: balls are made of cubes
    assert got.hd95 == pytest.approx(1.5 * (outer - inner), abs=1.0)


def test_equal_masks_have_distance_zero_and_order_does_not_matter():
    first, second = ball(10, (30, 31, 32)), ball(8, (33, 31, 29))
    assert surface_distance(first, first, (1, 2, 3)) == surface_distance(second, second, (1, 1, 1))
    assert surface_distance(first, first, (1, 2, 3)).average == 0.0
    assert surface_distance(first, second, (1, 2, 3)) == surface_distance(second, first, (1, 2, 3))


def test_a_mask_at_the_border_of_the_image_ends_there():
    full = np.ones((8, 8, 8), dtype=bool)
    inner = np.zeros_like(full)
    inner[1:-1, 1:-1, 1:-1] = True
    got = surface_distance(full, inner, (1.0, 1.0, 1.0))
    assert np.allclose([got.average, got.hd95], by_scipy(np.pad(full, 2), np.pad(inner, 2), (1, 1, 1)), atol=1e-6)


@pytest.mark.parametrize("empty", [0, 1])
def test_an_empty_mask_has_no_distance(empty):
    masks = [ball(5, (32, 32, 32)), ball(5, (32, 32, 32))]
    masks[empty] = np.zeros_like(masks[empty])
    got = surface_distance(*masks, (1, 1, 1))
    assert np.isnan(got.average) and np.isnan(got.hd95)


def test_small_structures_in_a_large_image_are_quick():
    masks = [ball(6, (100, 100, 100), 200), ball(7, (101, 100, 100), 200)]
    start = time.perf_counter()
    surface_distance(*masks, (1, 1, 1))
    assert time.perf_counter() - start < 1.0
