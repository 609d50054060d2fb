"""The whole panel on the headless Slicer: real .ui file, real MRML; settings in a file, a layout of slice views."""

import time
import types
from contextlib import contextmanager

from . import application, mrml_widgets, pythonqt, slice_controllers
from .scene import boot  # noqa: F401  puts the headless Slicer on the path

import slicer  # isort: skip
import vtk  # isort: skip

application.install()
from headless.sliceview import SliceView  # noqa: E402
from ISTNRegistrationLib.core.errors import RegistrationCancelled  # noqa: E402
from PySide6.QtCore import Property  # noqa: E402

import ISTNRegistration as module  # noqa: E402


class qSlicerScriptedLoadableModuleWidget(mrml_widgets.qSlicerWidget):
    """The panel's parent in Slicer: Base/QTGUI/qSlicerAbstractModuleWidget.cxx:44-75, which knows whether it is shown."""

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


class LayoutManager:
    """Slice views with their controllers, made when a layout with them is asked for: the usual three, or a description's."""

    USUAL = ("Red", "Green", "Yellow")

    def __init__(self, scene, size=(200, 200)):
        self._scene, self._size, self._descriptions, self.layout, self.views = scene, size, {}, 1, {}
        self.controllers, self._link = {}, slice_controllers.link(scene)

    def layoutLogic(self):
        return self

    def GetLayoutNode(self):
        return self

    def IsLayoutDescription(self, number):
        return number in self._descriptions

    def AddLayoutDescription(self, number, xml):
        self._descriptions[number] = [part.partition('"')[0] for part in xml.split('singletontag="')[1:]]

    def setLayout(self, number):
        self.layout = number
        for name in self._descriptions.get(number, self.USUAL):
            if name not in self.views:
                self.views[name] = SliceView(self._scene, name, self._size)
                self.controllers[name] = slice_controllers.SliceController(self._scene, self.views[name]._logic)

    def resetSliceViews(self):
        for name in self._descriptions.get(self.layout, self.USUAL):
            if name in self.views:
                self.views[name].fit()


    def mrmlSliceLogics(self):
        return slicer.app.applicationLogic().GetSliceLogics() or vtk.vtkCollection()

    def close(self):
        self._link.SetMRMLScene(None)
        for controller in self.controllers.values():
            controller.close()
        for view in self.views.values():
            view.close()


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
    """The nodes and the request that Apply hands to the logic; nothing is registered."""
    calls = []

    def register(*nodes, **request):
        calls.append((nodes, request))
        raise RegistrationCancelled("only asked")

    panel.logic.register = register
    panel.ui.applyButton.click()
    del panel.logic.register
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
    return times[1] - times[0]


def pick_bspline(ui):
    """As a user does."""
    ui.transformComboBox.setCurrentIndex(1)
    ui.transformComboBox.activated.emit(1)
