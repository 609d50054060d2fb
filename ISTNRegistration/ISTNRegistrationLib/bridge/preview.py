"""The moving volume in the slice views while it is being registered; the user's own nodes are never touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import slicer

from .transforms import vtkTransformFor
from .views import SliceLayers, addHidden, compositeNodes, removeUnseen, sharedCopy, showVolumes

if TYPE_CHECKING:
    from ..core.transform import SpatialTransform


NAME = "ISTN preview"
OPACITY = 0.5


class Preview:
    """A hidden copy of the moving volume under a hidden transform, shown over the fixed one in every slice view.

    The copy shares the voxels. ``remove`` takes both nodes away and gives the views back what they showed.
    """

    def __init__(
        self,
        scene: slicer.vtkMRMLScene,
        fixedNode: slicer.vtkMRMLScalarVolumeNode,
        movingNode: slicer.vtkMRMLScalarVolumeNode,
    ) -> None:
        self._scene = scene
        views = compositeNodes(scene)
        self._layers = SliceLayers(scene, views)
        self._transform = addHidden(scene, "vtkMRMLTransformNode", NAME)
        self._volume = sharedCopy(scene, movingNode, NAME)
        showVolumes(scene, views, fixedNode, self._volume, OPACITY)

    def update(self, transform: SpatialTransform) -> None:
        """Show the moving volume under ``transform`` (SpatialTransform)."""
        self._transform.SetAndObserveTransformFromParent(vtkTransformFor(transform))
        self._volume.SetAndObserveTransformNodeID(self._transform.GetID())

    def remove(self) -> None:
        """Leave the scene and its views as they were."""
        self._layers.restore()
        removeUnseen(self._scene, (self._volume, self._transform))
