"""The pose from where the structures are: known rotations, missing and misplaced structures, mirrors."""

import numpy as np
import pytest
import torch
from constellations import POINTS, known, stars
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.grid import Grid, apply_matrix
from ISTNRegistrationLib.core.pose import (
    Constellation,
    constellation,
    fit,
    from_card,
    mean_constellation,
    to_card,
)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("degrees", [0, 30, 45, 90, 180])
def test_a_known_pose_is_found_exactly(ndim, degrees):
    for seed in range(6):
        matrix = known(ndim, seed, degrees)
        found = fit(stars(ndim), stars(ndim, apply_matrix(matrix, POINTS[ndim])))
        np.testing.assert_allclose(found.matrix, matrix, atol=1e-9)
        assert not found.mirrored and np.allclose(found.trust, 1) and np.allclose(found.residuals, 0, atol=1e-9)


@pytest.mark.parametrize("ndim", [2, 3])
def test_missing_structures_and_a_third_in_the_wrong_place_do_not_matter(ndim):
    for seed in range(6):
        matrix, rng = known(ndim, seed), np.random.default_rng(seed)
        points, weights = apply_matrix(matrix, POINTS[ndim]), np.ones(len(POINTS[ndim]))
        points = points + rng.normal(0, 0.5, points.shape)
        weights[0], points[0] = 0.0, 1e4
        wrong = [1, 4] if ndim == 3 else [3]
        points[wrong] += 60.0
        found = fit(stars(ndim), stars(ndim, points, weights))
        errors = np.linalg.norm(apply_matrix(found.matrix, POINTS[ndim]) - apply_matrix(matrix, POINTS[ndim]), axis=1)
        assert errors.max() < 2.5
        assert np.isnan(found.residuals[0]) and found.trust[0] == 0 and np.all(found.trust[wrong] == 0)
        assert found.residuals[wrong[0]] > 50


@pytest.mark.parametrize("ndim", [2, 3])
def test_only_one_side_is_seen_and_the_pose_is_found(ndim):
    matrix, weights = known(ndim, 2), np.ones(len(POINTS[ndim]))
    weights[1:-2:2] = 0
    found = fit(stars(ndim), stars(ndim, apply_matrix(matrix, POINTS[ndim]), weights))
    np.testing.assert_allclose(found.matrix, matrix, atol=1e-8)


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_mirrored_constellation_is_named_and_the_matrix_stays_a_rotation(ndim):
    for axis in range(ndim):
        mirror = np.eye(ndim + 1)
        mirror[axis, axis] = -1
        for seed in range(3):
            points = apply_matrix(known(ndim, seed) @ mirror, POINTS[ndim])
            found = fit(stars(ndim), stars(ndim, points + np.random.default_rng(seed).normal(0, 0.5, points.shape)))
            assert found.mirrored
            assert np.linalg.det(found.matrix) == pytest.approx(1)


def test_people_differ_without_being_mirrored():
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(0, 2.5, POINTS[3].shape)
        assert not fit(stars(3), stars(3, apply_matrix(known(3, seed), POINTS[3] + noise))).mirrored


@pytest.mark.parametrize("ndim", [2, 3])
def test_too_few_structures_are_an_error_that_says_how_many(ndim):
    weights = np.zeros(len(POINTS[ndim]))
    weights[: ndim - 1] = 1
    with pytest.raises(InputError, match=f"too few structures are seen. Expected {ndim} or more .*; got {ndim - 1}"):
        fit(stars(ndim), stars(ndim, weights=weights))


@pytest.mark.parametrize("ndim", [2, 3])
def test_an_affine_fit_finds_stretch_and_is_held_where_the_points_say_nothing(ndim):
    stretch = np.eye(ndim + 1)
    stretch[0, 0], stretch[1, 1], stretch[0, 1] = 1.2, 0.9, 0.1
    matrix = known(ndim, 1, 40) @ stretch
    target = stars(ndim, apply_matrix(matrix, POINTS[ndim]))
    rigid, affine = (np.linalg.norm(fit(stars(ndim), target, affine=a).residuals) for a in (False, True))
    assert affine < 0.4 * rigid
    flat = POINTS[ndim] * ([1.0] * (ndim - 1) + [0.0])
    turned = known(ndim, 1, 40)
    held = fit(stars(ndim, flat), stars(ndim, apply_matrix(turned, flat)), affine=True).matrix
    np.testing.assert_allclose(held, turned, atol=1e-6)


def test_the_mean_constellation_has_the_people_s_shape_and_their_mean_pose():
    turned = [known(3, 1, degrees, shift=0.0) for degrees in (-20, 20, 0, 0)]
    people = [stars(3, apply_matrix(matrix, POINTS[3]) + [8.0, 0, 0]) for matrix in turned]
    people[1] = Constellation(
        people[1].points + np.diag([500.0, 500.0] + [0.0] * 8)[:, :3], np.array([0.0] * 2 + [1.0] * 8)
    )
    mean = mean_constellation(people)
    np.testing.assert_allclose(fit(stars(3), mean).residuals, 0, atol=1e-6)
    np.testing.assert_allclose(mean.points, POINTS[3] + [8.0, 0, 0], atol=3.0)
    np.testing.assert_allclose(mean.weights, [0.75, 0.75] + [1.0] * 8)


def test_a_card_keeps_the_mean_constellation_or_nothing():
    kept = from_card(to_card([stars(3), stars(3)]))
    np.testing.assert_allclose(kept.points, POINTS[3], atol=0.01)
    np.testing.assert_allclose(kept.weights, 1)
    assert to_card([stars(3, POINTS[3][:2])]) == {} and from_card({}) is None


@pytest.mark.parametrize("ndim", [2, 3])
def test_centroids_are_where_the_maps_peak_and_empty_maps_weigh_nothing(ndim):
    grid = Grid.centered((10.0, -20.0, 30.0)[:ndim], (14, 12, 10)[:ndim], (2.0, 3.0, 4.0)[:ndim])
    maps = torch.zeros(1, 3, *grid.shape)
    maps[(0, 0, *(2, 5, 9)[-ndim:])] = 0.8
    maps[(0, 0, *(2, 5, 10)[-ndim:])] = 0.8
    maps[(0, 0, *(1, 1, 1)[-ndim:])] = 0.3  # a weaker spot elsewhere
    maps[(0, 1, *(1, 1, 1)[-ndim:])] = 0.1
    matrix = known(ndim, 4)
    found = constellation(maps, grid, matrix)
    expected = apply_matrix(matrix, grid.index_to_physical(np.array([9.5, 5, 2])[:ndim]))
    np.testing.assert_allclose(found.points[0], expected, atol=1e-4)
    np.testing.assert_allclose(found.weights, [0.8, 0, 0], atol=1e-6)
