"""A PythonQt-like ``qt`` on PySide6: properties as attributes, ``connect("signal(type)", slot)``."""

import ctypes
import os
import sys
import types

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets  # noqa: E402

slot_errors = []
# PySide6 6.12 on Python before 3.12 gives back one reference to None too many in setPixmap, addItem and others: after
# some hundred panels Python would free None. A million more, in a list that is never freed, are enough for any suite.
_references_to_none = [None] * 1_000_000
ctypes.pythonapi.Py_IncRef(ctypes.py_object(_references_to_none))
_NOT_PATCHED = {"sizeHint", "minimumSizeHint"}  # virtual methods: a property would break Qt's own calls
_connections = {}


def _connect(self, signature, slot):
    name, _, arguments = signature.partition("(")
    count = len([a for a in arguments.rstrip(")").split(",") if a])

    def call(*values):
        code = getattr(getattr(slot, "__func__", slot), "__code__", None)
        takes = code.co_argcount - hasattr(slot, "__self__") if code else count
        try:
            slot(*values[: min(count, takes)])  # as PythonQt, drop the arguments that a slot does not take
        except Exception as error:
            slot_errors.append(error)
            raise

    getattr(self, name).connect(call)
    _connections[id(self), signature, slot] = call
    return True


def _disconnect(self, signature, slot):
    getattr(self, signature.partition("(")[0]).disconnect(_connections.pop((id(self), signature, slot)))
    return True


def _attribute(key):
    return property(lambda self: self.property(key), lambda self, value: self.setProperty(key, value))


def _members(module):
    """PySide6 fills its modules on demand: dir() knows all names, vars() does not."""
    return {key: getattr(module, key) for key in dir(module) if not key.startswith("_")}


def _patch():
    plain = QtCore.QObject.__getattribute__

    def getattribute(self, name):
        if name in ("connect", "disconnect"):
            return lambda *args: (_connect if name == "connect" else _disconnect)(self, *args)
        return plain(self, name)

    QtCore.QObject.__getattribute__ = getattribute
    QtCore.QObject.name = _attribute("objectName")
    QtCore.QObject.className = lambda self: type(self).__name__
    for module in (QtCore, QtGui, QtWidgets):
        for cls in [c for c in _members(module).values() if isinstance(c, type) and issubclass(c, QtCore.QObject)]:
            meta = cls.staticMetaObject
            for i in range(meta.propertyOffset(), meta.propertyCount()):
                if meta.property(i).name() not in _NOT_PATCHED:
                    setattr(cls, meta.property(i).name(), _attribute(meta.property(i).name()))


class _UiLoader(QtUiTools.QUiLoader):
    classes = {}

    def createWidget(self, class_name, parent=None, name=""):
        if class_name not in self.classes:
            return super().createWidget(class_name, parent, name)
        widget = self.classes[class_name](parent)
        widget.setObjectName(name)
        return widget


def install(stand_ins):
    """Make ``import qt`` work, and .ui files with the ``stand_ins`` (name to class) in them; once per process."""
    if "qt" in sys.modules:
        return sys.modules["qt"].application
    qt = types.ModuleType("qt")
    qt.application = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["test"])
    _patch()
    for module in (QtCore, QtGui, QtWidgets, QtUiTools):
        vars(qt).update(_members(module))
    _UiLoader.classes = stand_ins
    qt.QUiLoader = _UiLoader
    sys.modules["qt"] = qt
    return qt.application
