import dataclasses
import math

import numpy as np
import pytest
import torch
from builders import CASE_IDS, CASES, blob_volume, make_grid
from ISTNRegistrationLib.core import register as registering
from ISTNRegistrationLib.core import stages
from ISTNRegistrationLib.core.checkpoint import Checkpoint
from ISTNRegistrationLib.core.errors import InputError, RegistrationCancelled
from ISTNRegistrationLib.core.grid import apply_matrix
from ISTNRegistrationLib.core.placement import Placement
from ISTNRegistrationLib.core.register import RegisterOptions, register_maps, register_pair
from ISTNRegistrationLib.core.stages import Stage, best_stage, stage_transforms
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.trust import Expectation, Expected
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.core.warp import warp_volume
from networks import blobs, model

STAGES = ["initial", "affine", "affine refined", "bspline", "bspline refined"]


def checkpoint(ndim, method="stn-u"):
    """A model that registers the images themselves: its maps mean something without training."""
    net = model(ndim, method=method, size=(28, 24, 26)[:ndim])
    return Checkpoint(net, net.config, {}, "test", "0" * 64)


def scaled(volume):
    return Volume(volume.array / volume.array.max(), volume.grid, volume.name)


@pytest.mark.parametrize(("ndim", "orientation"), CASES, ids=CASE_IDS)
def test_a_known_rigid_shift_is_found_in_any_orientation(ndim, orientation):
    """Moving = fixed carried 4 mm along x and -3 mm along y, on a grid of another orientation."""
    shift = np.eye(ndim + 1)
    shift[:2, ndim] = [4.0, -3.0]
    fixed = scaled(blob_volume(make_grid(ndim, "LPS", size=(30, 28, 26)), seed=2))
    grid = make_grid(ndim, orientation, size=(44, 42, 40))
    moving = warp_volume(fixed, SpatialTransform(np.linalg.inv(shift)), grid)
    result = register_pair(fixed, moving, checkpoint(ndim), RegisterOptions(initial="none", iterations=200))
    middle = fixed.grid.center
    error = result.transform.map_points(middle) - apply_matrix(shift, middle)
    assert np.abs(error).max() < 0.3
    assert [s.name for s in result.stages] == STAGES[:3]
    assert result.stages[-1].loss < 0.05 * result.stages[0].loss


@pytest.mark.parametrize(("ndim", "orientation"), [(2, "LPS"), (3, "oblique")])
def test_dense_comes_after_the_bspline_agrees_better_and_says_what_the_maps_then_are(ndim, orientation):
    fixed = scaled(blob_volume(make_grid(ndim), seed=1))
    moving = scaled(blob_volume(make_grid(ndim, orientation, center=(7.0, -4.0, 3.0)), seed=1))
    seen = []
    options = RegisterOptions("dense", iterations=6, keep_best=False)
    result = register_pair(fixed, moving, checkpoint(ndim), options, lambda p: seen.append((p.stage, p.transform())))
    assert [s.name for s in result.stages] == [*STAGES[:-1], "dense"] and result.stages[-1].folded == 0
    assert result.stages[-1].loss < result.stages[-2].loss
    assert sum(stage == "dense" for stage, _ in seen) == 7 and seen[-1][1].residual is not None
    carried = warp_volume(result.moving_map, result.transform, result.fixed_map.grid).array
    inside = (slice(None), *[slice(4, -4)] * ndim)
    assert np.abs(carried.reshape(result.warped_map.channels.shape) - result.warped_map.channels)[inside].max() < 0.02


def test_dense_starts_before_a_bspline_answer_that_makes_things_worse():
    fixed, moving = (scaled(blob_volume(make_grid(3), seed=s)) for s in (1, 2))
    given = checkpoint(3)
    torch.nn.init.constant_(given.model.stns["bspline"].head.bias, 3.0)  # everything 8 mm away
    stages = register_pair(fixed, moving, given, RegisterOptions("dense", iterations=2, keep_best=False)).stages
    assert stages[-2].loss > 2 * stages[-3].loss > 0 and stages[-1].loss < stages[-3].loss


