"""The scripted module ISTNRegistration: glue between the panel, the parameter node and ISTNRegistrationLib."""

# ruff: noqa: E402  the own library is found first
import importlib.util
import sys
from pathlib import Path

import slicer


def useOwnLibrary() -> None:
    """The library beside this file is the one, also where pip has put another, perhaps older, into Slicer's Python.

    Slicer appends the folders of its modules to the path: what pip installs, without the panel, comes first.
    """
    name, folder = "ISTNRegistrationLib", Path(__file__).resolve().parent / "ISTNRegistrationLib"
    if [Path(path).resolve() for path in getattr(sys.modules.get(name), "__path__", ())] == [folder]:
        return
    for loaded in [n for n in sys.modules if n.split(".")[0] == name]:
        del sys.modules[loaded]
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])


useOwnLibrary()
from ISTNRegistrationLib.app.install import checkInstalled, installMissing, missingPackages, otherInstallation
from ISTNRegistrationLib.app.parameter_link import ParameterLink
from ISTNRegistrationLib.app.parameter_node import typedParameters
from ISTNRegistrationLib.app.sampledata import loadSamplePair, registerSampleData, showSamplePair
from ISTNRegistrationLib.bridge.registration import register, registerNodes
from ISTNRegistrationLib.core.device import device_text
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)


class ISTNRegistration(ScriptedLoadableModule):
    """What the module list shows."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("ISTN Registration")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Registration")]
        parent.contributors = ["The ISTNRegistration developers"]
        parent.helpText = _(
            "Registers two volumes by the structures that a trained Image-and-Spatial Transformer Network recognizes "
            "in them, affine or B-spline, and shows what it looked at as heatmaps. "
            'See the <a href="https://github.com/ISTNRegistration/SlicerISTNRegistration">documentation</a>.'
        )
        parent.acknowledgementText = _(
            "The method: Lee, Oktay, Schuh, Schaap, Glocker: Image-and-Spatial Transformer Networks for "
            "Structure-Guided Image Registration, MICCAI 2019."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)


class ISTNRegistrationWidget(ScriptedLoadableModuleWidget):
    """The panel: its tabs follow one parameter node of the scene."""

    def __init__(self, parent=None) -> None:
        self.logic, self.link, self.tabs = None, None, []
        ScriptedLoadableModuleWidget.__init__(self, parent)  # without a parent it calls setup()

    @property
    def parameters(self):
        """The typed parameter node, None while the module is not shown."""
        return self.link.parameters

    def setup(self) -> None:
        """Build the panel. Its tabs need Qt; the logic, which scripts use, does not."""
        from ISTNRegistrationLib.app.background import Turn
        from ISTNRegistrationLib.app.batch_tab import BatchTab
        from ISTNRegistrationLib.app.judge_tab import JudgeTab
        from ISTNRegistrationLib.app.register_tab import RegisterTab
        from ISTNRegistrationLib.app.training_tab import TrainingTab

        ScriptedLoadableModuleWidget.setup(self)
        panel = slicer.util.loadUI(self.resourcePath("UI/ISTNRegistration.ui"))
        self.layout.addWidget(panel)
        self.ui = slicer.util.childWidgetVariables(panel)
        panel.setMRMLScene(slicer.mrmlScene)
        self.logic, turn = ISTNRegistrationLogic(), Turn()
        self.registerTab = RegisterTab(self.ui, self.logic, turn, self.onResult)
        self.judgeTab = JudgeTab(self.ui, turn, self.resourcePath("UI/Adjust.ui"), self.registerTab.tell)
        self.batchTab = BatchTab(self.ui.batchTab, self.registerTab, turn, self.resourcePath("UI/Batch.ui"))
        trainingUi = self.resourcePath("UI/Training.ui")
        self.trainingTab = TrainingTab(self.ui.trainingTab, self.registerTab.models.add, trainingUi)
        self.tabs = [self.registerTab, self.judgeTab, self.batchTab, self.trainingTab]
        self.link = ParameterLink(slicer.mrmlScene, self.ui, self.logic.getParameterNode, self.isShown, self.tabs)
        self.link.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        turn.onChange = self.link.update
        slicer.app.connect("lastWindowClosed()", self.onLastWindowClosed)  # aboutToQuit waits for the run
        self.ui.sampleButton.connect("clicked(bool)", self.onSample)
        self.ui.installButton.connect("clicked(bool)", self.onInstall)
        self._showInstalled()
        self.link.renew()  # a panel that was reloaded is shown already

    def cleanup(self) -> None:
        """The module is reloaded or Slicer closes."""
        slicer.app.disconnect("lastWindowClosed()", self.onLastWindowClosed)
        self.onSceneStartClose()
        self.trainingTab.stop()
        self.link.close()

    def isShown(self) -> bool:
        """Whether this is the module that Slicer shows; a panel without a parent is a window of its own."""
        return getattr(self.parent, "isEntered", True)

    def enter(self) -> None:
        """The module is shown: follow the parameter node."""
        self.link.renew()

    def exit(self) -> None:
        """Another module is shown: let go of the parameter node."""
        self.link.release()

    def onLastWindowClosed(self) -> None:
        """Slicer closes: runs end, and all event loops; Qt's own request to quit is lost where another loop begins."""
        self.stopRuns()
        slicer.app.exit(0)

    def stopRuns(self) -> None:
        """Runs end and leave the scene as it was; a batch begins no other pair."""
        self.registerTab.stop()
        self.batchTab.stop()
        self.judgeTab.adjust.cancel()

    def onSceneStartClose(self, *_sceneEvent) -> None:
        """The scene closes: runs end, and the result is no longer shown."""
        self.stopRuns()
        self.judgeTab.stop()

    def onReload(self) -> None:
        """Developers' button Reload: the library is read again too."""
        for name in [n for n in sys.modules if n.split(".")[0] == "ISTNRegistrationLib"]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def onResult(self, pair, nodes) -> None:
        """A registration has ended well: show it."""
        self.judgeTab.show(pair, nodes)
        self._showInstalled()
        self.ui.tabs.currentIndex = self.ui.tabs.indexOf(self.ui.judgeTab)

    def onSample(self) -> None:
        """Load the two brains that come with the extension, and select them."""
        with slicer.util.tryWithErrorDisplay(_("The sample pair could not be loaded."), waitCursor=True):
            pair = self.parameters.fixedVolume, self.parameters.movingVolume = loadSamplePair()
            showSamplePair(pair)

    def onInstall(self) -> None:
        """Install what is missing, after asking."""
        with slicer.util.tryWithErrorDisplay(_("Installation failed."), waitCursor=True):
            installMissing()
        self._showInstalled()
        self.link.update()

    def _showInstalled(self) -> None:
        missing = missingPackages()
        self.ui.installFrame.visible = bool(missing)
        self.ui.installLabel.text = _("To register, these Python packages are needed: {names}.").format(
            names=", ".join(missing)
        )
        self.ui.deviceTextLabel.text = "\n".join(text for text in (device_text(), otherInstallation()) if text)


