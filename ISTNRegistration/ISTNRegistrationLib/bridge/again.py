"""A registration goes on from where it stands, and the nodes of its result follow, all of them or none."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import slicer

from .outputs import OutputOptions, RegistrationNodes, createNodes, resultNodes
from .provenance import setProvenance
from .registration import Computation, isLabelMap
from .reuse import pour
from .scene import allOrNothing
from .structures import landmarksFromNode
from .unchanged import checkUnchanged

if TYPE_CHECKING:
    from ..data.run import Outcome


def registerAgain(
    nodes: RegistrationNodes,
    iterations: int | None = None,
    landmarks: tuple[Any, Any] | None = None,
    onProgress: Callable | None = None,
    inBackground: Callable | None = None,
    **changes: Any,
) -> RegistrationNodes:
    """Refine a registration on from where it stands (``data.again``); the nodes of its result get the new one.

    Args:
        nodes: of a registration, or of an earlier call.
        landmarks: point list nodes of both images (or None), as they are now; by default those of the request.
        iterations, changes: as ``register_again`` takes them.
        onProgress, inBackground: as ``registerNodes`` takes them.

    Returns:
        The same nodes with the new Outcome; ``nodes.outcome`` is what they showed before, see ``showOutcome``.

    Raises:
        InputError: a value that cannot be used; an image or the transform was deleted, or an image changed.
        RegistrationCancelled: passed on from ``onProgress``. In both cases the scene is as it was.
    """
    nodes, points = _withLandmarks(nodes, landmarks)

    def outcome(report):
        from ..data.again import register_again

        return register_again(nodes.outcome, report, iterations, points, **changes)

    return _renewed(nodes, outcome, onProgress, inBackground)


def _withLandmarks(nodes: RegistrationNodes, lists: tuple | None) -> tuple[RegistrationNodes, tuple]:
    """The nodes with the point lists in their request, and the points in these now; a list that is gone is None."""
    scene, asked = _check(nodes), nodes.request
    lists = lists or (asked.fixed.landmarks, asked.moving.landmarks)
    lists = tuple(node if scene.IsNodePresent(node) else None for node in lists)
    points = tuple(node and landmarksFromNode(node) for node in lists)
    sides = [dataclasses.replace(s, landmarks=n) for s, n in zip((asked.fixed, asked.moving), lists, strict=True)]
    return dataclasses.replace(nodes, request=dataclasses.replace(asked, fixed=sides[0], moving=sides[1])), points


def showOutcome(nodes: RegistrationNodes, outcome: Outcome, inBackground: Callable | None = None) -> RegistrationNodes:
    """Give the nodes of a result another Outcome of the same registration, for example the one before.

    Raises:
        InputError: an image or the transform was deleted, or an image changed. The scene is as it was.
    """
    return _renewed(nodes, lambda _report: outcome, None, inBackground)


def keepAsNode(nodes: RegistrationNodes, name: str) -> slicer.vtkMRMLTransformNode:
    """A new transform node of what ``nodes`` show, which no later change reaches.

    Raises:
        InputError: as ``showOutcome``.
    """
    scene, alone = _check(nodes), OutputOptions(volume=False, heatmaps=False)
    kept = createNodes(scene, nodes.request, Computation(nodes.outcome, None), alone).transform
    kept.SetName(scene.GenerateUniqueName(name))
    return kept


def _check(nodes: RegistrationNodes) -> slicer.vtkMRMLScene:
    return checkUnchanged(nodes.request.pair, nodes.marks, nodes.transform)


def _renewed(nodes: RegistrationNodes, outcomeOf, onProgress, inBackground) -> RegistrationNodes:
    """The nodes with the outcome that ``outcomeOf(report)`` computes without touching the scene."""
    _check(nodes)
    order = "nearest" if isLabelMap(nodes.request.moving.image) else "linear"

    def work(report):
        outcome = outcomeOf(report)
        _ = outcome.quality  # measured here, not in the main thread
        return Computation(outcome, outcome.warped(order) if nodes.volume is not None else None)

    computation = inBackground(work) if inBackground else work(onProgress)
    scene = _check(nodes)
    made = resultNodes(slicer.vtkMRMLScene(), nodes.request.pair, computation, nodes.outputs)  # nobody sees that scene
    nodes = _present(scene, nodes)
    with allOrNothing(scene, nodes.all()):
        _fill(nodes, made)
        setProvenance(nodes.transform, nodes.request, computation.outcome)
    return dataclasses.replace(nodes, outcome=computation.outcome)


def _present(scene, nodes: RegistrationNodes) -> RegistrationNodes:
    """Without what the user has deleted."""
    single = {key: getattr(nodes, key) for key in ("linear", "residual", "inverse", "volume")}
    kept = {key: node if scene.IsNodePresent(node) else None for key, node in single.items()}
    several = {key: getattr(nodes, key).items() for key in ("heatmaps", "measures")}
    kept |= {key: {k: node for k, node in them if scene.IsNodePresent(node)} for key, them in several.items()}
    return dataclasses.replace(nodes, **kept)


def _fill(nodes: RegistrationNodes, made: RegistrationNodes) -> None:
    """Give the nodes what those that were made hold."""
    fromParent = made.transform.GetTransformFromParent()
    nodes.transform.SetAndObserveTransformFromParent(
        nodes.placing.fromParent(made.transform) if nodes.placing else fromParent
    )
    for key in ("linear", "residual", "inverse"):
        node, new = getattr(nodes, key), getattr(made, key)
        if node is not None and new is not None:
            node.CopyContent(new)
            for name in new.GetAttributeNames():
                node.SetAttribute(name, new.GetAttribute(name))
    volumes = {"volume": nodes.volume, **nodes.heatmaps, **nodes.measures}
    others = {"volume": made.volume, **made.heatmaps, **made.measures}
    for key, node in volumes.items():
        if node is not None and others.get(key) is not None:
            pour(node, others[key])
