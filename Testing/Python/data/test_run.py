"""The one run below every door: what goes in, what comes out, and what is computed only once."""

import dataclasses
import json

import numpy as np
import pytest
from builders import blob_volume, make_grid
from command import checkpoint_file, small_config
from ISTNRegistrationLib.core.checkpoint import load_checkpoint
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.istn import ISTN
from ISTNRegistrationLib.core.options import RegisterOptions, options_from
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data import run as running
from ISTNRegistrationLib.data.run import Request, Runner, Side, run

QUICK = RegisterOptions(iterations=2, device="cpu")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return checkpoint_file(tmp_path_factory.mktemp("model") / "tiny.h5", small_config(3))


def image(shift=0.0, name="image"):
    """Blobs, ``shift`` mm to the left of the patient, off the middle of an oblique grid."""
    volume = blob_volume(make_grid(3, "oblique", center=(5.0 + shift, -3.0, 2.0)), seed=3)
    return Volume(volume.array, volume.grid, name)


def request(checkpoint, fixed=None, moving=None, **options):
    sides = (fixed or Side(image()), moving or Side(image(4.0)))
    return Request(*sides, checkpoint, dataclasses.replace(QUICK, **options))


def test_many_moving_images_cost_one_look_at_the_fixed_one_and_give_what_single_runs_give(checkpoint, monkeypatch):
    seen, plain = [], ISTN.maps
    monkeypatch.setattr(ISTN, "maps", lambda self, values: seen.append(1) or plain(self, values))
    fixed, moving = Side(image()), [Side(image(shift)) for shift in (2.0, 5.0)]
    runner = Runner()
    together = [runner.run(request(checkpoint, fixed, side)).result for side in moving]
    assert len(seen) == 3
    for result, side in zip(together, moving, strict=True):
        alone = run(request(checkpoint, Side(image()), side)).result
        np.testing.assert_array_equal(result.transform.linear, alone.transform.linear)


def test_a_checkpoint_is_read_once_for_several_requests(checkpoint, monkeypatch):
    read, plain = [], running.load_checkpoint
    monkeypatch.setattr(running, "load_checkpoint", lambda path: read.append(path) or plain(path))
    runner = Runner()
    for _ in range(2):
        runner.run(request(checkpoint))
    assert read == [checkpoint]


def test_another_mask_is_another_look_at_the_fixed_image(checkpoint):
    volume, runner = image(), Runner()
    half = Volume((np.indices(volume.grid.shape)[0] < 9).astype(np.uint8), volume.grid, "half")
    first = runner.run(request(checkpoint, Side(volume))).result.fixed_map.array
    second = runner.run(request(checkpoint, Side(volume, half))).result.fixed_map.array
    assert not np.array_equal(first, second)


def test_the_networks_see_the_masked_image_and_the_user_gets_the_whole(checkpoint):
    moving = image(4.0)
    mask = Volume((moving.array > np.median(moving.array)).astype(np.uint8), moving.grid, "mask")
    outcome = run(request(checkpoint, moving=Side(moving, mask)))
    plain = run(request(checkpoint, moving=Side(moving)))
    assert not np.array_equal(outcome.result.moving_map.array, plain.result.moving_map.array)
    assert outcome.warped().array.max() == pytest.approx(moving.array.max(), rel=0.05)
    assert outcome.report()["moving"]["mask"] == "mask"


@pytest.mark.parametrize("order", ["linear", "nearest"])
def test_where_the_moving_image_shows_nothing_it_is_as_dark_as_anywhere(checkpoint, order):
    volume, far = image(), np.eye(4)
    far[0, 3] = 20.0
    outcome = run(request(checkpoint, Side(volume), Side(Volume(volume.array - 1024, volume.grid, "CT")), initial=far))
    warped = outcome.warped(order).array
    assert warped.min() == volume.array.min() - 1024 and warped.max() > -1000


def test_the_report_repeats_the_registration(checkpoint):
    asked = request(checkpoint, keep_best=False, initial="center_of_mass", iterations=3)
    outcome = run(asked)
    report = json.loads(json.dumps(outcome.report(), allow_nan=False))
    again = run(Request(asked.fixed, asked.moving, checkpoint, options_from(report["options"])))
    np.testing.assert_array_equal(again.result.transform.linear, outcome.result.transform.linear)
    assert report["options"]["keep_best"] is False and report["options"]["initial"] == "center_of_mass"
    np.testing.assert_array_equal(report["initial_fixed_to_moving_LPS"], outcome.result.initial)


def test_rigid_works_from_plain_python_and_the_core_says_who_resolves_it(checkpoint):
    from ISTNRegistrationLib.core.register import register_pair

    outcome = run(request(checkpoint, initial="rigid"))
    np.testing.assert_allclose(outcome.result.initial[:3, 3], [4.0, 0.0, 0.0], atol=0.3)
    with pytest.raises(InputError, match=r"got 'rigid'\. .*data\.run"):
        register_pair(image(), image(4.0), load_checkpoint(checkpoint), RegisterOptions(initial="rigid"))


