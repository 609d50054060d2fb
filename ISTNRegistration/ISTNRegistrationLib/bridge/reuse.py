"""What every run on a pair makes anew, maps and measures, goes into the nodes and the folder of the run before."""

from __future__ import annotations

from collections.abc import Sequence

import slicer
import vtk

from .scene import nodesOfClass
from .views import removeUnseen

ROLE = "ISTNRegistration.helper"
REFERENCES = ("ISTNRegistration.fixed", "ISTNRegistration.moving")


def reused(
    scene: slicer.vtkMRMLScene, pair: Sequence, role: str, made: slicer.vtkMRMLScalarVolumeNode
) -> slicer.vtkMRMLScalarVolumeNode:
    """The node of an earlier run on ``pair`` in the same role, with what ``made`` holds, which goes; else ``made``.

    What the user has chosen for the earlier node stays: its name, its colors, where it is shown.

    Args:
        scene: the MRML scene.
        pair: fixed and moving node.
        role: for example "heatmap warped".
        made: new volume node.
    """
    earlier = next((n for n in earlierNodes(scene, pair) if n.GetAttribute(ROLE) == role), None)
    if earlier is None:
        made.SetAttribute(ROLE, role)
        for reference, node in zip(REFERENCES, pair, strict=True):
            made.SetNodeReferenceID(reference, node.GetID())
        return made
    pour(earlier, made)
    removeUnseen(scene, [made])
    return earlier


def pour(node: slicer.vtkMRMLScalarVolumeNode, made: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Give a volume node the voxels of another one, where that one has them in the world."""
    ijkToRas = vtk.vtkMatrix4x4()
    made.GetIJKToRASMatrix(ijkToRas)
    node.SetAndObserveTransformNodeID(None)
    node.SetIJKToRASMatrix(ijkToRas)
    node.SetAndObserveImageData(made.GetImageData())


def putInFolder(scene: slicer.vtkMRMLScene, nodes: Sequence, name: str) -> None:
    """Put nodes into the folder of this name in the subject hierarchy, made if it is not there."""
    hierarchy = scene.GetFirstNodeByClass("vtkMRMLSubjectHierarchyNode")
    if hierarchy is None:
        return
    top = hierarchy.GetSceneItemID()
    folder = hierarchy.GetItemChildWithName(top, name) or hierarchy.CreateFolderItem(top, name)
    for node in nodes:
        item = hierarchy.GetItemByDataNode(node)
        if item:
            hierarchy.SetItemParent(item, folder)


def earlierNodes(scene: slicer.vtkMRMLScene, pair: Sequence) -> list:
    """The nodes of earlier runs on ``pair`` that a new run may fill."""
    ids = [node.GetID() for node in pair]
    nodes = nodesOfClass(scene, "vtkMRMLScalarVolumeNode")
    return [node for node in nodes if node.GetAttribute(ROLE) and [*map(node.GetNodeReferenceID, REFERENCES)] == ids]
