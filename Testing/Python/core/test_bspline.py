import numpy as np
import pytest
import torch
from builders import CASE_IDS, CASES, bspline_field, make_grid
from ISTNRegistrationLib.core.bspline import (
    bases_on_grid,
    bending_energy,
    cubic,
    cubic_first,
    cubic_second,
    expand,
    field_at_points,
    field_on_grid,
    free_shape,
    lattice_for,
    pad_ring,
)
from ISTNRegistrationLib.core.grid import Grid
from scipy.interpolate import BSpline


@pytest.mark.parametrize(("ndim", "orientation"), CASES, ids=CASE_IDS)
def test_separable_and_pointwise_evaluation_agree(ndim, orientation):
    field, grid = bspline_field(make_grid(ndim, orientation)), make_grid(ndim, orientation, size=(31, 27, 23))
    dense = field_on_grid(field.coefficients, field.grid, grid)
    assert np.allclose(dense, field_at_points(field.coefficients, field.grid, grid.points()), atol=1e-9)


@pytest.mark.parametrize("orientation", ["RAS", "LAS", "oblique"])
def test_lattice_and_image_may_have_permuted_or_oblique_axes(orientation):
    field = bspline_field(make_grid(3, "LPS"))
    axes = np.asarray(make_grid(3, orientation).direction)[:, [2, 0, 1]]
    grid = Grid.centered(field.grid.center, (13, 17, 15), (2.0, 1.5, 3.0), axes)
    dense = field_on_grid(field.coefficients, field.grid, grid)
    assert np.allclose(dense, field_at_points(field.coefficients, field.grid, grid.points()), atol=1e-9)


def test_the_basis_is_scipys_cubic_bspline():
    lattice = Grid.centered((0.0, 0.0), (12, 12), (5.0, 5.0))
    coefficients = np.zeros((2, 12, 12))
    coefficients[0, :, 5] = 1.0  # constant along y: a curve along x
    x = np.linspace(-10, 10, 41)
    values = field_at_points(coefficients, lattice, np.stack([x, np.zeros_like(x)], -1))[:, 0]
    oracle = BSpline.basis_element(np.arange(-2, 3) * 5.0 + lattice.index_to_physical([5, 0])[0], extrapolate=False)
    assert np.allclose(values, np.nan_to_num(oracle(x)), atol=1e-12)


@pytest.mark.parametrize("ndim", [2, 3])
def test_field_fades_to_zero_at_the_border_of_its_domain(ndim):
    field = bspline_field(make_grid(ndim))
    border = np.full(ndim, 1.0)
    inside = field.grid.index_to_physical(border + 1e-3)
    assert np.abs(field.displacement(inside)).max() < 1e-6
    assert np.array_equal(field.displacement(field.grid.index_to_physical(border - 0.5)), np.zeros(ndim))


@pytest.mark.parametrize("ndim", [2, 3])
def test_expand_on_the_networks_grid_equals_the_exported_field(ndim):
    grid = make_grid(ndim, "LPS", center=(0.0, 0.0, 0.0))
    lattice = lattice_for(grid, 7.0)
    free = np.random.default_rng(0).normal(size=(ndim, *free_shape(lattice)))
    dense = expand(torch.as_tensor(free)[None], bases_on_grid(lattice, grid, torch.float64))[0].numpy()
    assert np.allclose(dense, field_at_points(pad_ring(free, ndim), lattice, grid.points()), atol=1e-12)


def test_bending_energy_equals_numerical_second_derivatives_at_the_control_points():
    lattice = Grid.centered((0.0, 0.0), (16, 15), (4.0, 4.0))
    free = np.random.default_rng(0).normal(size=(2, *free_shape(lattice)))
    full, h = pad_ring(free, 2), 1e-3
    index = np.stack(np.meshgrid(np.arange(3, 12), np.arange(3, 13), indexing="ij")[::-1], -1)
    knots = lattice.index_to_physical(index.astype(float))

    def u(dx, dy):
        return field_at_points(full, lattice, knots + np.array([dx, dy]))

    xx = (u(h, 0) - 2 * u(0, 0) + u(-h, 0)) / h**2
    yy = (u(0, h) - 2 * u(0, 0) + u(0, -h)) / h**2
    xy = (u(h, h) - u(h, -h) - u(-h, h) + u(-h, -h)) / (4 * h**2)
    expected = (xx**2 + yy**2 + 2 * xy**2).sum(-1).mean()
    assert float(bending_energy(torch.as_tensor(free)[None], 4.0)) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("orientation", ["LPS", "RAS", "oblique"])
def test_control_points_lie_around_the_grids_center_two_more_than_intervals(orientation):
    axes = make_grid(3, orientation).direction
    grid = Grid.centered((11.0, -7.0, 23.0), (20, 17, 15), (2.0, 1.5, 3.0), axes)
    lattice = lattice_for(grid, 7.0)
    assert np.allclose(lattice.center, grid.center) and np.allclose(lattice.direction, grid.direction)
    assert lattice.spacing == (7.0, 7.0, 7.0)
    assert free_shape(lattice) == (9, 6, 8)  # z, y, x: 45, 25.5 and 40 mm are 7, 4 and 6 intervals, and 2
    ends = np.array([grid.index_to_physical(np.full(3, -0.5)), grid.index_to_physical(np.array(grid.size) - 0.5)])
    index = lattice.physical_to_index(ends)
    assert (index > 2).all() and (index < np.array(lattice.size) - 3).all()


@pytest.mark.parametrize("orientation", ["LPS", "RAS"])
def test_a_grid_beyond_the_lattice_has_no_displacement_there(orientation):
    lattice = Grid.centered((3.0, -2.0, 5.0), (9, 10, 8), (4.0, 4.0, 4.0))
    coefficients = np.random.default_rng(0).normal(size=(3, 8, 10, 9))  # up to the border
    grid = Grid.centered((8.0, 2.0, 1.0), (21, 19, 17), (2.5, 2.5, 2.5), make_grid(3, orientation).direction)
    dense = field_on_grid(coefficients, lattice, grid)
    assert np.allclose(dense, field_at_points(coefficients, lattice, grid.points()), atol=1e-9)
    assert (dense == 0).all(axis=-1).mean() > 0.1


@pytest.mark.parametrize(("function", "order"), [(cubic, 0), (cubic_first, 1), (cubic_second, 2)])
def test_the_basis_and_its_derivatives_are_scipys(function, order):
    t = np.linspace(-2.9, 2.9, 59)
    oracle = BSpline.basis_element(np.arange(-2.0, 3.0), extrapolate=False)
    assert np.allclose(function(t), np.nan_to_num(oracle(t, nu=order)), atol=1e-12)
