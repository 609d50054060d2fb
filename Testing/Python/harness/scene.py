"""The scene of the Slicer-side tests, and what a user would notice in it."""

import sys
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "scripts"))

import slicer  # noqa: E402
import vtk  # noqa: E402
from headless.application import boot  # noqa: E402


@contextmanager
def empty_scene():
    """The one scene, cleared; an error that VTK or MRML logs is a failure."""
    boot()
    slicer.mrmlScene.Clear(0)
    log, before = vtk.vtkStringOutputWindow(), vtk.vtkOutputWindow.GetInstance()
    vtk.vtkOutputWindow.SetInstance(log)
    try:
        yield slicer.mrmlScene
    finally:
        vtk.vtkOutputWindow.SetInstance(before)
    text = log.GetOutput() or ""
    assert "ERROR" not in text.upper(), text


def all_nodes(scene):
    return [scene.GetNthNode(k) for k in range(scene.GetNumberOfNodes())]


def node_ids(scene):
    return [node.GetID() for node in all_nodes(scene)]


def contents(scene):
    """Ids and names of all nodes; voxels, geometry, parent and colours of the volumes."""
    return [[node.GetID(), node.GetName(), *_details(node)] for node in all_nodes(scene)]


def _details(node):
    if not node.IsA("vtkMRMLScalarVolumeNode") or node.GetImageData() is None:
        return []
    ras = [0.0] * 6
    node.GetRASBounds(ras)
    voxels = slicer.util.arrayFromVolume(node).tobytes()
    return [voxels, ras, node.GetTransformNodeID(), node.GetDisplayNode().GetColorNodeID()]
