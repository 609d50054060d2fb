"""A PythonQt-like ``qt`` on PySide6: properties as attributes, ``connect("signal(type)", slot)``.

A signal of another name or other arguments is refused; what a slot or an observer raises is kept in ``slot_errors``.
"""

import os
import sys
import types
import xml.etree.ElementTree as ET

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets  # noqa: E402

slot_errors = []
_NOT_PATCHED = {"sizeHint", "minimumSizeHint", "singleShot"}  # virtual methods, which Qt calls; a static function
_connections = {}


def _known(sender, signature):
    """The signature, if the sender has such a signal: of its own, or one that a stand-in names."""
    meta = sender.metaObject()
    wanted = QtCore.QMetaObject.normalizedSignature(signature)
    wanted = bytes(wanted).decode() if not isinstance(wanted, str) else wanted
    if meta.indexOfSignal(wanted) < 0 and wanted not in getattr(sender, "SIGNALS", ()):
        raise AttributeError(f"{meta.className()} has no signal {signature}")
    return wanted


def _record(kind, error, trace):
    """What Python calls for an exception that nobody catches, in a slot or an observer: keep it, and print it."""
    if error not in slot_errors:
        slot_errors.append(error)
    sys.__excepthook__(kind, error, trace)


def _connect(self, signature, slot):
    name, _, arguments = _known(self, signature).partition("(")
    count = len([a for a in arguments.rstrip(")").split(",") if a])

    def call(*values):
        code = getattr(getattr(slot, "__func__", slot), "__code__", None)
        takes = code.co_argcount - hasattr(slot, "__self__") if code else count
        slot(*values[: min(count, takes)])  # as PythonQt, drop the arguments that a slot does not take

    getattr(self, name).connect(call)
    _connections[id(self), signature, slot] = call
    return True


def _disconnect(self, signature, slot):
    """As PythonQt, False where there is no such connection."""
    call = _connections.pop((id(self), signature, slot), None)
    if call is not None:
        getattr(self, signature.partition("(")[0]).disconnect(call)
    return call is not None


def _attribute(key):
    return property(lambda self: self.property(key), lambda self, value: self.setProperty(key, value))


def _members(module):
    """PySide6 fills its modules on demand: dir() knows all names, vars() does not."""
    return {key: getattr(module, key) for key in dir(module) if not key.startswith("_")}


def _patch():
    plain, own = QtCore.QObject.__getattribute__, {"connect": _connect, "disconnect": _disconnect}

    def getattribute(self, name):
        found = plain(self, name)
        if name not in own:
            return found
        return lambda *what: own[name](self, *what) if isinstance(what[0], str) else found(*what)  # PySide6's own calls

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
    """Makes the stand-ins, and the connections from and to them that Qt cannot make; it makes no other."""

    classes = {}

    def load(self, file, parent=None):
        tree = ET.fromstring(bytes(file.readAll()))
        own = [c for c in tree.iter("connection") if c.findtext("signal").startswith("mrmlSceneChanged(")]
        for parts in tree.iter("connections"):
            for connection in own:
                parts.remove(connection)
        buffer = QtCore.QBuffer()
        buffer.setData(ET.tostring(tree))
        buffer.open(QtCore.QIODevice.ReadOnly)
        panel = super().load(buffer, parent)
        by_name = {panel.objectName: panel, **{w.objectName: w for w in panel.findChildren(QtWidgets.QWidget)}}
        for connection in own:
            slot = connection.findtext("slot").partition("(")[0]
            sender, receiver = (by_name[connection.findtext(end)] for end in ("sender", "receiver"))
            sender.mrmlSceneChanged.connect(getattr(receiver, slot))
        return panel

    def createWidget(self, class_name, parent=None, name=""):
        if class_name not in self.classes:
            return super().createWidget(class_name, parent, name)
        widget = self.classes[class_name](parent)
        widget.setObjectName(name)
        return widget


def application():
    """The one QApplication."""
    return sys.modules["qt"].application


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
    sys.excepthook = _record
    return qt.application
