"""The scene: its nodes by class, and a block that leaves all the nodes it makes or none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import slicer


def nodesOfClass(scene: slicer.vtkMRMLScene, className: str = "vtkMRMLNode") -> list:
    """The scene's nodes of a class and of those below it, in the scene's order; all nodes by default."""
    return [scene.GetNthNodeByClass(k, className) for k in range(scene.GetNumberOfNodesByClass(className))]


@contextmanager
def allOrNothing(scene: slicer.vtkMRMLScene) -> Iterator[None]:
    """Within this block, an exception takes away every node that the block added to the scene."""
    before = nodeIds(scene)
    try:
        yield
    except BaseException:
        for node in reversed(nodesSince(scene, before)):
            scene.RemoveNode(node)
        raise


def nodeIds(scene: slicer.vtkMRMLScene) -> set[str]:
    """Of all nodes, for ``nodesSince``."""
    return {node.GetID() for node in nodesOfClass(scene)}


def nodesSince(scene: slicer.vtkMRMLScene, before: set[str]) -> list:
    """The nodes that were not there before."""
    return [node for node in nodesOfClass(scene) if node.GetID() not in before]
