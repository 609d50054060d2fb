"""The panel, clicked: the real .ui file and the real module on stand-ins for Qt's and Slicer's widgets."""

import types

import pytest

pytest.importorskip("PySide6", reason="the panel needs PySide6-Essentials in place of Slicer's Qt")
from harness import pythonqt, scripted, widgets  # noqa: E402

import slicer  # isort: skip

scripted.install()
from ISTNRegistrationLib.core.errors import RegistrationCancelled  # noqa: E402

import ISTNRegistration as module  # noqa: E402


@pytest.fixture
def panel(scene):
    pythonqt.install(widgets.STAND_INS)
    slicer.qMRMLWidget = widgets.qMRMLWidget
    slicer.modules.istnregistration = types.SimpleNamespace(path=module.__file__)
    pythonqt.slot_errors.clear()
    panel = module.ISTNRegistrationWidget()
    panel.setup()
    yield panel
    panel.cleanup()
    panel.ui.ISTNRegistration.setMRMLScene(None)
    assert not pythonqt.slot_errors


@pytest.fixture
def asked(panel, monkeypatch):
    """What the panel asked of the logic; nothing is registered."""
    calls = []
    monkeypatch.setattr(panel.logic, "register", lambda *args, **options: calls.append((args, options)))
    return calls


def select(panel, pair):
    panel.ui.fixedSelector.setCurrentNode(pair[0])
    panel.ui.movingSelector.setCurrentNode(pair[1])


def test_apply_waits_for_two_different_volumes_and_says_so(panel, pair):
    ui = panel.ui
    assert not ui.applyButton.enabled and "Select a fixed" in ui.applyButton.toolTip
    select(panel, (pair[0], pair[0]))
    assert not ui.applyButton.enabled and "different" in ui.applyButton.toolTip
    select(panel, pair)
    assert ui.applyButton.enabled


def test_apply_asks_for_what_the_panel_shows(panel, pair, asked):
    select(panel, pair)
    panel.ui.applyButton.click()
    (fixed, moving, checkpoint, outputs, _), options = asked[0]
    assert (fixed, moving, checkpoint) == (*pair, "brain") and not outputs.applyToMoving
    assert options == {"transform": "affine", "refine": "theta"}


@pytest.mark.parametrize(
    "change, check",
    [
        (lambda ui: ui.checkpointLineEdit.setText("my.h5"), lambda args, options: args[2] == "my.h5"),
        (
            lambda ui: ui.transformComboBox.setCurrentText("bspline"),
            lambda args, options: options["transform"] == "bspline",
        ),
        (lambda ui: ui.refineComboBox.setCurrentText("none"), lambda args, options: options["refine"] == "none"),
        (lambda ui: ui.applyToMovingCheckBox.setChecked(True), lambda args, options: args[3].applyToMoving),
    ],
)
def test_each_control_changes_the_request(panel, pair, asked, change, check):
    select(panel, pair)
    change(panel.ui)
    panel.ui.applyButton.click()
    assert check(*asked[0])


def test_a_click_registers_and_shows_progress(panel, pair, checkpoint):
    select(panel, pair)
    panel.ui.checkpointLineEdit.setText(str(checkpoint))
    panel.ui.applyButton.click()
    assert panel.ui.statusLabel.text == "Done" and panel.ui.progressBar.maximum > 0
    assert slicer.util.getNode("moving to fixed").IsLinear()


def test_cancel_stops_at_the_next_iteration(panel, pair, asked, monkeypatch):
    def register(*args, **options):
        panel.ui.cancelButton.click()
        args[4](types.SimpleNamespace(stage="affine refined", iteration=1, iterations=9, loss=1.0))

    monkeypatch.setattr(panel.logic, "register", register)
    select(panel, pair)
    panel.ui.applyButton.click()
    assert panel.ui.statusLabel.text == "Cancelled" and panel.ui.applyButton.enabled


def test_an_error_is_shown_and_the_panel_is_ready_again(panel, pair, monkeypatch):
    def fail(*args, **options):
        raise RuntimeError("no model")

    shown = []
    monkeypatch.setattr(panel.logic, "register", fail)
    monkeypatch.setattr(slicer.app, "testingEnabled", lambda: False)
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, *args, **more: shown.append(text))
    select(panel, pair)
    panel.ui.applyButton.click()
    assert "no model" in shown[0] and panel.ui.applyButton.enabled and panel.ui.cancelButton.isHidden()
    assert str(pythonqt.slot_errors.pop()) == "no model"  # Slicer prints it in the Python console as well


def test_cancelling_is_an_exception_of_its_own(panel):
    panel._cancelRequested = True
    with pytest.raises(RegistrationCancelled):
        panel.onProgress(types.SimpleNamespace(stage="affine", iteration=0, iterations=1, loss=0.0))


def test_settings_come_back_after_the_scene_is_closed(panel, pair, scene):
    panel.ui.transformComboBox.setCurrentText("bspline")
    scene.Clear(0)
    assert panel.parameters is not None and not panel.ui.applyButton.enabled
    panel.ui.refineComboBox.setCurrentText("weights")
    assert module.ISTNRegistrationLogic().getParameterNode().refine == "weights"


def test_leaving_the_module_lets_go_of_the_settings(panel):
    panel.exit()
    panel.ui.refineComboBox.setCurrentText("weights")
    assert module.ISTNRegistrationLogic().getParameterNode().refine == "theta"
    panel.enter()
    assert panel.ui.refineComboBox.currentText == "theta"


def test_leaving_the_module_during_a_run_ends_well(panel, pair, monkeypatch):
    select(panel, pair)
    monkeypatch.setattr(panel.logic, "register", lambda *args, **options: panel.exit())
    panel.ui.applyButton.click()
    assert panel.ui.statusLabel.text == "Done" and panel.parameters is None
    panel.enter()
    assert panel.ui.applyButton.enabled and panel.ui.cancelButton.isHidden()
