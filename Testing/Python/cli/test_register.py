"""istn register: what it writes agrees with SimpleITK, and is all there or not at all."""

import hashlib
import json

import numpy as np
import pytest
import SimpleITK as sitk
from command import checkpoint_file, files_in, run, small_config, subject
from ISTNRegistrationLib.cli import register
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.register import RegisterOptions, register_pair
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.data.images import read_image
from ISTNRegistrationLib.data.run import Outcome
from ISTNRegistrationLib.data.transforms import read_linear, write_transform

MAPS = {f"maps/{name}{channel}.nii.gz" for name in register.MAPS for channel in ("", "_putamen", "_caudate")}
ALL = {"t.h5", "w.nii.gz", "r.json", "maps", *MAPS}


@pytest.fixture(scope="module", params=[2, 3], ids=["2d", "3d"])
def given(request, tmp_path_factory):
    """Options of a run on a tiny pair 3 mm apart."""
    folder, ndim = tmp_path_factory.mktemp("given"), request.param
    fixed, moving = (subject(folder, name, ndim, shift)[0] for name, shift in (("fixed", 0.0), ("moving", 3.0)))
    checkpoint = checkpoint_file(folder / "tiny.h5", small_config(ndim))
    return {"fixed": fixed, "moving": moving, "checkpoint": checkpoint, "iterations": 3, "device": "cpu"}


def outputs(folder):
    names = {"output_transform": "t.h5", "output_volume": "w.nii.gz", "output_heatmaps": "maps", "json": "r.json"}
    return {option: folder / name for option, name in names.items()}


@pytest.mark.parametrize("transform", ["affine", "bspline"])
def test_simpleitk_makes_the_same_volume_from_the_transform_file(given, transform, tmp_path):
    assert run("register", **given, transform=transform, **outputs(tmp_path)) == 0
    assert files_in(tmp_path) == ALL
    fixed, moving = (sitk.ReadImage(str(given[key])) for key in ("fixed", "moving"))
    theirs = sitk.Resample(moving, fixed, sitk.ReadTransform(str(tmp_path / "t.h5")), sitk.sitkLinear)
    ours = read_image(tmp_path / "w.nii.gz")
    assert ours.grid == read_image(given["fixed"]).grid
    inner = (slice(3, -3),) * ours.grid.ndim
    np.testing.assert_allclose(ours.array[inner], sitk.GetArrayFromImage(theirs)[inner], atol=0.02)


def test_the_report_says_what_was_done_and_the_table_is_printed(given, tmp_path, capsys):
    assert run("register", **given, transform="bspline", **outputs(tmp_path)) == 0
    report = json.loads((tmp_path / "r.json").read_text())
    names = [stage["name"] for stage in report["stages"]]
    assert names == ["initial", "affine", "affine refined", "bspline", "bspline refined"]
    wanted = {"transform": "bspline", "initial": "auto", "refine": "theta", "iterations": 3, "device": "cpu"}
    assert report["options"] == wanted | {
        **{"keep_best": True, "landmark_weight": 0.0, "structure_weights": None, "image_share": None}
    }
    for key in ("fixed", "moving"):
        digest = hashlib.sha256(given[key].read_bytes()).hexdigest()
        assert report["files"][key] == {"path": str(given[key].resolve()), "sha256": digest}
    assert report["checkpoint"]["name"] == "tiny" and len(report["checkpoint"]["sha256"]) == 64
    assert {"python", "torch", "SimpleITK"} <= set(report["versions"])
    said = capsys.readouterr()
    assert all(name in said.out for name in (*names, "Seconds", "Agreement", "Folded"))
    assert report["verdict"]["light"] in said.err and report["verdict"]["reason"] in said.err


def test_it_is_register_pair(given, tmp_path):
    assert run("register", **given, output_transform=tmp_path / "t.h5") == 0
    fixed, moving = read_image(given["fixed"]), read_image(given["moving"])
    checkpoint = register.load_checkpoint(given["checkpoint"])
    result = register_pair(fixed, moving, checkpoint, RegisterOptions(iterations=3, device="cpu"))
    np.testing.assert_allclose(read_linear(tmp_path / "t.h5"), result.transform.linear, atol=1e-6)
    assert files_in(tmp_path) == {"t.h5"}


@pytest.mark.parametrize("initial", ["none", "center", "center_of_mass", "moments", "rigid", "file"])
def test_every_way_to_start(given, initial, tmp_path):
    ndim = read_image(given["fixed"]).grid.ndim
    start = np.eye(ndim + 1)
    start[0, -1] = 3.0
    if initial == "file":
        initial = tmp_path / "start.tfm"
        write_transform(initial, SpatialTransform(start))
    plain = {key: value for key, value in given.items() if key != "iterations"}
    assert run("register", **plain, initial=initial, refine="none", output_transform=tmp_path / "t.h5") == 0
    if initial != "none":  # the untrained network answers with the identity, so what comes out is the start
        np.testing.assert_allclose(read_linear(tmp_path / "t.h5")[:, -1], start[:, -1], atol=0.5)


