"""Nodes under a registration's transform, and transforms that lie above the nodes that were registered.

Convention: a registration T maps fixed to moving points of the world. Whatever lies above the nodes, the moving volume
must be seen in the scene where the resampled volume shows it.
"""

from __future__ import annotations

import numpy as np
import slicer
import vtk

from ..core.errors import InputError
from .transforms import matrixFromNode
from .volumes import worldTransform

TransformNode, VolumeNode = slicer.vtkMRMLTransformNode, slicer.vtkMRMLScalarVolumeNode


def liesUnder(node: slicer.vtkMRMLTransformableNode, transformNode: TransformNode) -> bool:
    """Whether a transform node is a parent of ``node``, or a parent of its parents."""
    parent = node.GetParentTransformNode()
    while parent is not None and parent is not transformNode:
        parent = parent.GetParentTransformNode()
    return parent is not None and parent is transformNode


def applyTransform(
    scene: slicer.vtkMRMLScene, node: slicer.vtkMRMLTransformableNode, transformNode: TransformNode
) -> None:
    """Put a node under a registration's transform, so that it appears on the fixed image.

    A node that has parents already goes under copies of them first, and these under the registration: other nodes under
    the parents stay where they are. A node under the registration already is left there.
    """
    if liesUnder(node, transformNode):
        return
    chain, parent = [], node.GetParentTransformNode()
    while parent is not None:
        chain.append(parent)
        parent = parent.GetParentTransformNode()
    above = transformNode
    for parent in reversed(chain):
        name = scene.GenerateUniqueName(f"{parent.GetName()} of {node.GetName()}")
        copy = scene.AddNewNodeByClass(parent.GetClassName(), name)
        copy.CopyContent(parent)
        copy.SetAndObserveTransformNodeID(above.GetID())
        above = copy
    node.SetAndObserveTransformNodeID(above.GetID())


def initialMatrix(transformNode: TransformNode, movingNode: VolumeNode | None) -> np.ndarray:
    """fixedToMoving_LPS of an initial transform node; one above the moving volume counts already: the identity."""
    matrix = matrixFromNode(transformNode)
    return np.eye(4) if movingNode is not None and liesUnder(movingNode, transformNode) else matrix


def checkAbove(chosen: TransformNode, fixedNode: VolumeNode, movingNode: VolumeNode) -> None:
    """Raise InputError for a chosen output that lies above the fixed volume, or cannot hold what it must.

    Above the moving volume it gets the registration and what it did before, see ``Placing``.
    """
    if liesUnder(fixedNode, chosen):
        who, todo = f"Output '{chosen.GetName()}'", "Choose another output, or create a new one"
        got = f"'{fixedNode.GetName()}' lies under it"
        raise InputError(who, "the fixed volume would move", "a transform that is not above it", got, todo)
    involved = [chosen.GetParentTransformNode(), *([chosen] if liesUnder(movingNode, chosen) else [])]
    bent = [node for node in involved if node is not None and not node.IsTransformToWorldLinear()]
    if bent and chosen.IsA("vtkMRMLLinearTransformNode"):
        who, todo = f"Output '{chosen.GetName()}'", "Choose another output, or create a new one"
        got = f"'{bent[0].GetName()}' above it, which is not"
        raise InputError(who, "it cannot hold the result", "linear transforms alone", got, todo)


class Placing:
    """What a chosen node gets from a registration, so that the scene shows it, now and after each adjustment.

    R: from the chosen node's parents to the world; C: what it did itself before, from parent; T: the result. Above the
    moving volume C' = C R⁻¹ T R, elsewhere C' = T R: then the scene from the world on does T.
    """

    def __init__(self, chosen: TransformNode, movingNode: VolumeNode) -> None:
        parent, above = chosen.GetParentTransformNode(), liesUnder(movingNode, chosen)
        self._isLinear, self._needed = chosen.IsA("vtkMRMLLinearTransformNode"), parent is not None or above
        self._last = [_copied(worldTransform(parent, fromWorld=False))] if self._needed else []
        self._first = [chosen.GetTransformFromParent(), worldTransform(parent, fromWorld=True)] if above else []
        self._first = [_copied(part) for part in self._first]

    def fromParent(self, result: TransformNode) -> vtk.vtkAbstractTransform:
        """The chosen node's transform from parent, given a node of the result; for linear nodes a vtkTransform."""
        if not self._needed:
            return result.GetTransformFromParent()
        parts = [*self._first, result.GetTransformFromParent(), *self._last]
        if self._isLinear:
            return _linear(parts)
        composite = vtk.vtkGeneralTransform()  # premultiplies: what is concatenated last is applied first
        for part in parts:
            composite.Concatenate(_copied(part))
        return composite


def _linear(parts):
    """One vtkTransform of transforms that ``checkAbove`` has let pass."""
    total = vtk.vtkTransform()
    for part in parts:
        linear = vtk.vtkTransform()
        slicer.vtkMRMLTransformNode.IsGeneralTransformLinear(part, linear)
        total.Concatenate(linear.GetMatrix())
    return total


def _copied(transform):
    """A copy that does not change with the nodes that it came from."""
    whole, copy = vtk.vtkGeneralTransform(), vtk.vtkGeneralTransform()
    whole.Concatenate(transform)
    slicer.vtkMRMLTransformNode.DeepCopyTransform(copy, whole)
    return copy
