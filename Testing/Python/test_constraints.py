"""What a user knows that the networks do not, at every door: plain Python, api, shell, batch, nodes, their script."""

import dataclasses
import json

import numpy as np
import pytest
from command import checkpoint_file, run, small_config, subject
from ISTNRegistrationLib import api
from ISTNRegistrationLib.cli.progress import StageBars
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.options import RegisterOptions
from ISTNRegistrationLib.core.stage import Progress
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data.images import read_image, read_labels, write_image
from ISTNRegistrationLib.data.markups import write_markups
from ISTNRegistrationLib.data.run import Request, Side
from ISTNRegistrationLib.data.run import run as run_request
from ISTNRegistrationLib.data.transforms import read_transform

CHOSEN = {"transform": "bspline", "initial": "none", "iterations": 12, "device": "cpu"}
POINTS = np.array([[9.0, -5.0, 3.0], [2.0, 4.0, -2.0], [-3.0, -6.0, 6.0]])
AWAY = np.array([4.0, -3.0, 2.0])


@pytest.fixture(scope="module", params=[2, 3], ids=["2d", "3d"])
def study(request, tmp_path_factory):
    """Folder with two images, landmarks of both, and a checkpoint; and the number of dimensions."""
    folder, ndim = tmp_path_factory.mktemp("study"), request.param
    for name, shift in (("fixed", 0.0), ("moving", 3.0)):
        subject(folder, name, ndim, shift)
    for name, away in (("fixed", 0.0), ("moving", AWAY)):
        write_markups(folder / f"{name}.mrk.json", [("Fiducial", (POINTS + away)[:, :ndim])])
    checkpoint_file(folder / "tiny.h5", small_config(ndim))
    return folder, ndim


def sides(folder, ndim):
    images = (read_image(folder / f"{name}.nii.gz") for name in ("fixed", "moving"))
    points = (POINTS[:, :ndim], (POINTS + AWAY)[:, :ndim])
    return [Side(image, landmarks=p) for image, p in zip(images, points, strict=True)]


def error(outcome):
    return outcome.quality[-1].tre_mm


def test_landmarks_pull_alike_at_every_door(study, tmp_path):
    folder, ndim = study
    fixed, moving = sides(folder, ndim)
    options, seen = RegisterOptions(**CHOSEN, landmark_weight=2.0), []
    plain = run_request(Request(fixed, moving, folder / "tiny.h5", options), lambda p: seen.append(p.landmark_mm))
    alone = run_request(Request(fixed, moving, folder / "tiny.h5", RegisterOptions(**CHOSEN)))
    assert error(plain) < 0.5 * error(alone) and seen[-1] < 0.5 * seen[0]
    wanted = plain.result.transform.residual.coefficients
    found = api.register(fixed, moving, folder / "tiny.h5", **CHOSEN, landmark_weight=2.0).result.transform
    np.testing.assert_array_equal(found.residual.coefficients, wanted)
    (folder / "pairs.csv").write_text(
        "fixed,moving,fixed landmarks,moving landmarks\nfixed.nii.gz,moving.nii.gz,fixed.mrk.json,moving.mrk.json\n"
    )
    words = {**CHOSEN, "checkpoint": folder / "tiny.h5", "landmark_weight": 2.0}
    files = {k: folder / f"{k}.nii.gz" for k in ("fixed", "moving")}
    files |= {f"{k}_landmarks": folder / f"{k}.mrk.json" for k in ("fixed", "moving")}
    more = {"output_transform": tmp_path / "t.h5", "json": tmp_path / "r.json"}
    assert run("register", **files, **words, **more) == 0
    assert run("batch", pairs=folder / "pairs.csv", output=tmp_path / "out", **words) == 0
    for report in (tmp_path / "r.json", *(tmp_path / "out").glob("*/report.json")):
        said = json.loads(report.read_text())
        assert said["options"] == options.as_dict()
        assert said["stages"][-1]["tre_mm"] == pytest.approx(error(plain), abs=1e-6)


