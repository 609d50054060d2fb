"""What slicer-core lacks of Slicer's Python: Slicer's own where ISTN_SLICER_SOURCE names it, else stand-ins.

The stand-ins have only what this extension uses. ``install()`` publishes either under Slicer's module names.
"""

import sys
import types
import unittest
from pathlib import Path

import slicer

from . import slicer_source, typed_parameters


class ScriptedLoadableModule:
    """Base/Python/slicer/ScriptedLoadableModule.py:16-57."""

    def __init__(self, parent):
        self.parent, self.moduleName = parent, type(self).__name__
        parent.title, parent.categories, parent.dependencies, parent.contributors = "", [], [], ["nobody"]
        parent.helpText = parent.acknowledgementText = "not filled in"


class ScriptedLoadableModuleWidget:
    """Base/Python/slicer/ScriptedLoadableModule.py:104-131: without a parent it sets itself up, in its constructor."""

    def __init__(self, parent=None):
        import qt

        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.parent = parent
        if parent is None:
            self.parent = slicer.qMRMLWidget()
            self.parent.setLayout(qt.QVBoxLayout())
            self.parent.setMRMLScene(slicer.mrmlScene)
        self.layout = self.parent.layout()
        if parent is None:
            self.setup()
            self.parent.show()

    def resourcePath(self, name):
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / name)

    def setup(self):
        pass

    def cleanup(self):
        pass

    def onReload(self):
        pass


class ScriptedLoadableModuleLogic:
    """Base/Python/slicer/ScriptedLoadableModule.py:297-350."""

    def __init__(self, parent=None):
        super().__init__()
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
    """Base/Python/slicer/ScriptedLoadableModule.py:356-."""

    def delayDisplay(self, message, requestedDelay=None, msec=None):
        pass


def tr(text):
    """Base/Python/slicer/i18n.py:53-97: the context is the caller's file."""
    return translate(Path(sys._getframe(1).f_code.co_filename).stem, text)


def translate(context, text):
    """Base/Python/slicer/i18n.py:9-18: as it is where there is no application."""
    app = getattr(slicer, "app", None)
    return app.translate(context, text) if hasattr(app, "translate") else text


def install():
    """Publish them; a no-op in desktop Slicer, and the second time."""
    if hasattr(slicer, "ScriptedLoadableModule"):
        return
    if slicer_source.SOURCE is not None:
        from . import panel  # noqa: F401  makes qt, ctk and the application; it installs

        return
    bases = ("", "Widget", "Logic", "Test")
    modules = {
        "ScriptedLoadableModule": {
            f"ScriptedLoadableModule{b}": globals()[f"ScriptedLoadableModule{b}"] for b in bases
        },
        "i18n": {"tr": tr, "translate": translate},
        "parameterNodeWrapper": {
            name: getattr(typed_parameters, name) for name in ("parameterNodeWrapper", "Choice", "WithinRange")
        },
    }
    for name, members in modules.items():
        module = types.ModuleType(f"slicer.{name}")
        vars(module).update(members)
        sys.modules[f"slicer.{name}"] = module
        setattr(slicer, name, module)
