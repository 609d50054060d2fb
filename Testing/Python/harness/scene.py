"""The scene of the Slicer-side tests, and what a user would notice in it."""

from contextlib import contextmanager

import slicer
import vtk
from headless.application import boot

# A cleared scene forgets the orientation presets that the desktop application keeps in its default nodes.
ORIENTATION_LOST = "GetSliceOrientationPreset: invalid orientation preset name: Reformat"


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
    errors = [part for part in (log.GetOutput() or "").split("\n\n") if "ERROR" in part.upper()]
    assert not [part for part in errors if ORIENTATION_LOST not in part], errors


def all_nodes(scene):
    return [scene.GetNthNode(k) for k in range(scene.GetNumberOfNodes())]


def node_ids(scene):
    return [node.GetID() for node in all_nodes(scene)]


def contents(scene):
    """Ids and names of all nodes; voxels, geometry, parent and colors of the volumes."""
    return [[node.GetID(), node.GetName(), *_details(node)] for node in all_nodes(scene)]


def _details(node):
    if not node.IsA("vtkMRMLScalarVolumeNode") or node.GetImageData() is None:
        return []
    ras = [0.0] * 6
    node.GetRASBounds(ras)
    voxels = slicer.util.arrayFromVolume(node).tobytes()
    return [voxels, ras, node.GetTransformNodeID(), node.GetDisplayNode().GetColorNodeID()]