def test_a_dense_transform_is_pulled_from_a_refined_bspline_on(study):
    folder, ndim = study
    seen, ends = [], []
    for weight in (0.0, 2.0):
        options = RegisterOptions(**{**CHOSEN, "transform": "dense", "iterations": 6}, landmark_weight=weight)
        request = Request(*sides(folder, ndim), folder / "tiny.h5", options)
        outcome = run_request(request, lambda p: seen.append((p.stage, p.landmark_mm)))
        ends.append({stage.name: stage.landmark_mm for stage in outcome.result.stages})
        told = [mm for stage, mm in seen if stage == "dense"]
        assert min(abs(mm - ends[-1]["dense"]) for mm in told) < 0.1  # of the iteration that was the best
    assert "bspline refined" not in ends[0] and ends[1]["bspline refined"] < 0.8 * ends[0]["bspline"]
    assert ends[1]["dense"] < 0.6 * ends[0]["dense"]


def test_a_terminal_tells_the_landmarks_distance_if_there_are_any(capsys):
    with StageBars(disable=False) as bars:
        bars(Progress("affine refined", 1, 2, 0.5, None, 3.14159))
        assert "landmarks=3.14 mm" in capsys.readouterr().err
        bars(Progress("dense", 1, 2, 0.5, None))
    assert "landmarks" not in capsys.readouterr().err.split("dense")[-1]


def test_corrected_structures_count_alike_at_every_door(study, tmp_path):
    folder, ndim = study
    fixed, moving = (read_image(folder / f"{name}.nii.gz") for name in ("fixed", "moving"))
    labels = [read_labels(folder / f"{name}_soi.nii.gz") for name in ("fixed", "moving")]
    parts = {"putamen": of(labels[1], 1), "2": of(labels[1], 2)}
    pair, words = (Side(fixed, corrected=labels[0]), Side(moving, corrected=parts)), {**CHOSEN, "transform": "affine"}
    words |= {"iterations": 30}
    plain = run_request(Request(*pair, folder / "tiny.h5", RegisterOptions(**words)))
    moved = plain.result.transform.map_points(labels[0].grid.center) - labels[0].grid.center
    np.testing.assert_allclose(moved, [3.0, 0.0, 0.0][:ndim], atol=0.4)  # as the subjects lie
    found = api.register(*pair, folder / "tiny.h5", **words).result.transform
    np.testing.assert_array_equal(found.linear, plain.result.transform.linear)
    (folder / "pairs.csv").write_text(
        "fixed,moving,fixed_corrected,moving_corrected\nfixed.nii.gz,moving.nii.gz,fixed_soi.nii.gz,moving_soi.nii.gz\n"
    )
    files = {k: folder / f"{k}.nii.gz" for k in ("fixed", "moving")}
    files |= {f"{k}_corrected": folder / f"{k}_soi.nii.gz" for k in ("fixed", "moving")}
    more = {"output_transform": tmp_path / "t.h5", "json": tmp_path / "r.json"}
    words |= {"checkpoint": folder / "tiny.h5"}
    assert run("register", **files, **words, **more) == 0
    assert run("batch", pairs=folder / "pairs.csv", output=tmp_path / "out", **words) == 0
    for report in (tmp_path / "r.json", *(tmp_path / "out").glob("*/report.json")):
        said = json.loads(report.read_text())
        np.testing.assert_allclose(said["linear_fixed_to_moving_LPS"], plain.result.transform.linear, atol=1e-9)
        assert said["fixed"]["corrected"] == ["1", "2"] and len(said["notes"]) == 4


