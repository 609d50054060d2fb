"""A variant of a registration: what it says about itself, what it measures again, and what it refuses."""

import dataclasses
import json

import numpy as np
import pytest
from builders import blob_volume, make_grid
from command import checkpoint_file, small_config
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.options import RegisterOptions
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data import run as running
from ISTNRegistrationLib.data.again import register_again
from ISTNRegistrationLib.data.run import Request, Side, run

POINT = np.array([[9.0, -7.0, 5.0]])


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A registration with labels and landmarks."""
    path = checkpoint_file(tmp_path_factory.mktemp("model") / "tiny.h5", small_config(3))
    sides = []
    for shift in (0.0, 4.0):
        image = blob_volume(make_grid(3, "oblique", center=(5.0 + shift, -3.0, 2.0)), seed=3)
        labels = Volume((image.array > 40).astype(np.uint8), image.grid, "labels")
        sides.append(Side(image, labels=labels, landmarks=POINT + [[shift, 0.0, 0.0]]))
    return run(Request(*sides, path, RegisterOptions("bspline", iterations=2, device="cpu")))


def test_the_report_says_of_what_it_is_a_variant_and_what_was_changed(first):
    one = register_again(first, structure_weights={"caudate": 0})
    two = register_again(one, iterations=3, image_share=0.5)
    report = json.loads(json.dumps(two.report()))
    assert report["variant"] == {
        "of": {"kept": first.result.kept, "options": json.loads(json.dumps(first.request.options.as_dict()))},
        "changes": [{"structure_weights": {"caudate": 0}}, {"image_share": 0.5, "iterations": 3}],
    }
    assert report["options"]["structure_weights"] == {"caudate": 0} and report["options"]["image_share"] == 0.5
    assert report["kept"] == report["stages"][-1]["name"] == "adjusted" and len(report["stages"]) == 3
    assert first.report()["variant"] is None and one.origin is two.origin is first and first.changes == ()
    assert len(two.result.stages[-1].losses) == 4


def test_only_the_new_stage_is_measured_and_moved_landmarks_measure_all_stages(first, monkeypatch):
    _ = first.quality
    measured, plain = [], running.measure_stage
    monkeypatch.setattr(running, "measure_stage", lambda *a: measured.append(a[0].name) or plain(*a))
    moved = POINT + [[4.0, 3.0, 0.0]]
    again = register_again(first, landmarks=(POINT, moved), structure_weights={"caudate": 0})
    rows = {row.stage: row for row in again.quality}
    assert measured == ["adjusted"] and [row.kept for row in again.quality] == [False, False, True]
    before = {row.stage: row for row in first.quality}
    for name in ("initial", first.result.kept):
        stage = next(s for s in again.result.stages if s.name == name)
        assert rows[name].tre_mm == pytest.approx(np.linalg.norm(stage.transform.map_points(POINT) - moved))
        assert rows[name].dice == before[name].dice and rows[name].tre_mm != before[name].tre_mm
    np.testing.assert_array_equal(first.request.moving.landmarks, POINT + [[4.0, 0.0, 0.0]])


def test_dragged_landmarks_pull(first):
    start = first.result.transform.map_points(POINT)
    dragged = start + [[0.0, 3.0, 0.0]]
    again = register_again(first, landmarks=(POINT, dragged), landmark_weight=20.0)
    moved = (again.result.transform.map_points(POINT) - start)[0]
    assert moved[1] > 1.0 and again.kept.tre_mm < 2.0
    with pytest.raises(InputError, match="there is nothing to weigh"):
        register_again(first, landmarks=(None, None), landmark_weight=20.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"transform": "affine"}, "'transform': a variant has that of its registration.*Register anew"),
        ({"speed": 9}, "'speed': a variant has"),
        ({"structure_weights": {"left foot": 1}}, "no such structure. Expected putamen, caudate; got 'left foot'"),
        ({"image_share": -0.1}, "Option 'image_share'"),
    ],
)
def test_what_cannot_be_changed_is_said(first, change, words):
    with pytest.raises(InputError, match=words):
        register_again(first, **change)


@pytest.mark.parametrize("once", [{"refine": "none"}, {"iterations": 0}])
def test_an_answer_of_one_pass_is_refined_and_pulled_too(first, once):
    options = dataclasses.replace(first.request.options, **once)
    answer = run(dataclasses.replace(first.request, options=options))
    moved = POINT + [[4.0, 3.0, 0.0]]
    pulled = register_again(answer, landmarks=(POINT, moved), landmark_weight=50.0)
    assert pulled.request.options.refines and len(pulled.result.stages[-1].losses) > 5
    (there,) = pulled.result.transform.map_points(POINT)
    (before,) = answer.result.transform.map_points(POINT)
    assert np.linalg.norm(there - moved) < 0.8 * np.linalg.norm(before - moved)


def test_weights_of_a_checkpoint_without_maps_are_refused_before_any_work(first, tmp_path):
    config = small_config(3, method="stn-u")
    path = checkpoint_file(tmp_path / "plain.h5", config)
    options = RegisterOptions(structure_weights={"putamen": 0}, device="cpu")
    with pytest.raises(InputError, match="it makes no structure maps.*Leave out structure_weights"):
        run(dataclasses.replace(first.request, checkpoint=path, options=options))
