"""The button Save all: every result in one folder, named by what it is, all of them or none."""

import numpy as np
import pytest

pytest.importorskip("PySide6", reason="the panel needs PySide6-Essentials in place of Slicer's Qt")
import SimpleITK as sitk  # noqa: E402
import slicer  # noqa: E402
from command import files_in  # noqa: E402
from disks import fill, read_only, state  # noqa: E402
from harness import panel  # noqa: E402, F401  makes qt
from ISTNRegistrationLib.bridge import saving  # noqa: E402
from ISTNRegistrationLib.bridge.saving import safeName  # noqa: E402
from ISTNRegistrationLib.bridge.volumes import volumeFromNode  # noqa: E402
from ISTNRegistrationLib.core.errors import InputError  # noqa: E402
from ISTNRegistrationLib.core.transform import SpatialTransform  # noqa: E402
from ISTNRegistrationLib.core.warp import warp_volume  # noqa: E402
from ISTNRegistrationLib.data.images import read_image  # noqa: E402

import qt  # noqa: E402  isort: skip  made by the harness

FOLDER = "moving to fixed"
POINT = (6.0, -9.0, 4.0)


@pytest.fixture
def chosen(judged, tmp_path, monkeypatch):
    """A folder that the user chooses."""
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *args: str(tmp_path / "chosen"))
    monkeypatch.setattr(slicer.util, "showStatusMessage", lambda *args: None)
    (tmp_path / "chosen").mkdir()
    return tmp_path / "chosen"


def test_one_click_saves_everything_named_by_what_it_is(judged, chosen):
    judged.ui.imageFormatComboBox.setCurrentText(".nrrd")
    judged.ui.saveAllButton.click()
    images = [
        "displacement field",
        "moving on fixed",
        *(f"map {k}" for k in ("fixed", "moving", "warped", "difference")),
    ]
    others = ["transform.h5", "inverse transform.h5", "table.csv", "report.html", "repeat.py"]
    names = [*(f"{name}.nrrd" for name in images), *others]
    assert files_in(chosen) == {FOLDER, *(f"{FOLDER}/{name}" for name in names)}
    nodes, there = judged.judgeTab.nodes, chosen / FOLDER
    saved = read_image(there / "map warped.nrrd")
    np.testing.assert_allclose(saved.array, volumeFromNode(nodes.heatmaps["warped"]).array, atol=1e-6)
    field = sitk.ReadImage(str(there / "displacement field.nrrd"))
    assert field.GetSize() == nodes.outcome.request.fixed.image.grid.size
    assert field.GetSize() != nodes.outcome.request.moving.image.grid.size
    expected = nodes.result.transform.map_points(np.array([POINT]))[0]
    forward, back = (sitk.ReadTransform(str(there / name)) for name in others[:2])
    np.testing.assert_allclose(forward.TransformPoint(POINT), expected, atol=1e-6)
    np.testing.assert_allclose(back.TransformPoint(tuple(expected)), POINT, atol=0.05)
    assert "nodes = register(" in (there / "repeat.py").read_text("utf-8")
    assert (there / "table.csv").read_text("utf-8").startswith("stage,")


def test_nothing_is_written_without_a_folder_and_replaced_only_if_the_user_agrees(judged, chosen, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *args: "")
        judged.ui.saveAllButton.click()
    assert files_in(chosen) == set()
    judged.ui.saveAllButton.click()
    (chosen / FOLDER / "table.csv").write_text("mine")
    for agreed in (False, True):
        monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *args, agreed=agreed: agreed)
        judged.ui.saveAllButton.click()
        assert ((chosen / FOLDER / "table.csv").read_text("utf-8") != "mine") == agreed


def test_hardened_is_the_moving_volume_where_the_registration_puts_it(judged, chosen, scene):
    """Each marker of the moving volume is found at the place that the transform takes to it; the scene stays."""
    before = scene.GetNumberOfNodes()
    judged.ui.hardenCheckBox.checked = True
    judged.ui.saveAllButton.click()
    assert scene.GetNumberOfNodes() == before
    nodes = judged.judgeTab.nodes
    request, saved = nodes.outcome.request, read_image(chosen / FOLDER / "moving hardened.nii.gz")
    there = warp_volume(saved, SpatialTransform(np.eye(4)), request.fixed.image.grid).array
    expected, inside = nodes.outcome.warped().array, np.s_[6:-6, 6:-6, 6:-6]
    assert np.abs(there - expected)[inside].mean() < 0.05 * np.ptp(expected)
    moved = warp_volume(request.moving.image, SpatialTransform(np.eye(4)), request.fixed.image.grid).array
    assert np.abs(moved - expected)[inside].mean() > 3 * np.abs(there - expected)[inside].mean()


