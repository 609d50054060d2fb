"""The scripted module ISTNRegistration: glue between the panel, the parameter node and ISTNRegistrationLib.bridge."""

import importlib.util
import sys
from typing import Annotated

import slicer
import vtk
from ISTNRegistrationLib.bridge.outputs import OutputOptions, RegistrationNodes
from ISTNRegistrationLib.bridge.registration import registerNodes
from ISTNRegistrationLib.core.errors import InputError, RegistrationCancelled
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import Choice, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class ISTNRegistration(ScriptedLoadableModule):
    """What the module list shows."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("ISTN Registration")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Registration")]
        parent.contributors = ["ISTNRegistration contributors"]
        parent.helpText = _(
            "Registers two volumes by the structures that a trained Image-and-Spatial Transformer Network recognizes "
            "in them, affine or B-spline, and shows what it looked at as heatmaps."
        )
        parent.acknowledgementText = _(
            "The method: Lee, Oktay, Schuh, Schaap, Glocker: Image-and-Spatial Transformer Networks for "
            "Structure-Guided Image Registration, MICCAI 2019."
        )


@parameterNodeWrapper
class ISTNRegistrationParameterNode:
    """The panel's settings, kept in the scene."""

    fixedVolume: slicer.vtkMRMLScalarVolumeNode
    movingVolume: slicer.vtkMRMLScalarVolumeNode
    checkpoint: str = "brain"
    transform: Annotated[str, Choice(["affine", "bspline"])] = "affine"
    refine: Annotated[str, Choice(["theta", "weights", "none"])] = "theta"
    applyToMoving: bool = False


class ISTNRegistrationWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel: inputs, model, Apply with progress, Cancel."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = self.parameters = self._guiTag = None
        self._running = self._cancelRequested = False

    def setup(self) -> None:
        """Build the panel."""
        ScriptedLoadableModuleWidget.setup(self)
        panel = slicer.util.loadUI(self.resourcePath("UI/ISTNRegistration.ui"))
        self.layout.addWidget(panel)
        self.ui = slicer.util.childWidgetVariables(panel)
        panel.setMRMLScene(slicer.mrmlScene)
        self.logic = ISTNRegistrationLogic()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.exit)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.enter)
        self.ui.applyButton.connect("clicked(bool)", self.onApplyButton)
        self.ui.cancelButton.connect("clicked(bool)", self.onCancelButton)
        self.ui.progressBar.visible = self.ui.cancelButton.visible = False
        self._setParameters(self.logic.getParameterNode())

    def cleanup(self) -> None:
        """The module is reloaded or Slicer closes."""
        self._setParameters(None)
        self.removeObservers()

    def enter(self, *_sceneEvent) -> None:
        """The module is shown, or a new scene begins: follow the parameter node."""
        self._setParameters(self.logic.getParameterNode())

    def exit(self, *_sceneEvent) -> None:
        """Another module is shown, or the scene closes: let go of the parameter node."""
        self._setParameters(None)

    def onReload(self) -> None:
        """Developers' button Reload: the library is read again too."""
        for name in [n for n in sys.modules if n.split(".")[0] == "ISTNRegistrationLib"]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def _setParameters(self, parameters) -> None:
        if parameters is not None and self.parameters is not None:
            return
        if self.parameters is not None:
            self.parameters.disconnectGui(self._guiTag)
            self.removeObserver(self.parameters, vtk.vtkCommand.ModifiedEvent, self._checkCanApply)
        self.parameters = parameters
        if parameters is not None:
            self._guiTag = parameters.connectGui(self.ui)
            self.addObserver(parameters, vtk.vtkCommand.ModifiedEvent, self._checkCanApply)
            self._checkCanApply()

    def _checkCanApply(self, _caller=None, _event=None) -> None:
        if self.parameters is None:  # the module was left during a run
            return
        fixed, moving = self.parameters.fixedVolume, self.parameters.movingVolume
        if fixed is None or moving is None:
            missing = _("Select a fixed and a moving volume")
        elif fixed is moving:
            missing = _("Select two different volumes")
        else:
            missing = ""
        self.ui.applyButton.enabled = not missing and not self._running
        self.ui.applyButton.toolTip = missing or _("Register the moving volume to the fixed one")

    def onApplyButton(self) -> None:
        """Register with the panel's settings; errors are shown, a cancelled run leaves no trace."""
        self._setRunning(True)
        try:
            with slicer.util.tryWithErrorDisplay(_("Registration failed."), waitCursor=True):
                self._register()
        finally:
            self._setRunning(False)

    def _register(self) -> None:
        p = self.parameters
        outputs = OutputOptions(applyToMoving=p.applyToMoving)
        options = {"transform": p.transform, "refine": p.refine}
        try:
            self.logic.register(p.fixedVolume, p.movingVolume, p.checkpoint, outputs, self.onProgress, **options)
            self.ui.statusLabel.text = _("Done")
        except RegistrationCancelled:
            self.ui.statusLabel.text = _("Cancelled")

    def onCancelButton(self) -> None:
        """Ask the running registration to stop at its next iteration."""
        self._cancelRequested = True

    def onProgress(self, progress) -> None:
        """Show where the registration stands and let the user press Cancel."""
        self.ui.progressBar.maximum = progress.iterations
        self.ui.progressBar.value = progress.iteration
        self.ui.statusLabel.text = progress.stage
        slicer.app.processEvents()
        if self._cancelRequested:
            raise RegistrationCancelled("Cancel was pressed")

    def _setRunning(self, running: bool) -> None:
        self._running, self._cancelRequested = running, False
        self.ui.progressBar.visible = self.ui.cancelButton.visible = running
        if running:
            self.ui.statusLabel.text = ""
        self._checkCanApply()


class ISTNRegistrationLogic(ScriptedLoadableModuleLogic):
    """Registers nodes without a panel: ``ISTNRegistrationLogic().register(fixed, moving, transform="bspline")``."""

    def getParameterNode(self):
        """The panel's settings of this scene."""
        return ISTNRegistrationParameterNode(super().getParameterNode())

    def register(
        self, fixedNode, movingNode, checkpoint="brain", outputs=None, onProgress=None, **options
    ) -> RegistrationNodes:
        """Register two nodes of the scene; ``options`` are those of RegisterOptions (see ``bridge.registration``)."""
        missing = [name for name in ("torch", "h5py", "SimpleITK") if importlib.util.find_spec(name) is None]
        if missing:
            todo = "Install the extension PyTorch and, with it, torch; pip_install the others from the Python console"
            raise InputError("ISTN Registration", "Python packages are missing", "all of them", str(missing), todo)
        return registerNodes(slicer.mrmlScene, (fixedNode, movingNode), checkpoint, options, outputs, onProgress)


class ISTNRegistrationTest(ScriptedLoadableModuleTest):
    """The self test that Slicer's developer mode offers; the whole suite is in Testing/Python."""

    def setUp(self) -> None:
        """Start from an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Register the bundled pair."""
        self.setUp()
        self.test_bundledPair()

    def test_bundledPair(self) -> None:
        """The bundled brains are registered, and nothing but new nodes appears in the scene."""
        folder = slicer.util.modulePath("ISTNRegistration").replace("ISTNRegistration.py", "Resources/SampleData/")
        fixed, moving = (slicer.util.loadVolume(folder + name) for name in ("mni152.nii.gz", "colin27.nii.gz"))
        nodes = ISTNRegistrationLogic().register(fixed, moving)
        self.assertTrue(nodes.transform.IsLinear())
        self.assertIsNone(moving.GetTransformNodeID())
        self.delayDisplay("Registered")
