"""The headless Slicer as an application with a window: ``qt``, ``ctk``, Slicer's widgets and Python, ``slicer.app``."""

import sys
import types

from . import ctk_widgets, mrml_widgets, pythonqt, scripted, slicer_source
from .scene import boot

import slicer  # isort: skip

OWN_SIGNALS = ("startupCompleted()",)  # of qSlicerApplication; the others are Qt's
MRML_WIDGETS = ("qMRMLWidget", "qSlicerWidget", "qMRMLNodeComboBox", "qMRMLCheckableNodeComboBox")
MRML_UNUSED = ("qMRMLRangeWidget", "qMRMLSliderWidget", "qMRMLSpinBox")  # guiConnectors.py and guiCreation.py name them


class Signals:
    """connect and disconnect of an object whose signals the harness sends itself; another signal is refused."""

    def __init__(self, *names):
        self._slots = {name: [] for name in names}

    def connect(self, name, slot):
        self._slots[name].append(slot)
        return True

    def disconnect(self, name, slot):
        self._slots[name].remove(slot)
        return True

    def send(self, name, *values):
        for slot in list(self._slots[name]):
            slot(*values)


def install():
    """Make all of it, once per process."""
    if "ctk" in sys.modules:
        return
    boot()
    widgets = {name: getattr(mrml_widgets, name) for name in MRML_WIDGETS}
    pythonqt.install({**widgets, **ctk_widgets.CLASSES})
    ctk = types.ModuleType("ctk")
    vars(ctk).update(ctk_widgets.CLASSES)
    sys.modules["ctk"] = ctk
    for name, cls in {**widgets, **{name: ctk_widgets.unused(name) for name in MRML_UNUSED}}.items():
        setattr(slicer, name, cls)
    _completeApplication(slicer.app)
    if slicer_source.SOURCE is not None:
        slicer_source.install()
    else:
        scripted.install()


def _completeApplication(app):
    application = pythonqt.application()
    app.signals, manager = Signals(*OWN_SIGNALS), Signals("moduleAboutToBeUnloaded(QString)")

    def chosen(name):
        return app.signals if name in OWN_SIGNALS else application

    app.connect = lambda name, slot: chosen(name).connect(name, slot)
    app.disconnect = lambda name, slot: chosen(name).disconnect(name, slot)
    app.translate = lambda context, text: text
    app.moduleManager = lambda: manager
    app.processEvents = application.processEvents
    app.exit = application.exit
    app.commandOptions = lambda: types.SimpleNamespace(runPythonAndExit=False)
