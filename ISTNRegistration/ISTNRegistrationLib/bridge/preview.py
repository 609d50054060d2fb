"""The moving volume in the slice views while it is being registered; the user's own nodes are never touched."""

from __future__ import annotations

import vtk

from .transforms import vtkTransformFor
from .volumes import numpyMatrix, vtkMatrix, worldMatrix

NAME = "ISTN preview"
OPACITY = 0.5


class Preview:
    """A hidden copy of the moving volume under a hidden transform, shown over the fixed one in every slice view.

    The copy shares the voxels. ``remove`` takes both nodes away and gives the views back what they showed.
    """

    def __init__(self, scene, fixedNode, movingNode) -> None:
        self._scene = scene
        self._views = SliceLayers(scene)
        self._transform = _hidden(scene.AddNewNodeByClass("vtkMRMLTransformNode", NAME))
        self._volume = _sharedCopy(scene, movingNode)
        self._views.show(background=fixedNode, foreground=self._volume, opacity=OPACITY)

    def update(self, transform) -> None:
        """Show the moving volume under ``transform`` (SpatialTransform)."""
        self._transform.SetAndObserveTransformFromParent(vtkTransformFor(transform))
        self._volume.SetAndObserveTransformNodeID(self._transform.GetID())

    def remove(self) -> None:
        """Leave the scene and its views as they were."""
        self._views.restore()
        for node in (self._volume.GetDisplayNode(), self._volume, self._transform):
            if node is not None and self._scene.IsNodePresent(node):
                self._scene.RemoveNode(node)


class SliceLayers:
    """Background, foreground and opacity of every slice view, remembered."""

    def __init__(self, scene) -> None:
        self._scene = scene
        self._before = {
            node.GetID(): (node.GetBackgroundVolumeID(), node.GetForegroundVolumeID(), node.GetForegroundOpacity())
            for node in compositeNodes(scene)
        }

    def show(self, background, foreground, opacity: float) -> None:
        """The same two volumes in every view."""
        for node in compositeNodes(self._scene):
            node.SetBackgroundVolumeID(background.GetID())
            node.SetForegroundVolumeID(foreground.GetID())
            node.SetForegroundOpacity(opacity)

    def restore(self) -> None:
        """What was there before, in the views that are still there."""
        for nodeId, (background, foreground, opacity) in self._before.items():
            node = self._scene.GetNodeByID(nodeId)
            if node is not None:
                node.SetBackgroundVolumeID(self._still(background))
                node.SetForegroundVolumeID(self._still(foreground))
                node.SetForegroundOpacity(opacity)

    def _still(self, nodeId):
        """The id of a node that is still there, or None."""
        return nodeId if nodeId and self._scene.GetNodeByID(nodeId) is not None else None


def compositeNodes(scene) -> list:
    """The slice views' layers."""
    count = scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")
    return [scene.GetNthNodeByClass(k, "vtkMRMLSliceCompositeNode") for k in range(count)]


def _sharedCopy(scene, movingNode):
    """A hidden volume node with the moving node's voxels (not copied), where they lie in the world."""
    node = _hidden(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", NAME))
    ijkToRas = vtk.vtkMatrix4x4()
    movingNode.GetIJKToRASMatrix(ijkToRas)
    node.SetIJKToRASMatrix(vtkMatrix(worldMatrix(movingNode) @ numpyMatrix(ijkToRas)))
    node.SetAndObserveImageData(movingNode.GetImageData())
    node.CreateDefaultDisplayNodes()
    _hidden(node.GetDisplayNode())
    if movingNode.GetDisplayNode() is not None:
        node.GetDisplayNode().CopyContent(movingNode.GetDisplayNode())
    return node


def _hidden(node):
    """Not listed and not saved."""
    node.SetHideFromEditors(True)
    node.SetSaveWithScene(False)
    return node