def test_landmarks_start_the_registration_and_measure_it(checkpoint):
    points = np.array([[10.0, 0.0, 0.0], [0.0, 20.0, 0.0], [0.0, 0.0, 15.0], [3.0, 4.0, 5.0]])
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    sides = Side(image(), landmarks=points), Side(image(), landmarks=points @ turn.T + [1.0, 2.0, 3.0])
    outcome = run(request(checkpoint, *sides, initial="landmarks"))
    np.testing.assert_allclose(outcome.result.initial[:3, :3], turn, atol=1e-6)
    np.testing.assert_allclose(outcome.result.initial[:3, 3], [1.0, 2.0, 3.0], atol=1e-6)
    assert outcome.quality[0].tre_mm == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("points", [None, np.zeros((2, 3)), np.outer(np.arange(4.0), [1.0, 2.0, 3.0])])
def test_landmarks_that_fix_no_rotation_are_refused(checkpoint, points):
    sides = Side(image(), landmarks=points), Side(image(), landmarks=points)
    with pytest.raises(InputError, match="Initial alignment `landmarks`"):
        run(request(checkpoint, *sides, initial="landmarks"))


def test_the_landmark_error_is_that_of_the_mapped_fixed_points(checkpoint):
    """T maps fixed to moving points; the reverse would double the error instead of removing it."""
    shift = np.eye(4)
    shift[0, 3] = 7.0
    points = np.array([[10.0, 0.0, 5.0], [0.0, 20.0, 0.0]])
    sides = Side(image(), landmarks=points), Side(image(7.0), landmarks=points + [7.0, 0.0, 0.0])
    outcome = run(request(checkpoint, *sides, initial=shift, refine="none"))
    assert outcome.quality[0].tre_mm == pytest.approx(0.0, abs=1e-9)


def test_the_same_image_twice_and_a_ct_are_warned_of(checkpoint):
    same = run(request(checkpoint, Side(image()), Side(image())))
    assert "Fixed and moving are the same image." in same.warnings
    assert same.report()["warnings"] == list(same.warnings)
    assert run(request(checkpoint)).warnings == ()


def test_a_label_map_of_another_dimension_is_named(checkpoint):
    flat = Volume(np.ones(make_grid(2).shape, np.uint8), make_grid(2), "flat")
    with pytest.raises(InputError, match="Labels 'flat': wrong dimension"):
        run(request(checkpoint, Side(image(), labels=flat)))


@pytest.mark.parametrize(
    "options, words",
    [
        ({"seed": 1}, "Option 'seed': there is no such option"),
        ({"iterations": -1}, "Option 'iterations'"),
        ({"iterations": True}, "Option 'iterations'"),
        ({"keep_best": "yes"}, "Option 'keep_best'"),
        ({"refine": "all"}, "one of theta, weights, none"),
        ({"preset": "best"}, "one of fast, standard, accurate"),
    ],
)
def test_options_that_mean_nothing_are_named(options, words):
    with pytest.raises(InputError, match=words):
        options_from(options)


def test_a_preset_stands_for_the_options_that_are_not_given():
    options = options_from({"preset": "accurate", "iterations": 7})
    assert (options.transform, options.refine, options.iterations) == ("dense", "theta", 7)
    assert options_from({"preset": "fast", "transform": "bspline"}).transform == "bspline"
    assert options_from({"preset": "fast"}).refine == "none"


def test_padding_of_another_value_is_said(checkpoint):
    plain = image(4.0)
    padded = np.pad(np.pad(plain.array[1:-1, 1:-1, 1:-1], 1), [(1, 0), (0, 0), (0, 0)], constant_values=-7.0)
    grid = Grid.centered(plain.grid.center, padded.shape[::-1], plain.grid.spacing)
    assert "empty planes" not in " ".join(run(request(checkpoint)).warnings)
    said = " ".join(run(request(checkpoint, moving=Side(Volume(padded, grid, "padded")))).warnings)
    assert "Image 'padded': there are empty planes of -7 and, within these, of 0" in said


def scaled(by_spacing=1.0, by_value=1.0):
    """The image with other numbers for the same thing."""
    plain = image()
    grid = dataclasses.replace(plain.grid, spacing=tuple(by_spacing * s for s in plain.grid.spacing))
    return Volume((plain.array - plain.array.min()).astype(np.float64) * by_value, grid, "odd")


@pytest.mark.parametrize(
    "odd, words",
    [(scaled(1e-3), "it is tiny.*in meters"), *((scaled(1.0, v), "its values are too large") for v in (1e300, -1e300))],
)
@pytest.mark.parametrize("role", ["fixed", "moving"])
def test_an_image_in_meters_or_of_huge_values_is_refused_at_once(checkpoint, role, odd, words):
    """The networks would smooth it over thousands of its voxels; huge values would be infinite to them."""
    with pytest.raises(InputError, match=f"^{role.capitalize()} image 'odd': {words}"):
        run(request(checkpoint, **{role: Side(odd)}))


def test_labels_without_a_label_are_a_warning(checkpoint):
    volume = image()
    mask = (volume.array > 50).astype(np.int16)
    none, some = (Volume(value * mask, volume.grid, f"labels {value}") for value in (-1, 1))
    sides = [Side(volume, labels=none), Side(image(4.0), labels=some)]
    warned = [text for text in run(request(checkpoint, *sides)).warnings if "above 0" in text]
    assert warned == ["Labels 'labels -1': no value is above 0, so nothing of it can overlap."]
