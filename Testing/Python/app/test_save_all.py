"""The button Save all: every result in one folder, named by what it is, all of them or none."""

import numpy as np
import pytest

pytest.importorskip("PySide6", reason="the panel needs PySide6-Essentials in place of Slicer's Qt")
import SimpleITK as sitk  # noqa: E402
import slicer  # noqa: E402
from command import files_in  # noqa: E402
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
    judged.ui.imageFormatSelector.setCurrentText(".nrrd")
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


@pytest.mark.parametrize(
    "text, name", [("a/b\\c:d", "a_b_c_d"), ("T1 (2).nii", "T1 _2_.nii"), ("..", "result"), ("é", "é")]
)
def test_a_nodes_name_becomes_a_files(text, name):
    assert safeName(text) == name


def test_the_button_waits_for_a_result(judged, scene):
    assert judged.ui.saveAllButton.enabled
    scene.Clear(0)
    assert not judged.ui.saveAllButton.enabled
