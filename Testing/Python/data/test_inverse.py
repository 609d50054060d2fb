"""Inverses, against the transforms that they invert."""

import builders
import numpy as np
import pytest
import SimpleITK as sitk
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.data.inverse import inverse, mapped, solve
from ISTNRegistrationLib.data.mapping import field_image, leaves, map_points
from ISTNRegistrationLib.data.transforms import to_sitk_transform

FOUND_MM = 3e-4


def dense(transform, grid):
    """The same mapping as one field of the total displacement."""
    return sitk.DisplacementFieldTransform(field_image(transform.displacement(grid), grid))


def compression(factor, size=21):
    """A field that squeezes everything towards an off-center point, n-D = 2."""
    grid = Grid.centered((3.0, -4.0), (size, size), (2.0, 2.0))
    return sitk.DisplacementFieldTransform(field_image((factor - 1) * (grid.points() - (5.0, 1.0)), grid)), grid


@pytest.mark.parametrize(("ndim", "orientation"), builders.CASES, ids=builders.CASE_IDS)
def test_points_come_back_through_affine_and_bspline(ndim, orientation):
    grid = builders.make_grid(ndim, orientation)
    transform = to_sitk_transform(builders.random_transform(grid))
    points = np.concatenate([builders.points_inside(grid), builders.points_inside(grid) + 40])
    found = solve(transform, map_points(transform, points))
    assert np.abs(found.points - points).max() < FOUND_MM
    assert found.error.max() < FOUND_MM and not found.beyond.any()


@pytest.mark.parametrize(("ndim", "orientation"), builders.CASES, ids=builders.CASE_IDS)
def test_points_come_back_through_a_field_that_moves_them_far_away(ndim, orientation):
    grid = builders.make_grid(ndim, orientation)
    far = sitk.TranslationTransform(ndim, (300.0, -200.0, 100.0)[:ndim])
    field = dense(builders.random_transform(grid), grid)
    shifted = sitk.GetArrayFromImage(field.GetDisplacementField()) + far.GetOffset()
    total = sitk.DisplacementFieldTransform(field_image(shifted, grid))
    points = builders.points_inside(grid)
    found = solve(total, map_points(total, points))
    assert np.abs(found.points - points).max() < FOUND_MM


@pytest.mark.parametrize("factor", [0.1, 0.5, 3.0])
def test_strong_compression_and_expansion_are_inverted(factor):
    field, grid = compression(factor)
    points = builders.points_inside(grid)
    assert np.abs(solve(field, map_points(field, points)).points - points).max() < FOUND_MM / factor


def test_a_fold_shows_in_the_error():
    grid = Grid.centered((0.0, 0.0), (41, 41), (1.0, 1.0))
    points = grid.points()
    u = np.zeros_like(points)
    u[..., 0] = np.abs(points[..., 0]) - points[..., 0]  # both halves land on x > 0: nothing lands on x < 0
    found = solve(sitk.DisplacementFieldTransform(field_image(u, grid)), [[-5.0, 3.0], [5.0, 3.0]])
    assert found.error[0] > 1.0 and found.error[1] < FOUND_MM


def test_beyond_a_field_the_nearest_displacement_holds_and_it_is_said():
    grid = Grid.centered((0.0, 0.0), (11, 11), (1.0, 1.0))
    field = sitk.DisplacementFieldTransform(field_image(np.full((11, 11, 2), (3.0, -1.0)), grid))
    found = solve(field, [[0.0, 0.0], [30.0, 2.0]])
    assert np.allclose(found.points, [[-3.0, 1.0], [27.0, 3.0]], atol=FOUND_MM)
    there = mapped(field, found.points)
    assert np.allclose(there.points, [[0.0, 0.0], [30.0, 2.0]], atol=FOUND_MM)
    assert found.beyond.tolist() == there.beyond.tolist() == [False, True]


