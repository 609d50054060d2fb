import dataclasses

import numpy as np
import pytest
import torch
from builders import affine_matrix, bspline_field
from deformed import error, make_pair
from ISTNRegistrationLib.core.dense import DenseOptions, choose_terms, dense_stage
from ISTNRegistrationLib.core.dense_box import Box, bounds, detailed
from ISTNRegistrationLib.core.dense_terms import coarser, finer
from ISTNRegistrationLib.core.diffeomorphism import smallest_determinants
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.preprocess import Prepared
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.core.warp import warp_volume


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("loss", ["maps", "maps+image"])
def test_a_known_deformation_is_recovered_after_an_oblique_start(ndim, loss):
    linear = affine_matrix(ndim)
    pair, placement, true = make_pair(ndim, linear)
    start = SpatialTransform(linear)
    result = dense_stage(pair, placement, start, DenseOptions(loss, iterations=30))
    before, after = error(start, true, ndim), error(result.transform, true, ndim)
    assert before > 1.0 and after < 0.55 * before  # what lies along an edge is not seen
    assert result.loss == loss and len(result.losses) == 31 and min(result.losses) < 0.5 * result.losses[0]


def test_the_structures_come_to_lie_on_each_other():
    pair, placement, true = make_pair(3)
    result = dense_stage(pair, placement, SpatialTransform(np.eye(4)), DenseOptions("maps"))
    moving = Volume(pair.moving_map[0].numpy(), placement.grid)
    warped = warp_volume(moving, result.transform, placement.grid).array
    fixed = pair.fixed_map[0].numpy()
    assert ((warped - fixed) ** 2).mean() < 0.1 * ((moving.array - fixed) ** 2).mean()


def test_a_start_with_a_bspline_is_kept_where_nothing_is_shown():
    pair, placement, true = make_pair(3)
    start = SpatialTransform(np.eye(4), bspline_field(placement.grid, seed=8, spacing=12.0, amplitude=2.0))
    result = dense_stage(pair, placement, start, DenseOptions("maps", iterations=3))
    corner = placement.grid.index_to_physical(np.array([[2.0, 3.0, 2.0], [33.0, 29.0, 25.0], [-3.0, 10.0, 30.0]]))
    assert np.allclose(result.transform.map_points(corner), start.map_points(corner), atol=0.15)
    assert np.abs(start.residual.displacement(corner)).max() > 0.5
    assert np.abs(result.transform.residual.vectors[:, [0, -1]]).max() == 0


def test_nothing_folds_even_if_the_steps_are_too_long():
    pair, placement, _ = make_pair(3)
    options = DenseOptions("maps", smooth_force=0.4, smooth_total=0.1, step_mm=4.0, iterations=15)
    result = dense_stage(pair, placement, SpatialTransform(np.eye(4)), options)
    field = torch.as_tensor(result.transform.residual.vectors)[None] / 2.0  # voxels of 2 mm
    assert result.repaired > 0 and float(smallest_determinants(field).min()) > 0


def test_false_stops_and_keeps_the_best_and_a_preview_is_given():
    pair, placement, true = make_pair(2)
    seen = []

    def stop_at_three(iteration, loss, transform):
        seen.append((loss, error(transform(), true, 2)))
        return iteration < 3

    start = SpatialTransform(np.eye(3))
    result = dense_stage(pair, placement, start, DenseOptions("maps", iterations=30), stop_at_three)
    assert result.losses == tuple(loss for loss, _ in seen) and len(seen) == 4
    assert error(result.transform, true, 2) == pytest.approx(min(seen)[1]) and seen[3][1] < seen[0][1]


def test_it_never_ends_worse_than_it_started():
    pair, placement, _ = make_pair(2)
    perfect = dataclasses.replace(pair, moving_map=pair.fixed_map)
    result = dense_stage(perfect, placement, SpatialTransform(np.eye(3)), DenseOptions("maps"))
    assert np.abs(result.transform.residual.vectors).max() < 1e-3


