"""Runs from the panel, with real registrations: results, Stop, Cancel, and everything that can happen meanwhile."""

import re

import pytest

pytest.importorskip("PySide6", reason="the panel needs PySide6-Essentials in place of Slicer's Qt")
import slicer  # noqa: E402
from harness import pythonqt  # noqa: E402
from harness.panel import asked, closing_during, on_report, pick_bspline  # noqa: E402
from harness.scene import contents, node_ids  # noqa: E402
from ISTNRegistrationLib.core.quality import HEADINGS  # noqa: E402


def test_a_click_registers_and_shows_the_result(ready, pair):
    ready.ui.previewCheckBox.setChecked(True)
    ready.ui.previewEverySpinBox.setValue(1)
    ready.ui.applyButton.click()
    ui = ready.ui
    assert ui.statusLabel.text.startswith("Done in") and ui.tabs.currentWidget() is ui.judgeTab
    assert slicer.util.getNode("moving to fixed").IsLinear()
    assert ui.qualityTable.columnCount == 3 and 3 < ui.qualityTable.rowCount < len(HEADINGS)
    assert ui.reasonLabel.text and not ui.lossPlotLabel.pixmap.isNull()
    assert not [n for n in node_ids(slicer.mrmlScene) if "preview" in slicer.mrmlScene.GetNodeByID(n).GetName()]


def test_two_runs_in_a_row_make_the_same_transform_twice(ready):
    found = []
    for _ in range(2):
        ready.ui.applyButton.click()
        found.append(ready.judgeTab.nodes.result.transform.linear)
    assert (found[0] == found[1]).all()
    assert all(slicer.mrmlScene.GetFirstNodeByName(name) for name in ("moving to fixed", "moving to fixed_1"))


@pytest.mark.parametrize("stage", ["affine refined", "bspline refined"])
@pytest.mark.parametrize("preview", [False, True])
def test_cancel_leaves_the_scene_node_for_node_as_it_was(ready, stage, preview):
    pick_bspline(ready.ui)
    ready.ui.previewCheckBox.setChecked(preview)
    before = contents(slicer.mrmlScene)
    on_report(ready, stage, ready.ui.cancelButton.click)
    ready.ui.applyButton.click()
    assert "Cancelled" in ready.ui.statusLabel.text and ready.ui.applyButton.enabled
    assert contents(slicer.mrmlScene) == before


def test_stop_keeps_the_best_so_far(ready):
    ready.ui.iterationsSpinBox.setValue(2000)
    on_report(ready, "affine refined", ready.ui.stopButton.click)
    ready.ui.applyButton.click()
    assert ready.ui.statusLabel.text.startswith("Done") and ready.judgeTab.nodes is not None
    assert len(ready.judgeTab.nodes.result.stages[-1].losses) < 2000


def test_closing_the_scene_during_a_run_ends_it(ready):
    on_report(ready, "affine refined", lambda: slicer.mrmlScene.Clear(0))
    ready.ui.applyButton.click()
    assert "Cancelled" in ready.ui.statusLabel.text
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLVolumeNode") == 0
    assert ready.ui.applyButton.text == "Select a fixed volume"


def test_leaving_or_reloading_the_module_during_a_run_ends_well(ready):
    on_report(ready, "affine refined", ready.parent.exit)
    ready.ui.applyButton.click()
    assert ready.ui.statusLabel.text.startswith("Done")
    ready.parent.enter()
    assert ready.ui.applyButton.enabled
    on_report(ready, "affine refined", ready.cleanup)
    ready.ui.applyButton.click()
    assert "Cancelled" in ready.ui.statusLabel.text


def test_an_input_deleted_midway_is_an_error_that_says_so(ready, pair, monkeypatch):
    shown = []
    monkeypatch.setattr(slicer.app, "testingEnabled", lambda: False)
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, *args, **more: shown.append(text))
    on_report(ready, "affine refined", lambda: slicer.mrmlScene.RemoveNode(pair[1]))
    ready.ui.applyButton.click()
    assert "deleted during the registration" in shown[0]
    assert slicer.mrmlScene.GetFirstNodeByName("moving to fixed") is None
    assert "deleted" in str(pythonqt.slot_errors.pop())  # Slicer prints it in the Python console as well


