"""The pose from where the structures are: known rotations, missing and misplaced structures, mirrors, whole images."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from builders import rotation
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.grid import Grid, apply_matrix
from ISTNRegistrationLib.core.pose import (
    Constellation,
    constellation,
    fit,
    from_card,
    locate,
    mean_constellation,
    quarter_turns,
    to_card,
)
from ISTNRegistrationLib.core.volume import Volume

# pairs left and right of a plane, and two in it: as sub-cortical structures lie
POINTS = {
    3: np.array(
        [[s * x, y, z] for x, y, z in ((11, 8, 3), (14, -13, 9), (26, -3, 0), (27, 9, -16)) for s in (1, -1)]
        + [[0.0, 15.0, -32.0], [0.0, -4.0, 12.0]]
    ),
    2: np.array([[11.0, 3.0], [-11.0, 3.0], [26.0, -9.0], [-26.0, -9.0], [0.0, 15.0], [4.0, -20.0]]),
}


def known(ndim, seed=0, degrees=90.0, shift=150.0):
    """A rigid matrix: turned about a random axis (in 2-D about z), shifted."""
    rng = np.random.default_rng(seed)
    matrix = np.eye(ndim + 1)
    matrix[:-1, :-1] = rotation(2, degrees) if ndim == 2 else about(rng.standard_normal(3), degrees)
    matrix[:-1, -1] = rng.uniform(-shift, shift, ndim)
    return matrix


def about(axis, degrees):
    """Rodrigues' formula: a way to a rotation that the fit does not know."""
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.deg2rad(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def stars(ndim, points=None, weights=None):
    points = POINTS[ndim] if points is None else points
    return Constellation(points, np.ones(len(points)) if weights is None else weights)


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


def test_quarter_turns_are_all_rotations_of_axes():
    for ndim, count in ((2, 4), (3, 24)):
        turns = quarter_turns(ndim)
        assert len({tuple(turn.ravel()) for turn in turns}) == count
        assert all(np.linalg.det(turn) == pytest.approx(1) for turn in turns)
        assert np.array_equal(turns[0], np.eye(ndim)) and np.trace(turns[-1]) == pytest.approx(-1 if ndim == 3 else -2)


LARGE = {ndim: 2 * points for ndim, points in POINTS.items()}  # so that the structures are many voxels wide


class Oracle:
    """Stands in for a network: a structure's map is where the image has the structure's own intensity.

    With ``upright_only`` it finds a structure only near its place in the canonical pose, as a trained network does.
    """

    def __init__(self, ndim, upright_only):
        self.grid = Grid.centered((0.0,) * ndim, (38, 38, 38)[:ndim], (6.0,) * ndim)
        self.config, self.cube = SimpleNamespace(normalization="none"), torch.zeros(1)
        self.upright_only, self.points = upright_only, LARGE[ndim]

    def maps(self, image):
        shades = torch.arange(1, len(self.points) + 1) / (len(self.points) + 1)
        shades = shades.reshape(1, -1, *[1] * (image.ndim - 2))
        maps = (1 - (image - shades).abs() * 2 * len(self.points)).clamp(0, 1)
        pool = torch.nn.functional.max_pool2d if image.ndim == 4 else torch.nn.functional.max_pool3d
        maps = -pool(-maps, 3, 1, 1)  # on its way to the background, a shade passes all darker ones
        if self.upright_only:
            near = [np.linalg.norm(self.grid.points() - point, axis=-1) < 35 for point in self.points]
            maps = maps * torch.from_numpy(np.array(near))[None]
        return maps


def picture(ndim, matrix, half=-np.inf):
    """An image in which the structures are cubes of 32 mm of their own shade, carried by ``matrix``."""
    grid = Grid.centered(matrix[:-1, -1] + 20.0, (56, 52, 60)[:ndim], (5.0,) * ndim)
    local = apply_matrix(np.linalg.inv(matrix), grid.points())
    array = np.zeros(grid.shape, np.float32)
    for number, point in enumerate(LARGE[ndim], start=1):
        array[(np.abs(local - point) < 16).all(axis=-1) & (local[..., 0] >= half)] = number / (len(LARGE[ndim]) + 1)
    return Volume(array, grid, "head")


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("degrees", [20, 90])
@pytest.mark.parametrize("upright_only", [False, True])
def test_a_turned_and_shifted_image_is_found(ndim, degrees, upright_only):
    """A network that knows upright heads alone looks along other axes by itself."""
    matrix = known(ndim, 5, degrees)
    if upright_only and degrees == 90:
        matrix[:-1, :-1] = quarter_turns(ndim)[-1]
    found = locate(picture(ndim, matrix), Oracle(ndim, upright_only), stars(ndim, LARGE[ndim]))
    expected, where = (apply_matrix(m, LARGE[ndim]) for m in (matrix, found.pose))
    assert np.linalg.norm(expected - where, axis=1).max() < 5.0
    assert found.score > 0.5 and not found.fit.mirrored


def test_half_a_head_is_found_and_says_so():
    matrix = known(3, 5, 15)
    found = locate(picture(3, matrix, half=-12.0), Oracle(3, False), stars(3, LARGE[3]))
    assert np.linalg.norm(apply_matrix(matrix, LARGE[3]) - apply_matrix(found.pose, LARGE[3]), axis=1).max() < 8.0
    whole = locate(picture(3, matrix), Oracle(3, False), stars(3, LARGE[3]))
    assert 0.3 < found.score < whole.score - 0.15 and (found.seen.weights == 0).sum() >= 3


def test_an_image_without_structures_is_an_error():
    empty = Volume(np.zeros((20, 20, 20), np.float32), Grid.centered((0.0,) * 3, (20,) * 3, (4.0,) * 3), "bench")
    with pytest.raises(InputError, match="Image 'bench': its pose is not found"):
        locate(empty, Oracle(3, False), stars(3, LARGE[3]))
