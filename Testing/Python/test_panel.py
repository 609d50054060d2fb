"""The panel, clicked: the real .ui file, real MRML and real registrations, on stand-ins for Slicer's widgets."""

import dataclasses
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest.importorskip("PySide6", reason="the panel needs PySide6-Essentials in place of Slicer's Qt")
import slicer  # noqa: E402
from harness.panel import asked, module, open_panel, pick_bspline  # noqa: E402
from ISTNRegistrationLib.app.batch_table import Line  # noqa: E402
from ISTNRegistrationLib.app.parameter_node import ISTNRegistrationParameterNode  # noqa: E402
from ISTNRegistrationLib.app.parameters import INITIALS, OWN_PRESET  # noqa: E402


def test_apply_says_what_is_missing(panel, pair):
    ui = panel.ui
    assert not ui.applyButton.enabled and ui.applyButton.text == "Select a fixed volume"
    ui.fixedSelector.setCurrentNode(pair[0])
    assert ui.applyButton.text == ui.applyButton.toolTip == "Select a moving volume"
    ui.movingSelector.setCurrentNode(pair[0])
    assert ui.applyButton.text == "Select two different volumes"
    ui.movingSelector.setCurrentNode(pair[1])
    assert ui.applyButton.enabled and ui.applyButton.text == "Apply"
    ui.initialComboBox.setCurrentIndex(INITIALS.index("transform"))
    assert ui.applyButton.text == "Select an initial transform" and ui.initialTransformSelector.enabled
    ui.initialComboBox.setCurrentIndex(INITIALS.index("landmarks"))
    assert ui.applyButton.text == "Select landmarks of both images" and not ui.applyButton.enabled


def test_the_panel_opens_quickly_and_without_torch(scene, tmp_path, monkeypatch):
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else find(name))
    began = time.perf_counter()
    with open_panel(scene, tmp_path / "settings.ini") as panel:
        assert time.perf_counter() - began < 5  # a hang, not a benchmark
        assert not panel.ui.installFrame.isHidden() and "torch" in panel.ui.installLabel.text
        assert "thalamus" in panel.ui.cardTextLabel.text


def test_the_card_of_the_checkpoint_is_shown_and_its_transforms_are_offered(ready):
    assert "putamen, caudate" in ready.ui.cardTextLabel.text
    box = ready.ui.transformComboBox
    assert [box.itemData(k) for k in range(box.count)] == ["affine", "bspline", "dense"]


def test_a_broken_checkpoint_is_said_and_apply_waits(ready, tmp_path):
    (tmp_path / "broken.h5").write_bytes(b"no checkpoint")
    ready.registerTab.models.add(tmp_path / "broken.h5")
    assert "cannot be read" in ready.ui.cardTextLabel.text and not ready.ui.applyButton.enabled


def combo(name, index):
    def change(ui, _node):
        getattr(ui, name).setCurrentIndex(index)

    return change


def tick(name, wanted=True):
    def change(ui, _node):
        getattr(ui, name).setChecked(wanted)

    return change


def choose(name):
    def change(ui, node):
        getattr(ui, name).setCurrentNode(node)

    return change


def keep_rigid(ui, node):
    ui.rigidRegionSelector.setCurrentNode(node)
    assert ui.applyButton.text == "A rigid region needs B-spline or dense"
    pick_bspline(ui)


def pull(ui, node):
    for selector in (ui.fixedLandmarksSelector, ui.movingLandmarksSelector):
        selector.setCurrentNode(node)
    ui.landmarkWeightSpinBox.setValue(0.5)


def fast(ui, _node):
    index = ui.presetComboBox.findData("fast")
    ui.presetComboBox.activated.emit(index)


