"""Stand-ins for what slicer-core lacks of desktop Slicer: ScriptedLoadableModule, i18n, parameterNodeWrapper.

Only what this extension uses. ``install()`` publishes them under Slicer's module names; its files run unchanged.
"""

import sys
import types
import typing
import unittest
from pathlib import Path

import slicer
import vtk


class ScriptedLoadableModule:
    def __init__(self, parent):
        self.parent, self.moduleName = parent, type(self).__name__


class ScriptedLoadableModuleWidget:
    def __init__(self, parent=None):
        import qt

        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.parent = parent or slicer.qMRMLWidget()
        self.parent.setLayout(qt.QVBoxLayout())
        self.layout = self.parent.layout()

    def resourcePath(self, name):
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / name)

    def setup(self):
        pass

    def onReload(self):
        pass


class ScriptedLoadableModuleLogic:
    def __init__(self, parent=None):
        self.moduleName = type(self).__name__.removesuffix("Logic")

    def getParameterNode(self):
        scene, name = slicer.mrmlScene, self.moduleName
        node = scene.GetSingletonNode(name, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = slicer.vtkMRMLScriptedModuleNode()
            node.SetSingletonTag(name)
            node.SetAttribute("ModuleName", name)
            node.SetName(name)
            node = scene.AddNode(node)
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    def delayDisplay(self, message):
        pass


class Choice:
    def __init__(self, choices):
        self.choices = choices

    def allows(self, value):
        return value in self.choices


class WithinRange:
    def __init__(self, minimum, maximum):
        self.minimum, self.maximum = minimum, maximum

    def allows(self, value):
        return self.minimum <= value <= self.maximum


def _parameter(name, annotation, default):
    """-> property of a wrapped parameter: a node reference, or a str, bool or number that may be limited."""
    kind, *limits = typing.get_args(annotation) if typing.get_origin(annotation) is typing.Annotated else (annotation,)
    if typing.get_origin(kind) is typing.Union or issubclass(kind, slicer.vtkMRMLNode):
        return property(
            lambda self: self.parameterNode.GetNodeReference(name),
            lambda self, node: self.parameterNode.SetNodeReferenceID(name, node.GetID() if node else None),
        )

    def read(self):
        text = self.parameterNode.GetParameter(name)
        return default if not text else text == "True" if kind is bool else kind(text)

    def write(self, value):
        if not isinstance(value, kind) or not all(limit.allows(value) for limit in limits):
            raise ValueError(f"{name} cannot be {value!r}")
        self.parameterNode.SetParameter(name, str(value))

    return property(read, write)


def _binding(widget, limits):
    """-> (read, write, signal) of a widget."""
    kind = widget.className()
    if kind in ("QSpinBox", "QDoubleSpinBox", "ctkSliderWidget"):
        widget.minimum, widget.maximum = limits[0].minimum, limits[0].maximum
        signal = "valueChanged(int)" if kind == "QSpinBox" else "valueChanged(double)"
        return lambda: widget.value, widget.setValue, signal
    if kind == "qMRMLNodeComboBox":
        return widget.currentNode, widget.setCurrentNode, "currentNodeChanged(vtkMRMLNode*)"
    if kind == "QCheckBox":
        return lambda: widget.checked, widget.setChecked, "toggled(bool)"
    if kind == "QLineEdit":
        return lambda: widget.text, widget.setText, "textChanged(QString)"
    choices = limits[0].choices
    widget.clear()
    widget.addItems(choices)  # as Slicer's connector does
    return (
        lambda: choices[widget.currentIndex],
        lambda value: widget.setCurrentIndex(choices.index(value)),
        "currentIndexChanged(int)",
    )


class _Binding:
    """Keeps widgets and a parameter node equal, both ways."""

    def __init__(self, parameters, ui, hints):
        self.parameters, self.bound, self.busy = parameters, [], False
        for widget in [w for w in vars(ui).values() if hasattr(w, "className") and w.property("SlicerParameterName")]:
            name = widget.property("SlicerParameterName")
            limits = typing.get_args(hints[name])[1:] if typing.get_origin(hints[name]) is typing.Annotated else ()
            read, write, signal = _binding(widget, limits)
            changed = self._changed(name, read)
            write(getattr(parameters, name))
            widget.connect(signal, changed)
            self.bound.append((name, widget, write, signal, changed))
        self.tag = parameters.AddObserver(vtk.vtkCommand.ModifiedEvent, self.update)

    def _changed(self, name, read):
        def changed():
            if not self.busy:
                setattr(self.parameters, name, read())

        return changed

    def update(self, caller=None, event=None):
        if not self.busy:
            self.busy = True
            for name, _, write, _, _ in self.bound:
                write(getattr(self.parameters, name))
            self.busy = False

    def remove(self):
        self.parameters.RemoveObserver(self.tag)
        for _, widget, _, signal, changed in self.bound:
            widget.disconnect(signal, changed)


def parameterNodeWrapper(cls):
    hints = typing.get_type_hints(cls, include_extras=True)
    for name, annotation in hints.items():
        setattr(cls, name, _parameter(name, annotation, getattr(cls, name, None)))
    cls.__init__ = lambda self, node: setattr(self, "parameterNode", node)
    cls.connectGui = lambda self, ui: _Binding(self, ui, hints)
    cls.disconnectGui = lambda self, binding: binding.remove()
    for method in ("AddObserver", "RemoveObserver"):
        setattr(cls, method, lambda self, *args, method=method: getattr(self.parameterNode, method)(*args))
    return cls


def install():
    """Publish the stand-ins; a no-op in desktop Slicer."""
    if hasattr(slicer, "ScriptedLoadableModule"):
        return
    bases = ("", "Widget", "Logic", "Test")
    modules = {
        "ScriptedLoadableModule": {
            f"ScriptedLoadableModule{b}": globals()[f"ScriptedLoadableModule{b}"] for b in bases
        },
        "i18n": {"tr": lambda text: text, "translate": lambda context, text: text},
        "parameterNodeWrapper": {
            "parameterNodeWrapper": parameterNodeWrapper,
            "Choice": Choice,
            "WithinRange": WithinRange,
        },
    }
    for name, members in modules.items():
        module = types.ModuleType(f"slicer.{name}")
        vars(module).update(members)
        sys.modules[f"slicer.{name}"] = module
        setattr(slicer, name, module)