class ISTNRegistrationLogic(ScriptedLoadableModuleLogic):
    """Registers nodes without a panel: ``ISTNRegistrationLogic().register(fixed, moving, transform="bspline")``."""

    def getParameterNode(self):
        """The panel's settings of this scene."""
        return typedParameters(super().getParameterNode())

    def register(self, fixed, moving, checkpoint="brain", outputs=None, onProgress=None, **options):
        """``register`` of ``bridge.registration`` (and of ``ISTNRegistrationLib.mrml``), which see."""
        checkInstalled()
        return register(fixed, moving, checkpoint, outputs, onProgress, **options)

    def run(self, request, outputs=None, onProgress=None, inBackground=None):
        """``registerNodes`` of ``bridge.registration`` in Slicer's scene."""
        checkInstalled()
        return registerNodes(slicer.mrmlScene, request, outputs, onProgress, inBackground)


class ISTNRegistrationTest(ScriptedLoadableModuleTest):
    """The self test that Slicer's developer mode offers; the whole suite is in Testing/Python."""

    def runTest(self) -> None:
        """Both tests, each in an empty scene, well under a minute."""
        for test in (self.test_knownShift, self.test_bundledPair):
            slicer.mrmlScene.Clear()
            test()

    def test_knownShift(self) -> None:
        """A brain and its copy 5 mm to the right and 4 mm lower: the shift is found to half a millimetre."""
        fixed = loadSamplePair()[0]
        moving = slicer.vtkSlicerVolumesLogic.CloneVolume(slicer.mrmlScene, fixed, "shifted")
        moving.SetOrigin(*(o + shift for o, shift in zip(fixed.GetOrigin(), (5.0, 0.0, -4.0), strict=True)))
        nodes = ISTNRegistrationLogic().register(fixed, moving, initial="none")
        matrix = slicer.util.arrayFromTransformMatrix(nodes.transform)  # to parent: moving to fixed
        middle = (0.0, -15.0, 5.0, 1.0)
        for axis, shift in enumerate((5.0, 0.0, -4.0)):
            self.assertAlmostEqual(middle[axis] - float(matrix[axis] @ middle), shift, delta=0.5)
        self.delayDisplay("The known shift was found")

    def test_bundledPair(self) -> None:
        """The bundled brains: their structures agree better than before, and the moving volume was left alone."""
        fixed, moving = loadSamplePair()
        nodes = ISTNRegistrationLogic().register(fixed, moving)
        self.assertTrue(nodes.transform.IsLinear())
        self.assertIsNone(moving.GetTransformNodeID())
        self.assertGreater(nodes.quality[-1].agreement, nodes.quality[0].agreement + 0.02)
        self.delayDisplay("The bundled pair was registered")