OUTPUTS = {
    "makeVolumeCheckBox": ("volume", False),
    "makeHeatmapsCheckBox": ("heatmaps", False),
    "makeChannelsCheckBox": ("channels", True),
    "makeMeasuresCheckBox": ("measures", True),
    "makeUncertaintyCheckBox": ("uncertainty", True),
    "makeInverseCheckBox": ("inverse", True),
    "makePartsCheckBox": ("parts", True),
    "makeGridCheckBox": ("grid", True),
    "applyToMovingCheckBox": ("applyToMoving", True),
}
CHANGES = {
    "transform": (lambda ui, n: pick_bspline(ui), None, lambda r, n: r["transform"] == "bspline"),
    "initial": (combo("initialComboBox", 3), None, lambda r, n: r["initial"] == "center_of_mass"),
    "refine": (combo("refineComboBox", 1), None, lambda r, n: r["refine"] == "weights"),
    "device": (combo("deviceComboBox", 1), None, lambda r, n: r["device"] == "cpu"),
    "keepBest": (tick("keepBestCheckBox", False), None, lambda r, n: r["keep_best"] is False),
    "fixedCorrected": (
        choose("fixedCorrectedSelector"), "vtkMRMLSegmentationNode", lambda r, n: r["fixed"].corrected is n,
    ),
    "movingCorrected": (
        choose("movingCorrectedSelector"), "vtkMRMLSegmentationNode", lambda r, n: r["moving"].corrected is n,
    ),
    "rigidRegion": (keep_rigid, "vtkMRMLSegmentationNode", lambda r, n: r["fixed"].rigid is n),
    "landmarkWeight": (pull, "vtkMRMLMarkupsFiducialNode", lambda r, n: r["landmark_weight"] == 0.5),
    "iterations": (lambda ui, n: ui.iterationsSpinBox.setValue(7), None, lambda r, n: r["iterations"] == 7),
    "preset": (fast, None, lambda r, n: (r["refine"], r["iterations"]) == ("none", 0)),
    "fixedMask": (choose("fixedMaskSelector"), "vtkMRMLSegmentationNode", lambda r, n: r["fixed"].mask is n),
    "movingMask": (choose("movingMaskSelector"), "vtkMRMLMarkupsROINode", lambda r, n: r["moving"].mask is n),
    "fixedStructures": (
        choose("fixedStructuresSelector"), "vtkMRMLSegmentationNode", lambda r, n: r["fixed"].structures is n,
    ),
    "movingStructures": (
        choose("movingStructuresSelector"), "vtkMRMLSegmentationNode", lambda r, n: r["moving"].structures is n,
    ),
    "fixedLandmarks": (
        choose("fixedLandmarksSelector"), "vtkMRMLMarkupsFiducialNode", lambda r, n: r["fixed"].landmarks is n,
    ),
    "movingLandmarks": (
        choose("movingLandmarksSelector"), "vtkMRMLMarkupsFiducialNode", lambda r, n: r["moving"].landmarks is n,
    ),
    "outputTransform": (
        choose("outputTransformSelector"), "vtkMRMLTransformNode", lambda r, n: r["outputs"].transformNode is n,
    ),
    **{
        field: (tick(name, wanted), None, lambda r, n, f=field, w=wanted: getattr(r["outputs"], f) is w)
        for name, (field, wanted) in OUTPUTS.items()
    },
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_each_control_changes_the_request(ready, scene, pair, name):
    change, kind, check = CHANGES[name]
    node = scene.AddNewNodeByClass(kind, "chosen") if kind else None
    assert not check(asked(ready)[1], node)
    change(ready.ui, node)
    nodes, request = asked(ready)
    assert nodes == pair and check(request, node)


def test_a_start_transform_of_ones_own_is_used(ready, scene):
    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "start")
    ready.ui.initialComboBox.setCurrentIndex(INITIALS.index("transform"))
    ready.ui.initialTransformSelector.setCurrentNode(node)
    assert asked(ready)[1]["initial"] is node


def test_the_checkpoint_of_the_list_is_asked_for(ready, checkpoint):
    assert asked(ready)[1]["checkpoint"] == str(checkpoint)
    index = ready.ui.checkpointComboBox.findData("hippocampus")
    ready.ui.checkpointComboBox.activated.emit(index)
    assert asked(ready)[1]["checkpoint"] == "hippocampus"


def test_ones_own_preset_is_kept_in_the_settings(ready):
    ready.ui.iterationsSpinBox.setValue(33)
    ready.ui.savePresetButton.click()
    assert slicer.app.userSettings().value(OWN_PRESET) == "theta:33"
    assert ready.ui.presetComboBox.currentData == "own"
    ready.ui.iterationsSpinBox.setValue(34)
    assert ready.ui.presetComboBox.currentData == "other"
    ready.ui.presetComboBox.activated.emit(ready.ui.presetComboBox.findData("own"))
    assert ready.ui.iterationsSpinBox.value == 33


@pytest.mark.parametrize("text", ["theta:99999", "magic:5", "theta:", "theta:\u00b2", "nonsense"])
def test_a_preset_that_can_no_longer_be_chosen_is_as_none(ready, text):
    slicer.app.userSettings().setValue(OWN_PRESET, text)
    before = ready.parameters.iterations
    ready.ui.presetComboBox.activated.emit(ready.ui.presetComboBox.findData("own"))
    assert ready.parameters.iterations == before and ready.ui.applyButton.enabled


def test_the_sample_pair_is_chosen_and_shown(ready, scene):
    ready.ui.sampleButton.click()
    fixed, moving = ready.parameters.fixedVolume, ready.parameters.movingVolume
    assert (fixed.GetName(), moving.GetName()) == ("ISTNFixedBrain", "ISTNMovingBrain")
    layers = [view.composite for name, view in slicer.app.layoutManager().views.items() if name != "1"]
    shown = {(c.GetBackgroundVolumeID(), c.GetForegroundVolumeID(), c.GetForegroundOpacity()) for c in layers}
    assert len(layers) == 3 and shown == {(fixed.GetID(), moving.GetID(), 0.5)}
    pictures = [slicer.app.layoutManager().views[name].picture() for name in ("Red", "Green", "Yellow")]
    assert all(picture.max() > 100 and picture.std() > 10 for picture in pictures)


