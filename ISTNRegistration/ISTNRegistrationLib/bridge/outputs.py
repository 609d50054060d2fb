"""The nodes of a finished registration: all of them come into the scene, or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import slicer

from ..core.errors import InputError
from ..core.volume import Volume
from .heatmaps import differenceNode, heatmapNodes, uncertaintyNode
from .parents import Placing, applyTransform, checkAbove
from .provenance import setProvenance
from .reuse import earlierNodes, putInFolder, reused
from .scene import allOrNothing, checkPresent
from .transforms import (
    gridTransformNode,
    inverseTransformNode,
    linearTransformNode,
    residualTransformNode,
    setRegistrationReferences,
    transformNodeFor,
)
from .unchanged import marksOf
from .volumes import nodeFromVolume

if TYPE_CHECKING:
    from ..core.register import RegistrationResult
    from .registration import Computation, NodeRequest


FOLDER = "ISTN {} to {}"


@dataclass(frozen=True)
class OutputOptions:
    """Which nodes a registration makes, besides the transform.

    Attributes:
        volume: the moving volume resampled on the fixed one's grid.
        heatmaps: F', M', warped M' and the difference of F' and warped M', one node each.
        channels: in addition one heatmap node per structure.
        measures: length of the displacement (mm) and Jacobian determinant, on the networks' grid.
        uncertainty: expected distance of the structures' surfaces in mm; none where the checkpoint cannot tell.
        parts: the linear and the residual (B-spline) part as nodes of their own.
        inverse: the inverse transform, with its measured error in its attributes.
        grid: the transform as a dense displacement grid, not in its exact and compact form.
        applyToMoving: put the moving node under the transform; otherwise the user's nodes are left alone.
        transformNode: an existing transform node that gets the result; by default a new one is made.
    """

    volume: bool = True
    heatmaps: bool = True
    channels: bool = False
    measures: bool = False
    uncertainty: bool = False
    parts: bool = False
    inverse: bool = False
    grid: bool = False
    applyToMoving: bool = False
    transformNode: Any = None


@dataclass
class RegistrationNodes:
    """The nodes that were made (None where not asked for), and the Outcome of ``data.run`` that they show.

    ``request`` and ``outputs`` are what was asked for; ``placing`` tells how a chosen node holds the result, ``marks``
    whether the images have changed since then.
    """

    outcome: Any
    transform: Any = None
    linear: Any = None
    residual: Any = None
    inverse: Any = None
    volume: Any = None
    heatmaps: dict = field(default_factory=dict)
    measures: dict = field(default_factory=dict)
    request: NodeRequest | None = None
    outputs: OutputOptions | None = None
    placing: Placing | None = None
    marks: list = field(default_factory=list)

    @property
    def result(self) -> RegistrationResult:
        """RegistrationResult."""
        return self.outcome.result

    @property
    def quality(self) -> tuple:
        """A StageQuality per stage."""
        return self.outcome.quality

    @property
    def structures(self) -> tuple[str, ...]:
        """Names of the maps' channels."""
        return tuple(channel.name for channel in self.outcome.checkpoint.config.channels)

    @property
    def compared(self) -> list:
        """The nodes that a comparison shows."""
        return [node for node in (self.volume, *self.heatmaps.values()) if node is not None]

    def all(self) -> list:
        """Every node that was made."""
        single = (self.transform, self.linear, self.residual, self.inverse, self.volume)
        return [node for node in (*single, *self.heatmaps.values(), *self.measures.values()) if node is not None]


def checkOutputs(outputs: OutputOptions, transform: str, pair: tuple) -> None:
    """Raise InputError for a chosen transform node that cannot hold the result, before any work is done.

    Args:
        pair: fixed and moving node.
    """
    chosen = outputs.transformNode
    if chosen is None:
        return
    linear = transform in ("rigid", "affine") and not outputs.grid
    wrong = "vtkMRMLLinearTransformNode" if not linear else "vtkMRMLGridTransformNode"
    if chosen.IsA(wrong) or (linear and chosen.IsA("vtkMRMLBSplineTransformNode")):
        expected = "a linear transform node" if linear else "a transform node that can hold a warp"
        todo = "Choose another output, or create a new one"
        raise InputError(f"Output '{chosen.GetName()}'", "it cannot hold the result", expected, wrong, todo)
    checkAbove(chosen, *pair)