@pytest.mark.parametrize(("ndim", "orientation"), builders.CASES, ids=builders.CASE_IDS)
@pytest.mark.parametrize("kind", ["bspline", "field", "linear"])
def test_the_inverse_transform_takes_points_back_and_knows_its_error(ndim, orientation, kind):
    grid = builders.make_grid(ndim, orientation)
    ours = builders.random_transform(grid, bspline=kind != "linear")
    transform = dense(ours, grid) if kind == "field" else to_sitk_transform(ours)
    result = inverse(transform, grid)
    points = builders.points_inside(grid, seed=5)
    error = np.linalg.norm(map_points(result.transform, map_points(transform, points)) - points, axis=1)
    assert error.max() < 0.3 * min(grid.spacing)
    assert 0.5 * result.mean <= error.mean() <= 2 * result.mean or error.max() < 1e-9
    assert error.max() <= 1.5 * result.largest or error.max() < 1e-9


def test_smaller_voxels_make_a_better_inverse():
    grid = builders.make_grid(2)
    fine, coarse = (Grid.centered(grid.center, (int(28 / h) + 1,) * 2, (h, h)) for h in (1.0, 4.0))
    transform = to_sitk_transform(builders.random_transform(grid))  # control points every 6 mm
    assert inverse(transform, fine).mean < inverse(transform, coarse).mean / 4
    spacing = leaves(inverse(transform, fine).transform)[0].GetDisplacementField().GetSpacing()
    assert np.allclose(spacing, 1.2)


def test_the_inverse_of_a_composite_is_linear_part_then_field():
    transform = to_sitk_transform(builders.random_transform(builders.make_grid()))
    kinds = [type(part) for part in leaves(inverse(transform, builders.make_grid()).transform)]
    assert kinds == [sitk.DisplacementFieldTransform, sitk.AffineTransform]


def foreign_bspline(order=3):
    """A B-spline of another program: it does not fade to 0 at its border, where ITK jumps to 0."""
    bspline = sitk.BSplineTransform(2, order)
    bspline.SetTransformDomainMeshSize((4, 4))
    bspline.SetTransformDomainPhysicalDimensions((40.0, 40.0))
    half = bspline.GetNumberOfParameters() // 2
    bspline.SetParameters([3.0] * half + [-1.0] * half)
    return bspline


@pytest.mark.parametrize("order", [2, 3])
def test_the_rim_of_a_foreign_bspline_is_beyond_its_domain_and_its_border_is_not(order):
    bspline, steps = foreign_bspline(order), np.array([-2.0, -0.2, 0.2, 20.0, 39.8, 40.2, 42.0])
    points = np.stack([steps, np.full(7, 15.0)], axis=1)
    outside = [True, True, False, False, False, True, True]
    found = mapped(bspline, points)
    assert np.allclose(found.points, points + (3.0, -1.0)) and found.beyond.tolist() == outside
    back = solve(bspline, points + (3.0, -1.0))
    assert np.abs(back.points - points).max() < FOUND_MM and back.beyond.tolist() == outside
    assert np.allclose(map_points(bspline, points[2:5]), points[2:5] + (3.0, -1.0))
    assert np.allclose(map_points(bspline, points[[1, 5]]), points[[1, 5]])


@pytest.mark.parametrize("degrees", [90.0, 150.0])
def test_a_field_that_turns_all_is_inverted_within_its_domain(degrees):
    """Newton's method that began at the targets would find what only the continuation beyond the field maps there."""
    grid = Grid.centered((5.0, -3.0), (21, 21), (2.0, 2.0))
    turn = builders.rotation(2, degrees)
    there = (grid.points() - grid.center) @ turn.T + grid.center + (120.0, -60.0)
    field = sitk.DisplacementFieldTransform(field_image(there - grid.points(), grid))
    points = builders.points_inside(grid)
    found = solve(field, map_points(field, points))
    assert np.abs(found.points - points).max() < FOUND_MM and not found.beyond.any()
