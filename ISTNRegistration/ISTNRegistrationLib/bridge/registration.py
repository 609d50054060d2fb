"""Registers two nodes of a scene: nodes to volumes, the method, and only when all is computed, results to nodes."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import slicer

from ..core.errors import InputError
from ..core.volume import Volume
from .heatmaps import heatmapNodes
from .transforms import (
    bsplineTransformNode,
    gridTransformNode,
    linearTransformNode,
    matrixFromNode,
    setRegistrationReferences,
    transformNodeFor,
)
from .volumes import nodeFromVolume, volumeFromNode


@dataclass(frozen=True)
class OutputOptions:
    """Which nodes a registration makes, besides the transform.

    Attributes:
        volume: the moving volume resampled on the fixed one's grid.
        heatmaps: F', M' and warped M', one node each.
        channels: in addition one heatmap node per structure.
        parts: the linear and the residual (B-spline) part as nodes of their own.
        grid: the transform as a dense displacement grid, not in its exact and compact form.
        applyToMoving: put the moving node under the transform; otherwise the user's nodes are left alone.
    """

    volume: bool = True
    heatmaps: bool = True
    channels: bool = False
    parts: bool = False
    grid: bool = False
    applyToMoving: bool = False


@dataclass
class RegistrationNodes:
    """The nodes that were made (None where not asked for) and the RegistrationResult behind them."""

    result: Any
    transform: Any = None
    linear: Any = None
    residual: Any = None
    volume: Any = None
    heatmaps: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Computation:
    """All that the nodes are made of; computed without touching the scene."""

    result: Any
    fixed: Volume
    warped: Volume | None
    channelNames: tuple[str, ...]
    hasHeatmaps: bool


def registerNodes(scene, pair, checkpoint="brain", options=None, outputs=None, onProgress=None) -> RegistrationNodes:
    """Register ``pair`` (fixed node, moving node) and add the result to the scene, whole or not at all.

    Args:
        scene: where the new nodes go.
        pair: scalar volume or label map nodes; a linear parent transform counts, neither node is changed.
        checkpoint: shipped name, path, or a loaded Checkpoint.
        options: keywords of RegisterOptions; ``initial`` may also be a linear transform node.
        outputs: OutputOptions.
        onProgress: called with a Progress every iteration. Return False to stop and keep the best so far; raise
            RegistrationCancelled to abandon the run.

    Raises:
        InputError: nodes, options or checkpoint that cannot be used.
        RegistrationCancelled: passed on from ``onProgress``. In both cases the scene is as it was.
    """
    outputs = outputs or OutputOptions()
    computation = computeRegistration(pair, checkpoint, options or {}, outputs, onProgress)
    return createNodes(scene, pair, computation, outputs)


def computeRegistration(pair, checkpoint, options: dict, outputs: OutputOptions, onProgress=None) -> Computation:
    """Everything that takes time. Reads the two nodes, writes nothing."""
    from ..core.checkpoint import Checkpoint, load_checkpoint
    from ..core.register import register_pair
    from ..data.results import warped_moving

    fixed, moving = (volumeFromNode(node) for node in pair)
    loaded = checkpoint if isinstance(checkpoint, Checkpoint) else load_checkpoint(checkpoint)
    result = register_pair(fixed, moving, loaded, _registerOptions(options, fixed, moving), onProgress)
    warped = None
    if outputs.volume:
        order = "nearest" if pair[1].IsA("vtkMRMLLabelMapVolumeNode") else "linear"
        warped = warped_moving(moving, result.transform, fixed.grid, order)
    config = loaded.config
    return Computation(result, fixed, warped, tuple(c.name for c in config.channels), config.uses_itn)


def createNodes(scene, pair, computation: Computation, outputs: OutputOptions) -> RegistrationNodes:
    """Add the nodes of a computation to the scene; on any error none of them stays.

    Raises:
        InputError: one of the pair has left the scene meanwhile.
    """
    _checkPresent(scene, pair)
    fixedNode, movingNode = pair
    result, name = computation.result, f"{movingNode.GetName()} to {fixedNode.GetName()}"
    with allOrNothing(scene):
        nodes = RegistrationNodes(result, transform=_transformNode(scene, computation, outputs, name))
        if outputs.parts:
            nodes.linear = linearTransformNode(scene, result.transform.linear, f"{name} linear")
            if result.transform.residual is not None:
                nodes.residual = bsplineTransformNode(scene, result.transform.residual, f"{name} residual")
        for node in filter(None, (nodes.transform, nodes.linear, nodes.residual)):
            setRegistrationReferences(node, fixedNode, movingNode)
        if computation.warped is not None:
            nodes.volume = _warpedNode(scene, computation.warped, movingNode, fixedNode)
        if outputs.heatmaps and computation.hasHeatmaps:
            names = computation.channelNames if outputs.channels else None
            nodes.heatmaps = heatmapNodes(scene, result, names)
        if outputs.applyToMoving:
            applyTransform(scene, movingNode, nodes.transform)
    return nodes


def applyTransform(scene, movingNode, transformNode) -> None:
    """Put a node under a registration's transform, so that it appears on the fixed image.

    The registration is between points of the world. A node that already has a (linear) parent goes under a copy of it
    first, and the copy under the registration: other nodes under that parent stay where they are.
    """
    parent = movingNode.GetParentTransformNode()
    if parent is not None:
        copy = linearTransformNode(scene, matrixFromNode(parent), f"{parent.GetName()} of {movingNode.GetName()}")
        copy.SetAndObserveTransformNodeID(transformNode.GetID())
        transformNode = copy
    movingNode.SetAndObserveTransformNodeID(transformNode.GetID())


@contextmanager
def allOrNothing(scene):
    """Within this block, an exception takes away every node that the block added to the scene."""
    before = {node.GetID() for node in _nodes(scene)}
    try:
        yield
    except BaseException:
        for node in reversed([n for n in _nodes(scene) if n.GetID() not in before]):
            scene.RemoveNode(node)
        raise


def _checkPresent(scene, pair) -> None:
    for node in pair:
        if not scene.IsNodePresent(node):
            who, todo = f"Node '{node.GetName()}'", "Register again, and keep the node until the end"
            raise InputError(who, "it was deleted during the registration", "a node of the scene", "none", todo)


def _nodes(scene) -> list:
    return [scene.GetNthNode(k) for k in range(scene.GetNumberOfNodes())]


def _registerOptions(options: dict, fixed: Volume, moving: Volume):
    """RegisterOptions with ``initial`` resolved to what the core knows."""
    from ..core.register import RegisterOptions
    from ..data.initial import resolve_initial

    options = dict(options)
    initial = options.get("initial", RegisterOptions().initial)
    if isinstance(initial, slicer.vtkMRMLNode):
        initial = matrixFromNode(initial)
    options["initial"] = resolve_initial(initial, fixed, moving)
    return RegisterOptions(**options)


def _transformNode(scene, computation: Computation, outputs: OutputOptions, name: str):
    if outputs.grid:
        return gridTransformNode(scene, computation.result.transform, computation.fixed.grid, name)
    return transformNodeFor(scene, computation.result.transform, name)


def _warpedNode(scene, warped: Volume, movingNode, fixedNode):
    """The output volume, shown as the moving volume is."""
    name = f"{movingNode.GetName()} on {fixedNode.GetName()}"
    className = movingNode.GetClassName() if movingNode.IsA("vtkMRMLLabelMapVolumeNode") else "vtkMRMLScalarVolumeNode"
    node = nodeFromVolume(scene, warped, name, className)
    if movingNode.GetDisplayNode() is not None:
        node.GetDisplayNode().CopyContent(movingNode.GetDisplayNode())
    return node