def createNodes(
    scene: slicer.vtkMRMLScene, request: NodeRequest, computation: Computation, outputs: OutputOptions
) -> RegistrationNodes:
    """Add the nodes of a computation to the scene; on any error none of them stays.

    Args:
        request: the NodeRequest.

    Raises:
        InputError: one of the pair, or the chosen output, has left the scene meanwhile.
    """
    pair = request.pair
    chosen = [outputs.transformNode] if outputs.transformNode is not None else []
    checkPresent(scene, [*pair, *chosen], "during the registration", "Register again, and keep the node until the end")
    with allOrNothing(scene, [pair[1], *chosen, *earlierNodes(scene, pair)]):
        nodes = resultNodes(scene, pair, computation, outputs)
        nodes.request, nodes.outputs, nodes.marks = request, outputs, marksOf(pair)
        for node in filter(None, (nodes.transform, nodes.linear, nodes.residual, nodes.inverse)):
            setRegistrationReferences(node, *pair)
        setProvenance(nodes.transform, request, computation.outcome)
        if outputs.transformNode is not None:
            _moveInto(scene, outputs.transformNode, nodes, pair[1])
        if outputs.applyToMoving:
            applyTransform(scene, pair[1], nodes.transform)
        for kind in ("heatmaps", "measures"):
            made = getattr(nodes, kind)
            setattr(nodes, kind, {key: reused(scene, pair, f"{kind} {key}", node) for key, node in made.items()})
        putInFolder(scene, nodes.all(), FOLDER.format(pair[1].GetName(), pair[0].GetName()))
    return nodes


def resultNodes(
    scene: slicer.vtkMRMLScene, pair: Sequence, computation: Computation, outputs: OutputOptions
) -> RegistrationNodes:
    """New nodes of a computation, of fixed and moving node ``pair``."""
    fixedNode, movingNode = pair
    outcome, name = computation.outcome, f"{movingNode.GetName()} to {fixedNode.GetName()}"
    nodes, result, grid = RegistrationNodes(outcome), outcome.result, outcome.request.fixed.image.grid
    if outputs.grid:
        nodes.transform = gridTransformNode(scene, result.transform, grid, name)
    else:
        nodes.transform = transformNodeFor(scene, result.transform, name)
    if outputs.parts:
        nodes.linear = linearTransformNode(scene, result.transform.linear, f"{name} linear")
        if result.transform.residual is not None:
            nodes.residual = residualTransformNode(scene, result.transform.residual, f"{name} residual")
    if outputs.inverse:
        nodes.inverse = inverseTransformNode(scene, nodes.transform, grid, f"{name} inverse")
    if computation.warped is not None:
        nodes.volume = _warpedNode(scene, computation.warped, movingNode, fixedNode)
    if outputs.heatmaps and outcome.checkpoint.config.uses_itn:
        nodes.heatmaps = heatmapNodes(scene, result, nodes.structures if outputs.channels else None)
        nodes.heatmaps["difference"] = differenceNode(scene, result)
    if outputs.measures:
        nodes.measures = _measureNodes(scene, result, name)
    nodes.measures |= _uncertainty(scene, outcome, name) if outputs.uncertainty else {}
    return nodes


def _moveInto(scene, chosen, nodes: RegistrationNodes, movingNode) -> None:
    """The chosen node gets the new transform node's content and attributes, and takes its place."""
    made, nodes.placing = nodes.transform, Placing(chosen, movingNode)
    chosen.SetAndObserveTransformFromParent(nodes.placing.fromParent(made))
    for name in made.GetAttributeNames():
        chosen.SetAttribute(name, made.GetAttribute(name))
    for role in (made.GetFixedNodeReferenceRole(), made.GetMovingNodeReferenceRole()):
        chosen.SetNodeReferenceID(role, made.GetNodeReferenceID(role))
    nodes.transform = chosen
    scene.RemoveNode(made)


def _warpedNode(scene, warped: Volume, movingNode, fixedNode):
    """The output volume, shown as the moving volume is."""
    name = f"{movingNode.GetName()} on {fixedNode.GetName()}"
    className = movingNode.GetClassName() if movingNode.IsA("vtkMRMLLabelMapVolumeNode") else "vtkMRMLScalarVolumeNode"
    node = nodeFromVolume(scene, warped, name, className)
    if movingNode.GetDisplayNode() is not None:
        node.GetDisplayNode().CopyContent(movingNode.GetDisplayNode())
    return node


def _uncertainty(scene, outcome, name: str) -> dict:
    """Its node; none where the checkpoint cannot tell."""
    volume = outcome.uncertainty
    return {} if volume is None else {"uncertainty": uncertaintyNode(scene, volume, name)}


def _measureNodes(scene, result, name: str) -> dict:
    """Length of the displacement (mm) and Jacobian determinant of the kept transform on the networks' grid."""
    from ..core.metrics import jacobian_determinants

    grid = result.fixed_map.grid
    length = np.linalg.norm(result.transform.displacement(grid), axis=-1).astype(np.float32)
    jacobian = jacobian_determinants(result.transform, grid).astype(np.float32)
    return {
        "displacement": nodeFromVolume(scene, Volume(length, grid), f"{name} displacement mm"),
        "jacobian": nodeFromVolume(scene, Volume(jacobian, grid), f"{name} Jacobian determinant"),
    }