def test_dense_can_be_stopped_and_cancelled():
    fixed, moving = (scaled(blob_volume(make_grid(3), seed=s)) for s in (1, 2))

    def stop(progress):
        return progress.stage != "dense" or progress.iteration < 2

    result = register_pair(fixed, moving, checkpoint(3), RegisterOptions("dense", iterations=5), stop)
    assert len(result.stages[-1].losses) == 3

    def cancel(progress):
        if progress.stage == "dense":
            raise RegistrationCancelled

    with pytest.raises(RegistrationCancelled):
        register_pair(fixed, moving, checkpoint(3), RegisterOptions("dense", iterations=2), cancel)
    with pytest.raises(InputError, match="found by iterating"):
        register_pair(fixed, moving, checkpoint(3), RegisterOptions("dense", refine="none"))


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("mode", ["weights", "theta"])
def test_bspline_runs_all_stages_each_no_worse_than_the_last(ndim, mode):
    fixed = scaled(blob_volume(make_grid(ndim), seed=1))
    moving = scaled(blob_volume(make_grid(ndim, "oblique", center=(7.0, -4.0, 3.0)), seed=1))
    result = register_pair(fixed, moving, checkpoint(ndim), RegisterOptions("bspline", refine=mode, iterations=10))
    assert [s.name for s in result.stages] == STAGES
    losses = [s.loss for s in result.stages]
    assert all(after <= before * (1 + 1e-5) for before, after in zip(losses, losses[1:], strict=False))
    assert result.transform.residual is not None and result.stages[2].transform.residual is None


@pytest.mark.parametrize("ndim", [2, 3])
def test_warped_map_is_the_moving_map_under_the_transform(ndim):
    """Maps, transform and placement agree in the world, whatever the initial alignment."""
    fixed = scaled(blob_volume(make_grid(ndim), seed=1))
    moving = scaled(blob_volume(make_grid(ndim, "oblique"), seed=3))
    initial = np.eye(ndim + 1)
    initial[:2, :2] = [[0.96, -0.28], [0.28, 0.96]]
    initial[:2, ndim] = [2.0, -1.0]
    options = RegisterOptions("bspline", initial=initial, iterations=20)
    result = register_pair(fixed, moving, checkpoint(ndim, "istn-e"), options)
    again = warp_volume(result.moving_map, result.transform, result.warped_map.grid)
    inner = (slice(None),) + (slice(6, -6),) * ndim
    assert np.abs(again.array - result.warped_map.array)[inner].max() < 1e-3


def centroid(volume):
    weights = volume.array.reshape(volume.grid.shape)[..., None]
    return (volume.grid.points() * weights).sum((0, 1, 2)) / weights.sum()


def test_moving_map_of_a_non_rigid_start_is_resampled_to_lie_right():
    grid = make_grid(3, "LPS", size=(20, 20, 20))
    initial = np.diag([1.2, 0.9, 1.0, 1.0])
    initial[:3, 3] = [5.0, -2.0, 1.0]
    fixed = blob_volume(grid)
    volume = Placement(grid, initial).moving_volume(torch.as_tensor(fixed.array)[None, None], "M'")
    assert np.abs(centroid(volume) - apply_matrix(initial, centroid(fixed))).max() < 0.1


def test_same_input_gives_the_same_transform():
    fixed, moving = (scaled(blob_volume(make_grid(3), seed=s)) for s in (1, 2))
    first, second = (register_pair(fixed, moving, checkpoint(3), RegisterOptions(iterations=5)) for _ in range(2))
    assert np.array_equal(first.transform.linear, second.transform.linear)


def test_cancelling_passes_the_exception_on_and_stopping_keeps_the_best():
    fixed, moving = (scaled(blob_volume(make_grid(3), seed=s)) for s in (1, 2))

    def cancel(_progress):
        raise RegistrationCancelled

    with pytest.raises(RegistrationCancelled):
        register_pair(fixed, moving, checkpoint(3), on_progress=cancel)
    result = register_pair(fixed, moving, checkpoint(3), on_progress=lambda p: p.iteration < 3)
    assert len(result.stages[-1].losses) == 4


def test_agreement_is_unknown_where_the_network_sees_no_structure():
    net = model(3)
    empty = torch.zeros(1, 2, *net.grid.shape)
    result = register_maps(net, (empty, empty), Placement(net.grid, np.eye(4)), RegisterOptions())
    assert np.isnan(result.stages[-1].agreement)