def test_back_in_the_module_during_a_run_the_button_says_so(ready):
    said = []

    def leave_and_come_back():
        ready.parent.exit()
        ready.parent.enter()
        said.append((ready.ui.applyButton.text, ready.ui.applyButton.enabled))

    on_report(ready, "affine refined", leave_and_come_back)
    ready.ui.applyButton.click()
    assert said == [("Registering...", False)] and ready.ui.statusLabel.text.startswith("Done")
    ready.ui.tabs.setCurrentIndex(0)
    assert ready.ui.applyButton.text == "Apply" and ready.ui.applyButton.enabled


@pytest.mark.parametrize("way", ["the last window", "slicer.util.exit"])
def test_closing_slicer_during_a_run_ends_it_within_two_seconds(ready, way, monkeypatch):
    before = contents(slicer.mrmlScene)
    assert closing_during(ready, ready.ui.applyButton, way, monkeypatch) < 2
    assert "Cancelled" in ready.ui.statusLabel.text and contents(slicer.mrmlScene) == before


def test_accurate_is_dense_and_the_other_presets_leave_it(ready):
    presets, transforms = ready.ui.presetComboBox, ready.ui.transformComboBox
    presets.activated.emit(presets.findData("accurate"))
    wanted = {"transform": "dense", "refine": "theta", "iterations": 50}
    assert {key: asked(ready)[1][key] for key in wanted} == wanted and presets.currentData == "accurate"
    presets.activated.emit(presets.findData("fast"))
    assert asked(ready)[1]["transform"] == "bspline" and presets.currentData == "fast"
    transforms.activated.emit(transforms.findData("affine"))
    presets.activated.emit(presets.findData("standard"))
    assert asked(ready)[1]["transform"] == "affine" and presets.currentData == "standard"


def test_landmarks_that_pull_are_told_live_and_are_needed(ready, pair):
    ready.ui.landmarkWeightSpinBox.setValue(1.0)
    assert ready.ui.applyButton.text == "Select landmarks of both images" and not ready.ui.applyButton.enabled
    for side, away in (("fixed", 0.0), ("moving", 2.0)):
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", f"{side} points")
        node.AddControlPoint([3.0 + away, -4.0, 5.0], "a")
        getattr(ready.ui, f"{side}LandmarksSelector").setCurrentNode(node)
    said = []
    on_report(ready, "affine refined", lambda: said.append(ready.ui.statusLabel.text))
    ready.ui.applyButton.click()
    assert re.search(r", landmarks \d\.\d mm apart$", said[0])
    ready.ui.iterationsSpinBox.setValue(0)
    assert ready.ui.applyButton.text == "Landmarks pull only while refining"


def test_a_preset_says_how_long_it_took_last_for_this_transform_and_a_stopped_run_is_forgotten(ready):
    presets = ready.ui.presetComboBox
    presets.activated.emit(presets.findData("fast"))
    ready.ui.applyButton.click()
    text = {presets.itemData(k): presets.itemText(k) for k in range(presets.count)}
    assert re.fullmatch(r"Fast: one pass, [0-9.]+ s", text["fast"]) and not re.search(r"\d s", text["standard"])
    took = slicer.app.userSettings().value("ISTNRegistration/Seconds/fast/affine")
    assert abs(float(took) - float(re.search(r"Done in (.+) s\.", ready.ui.statusLabel.text)[1])) < 0.06
    assert text["fast"] == f"Fast: one pass, {float(took):.1f} s"
    ready.parameters.transform = "bspline"
    assert presets.itemText(presets.findData("fast")) == "Fast: one pass"
    presets.activated.emit(presets.findData("standard"))
    on_report(ready, "affine refined", ready.ui.stopButton.click)
    ready.ui.applyButton.click()
    assert ready.ui.statusLabel.text.startswith("Done") and presets.currentText == "Standard: refined"