def test_every_choice_comes_back_with_the_scene(ready, pair, tmp_path):
    pick_bspline(ready.ui)
    for name in OUTPUTS:
        getattr(ready.ui, name).click()
    for name in ("initialComboBox", "refineComboBox", "heatmapComboBox", "comparisonComboBox", "orientationComboBox"):
        getattr(ready.ui, name).setCurrentIndex(2)
    ready.ui.opacitySlider.setValue(0.25)
    ready.ui.heatHighSpinBox.setValue(0.8)
    ready.ui.previewEverySpinBox.setValue(9)
    names = [n for n in vars(ISTNRegistrationParameterNode) if not n.startswith("_")]
    names = [n for n in names if isinstance(getattr(ISTNRegistrationParameterNode, n), property)]

    def choices():
        values = {n: getattr(ready.parameters, n) for n in names}
        return {n: v.GetName() if hasattr(v, "GetName") else v for n, v in values.items()}

    before = choices()
    assert slicer.mrmlScene.WriteToMRB(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    assert choices() != before
    slicer.mrmlScene.SetURL(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    assert choices() == before and before["opacity"] == 0.25 and before["makeInverse"]
    assert ready.ui.opacitySlider.value == 0.25 and ready.ui.fixedSelector.currentNode().GetName() == "fixed"


def test_the_panel_fits_380_pixels_and_so_does_what_its_tables_show(ready, scene, tmp_path):
    panel = ready.parent
    pick_bspline(ready.ui)
    ready.ui.applyButton.click()
    assert panel.minimumSizeHint().width() <= 380
    table = ready.batchTab.table
    table.fill(["sub-01 to sub-02", "sub-01 to sub-03"])
    table.show(0, Line("done", "green", 0.512, 0.834, 0.62, 0.791, 12, 23.4))
    table.show(1, Line("failed", message="Image 'sub-03/T1w.nii.gz': it cannot be read. Expected an image; got text."))
    panel.resize(380, 900)
    panel.show()
    for tab, widget in ((ready.ui.judgeTab, ready.ui.qualityTable), (ready.ui.batchTab, ready.batchTab.ui.batchTable)):
        ready.ui.tabs.setCurrentWidget(tab)
        slicer.app.processEvents()
        assert panel.width == 380 and widget.horizontalScrollBar().maximum == 0
        assert all(widget.columnWidth(column) > 20 for column in range(widget.columnCount))
    panel.hide()


def test_every_mrml_widget_of_the_panel_is_handed_the_scene_by_its_ui_file():
    for path in sorted(Path(module.__file__).parent.glob("Resources/UI/*.ui")):
        tree = ElementTree.parse(path)
        widgets = {w.get("name") for w in tree.iter("widget") if w.get("class", "").startswith(("qMRML", "qSlicer"))}
        handed = {
            connection.findtext("receiver")
            for connection in tree.iter("connection")
            if connection.findtext("signal") == "mrmlSceneChanged(vtkMRMLScene*)"
            and connection.findtext("slot") == "setMRMLScene(vtkMRMLScene*)"
            and connection.findtext("sender") == path.stem
        }
        assert widgets - {path.stem} == handed, path.name


def test_a_panel_without_a_parent_is_a_window_of_its_own(scene, pair, tmp_path):
    with open_panel(scene, tmp_path / "settings.ini"):
        alone = module.ISTNRegistrationWidget()
        alone.ui.fixedSelector.setCurrentNode(pair[0])
        assert alone.parameters.fixedVolume is pair[0] and alone.ui.applyButton.text == "Select a moving volume"
        alone.cleanup()
        alone.parent.close()


def test_the_module_can_be_reloaded(ready, scene, tmp_path, monkeypatch):
    import sys

    kept = {n: m for n, m in sys.modules.items() if n.startswith("ISTNRegistrationLib")}
    monkeypatch.setattr("slicer.ScriptedLoadableModule.ScriptedLoadableModuleWidget.onReload", lambda self: None)
    ready.onReload()
    assert not [n for n in sys.modules if n.startswith("ISTNRegistrationLib")]
    sys.modules.update(kept)


def test_warnings_stand_above_apply(ready, pair):
    import numpy as np

    array = slicer.util.arrayFromVolume(pair[1])
    array[0, 0, 0] = -900.0
    slicer.util.arrayFromVolumeModified(pair[1])
    ready.registerTab.models.card = dataclasses.replace(ready.registerTab.models.card, card={"title": "T1 MRI"})
    ready.registerTab.update()
    assert "looks like CT" in ready.ui.warningsLabel.text and np.isfinite(array).all()
