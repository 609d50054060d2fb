"""Boots a MRML scene with the module logics, and stand-ins for slicer.app and slicer.modules.

In desktop Slicer none of this is needed: the application is there already.
"""

from __future__ import annotations

import os
import sys
import tempfile
import types
from pathlib import Path

if sys.platform == "linux":
    os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")  # no X server is looked for

import slicer  # noqa: E402
import vtk  # noqa: E402

LOGICS = {
    "Volumes": "vtkSlicerVolumesLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Models": "vtkSlicerModelsLogic",
}


class HeadlessApp:
    """The few members of slicer.app that slicer.util and this extension use. It keeps every logic alive."""

    applicationName = "Slicer"

    def __init__(self, scene, applicationLogic, kept) -> None:
        self._scene, self._logic, self._kept = scene, applicationLogic, kept

    def mrmlScene(self):
        """The one scene."""
        return self._scene

    def applicationLogic(self):
        """The vtkSlicerApplicationLogic of the scene."""
        return self._logic

    def testingEnabled(self) -> bool:
        """True: slicer.util logs instead of opening dialogs."""
        return True

    def processEvents(self) -> None:
        """There is no event loop."""

    def setOverrideCursor(self, cursor) -> None:
        """There is no cursor."""

    def restoreOverrideCursor(self) -> None:
        """There is no cursor."""


def boot():
    """Scene with logics; published as slicer.mrmlScene, slicer.app and slicer.modules; made only once."""
    if isinstance(getattr(slicer, "app", None), HeadlessApp):
        return slicer.mrmlScene
    vtk.vtkLogger.SetStderrVerbosity(vtk.vtkLogger.VERBOSITY_OFF)
    scene, logic = slicer.vtkMRMLScene(), slicer.vtkSlicerApplicationLogic()
    logic.SetMRMLScene(scene)
    folder = tempfile.TemporaryDirectory(prefix="slicer-headless-")
    kept = [folder, _addColors(scene, logic, folder.name), _addRemoteIO(scene, logic, folder.name)]
    crosshair = slicer.vtkMRMLCrosshairNode()
    crosshair.SetCrosshairName("default")
    scene.AddNode(crosshair)
    slicer.modules = _addLogics(scene, logic)
    slicer.mrmlScene, slicer.app = scene, HeadlessApp(scene, logic, kept)
    return scene


def writeScene(scene, path) -> None:
    """Write the whole scene as ``.mrb``; OSError when MRML could not."""
    path = Path(path).resolve()
    scene.SetURL(str(path))
    scene.SetRootDirectory(str(path.parent))
    if not scene.WriteToMRB(str(path)):
        raise OSError(f"The scene could not be written to {path}")


def _addColors(scene, applicationLogic, folder: str):
    (Path(folder) / "share" / "ColorFiles").mkdir(parents=True)
    applicationLogic.SetHomeDirectory(folder)
    applicationLogic.SetShareDirectory("share")
    colors = slicer.vtkSlicerColorLogic()
    applicationLogic.SetColorLogic(colors)
    colors.SetMRMLApplicationLogic(applicationLogic)
    colors.SetMRMLScene(scene)
    applicationLogic.SetModuleLogic("Colors", colors)
    return colors


def _addRemoteIO(scene, applicationLogic, folder: str):
    """A cache folder for the scene, without which a .mrb cannot be read."""
    remote = slicer.vtkMRMLRemoteIOLogic()
    remote.SetMRMLScene(scene)
    remote.SetMRMLApplicationLogic(applicationLogic)
    remote.GetCacheManager().SetRemoteCacheDirectory(folder)
    remote.AddDataIOToScene()
    return remote


def _addLogics(scene, applicationLogic):
    """slicer.modules.<name>.logic() for LOGICS; the lambdas hold the strong references that SetModuleLogic does not."""
    modules = types.ModuleType("slicer.modules")
    for name, className in LOGICS.items():
        logic = getattr(slicer, className)()
        applicationLogic.SetModuleLogic(name, logic)
        logic.SetMRMLApplicationLogic(applicationLogic)
        logic.SetMRMLScene(scene)
        setattr(modules, name.lower(), types.SimpleNamespace(name=name, logic=lambda logic=logic: logic))
    return modules
