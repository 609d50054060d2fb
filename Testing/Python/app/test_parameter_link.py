"""Selectors and parameter node: as saved, whichever the order; nothing is connected to a panel that nobody sees."""

import gc
import weakref

import pytest

pytest.importorskip("PySide6", reason="the panel needs PySide6-Essentials in place of Slicer's Qt")
import slicer  # noqa: E402
from harness import panel as harness  # noqa: E402, F401  makes qt

CHOSEN = ("fixedVolume", "movingVolume", "fixedMask", "movingStructures", "initialTransform")


@pytest.fixture
def saved(ready, scene, pair, tmp_path):
    """A scene file in which volumes, a mask, structures and a start transform are chosen; the scene is still open."""
    parameters = ready.parameters
    parameters.fixedMask = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "mask")
    parameters.movingStructures = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    slicer.util.updateVolumeFromArray(parameters.movingStructures, slicer.util.arrayFromVolume(pair[0]).astype("uint8"))
    parameters.initialTransform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "start")
    scene.SetURL(str(tmp_path / "scene.mrb"))
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    return str(tmp_path / "scene.mrb")


def read(scene, path):
    scene.SetURL(path)
    scene.ReadFromMRB(path, True)  # as File, Add Data does, and Load Scene after closing


def names(panel):
    shown = (panel.ui.fixedSelector, panel.ui.movingSelector, panel.ui.fixedMaskSelector)
    chosen = [getattr(panel.parameters, name) for name in CHOSEN] + [selector.currentNode() for selector in shown]
    return [node.GetName() if node is not None else None for node in chosen]


AS_SAVED = ["fixed", "moving", "mask", "labels", "start", "fixed", "moving", "mask"]


@pytest.mark.parametrize("close", [False, True])
def test_a_scene_opened_while_the_module_is_shown_brings_its_choices(ready, scene, saved, close):
    if close:
        scene.Clear(0)
        assert names(ready) == [None] * len(AS_SAVED)
    read(scene, saved)
    assert names(ready) == AS_SAVED and ready.ui.applyButton.enabled


@pytest.mark.parametrize("close", [False, True])
def test_a_scene_opened_while_another_module_is_shown_brings_its_choices(ready, scene, saved, close):
    ready.parent.exit()
    if close:
        scene.Clear(0)
    read(scene, saved)
    assert ready.parameters is None
    ready.parent.enter()
    assert names(ready) == AS_SAVED and ready.ui.applyButton.enabled


def test_nothing_is_connected_to_a_panel_that_nobody_sees(ready, scene, pair):
    ready.parent.exit()
    scene.Clear(0)
    typed = ready.logic.getParameterNode()
    assert ready.parameters is None
    ready.ui.makeGridCheckBox.click()
    assert typed.makeGrid is False and ready.ui.makeGridCheckBox.checked
    typed.iterations = 77
    assert ready.ui.iterationsSpinBox.value != 77


def test_a_panel_is_connected_when_it_is_shown_not_when_it_is_made(scene, tmp_path):
    with harness.open_panel(scene, tmp_path / "settings.ini") as panel:
        panel.parent.exit()
        hidden = harness.qSlicerScriptedLoadableModuleWidget()
        hidden.panel = harness.module.ISTNRegistrationWidget(hidden)
        hidden.panel.setup()
        assert hidden.panel.parameters is None
        hidden.enter()
        assert hidden.panel.parameters is not None
        hidden.panel.cleanup()


def test_what_can_no_longer_be_chosen_becomes_the_default_when_a_scene_is_read(ready, scene, saved):
    ready.parent.exit()
    node = scene.GetSingletonNode("ISTNRegistration", "vtkMRMLScriptedModuleNode")
    for name, text in {"iterations": "99999", "refine": "magic", "opacity": "nan", "makeGrid": "maybe"}.items():
        node.SetParameter(name, text)
    assert scene.WriteToMRB(saved)
    scene.Clear(0)
    ready.parent.enter()
    ready.ui.iterationsSpinBox.setValue(7)
    read(scene, saved)
    p = ready.parameters
    assert (p.iterations, p.refine, p.opacity, p.makeGrid) == (50, "theta", 0.5, False)
    assert ready.ui.iterationsSpinBox.value == 50 and ready.ui.refineComboBox.currentIndex == 0


def test_a_visit_leaves_nothing_behind_on_the_node(ready):
    node, weak = ready.parameters.parameterNode, weakref.ref(ready.parameters)
    ready.parent.exit()
    assert weak() is None
    gc.collect()
    node.Modified()  # an observer that was left there would be freed by now, and crash
    ready.parent.enter()
    ready.ui.makeGridCheckBox.click()
    assert ready.parameters.makeGrid