@pytest.mark.parametrize("ndim", [2, 3])
def test_images_are_used_only_where_they_show_the_same(ndim):
    start = SpatialTransform(np.eye(ndim + 1))
    pair, placement, _ = make_pair(ndim)
    inverted = make_pair(ndim, contrast=lambda image: 200 - image)[0]
    noise = make_pair(ndim, contrast=lambda image: np.random.default_rng(0).normal(size=image.shape))[0]
    chosen = [
        choose_terms(Box(p, placement.grid, placement.initial, start), DenseOptions())[1]
        for p in (pair, inverted, noise)
    ]
    assert chosen == ["maps+image", "maps+image", "maps"]


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_force_is_nearly_the_derivative_to_a_small_step(ndim):
    """Nearly: the maps' force takes the mean of both images' slopes, as second-order demons do."""
    pair, placement, _ = make_pair(ndim)
    box = Box(pair, placement.grid, placement.initial, SpatialTransform(np.eye(ndim + 1)))
    for term in choose_terms(box, DenseOptions("maps+image"))[0]:
        force = term(box.field)[1]
        step = -force / force.abs().max() * 0.005
        expected = float((force * step).sum())
        assert term(box.field + step)[0] - term(box.field)[0] == pytest.approx(expected, rel=0.35)


@pytest.mark.parametrize("ndim", [2, 3])
def test_coarser_is_the_transpose_of_finer(ndim):
    field, force = torch.rand(1, 2, *(5, 7, 6)[:ndim]), torch.rand(1, 2, *(9, 13, 11)[:ndim])
    assert float((finer(field) * force).sum()) == pytest.approx(float((field * coarser(force)).sum()), rel=1e-5)
    assert finer(torch.arange(3.0).reshape(1, 1, 3, 1)).flatten().tolist() == [0, 0.5, 1, 1.5, 2]


def test_the_box_holds_what_is_shown_and_its_margin():
    mask = torch.zeros(20, 30, 40)
    mask[5:8, 10, 39] = 1
    low, high = bounds(mask, [2, 3, 4])
    assert low.tolist() == [37, 7, 1] and high.tolist() == [40, 14, 12]
    assert bounds(torch.zeros(20, 30, 40), [1, 1, 1])[1].tolist() == [40, 30, 20]


def test_much_finer_images_are_averaged_and_stay_in_place():
    grid = Grid.centered((0.0, 0.0), (60, 80), (0.25, 0.5))
    array = np.zeros(grid.shape, np.float32)
    array[50:54, 12:16] = 1  # off-center
    coarse = Grid.centered((0.0, 0.0), (10, 10), (1.0, 1.0))
    values, own = detailed(Prepared(Volume(array, grid)), coarse, grid.corners(), "none")
    assert values.max() == pytest.approx(1.0) and (values > 0).sum() == (4 + 4 - 1) * (4 + 2 - 1)  # of 4 x 2 voxels
    middles = [(values[0, 0].numpy() * own.points()[..., k]).sum() / values.sum() for k in range(2)]
    assert np.allclose(middles, grid.index_to_physical([13.5, 51.5]), atol=1e-5)


def test_the_model_and_its_maps_are_not_changed():
    pair, placement, _ = make_pair(2)
    before = pair.moving_map.clone(), pair.fixed_map.clone()
    dense_stage(pair, placement, SpatialTransform(np.eye(3)), DenseOptions(iterations=2))
    assert torch.equal(pair.moving_map, before[0]) and torch.equal(pair.fixed_map, before[1])


def test_a_channel_of_no_weight_counts_nothing_and_small_ones_as_much_as_large_ones():
    pair, placement, _ = make_pair(2)
    large = dataclasses.replace(pair, fixed_map=pair.fixed_map * torch.tensor([1.0, 9.0]).reshape(1, 2, 1, 1))
    large = dataclasses.replace(large, moving_map=pair.moving_map * torch.tensor([1.0, 9.0]).reshape(1, 2, 1, 1))
    start = SpatialTransform(np.eye(3))
    values = []
    for one in (pair, large, *(dataclasses.replace(pair, weights=torch.tensor(w)) for w in ([1.0, 0.0], [0.0, 2.0]))):
        box = Box(one, placement.grid, placement.initial, start)
        values.append(box.map_term()(box.field)[0])
    assert values[1] == pytest.approx(values[0], rel=1e-4)
    assert (values[2] + values[3]) / 2 == pytest.approx(values[0], rel=1e-4) and values[2] != values[3]
