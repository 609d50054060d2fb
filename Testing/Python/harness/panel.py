"""The whole panel on the headless Slicer: real .ui file, real MRML; settings in a file, a layout of slice views."""

import types
from contextlib import contextmanager

from . import pythonqt, scripted, widgets
from .scene import boot  # noqa: F401  puts the headless Slicer on the path

import slicer  # isort: skip

scripted.install()
pythonqt.install(widgets.STAND_INS)
from headless.sliceview import SliceView  # noqa: E402
from ISTNRegistrationLib.core.errors import RegistrationCancelled  # noqa: E402

import ISTNRegistration as module  # noqa: E402


class LayoutManager:
    """Slice views, made when a layout with them is asked for: Slicer's usual three, or those of a description."""

    USUAL = ("Red", "Green", "Yellow")

    def __init__(self, scene, size=(200, 200)):
        self._scene, self._size, self._descriptions, self.layout, self.views = scene, size, {}, 1, {}

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

    def resetSliceViews(self):
        for name in self._descriptions.get(self.layout, self.USUAL):
            if name in self.views:
                self.views[name].fit()


@contextmanager
def open_panel(scene, settings_file, size=(200, 200)):
    """The module's widget, set up; errors in slots fail at the end."""
    import qt

    slicer.qMRMLWidget = widgets.qMRMLWidget
    slicer.modules.istnregistration = types.SimpleNamespace(path=module.__file__)
    slicer.app.processEvents = qt.application.processEvents
    slicer.app.connect = lambda signal, slot: None
    settings = qt.QSettings(str(settings_file), qt.QSettings.IniFormat)
    slicer.app.userSettings = lambda: settings
    manager = LayoutManager(scene, size)
    slicer.app.layoutManager = lambda: manager
    pythonqt.slot_errors.clear()
    panel = module.ISTNRegistrationWidget()
    panel.setup()
    try:
        yield panel
    finally:
        panel.cleanup()
        panel.ui.ISTNRegistration.setMRMLScene(None)
        for view in manager.views.values():
            view.close()
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


def pick_bspline(ui):
    """As a user does."""
    ui.transformComboBox.setCurrentIndex(1)
    ui.transformComboBox.activated.emit(1)
