"""Nodes that are deleted, or undone, between run and review: what cannot be done is said, nothing is half done."""

import pytest

pytest.importorskip("PySide6", reason="the panel needs PySide6-Essentials in place of Slicer's Qt")
import slicer  # noqa: E402
from harness import panel, pythonqt  # noqa: E402, F401  makes qt
from harness.scene import contents, node_ids  # noqa: E402
from ISTNRegistrationLib.bridge.volumes import segmentationFromVolume, volumeFromNode  # noqa: E402
from ISTNRegistrationLib.core.volume import Volume  # noqa: E402

import qt  # noqa: E402  isort: skip  made by the harness


@pytest.fixture
def shown(monkeypatch):
    """Texts of the errors that the user is shown."""
    texts = []
    monkeypatch.setattr(slicer.app, "testingEnabled", lambda: False)
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, *args, **more: texts.append(text))
    return texts


def which(judged, role):
    nodes = judged.judgeTab.nodes
    return {
        "fixed": judged.judgeTab.pair[0],
        "moving": judged.judgeTab.pair[1],
        "transform": nodes.transform,
        "volume": nodes.volume,
        "heatmap": nodes.heatmaps["warped"],
    }[role]


@pytest.mark.parametrize("role", ["transform", "fixed"])
def test_no_registered_copy_without_the_transform_or_the_fixed_volume(judged, scene, role, shown, monkeypatch):
    moving = volumeFromNode(judged.judgeTab.pair[1])
    segmentation = segmentationFromVolume(scene, Volume((moving.array > 20).astype("uint8"), moving.grid), "seg")
    monkeypatch.setattr(judged.ui.carrySelector, "checkedNodes", lambda: [segmentation])
    scene.RemoveNode(which(judged, role))
    before = node_ids(scene)
    judged.ui.carryButton.click()
    assert "deleted after the registration" in shown[0] and node_ids(scene) == before
    pythonqt.slot_errors.clear()


@pytest.mark.parametrize("role", ["fixed", "moving", "volume", "heatmap"])
def test_the_cockpit_does_not_open_without_what_it_shows(judged, scene, role, shown):
    scene.RemoveNode(which(judged, role))
    before = node_ids(scene)
    judged.ui.cockpitButton.setChecked(True)
    assert "deleted after the registration" in shown[0] and node_ids(scene) == before
    pythonqt.slot_errors.clear()


@pytest.mark.parametrize("role", ["moving", "volume", "heatmap"])
@pytest.mark.parametrize("action", ["heat", "worst", "flicker"])
def test_an_open_cockpit_closes_when_what_it_shows_is_gone(judged, scene, role, action):
    judged.ui.cockpitButton.setChecked(True)
    assert judged.judgeTab.comparison.cockpit is not None
    scene.RemoveNode(which(judged, role))
    if action == "heat":
        judged.parameters.heatHigh = 0.7
    elif action == "worst":
        judged.ui.worstButton.click()
    else:
        judged.judgeTab.comparison._onFlicker()
    assert judged.judgeTab.comparison.cockpit is None and not judged.ui.cockpitButton.checked
    assert not [n for n in node_ids(scene) if scene.GetNodeByID(n).GetName().startswith("Moving (at the start)")]


@pytest.mark.parametrize("role", ["fixed", "moving", "transform"])
def test_report_table_and_script_do_not_need_the_nodes(judged, scene, role, tmp_path, monkeypatch):
    names = iter([str(tmp_path / "q.csv"), str(tmp_path / "r.html")])
    monkeypatch.setattr(qt.QFileDialog, "getSaveFileName", lambda *args: (next(names), ""))
    monkeypatch.setattr(slicer.util, "showStatusMessage", lambda *args: None)
    scene.RemoveNode(which(judged, role))
    for button in ("exportCsvButton", "exportHtmlButton", "copyPythonButton"):
        getattr(judged.ui, button).click()
    assert (tmp_path / "q.csv").is_file() and "sha256" in (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "nodes = register(" in qt.QApplication.clipboard().text()


def test_saving_all_without_one_of_the_results_says_which(judged, scene, tmp_path, shown, monkeypatch):
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *args: str(tmp_path / "out"))
    (tmp_path / "out").mkdir()
    scene.RemoveNode(which(judged, "volume"))
    judged.ui.saveAllButton.click()
    assert "deleted after the registration" in shown[0] and not list((tmp_path / "out").iterdir())
    pythonqt.slot_errors.clear()


def test_undo_after_apply_gives_the_scene_back_as_it_was_saved(ready, pair, scene):
    """The user's nodes with undo enabled, as Slicer's developers do; Undo after Apply, then Apply again."""
    scene.SetUndoOn()
    for node in pair:
        node.SetUndoEnabled(True)
    scene.SaveStateForUndo()
    ready.parameters.applyToMoving = True
    ready.ui.applyButton.click()
    assert pair[1].GetTransformNodeID() is not None
    scene.Undo()
    assert pair[1].GetTransformNodeID() is None and scene.IsNodePresent(pair[1])
    ready.ui.cockpitButton.setChecked(True)
    ready.ui.cockpitButton.setChecked(False)
    ready.ui.applyButton.click()
    assert ready.ui.statusLabel.text.startswith("Done")
    scene.SetUndoOff()


def test_undo_of_a_deletion_after_apply_leaves_buttons_that_work_or_say_why(judged, scene, shown):
    scene.SetUndoOn()
    volume = judged.judgeTab.nodes.volume
    volume.SetUndoEnabled(True)
    scene.SaveStateForUndo()
    scene.RemoveNode(volume)
    scene.Undo()
    before = contents(scene)
    judged.ui.cockpitButton.setChecked(True)
    opened = judged.judgeTab.comparison.cockpit is not None
    assert opened or "deleted after the registration" in shown[0]
    judged.ui.cockpitButton.setChecked(False)
    assert contents(scene) == before
    scene.SetUndoOff()
    pythonqt.slot_errors.clear()
