"""A 4-D sequence registered frame by frame to one of its frames, or to another volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import InputError
from ..core.transform import SpatialTransform
from .outputs import OutputOptions, allOrNothing
from .registration import computeRegistration, readInputs
from .transforms import transformNodeFor
from .volumes import nodeFromVolume, volumeFromNode

OUTPUTS = OutputOptions(heatmaps=False)


@dataclass(frozen=True)
class SequenceResult:
    """Sequences of the transforms and of the registered frames, index by index, and the quality tables."""

    transforms: Any
    frames: Any
    quality: tuple


def framesOf(sequenceNode) -> list:
    """The data nodes of a sequence.

    Raises:
        InputError: it is empty, or its frames are no scalar volumes.
    """
    nodes = [sequenceNode.GetNthDataNode(k) for k in range(sequenceNode.GetNumberOfDataNodes())]
    if not nodes or not all(node.IsA("vtkMRMLScalarVolumeNode") for node in nodes):
        got = "none" if not nodes else nodes[0].GetClassName()
        raise InputError(f"Sequence '{sequenceNode.GetName()}'", "it cannot be registered", "scalar volumes", got)
    return nodes


def computeFrame(frame, fixed, checkpoint, options: dict, inBackground=None, onProgress=None):
    """Computation of one frame; the scene is not touched."""
    inputs = readInputs((fixed, frame), options)

    def work(report):
        return computeRegistration(inputs, checkpoint, OUTPUTS, report)

    return inBackground(work) if inBackground else work(onProgress)


def registerSequence(scene, sequenceNode, reference, checkpoint="brain", options=None, *,
                     registerReference=True, onFrame=None, inBackground=None) -> SequenceResult:  # fmt: skip
    """Register every frame; the results come into the scene when all frames are done, or not at all.

    Args:
        reference: number of the frame that stays, or a volume node.
        registerReference: treat the reference frame as all others, so that all are interpolated alike; otherwise it is
            left out of the registration: the identity, and its own voxels.
        onFrame: called with (number, count, Computation) after each frame; None for one that was left out.

    Raises:
        InputError: frames or options that cannot be used.
        RegistrationCancelled: passed on; the scene is as it was.
    """
    frames = framesOf(sequenceNode)
    fixed = frames[_checked(reference, frames)] if isinstance(reference, int) else reference
    found = []
    for number, frame in enumerate(frames):
        leftOut = frame is fixed and not registerReference
        found.append(None if leftOut else computeFrame(frame, fixed, checkpoint, options or {}, inBackground))
        if onFrame is not None:
            onFrame(number, len(frames), found[-1])
    with allOrNothing(scene):
        transforms = _sequence(scene, sequenceNode, f"{sequenceNode.GetName()} transforms")
        registered = _sequence(scene, sequenceNode, f"{sequenceNode.GetName()} registered")
        for number, computation in enumerate(found):
            transform = computation.result.transform if computation else SpatialTransform(np.eye(4))
            warped = computation.warped if computation else volumeFromNode(fixed)
            _append(scene, transforms, sequenceNode, number, transformNodeFor(scene, transform, "T"))
            _append(scene, registered, sequenceNode, number, nodeFromVolume(scene, warped, "frame"))
    return SequenceResult(transforms, registered, tuple(c.quality if c else () for c in found))


def _checked(reference: int, frames) -> int:
    if not 0 <= reference < len(frames):
        raise InputError("Reference frame", "there is no such frame", f"0 to {len(frames) - 1}", str(reference))
    return reference


def _sequence(scene, like, name: str):
    node = scene.AddNewNodeByClass("vtkMRMLSequenceNode", scene.GenerateUniqueName(name))
    node.SetIndexName(like.GetIndexName())
    node.SetIndexUnit(like.GetIndexUnit())
    node.SetIndexType(like.GetIndexType())
    return node


def _append(scene, sequence, like, number: int, node) -> None:
    """Copy a node into the sequence under the index value of the original frame; the node itself goes."""
    sequence.SetDataNodeAtValue(node, like.GetNthIndexValue(number))
    display = node.GetDisplayNode()
    scene.RemoveNode(node)
    if display is not None:
        scene.RemoveNode(display)