def test_after_a_failure_the_old_files_are_there_and_nothing_new(judged, chosen, monkeypatch):
    nodes, pair = judged.judgeTab.nodes, judged.judgeTab.pair
    saving.saveAll(chosen, pair, nodes)
    before = {path: path.stat().st_mtime_ns for path in (chosen / FOLDER).iterdir()}

    def refused(path, nodes):
        raise InputError("Report", "no", "yes", "no")

    monkeypatch.setattr(saving, "writeHtml", refused)
    with pytest.raises(InputError):
        saving.saveAll(chosen, pair, nodes)
    assert before == {path: path.stat().st_mtime_ns for path in (chosen / FOLDER).iterdir()}


@pytest.fixture
def crowded(judged, disk, monkeypatch):
    """The user chooses a small disk on which older results lie, and agrees to replace them."""
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *args: str(disk))
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *args: True)
    monkeypatch.setattr(slicer.util, "showStatusMessage", lambda *args: None)
    (disk / FOLDER).mkdir()
    for name in ("transform.h5", "moving on fixed.nii.gz", "table.csv"):
        (disk / FOLDER / name).write_bytes(b"older")
    judged.ui.hardenCheckBox.checked = True
    return disk


def refused(judged, folder):
    """Save all fails, changes neither files nor scene, and says why in one line with the users' names of files."""
    files, nodes = state(folder), slicer.mrmlScene.GetNumberOfNodes()
    with pytest.raises(InputError) as caught:
        judged.judgeTab.onSaveAll()
    assert state(folder) == files and slicer.mrmlScene.GetNumberOfNodes() == nodes
    said = str(caught.value)
    assert "\n" not in said and ".istn-" not in said and len(said) < 600
    return said


@pytest.mark.parametrize("free", [0, 100_000, 2_480_000])
def test_a_full_disk_keeps_the_older_results_and_with_room_they_are_replaced(judged, crowded, free):
    fill(crowded, free)
    assert "space left" in refused(judged, crowded)
    (crowded / "fill").unlink()
    judged.ui.saveAllButton.click()
    assert len(state(crowded)) == 12 and b"older" not in state(crowded).values()


def test_a_full_disk_without_older_results_stays_as_it_was(judged, disk):
    fill(disk, 100_000)
    with pytest.raises(InputError, match="space left"):
        saving.saveAll(disk, judged.judgeTab.pair, judged.judgeTab.nodes)
    assert files_in(disk) == {"fill"}


def test_on_a_read_only_disk_the_reason_is_said(judged, crowded):
    read_only(crowded)
    assert "the folder cannot be written to" in refused(judged, crowded)


def test_a_folder_in_the_place_of_a_file_and_a_file_in_that_of_the_folder(judged, chosen, monkeypatch):
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *args: True)
    judged.ui.saveAllButton.click()
    (chosen / FOLDER / "table.csv").unlink()
    (chosen / FOLDER / "table.csv").mkdir()
    assert "table.csv" in refused(judged, chosen)
    (chosen / FOLDER).rename(chosen / "other")
    (chosen / FOLDER).write_bytes(b"mine")
    assert f"/{FOLDER}" in refused(judged, chosen)


def test_nodes_with_long_names_are_saved_under_shorter_ones_and_a_long_folder_is_refused(judged, chosen, monkeypatch):
    for node, letter in zip(judged.judgeTab.pair, "fü", strict=True):
        node.SetName(letter * 300)
    judged.ui.saveAllButton.click()
    moving, fixed = "ü" * 50, "f" * 100
    assert f"{moving} to {fixed}/{moving} on {fixed}.nii.gz" in files_in(chosen)
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *args: str(chosen / ("x" * 300)))
    refused(judged, chosen)


@pytest.mark.parametrize(
    "text, name", [("a/b\\c:d", "a_b_c_d"), ("T1 (2).nii", "T1 _2_.nii"), ("..", "result"), ("é", "é")]
)
def test_a_nodes_name_becomes_a_files(text, name):
    assert safeName(text) == name


def test_the_button_waits_for_a_result(judged, scene):
    assert judged.ui.saveAllButton.enabled
    scene.Clear(0)
    assert not judged.ui.saveAllButton.enabled