def test_maps_can_be_registered_without_images():
    net = model(3)
    placement = Placement(net.grid, np.eye(4))
    result = register_maps(net, (blobs(net, 3.0), blobs(net)), placement, RegisterOptions("bspline"))
    assert result.stages[-1].agreement > result.stages[0].agreement


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ({"transform": "spline"}, "transform"),
        ({"refine": "all"}, "refine"),
        ({"device": "tpu"}, "device"),
        ({"iterations": -1}, "iterations"),
        ({"initial": "somewhere"}, "somewhere"),
        ({"initial": np.zeros((4, 4))}, "invertible"),
        ({"initial": np.eye(3)}, "4 x 4"),
        ({"initial": [[1, 2], [3]]}, "4 x 4"),
        ({"initial": np.ones((4, 4)) + np.eye(4)}, "last row"),
        ({"iterations": 1.5}, "iterations"),
        ({"transform": "rigid"}, "affine, bspline"),
    ],
)
def test_an_option_that_cannot_be_used_is_named(keys, word):
    fixed, moving = (scaled(blob_volume(make_grid(3), seed=s)) for s in (1, 2))
    with pytest.raises(InputError, match=word):
        register_pair(fixed, moving, checkpoint(3), dataclasses.replace(RegisterOptions(), **keys))


def test_a_bspline_starts_from_affine_else_rigid_else_nothing():
    assert stage_transforms("bspline", ("rigid", "affine", "bspline")) == ("affine", "bspline")
    assert stage_transforms("bspline", ("rigid", "bspline")) == ("rigid", "bspline")
    assert stage_transforms("bspline", ("bspline",)) == ("bspline",)
    assert stage_transforms("rigid", ("rigid", "affine")) == ("rigid",)


def test_progress_offers_the_transform_as_it_stands():
    fixed, moving = shifted_pair(3)
    seen = []
    options = RegisterOptions(initial="none", iterations=20)

    def look(progress):
        seen.append((progress.loss, progress.transform().linear))

    result = register_pair(fixed, moving, checkpoint(3), options, look)
    best = min(seen, key=lambda s: s[0])[1]
    assert not np.allclose(seen[0][1], best)
    np.testing.assert_allclose(best, result.transform.linear, atol=1e-6)


def shifted_pair(ndim):
    fixed = scaled(blob_volume(make_grid(ndim), seed=1))
    return fixed, scaled(blob_volume(make_grid(ndim, center=(4.0, -3.0, 0.0)[:ndim]), seed=1))


def stage(name, agreement):
    return Stage(name, 0.0, 0.0, agreement, 0, (), None)


@pytest.mark.parametrize(
    "agreements, best",
    [
        ((0.2, 0.6, 0.8), 2),
        ((0.2, 0.8, 0.6), 1),
        ((0.9, 0.8, 0.6), 0),
        ((0.2, 0.8, 0.795), 2),
        ((math.nan, math.nan), 1),
    ],
)
def test_a_stage_that_made_things_worse_is_given_up(agreements, best):
    assert best_stage([stage(str(k), a) for k, a in enumerate(agreements)]) == best


@pytest.mark.parametrize("expected, best", [((0.56, 0.05, 0.04), 0), ((0.5, 0.7, 0.695), 2), ((0.4, 0.7, 0.6), 1)])
def test_the_expected_dice_decides_which_stage_is_kept_and_not_the_agreement(expected, best):
    told = [Expectation(Expected("", dice, 0.0, 1.0), ()) for dice in expected]
    rising = [dataclasses.replace(stage(str(k), 0.3 * k), expected=e) for k, e in enumerate(told)]
    assert best_stage(rising) == best
    unknown = [dataclasses.replace(rising[0], expected=None), *rising[1:]]
    assert best_stage(unknown) == 2  # one stage cannot be told: agreement, as before


def test_the_kept_stage_gives_the_transform_and_the_warped_map(monkeypatch):
    fixed, moving = shifted_pair(3)
    monkeypatch.setattr(stages, "best_stage", lambda found, *_: 0)
    result = register_pair(fixed, moving, checkpoint(3))
    assert result.kept == "initial" and result.transform is result.stages[0].transform
    np.testing.assert_allclose(result.warped_map.array, result.moving_map.array, atol=1e-5)
    kept_last = register_pair(fixed, moving, checkpoint(3), RegisterOptions(keep_best=False))
    assert kept_last.kept == "affine refined"


def test_a_full_graphics_card_means_the_cpu(monkeypatch):
    fixed, moving = shifted_pair(3)
    asked, on_device = [], registering.on_device

    def full_card(net, device):
        asked.append(device)
        if device != "cpu":
            raise torch.cuda.OutOfMemoryError("no room")
        return on_device(net, device)

    monkeypatch.setattr(registering, "on_device", full_card)
    result = register_pair(fixed, moving, checkpoint(3), RegisterOptions(iterations=2))
    assert result.fell_back and asked == ["auto", "cpu"]
