"""The whole panel on the headless Slicer: real .ui file, real MRML; settings in a file, a layout of slice views."""

import time
import types
from contextlib import contextmanager

from . import application, mrml_widgets, pythonqt

import slicer  # isort: skip

application.install()
from ISTNRegistrationLib.core.errors import RegistrationCancelled  # noqa: E402
from PySide6.QtCore import Property  # noqa: E402

import ISTNRegistration as module  # noqa: E402

from .layouts import LayoutManager  # noqa: E402


class qSlicerScriptedLoadableModuleWidget(mrml_widgets.qSlicerWidget):
    """The panel's parent in Slicer knows whether it is shown: Base/QTGUI/qSlicerAbstractModuleWidget.cxx:44-75."""

    def __init__(self):
        import qt

        super().__init__()
        self.setLayout(qt.QVBoxLayout())
        self._entered, self.panel = False, None

    def enter(self):
        self._entered = True
        self.panel.enter()

    def exit(self):
        self._entered = False
        self.panel.exit()

    isEntered = Property(bool, lambda self: self._entered)


@contextmanager
def open_panel(scene, settings_file, size=(200, 200)):
    """The module's widget, set up and shown; errors in slots and observers fail at the end."""
    import qt

    slicer.modules.istnregistration = types.SimpleNamespace(path=module.__file__)
    settings = qt.QSettings(str(settings_file), qt.QSettings.IniFormat)
    slicer.app.userSettings = lambda: settings
    manager = LayoutManager(scene, size)
    slicer.app.layoutManager = lambda: manager
    pythonqt.slot_errors.clear()
    parent = qSlicerScriptedLoadableModuleWidget()
    panel = parent.panel = module.ISTNRegistrationWidget(parent)
    panel.setup()
    parent.setMRMLScene(scene)
    parent.enter()
    try:
        yield panel
    finally:
        panel.cleanup()
        panel.ui.ISTNRegistration.setMRMLScene(None)
        manager.close()
    assert not pythonqt.slot_errors, pythonqt.slot_errors


def asked(panel):
    """The pair that Apply hands to the logic, and all else by its name; nothing is registered."""
    calls = []

    def run(request, outputs, inBackground):
        sides = {"fixed": request.fixed, "moving": request.moving, "checkpoint": request.checkpoint}
        calls.append((request.pair, {**request.options, **sides, "outputs": outputs}))
        raise RegistrationCancelled("only asked")

    panel.logic.run = run
    panel.ui.applyButton.click()
    del panel.logic.run
    return calls[0]


def on_report(panel, stage, action):
    """Do something at the first report of a stage."""
    deliver, done = panel.registerTab.onReport, []

    def watching(message):
        deliver(message)
        if message.progress.stage == stage and not done:
            done.append(1)
            action()

    panel.registerTab.onReport = watching


def closing_during(panel, button, way, monkeypatch):
    """Seconds that a slow run, begun by ``button`` in the application's event loop, goes on after Slicer was closed."""
    import qt
    from ISTNRegistrationLib.app.background import BackgroundRun

    report = BackgroundRun.report
    monkeypatch.setattr(BackgroundRun, "report", lambda run, message: time.sleep(0.3) or report(run, message))

    times, window = [], panel.parent
    window.show()

    def close():
        times.append(time.monotonic())
        window.close() if way == "the last window" else slicer.util.exit()

    def press():
        button.click()
        times.append(time.monotonic())
        qt.application.quit()

    qt.QTimer.singleShot(0, press)
    qt.QTimer.singleShot(800, close)  # in the middle of the run
    qt.application.exec()
    qt.application.processEvents()  # a quit that was posted when the last window closed
    qt.QTimer.singleShot(0, qt.application.quit)
    qt.application.exec()  # begins and ends at once: event loops of the tests after this one may begin again
    return times[1] - times[0]


def pick_bspline(ui):
    """As a user does."""
    ui.transformComboBox.setCurrentIndex(1)
    ui.transformComboBox.activated.emit(1)
