"""A 4-D sequence registered frame by frame to one of its frames, or to another volume."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import slicer

from ..core.errors import InputError
from ..core.transform import SpatialTransform
from .registration import NodeRequest, NodeRunner, SideNodes
from .scene import allOrNothing
from .transforms import transformNodeFor
from .views import browse
from .volumes import nodeFromVolume, volumeFromNode


@dataclass(frozen=True)
class SequenceRequest:
    """How to register each frame.

    Attributes:
        checkpoint, options: as in NodeRequest.
        registerReference: treat the reference frame as all others, so that all are interpolated alike; otherwise it is
            left out of the registration: the identity, and its own voxels.
    """

    checkpoint: Any = "brain"
    options: dict = field(default_factory=dict)
    registerReference: bool = True

    def of(self, fixed: slicer.vtkMRMLNode, frame: slicer.vtkMRMLNode) -> NodeRequest:
        """The request for one frame."""
        return NodeRequest(SideNodes(fixed), SideNodes(frame), self.checkpoint, self.options)


@dataclass(frozen=True)
class SequenceResult:
    """Sequences of the transforms and of the registered frames, index by index, and the quality tables."""

    transforms: Any
    frames: Any
    quality: tuple


def framesOf(sequenceNode: slicer.vtkMRMLSequenceNode) -> list:
    """The data nodes of a sequence.

    Raises:
        InputError: it is empty, or its frames are no scalar volumes.
    """
    nodes = [sequenceNode.GetNthDataNode(k) for k in range(sequenceNode.GetNumberOfDataNodes())]
    if not nodes or not all(node.IsA("vtkMRMLScalarVolumeNode") for node in nodes):
        got = "none" if not nodes else nodes[0].GetClassName()
        raise InputError(f"Sequence '{sequenceNode.GetName()}'", "it cannot be registered", "scalar volumes", got)
    return nodes


def registerSequence(
    scene: slicer.vtkMRMLScene,
    sequenceNode: slicer.vtkMRMLSequenceNode,
    reference: int | slicer.vtkMRMLNode,
    request: SequenceRequest,
    onFrame: Callable = lambda _number, _outcome: None,
    inBackground: Callable | None = None,
) -> SequenceResult:
    """Register every frame (``inBackground`` as ``registerNodes`` takes it); the results come together or not at all.

    Args:
        reference: number of the frame that stays, or a volume node.
        onFrame: called with (number, Outcome) after each frame; None for one that was left out. Do not keep it.

    Raises:
        InputError: frames or options that cannot be used. RegistrationCancelled: passed on. The scene is as it was.
    """
    frames = framesOf(sequenceNode)
    fixed = frames[_checked(reference, frames)] if isinstance(reference, int) else reference
    with allOrNothing(scene):
        runner, quality = NodeRunner(), []
        transforms, registered = _sequencesOfResults(scene, sequenceNode)
        for number, frame in enumerate(frames):
            leftOut = frame is fixed and not request.registerReference
            done = _leftOut(fixed) if leftOut else _frame(runner, request.of(fixed, frame), inBackground)
            outcome, transform, volume = done
            _append(scene, transforms, sequenceNode, number, transformNodeFor(scene, transform, "T"))
            _append(scene, registered, sequenceNode, number, nodeFromVolume(scene, volume, "frame"))
            quality.append(outcome.quality if outcome else ())
            onFrame(number, outcome)
    return SequenceResult(transforms, registered, tuple(quality))


def _sequencesOfResults(scene, sequenceNode) -> tuple:
    """New sequences of transforms and of registered frames, with the browser that plays both."""
    name = sequenceNode.GetName()
    transforms, registered = (_sequence(scene, sequenceNode, f"{name} {what}") for what in ("transforms", "registered"))
    browse(scene, (registered, transforms), f"{name} registered browser")
    return transforms, registered


def _leftOut(fixed) -> tuple:
    """No Outcome, the identity, and the reference frame's own voxels."""
    return None, SpatialTransform(np.eye(4)), volumeFromNode(fixed)


def _frame(runner: NodeRunner, request: NodeRequest, inBackground) -> tuple:
    """Outcome, transform and registered volume of one frame; the scene is not touched."""
    read = runner.read(request)

    def work(report):
        return runner.compute(read, True, False, report)

    computation = inBackground(work) if inBackground else work(None)
    return computation.outcome, computation.outcome.result.transform, computation.warped


def _checked(reference: int | slicer.vtkMRMLNode, frames) -> int:
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
