"""Whether the images of a registration are still what they were when it was made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import slicer

from ..core.errors import InputError
from .parents import liesUnder
from .scene import checkPresent
from .volumes import ijkToRas, transformPoints, worldTransform

CORNERS = np.array(list(np.ndindex(2, 2, 2)), dtype=float)
WHEN, TODO = "after the registration", "Register again"


def marksOf(pair: Sequence) -> list:
    """What tells whether fixed or moving volume node have changed: the time of their voxels, axes, place."""
    return [(node.GetImageData().GetMTime(), ijkToRas(node).tolist(), _places(node)) for node in pair]


def checkUnchanged(pair: Sequence, marks: Sequence, transformNode: slicer.vtkMRMLTransformNode) -> slicer.vtkMRMLScene:
    """The scene of a registration's images.

    Args:
        pair: fixed and moving volume node.
        marks: ``marksOf`` when the registration was made.
        transformNode: its result; a node under it has been moved on purpose.

    Raises:
        InputError: one of them has left the scene, or an image has been changed.
    """
    needed = [*pair, transformNode]
    scene = next((node.GetScene() for node in needed if node.GetScene() is not None), None)
    if scene is None:
        raise InputError(f"Result '{transformNode.GetName()}'", "its scene was closed", "its nodes", "none", TODO)
    checkPresent(scene, needed, WHEN, TODO)
    for node, before in zip(pair, marks, strict=True):
        now = marksOf([node])[0] if node.GetImageData() is not None else ()
        compared = 2 if liesUnder(node, transformNode) else 3
        if now[:compared] != before[:compared]:
            expected, got = "the voxels and the place that were registered", "others"
            raise InputError(f"Volume '{node.GetName()}'", f"it was changed {WHEN}", expected, got, TODO)
    return scene


def _places(node) -> list:
    """Where the corners of the volume are seen in the world (RAS), under any parent."""
    corners = CORNERS * node.GetImageData().GetDimensions() @ ijkToRas(node)[:3, :3].T + ijkToRas(node)[:3, 3]
    return transformPoints(worldTransform(node.GetParentTransformNode(), fromWorld=False), corners).tolist()
