"""ISTNRegistration for scripts with MRML nodes, in Slicer's Python and headless; the names below are kept.

    from ISTNRegistrationLib.mrml import loadVolume, register

    fixed, moving = loadVolume("fixed.nii.gz"), loadVolume("moving.nii.gz")
    nodes = register(fixed, moving, checkpoint="brain", transform="bspline")
    moving.SetAndObserveTransformNodeID(nodes.transform.GetID())

Headless: ``pip install ".[mrml]"`` brings slicer-core, Slicer's nodes without its application. Files, arrays and no
nodes: ``ISTNRegistrationLib.api``.
"""

from __future__ import annotations

from pathlib import Path

import slicer

from .bridge.again import keepAsNode, registerAgain, showOutcome
from .bridge.node_files import saveNode
from .bridge.outputs import OutputOptions, RegistrationNodes, allOrNothing
from .bridge.registration import SideNodes, register
from .core.errors import InputError, RegistrationCancelled

__all__ = [
    "InputError",
    "OutputOptions",
    "RegistrationCancelled",
    "RegistrationNodes",
    "SideNodes",
    "keepAsNode",
    "loadLabels",
    "loadPoints",
    "loadVolume",
    "register",
    "registerAgain",
    "saveNode",
    "scene",
    "showOutcome",
]
TODO = "Check the path and the extension"


def scene():
    """Slicer's scene; headless one is made and kept as ``slicer.mrmlScene``, where ``slicer.util`` looks for it."""
    if getattr(slicer, "mrmlScene", None) is None:
        slicer.mrmlScene = slicer.vtkMRMLScene()
        slicer.mrmlScene.RegisterNodeClass(slicer.vtkMRMLMarkupsJsonStorageNode())  # as the application does
    return slicer.mrmlScene


def loadVolume(path):
    """Scalar volume node of an image file, read by MRML; named after the file.

    Raises:
        InputError: there is no such file, or MRML cannot read it; the scene is as it was.
    """
    return _load("vtkMRMLScalarVolumeNode", path)


def loadLabels(path):
    """As ``loadVolume``, of a label map: for masks, and for structures to measure with."""
    return _load("vtkMRMLLabelMapVolumeNode", path)


def loadPoints(path):
    """As ``loadVolume``, a point list node of Slicer's ``.mrk.json`` or ``.fcsv``: landmarks."""
    return _load("vtkMRMLMarkupsFiducialNode", path)


def _load(className: str, path):
    who, path = f"File '{Path(path).name}'", Path(path).absolute()  # a relative one would be the scene's
    if not path.is_file():
        raise InputError(who, "there is no such file", "an existing file", str(path), TODO)
    with allOrNothing(scene()):
        node = scene().AddNewNodeByClass(className, scene().GenerateUniqueName(path.name.split(".")[0]))
        node.AddDefaultStorageNode(str(path))
        if not node.GetStorageNode().ReadData(node):
            raise InputError(who, "it cannot be read", f"a file of {className}", str(path), TODO)
        node.CreateDefaultDisplayNodes()
    return node
