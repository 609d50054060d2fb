"""The scene: its nodes by class, and a block that leaves all the nodes it makes or none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import slicer
import vtk

from ..core.errors import InputError

ROLES = ("spatialRegistrationFixed", "spatialRegistrationMoving")  # of transform nodes


def nodesOfClass(scene: slicer.vtkMRMLScene, className: str = "vtkMRMLNode") -> list:
    """The scene's nodes of a class and of those below it, in the scene's order; all nodes by default."""
    return [scene.GetNthNodeByClass(k, className) for k in range(scene.GetNumberOfNodesByClass(className))]


@contextmanager
def allOrNothing(scene: slicer.vtkMRMLScene, changing: Iterable = ()) -> Iterator[None]:
    """Within this block, an exception takes away every node that the block added to the scene.

    Args:
        changing: volume and transform nodes that the block may change: they get back what they were.
    """
    before, restore = nodeIds(scene), [_restorer(node) for node in changing]
    try:
        yield
    except BaseException:
        for action in restore:
            action()
        for node in reversed(nodesSince(scene, before)):
            scene.RemoveNode(node)
        raise


def nodeIds(scene: slicer.vtkMRMLScene) -> set[str]:
    """Of all nodes, for ``nodesSince``."""
    return {node.GetID() for node in nodesOfClass(scene)}


def nodesSince(scene: slicer.vtkMRMLScene, before: set[str]) -> list:
    """The nodes that were not there before."""
    return [node for node in nodesOfClass(scene) if node.GetID() not in before]


def checkPresent(scene: slicer.vtkMRMLScene, nodes: Iterable, when: str, todo: str) -> None:
    """Raise InputError for a node that is no longer in the scene: "it was deleted <when>"."""
    for node in nodes:
        if not scene.IsNodePresent(node):
            raise InputError(f"Node '{node.GetName()}'", f"it was deleted {when}", "a node of the scene", "none", todo)


def _restorer(node):
    """A function that gives a volume or transform node its content, parent, attributes and references back."""
    content, parent = _content(node), node.GetTransformNodeID()
    attributes = {name: node.GetAttribute(name) for name in node.GetAttributeNames()}
    references = {role: node.GetNodeReferenceID(role) for role in ROLES}

    def restore() -> None:
        content()
        node.SetAndObserveTransformNodeID(parent)
        for name in set(node.GetAttributeNames()) - set(attributes):
            node.RemoveAttribute(name)
        for name, value in attributes.items():
            node.SetAttribute(name, value)
        for role, target in references.items():
            node.SetNodeReferenceID(role, target)

    return restore


def _content(node):
    if node.IsA("vtkMRMLTransformNode"):
        copy = node.NewInstance()
        copy.CopyContent(node)
        return lambda: node.CopyContent(copy)
    image, matrix = node.GetImageData(), vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)

    def restore() -> None:
        node.SetIJKToRASMatrix(matrix)
        node.SetAndObserveImageData(image)

    return restore