def test_a_rigid_region_is_kept_at_every_door(study, tmp_path):
    folder, ndim = study
    fixed, moving = sides(folder, ndim)
    grid = Grid.centered(fixed.image.grid.center, (20,) * ndim, (1.0,) * ndim)
    array = np.zeros(grid.shape, np.uint8)
    array[(slice(3, 8), slice(2, 17))], array[(slice(14, 18), slice(6, 12))] = 1, 4
    write_image(folder / "bones.nii.gz", Volume(array, grid))
    fixed = dataclasses.replace(fixed, rigid=read_labels(folder / "bones.nii.gz"))
    words = {**CHOSEN, "landmark_weight": 5.0}  # what bends it
    plain = run_request(Request(fixed, moving, folder / "tiny.h5", RegisterOptions(**words)))
    bent = next(stage for stage in plain.result.stages if stage.name == "bspline refined").transform
    for value in (1, 4):
        points = grid.index_to_physical(np.argwhere(array == value)[:, ::-1])
        kept, lost = (np.abs(apart(t.map_points(points)) - apart(points)).max() for t in (plain.result.transform, bent))
        assert kept < 0.01 < 0.05 < lost
    assert plain.quality[-1].stage == "rigid region" and plain.quality[-1].kept and plain.quality[-1].folded == 0
    pairs = "fixed,moving,fixed_landmarks,moving_landmarks,rigid\n"
    pairs += "fixed.nii.gz,moving.nii.gz,fixed.mrk.json,moving.mrk.json,bones.nii.gz\n"
    (folder / "pairs.csv").write_text(pairs)
    files = {k: folder / f"{k}.nii.gz" for k in ("fixed", "moving")} | {"rigid": folder / "bones.nii.gz"}
    files |= {f"{k}_landmarks": folder / f"{k}.mrk.json" for k in ("fixed", "moving")}
    more = {"output_transform": tmp_path / "t.h5", "json": tmp_path / "r.json"}
    words |= {"checkpoint": folder / "tiny.h5"}
    assert run("register", **files, **words, **more) == 0
    assert run("batch", pairs=folder / "pairs.csv", output=tmp_path / "out", **words) == 0
    (by_batch,) = (tmp_path / "out").glob("*/report.json")
    for report, transform in ((tmp_path / "r.json", tmp_path / "t.h5"), (by_batch, by_batch.with_name("transform.h5"))):
        said = json.loads(report.read_text())
        assert said["kept"] == "rigid region" and said["fixed"]["rigid"] == "bones.nii.gz" and not said["notes"]
        found = read_transform(transform).map_points(points)
        np.testing.assert_allclose(found, plain.result.transform.map_points(points), atol=1e-3)


def apart(points):
    return np.linalg.norm(points[:, None] - points[None], axis=-1)


def test_a_rigid_region_that_cannot_be_kept_is_refused(study):
    folder, ndim = study
    fixed, moving = sides(folder, ndim)
    bone = of(fixed.image, fixed.image.array.max())
    with_bone = [dataclasses.replace(side, rigid=bone) for side in (fixed, moving)]
    bspline = RegisterOptions("bspline")
    for pair, options, said in (
        ((with_bone[0], moving), RegisterOptions("affine"), "affine is the same everywhere.*bspline or dense"),
        ((fixed, with_bone[1]), bspline, "one of the fixed image; got one of the moving image"),
        ((dataclasses.replace(fixed, rigid=of(fixed.image, -1)), moving), bspline, "shows no body"),
    ):
        with pytest.raises(InputError, match=said):
            run_request(Request(*pair, folder / "tiny.h5", options))


def of(labels, value):
    return Volume((labels.array == value).astype(np.uint8), labels.grid, str(value))


def test_a_weight_without_landmarks_of_both_images_is_refused(study):
    folder, ndim = study
    fixed, moving = sides(folder, ndim)
    request = Request(fixed, Side(moving.image), folder / "tiny.h5", RegisterOptions(landmark_weight=1.0))
    with pytest.raises(InputError, match="landmarks of both; got landmarks of the fixed image"):
        run_request(request)


def test_the_shell_refuses_a_weight_that_is_none(study, tmp_path, capsys):
    folder, _ = study
    files = {k: folder / f"{k}.nii.gz" for k in ("fixed", "moving")}
    words = {"checkpoint": folder / "tiny.h5", "output_transform": tmp_path / "t.h5"}
    assert run("register", **files, **words, landmark_weight="-1") == 2
    assert "a number from 0 to 1000; got '-1'" in capsys.readouterr().err and not any(tmp_path.iterdir())