def test_a_loss_is_shown_for_every_iteration_of_every_stage(given, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(register.StageBars, "__call__", lambda self, progress: seen.append(progress))
    assert run("register", **given, transform="bspline", output_transform=tmp_path / "t.h5") == 0
    assert {progress.stage for progress in seen} == {"affine refined", "bspline refined"}
    assert all(np.isfinite(progress.loss) and progress.iterations == 3 for progress in seen)


@pytest.mark.parametrize("step", ["registering", "writing the last file"])
@pytest.mark.parametrize("error, code", [(KeyboardInterrupt(), 130), (InputError("Disk", "full", "a", "b"), 2)])
def test_a_run_that_ends_early_leaves_the_old_files_and_no_new_ones(given, step, error, code, tmp_path, monkeypatch):
    def stop(*_):
        raise error

    (tmp_path / "t.h5").write_text("from yesterday")
    place = (register.StageBars, "__call__") if step == "registering" else (Outcome, "report")
    monkeypatch.setattr(*place, stop)
    assert run("register", **given, **outputs(tmp_path)) == code
    assert files_in(tmp_path) == {"t.h5"} and (tmp_path / "t.h5").read_text() == "from yesterday"


def test_heatmaps_go_into_a_folder_that_is_there_already(given, tmp_path):
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps" / "mine.txt").touch()
    assert run("register", **given, **outputs(tmp_path)) == 0
    assert files_in(tmp_path) == ALL | {"maps/mine.txt"}


def test_a_channels_name_cannot_lead_out_of_the_folder():
    assert "fixed_map_-left-putamen-x" in register.heatmap_names(["../left putamen/x", "right"])


def test_channels_that_look_alike_get_files_of_their_own():
    names = register.heatmap_names(["left/x", "left x", "right"])
    assert len(set(names)) == 12 and "fixed_map_right-3" in names and "fixed_map_left-x-2" in names


def test_reference_labels_are_measured_and_warnings_go_to_stderr_and_the_report(given, tmp_path, capsys):
    folder = given["fixed"].parent
    labels = {f"{role}_labels": folder / f"{given[role].name.split('.')[0]}_soi.nii.gz" for role in ("fixed", "moving")}
    assert run("register", **given | {"moving": given["fixed"]}, **labels, **outputs(tmp_path)) == 0
    said, report = capsys.readouterr(), json.loads((tmp_path / "r.json").read_text())
    assert "warning: Fixed and moving are the same image." in said.err and report["warnings"]
    assert "Dice" in said.out and 0 < report["stages"][0]["labels"]["1"]["dice"] <= 1


def test_the_last_stage_can_be_kept_whatever_it_is_worth(given, tmp_path):
    assert run("register", "--no-keep-best", **given, **outputs(tmp_path)) == 0
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["options"]["keep_best"] is False and report["kept"] == report["stages"][-1]["name"]


def test_a_preset_stands_for_options_and_those_given_count_more(given, tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
    assert run("register", **given, preset="accurate", **outputs(tmp_path / "a")) == 0
    fast = {key: value for key, value in given.items() if key != "iterations"}
    assert run("register", **fast, preset="fast", transform="bspline", **outputs(tmp_path / "b")) == 0
    first, second = (json.loads((tmp_path / name / "r.json").read_text()) for name in "ab")
    assert (first["options"]["transform"], first["options"]["iterations"]) == ("dense", 3)
    assert first["stages"][-1]["name"] == "dense"
    assert [stage["name"] for stage in second["stages"]] == ["initial", "affine", "bspline"]


def test_options_that_contradict_each_other_are_refused(given, tmp_path, capsys):
    assert run("register", **given, refine="none", output_transform=tmp_path / "t.h5") == 2
    assert "--refine none: nothing is refined" in capsys.readouterr().err


def test_a_page_and_pictures_are_written_when_asked_for(given, tmp_path):
    asked = {"output_transform": tmp_path / "t.h5", "report": tmp_path / "r.html", "pictures": tmp_path / "png"}
    assert run("register", **given, **asked) == 0
    page, pictures = (tmp_path / "r.html").read_text(encoding="utf-8"), sorted((tmp_path / "png").iterdir())
    rows = 1 if dimension(given) == 2 else 3
    assert page.count("data:image/png;base64,") == 7 * rows and str(given["fixed"].resolve()) in page
    assert [path.stem for path in pictures] == ["axial", "coronal", "sagittal"][:rows]
    sizes = [sitk.ReadImage(str(path)).GetSize() for path in pictures]
    assert sizes == [(7 * 16 * 3, 16 * 3)] * rows


def dimension(given):
    return sitk.ReadImage(str(given["fixed"])).GetDimension()


def test_a_page_that_cannot_be_written_and_pictures_on_a_file_are_refused_first(given, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    for option, path in (("report", tmp_path / "none" / "r.html"), ("pictures", tmp_path / "file")):
        assert run("register", **given, **{"output_transform": tmp_path / "t.h5", option: path}) == 2
    assert files_in(tmp_path) == {"file"} and "Picture folder" in capsys.readouterr().err


def test_weights_of_structures_and_the_images_share_are_options(given, tmp_path, capsys):
    words = ["--structure-weight", "caudate=0", "--structure-weight", "putamen=2.5", "--image-share", "0.25"]
    assert run("register", *words, **given, **outputs(tmp_path)) == 0
    options = json.loads((tmp_path / "r.json").read_text())["options"]
    assert options["structure_weights"] == {"caudate": 0.0, "putamen": 2.5} and options["image_share"] == 0.25
    for word in ("caudate", "=2", "caudate=many", "caudate=nan"):
        assert run("register", "--structure-weight", word, **given, **outputs(tmp_path)) == 2
        assert "expected a name, = and a number" in capsys.readouterr().err
    assert run("register", "--structure-weight", "left foot=1", **given, **outputs(tmp_path)) == 2
    assert "Expected putamen, caudate; got 'left foot'" in capsys.readouterr().err
    assert run("register", "--image-share", "1.5", **given, **outputs(tmp_path)) == 2
