"""Segmentations and markups of a scene as ``Structures``, from which data.structures draws structure maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import slicer
from vtk.util.numpy_support import vtk_to_numpy

from ..core.errors import InputError
from ..core.grid import Grid
from ..core.landmarks import Landmarks
from ..core.roi import RoiBox
from ..core.volume import Volume
from .volumes import RAS_TO_LPS, numpyMatrix, volumeFromNode, volumeFromSegment, volumeFromStructure

if TYPE_CHECKING:
    from ..core.soi import Structures

POINT_EVENTS = tuple(
    getattr(slicer.vtkMRMLMarkupsNode, f"Point{what}Event")
    for what in ("Modified", "PositionDefined", "PositionUndefined", "Removed")
)  # of a point list: a landmark is elsewhere, new or gone


def structuresFromNode(node: slicer.vtkMRMLNode | None, grid: Grid) -> Structures:
    """Structures (LPS mm, in the world) of a segmentation, label map, point list or curve node.

    A segmentation becomes a label map on ``grid``: its first segment is 1, the second 2 (later ones win where they
    overlap). A curve is taken as Slicer draws it, not as the polyline through its control points.

    Raises:
        InputError: another kind of node, or an empty one.
    """
    from ..core.soi import Structures

    name = node.GetName() if node is not None else "nothing"
    if node is not None and node.IsA("vtkMRMLSegmentationNode"):
        return Structures(name, labels=labelsFromSegmentation(node, grid))
    if node is not None and node.IsA("vtkMRMLLabelMapVolumeNode"):
        return Structures(name, labels=volumeFromNode(node))
    if node is not None and node.IsA("vtkMRMLMarkupsCurveNode"):
        return Structures(name, curves=(_curve(node),))
    if node is not None and node.IsA("vtkMRMLMarkupsFiducialNode"):
        return Structures(name, points=_points(node))
    expected = "a segmentation, label map, point list or curve"
    got = "nothing" if node is None else node.GetClassName()
    raise InputError(f"Structures '{name}'", "it shows no structures", expected, got)


def labelsFromSegmentation(node: slicer.vtkMRMLSegmentationNode, grid: Grid) -> Volume:
    """All segments on ``grid`` as one label map: the n-th segment is n."""
    segmentation = node.GetSegmentation()
    labels = np.zeros(grid.shape, dtype=np.int32)
    for number in range(segmentation.GetNumberOfSegments()):
        segment = volumeFromSegment(node, segmentation.GetNthSegmentID(number), grid)
        labels[segment.array > 0] = number + 1
    return Volume(labels, grid, node.GetName())


def labelsOfPair(nodes: Sequence, grids: Sequence[Grid]) -> tuple[Volume, Volume, dict[int, str]] | None:
    """Label maps of both images with one numbering, and the names by label; None unless both nodes are given.

    Segments belong together by their names, or, where the two segmentations share no name, by their order. Label maps
    belong together by their values.

    Raises:
        InputError: nodes that are no segmentation or label map, or one of each.
    """
    if any(node is None for node in nodes):
        return None
    kinds = {bool(node.IsA("vtkMRMLSegmentationNode")) for node in nodes}
    if len(kinds) > 1:
        who, got = f"Structures '{nodes[0].GetName()}' and '{nodes[1].GetName()}'", "one of each"
        raise InputError(who, "they cannot be compared", "two segmentations or two label maps", got, "Convert one")
    if kinds == {False}:
        fixed, moving = (volumeFromNode(node) for node in nodes)
        values = np.union1d(fixed.array, moving.array)
        return fixed, moving, {int(v): str(int(v)) for v in values if v > 0}
    names = [_segmentNames(node) for node in nodes]
    shared = [name for name in names[0] if name in names[1]]
    matched = [shared, shared] if shared else [n[: min(map(len, names))] for n in names]
    volumes = [_labels(node, grid, use) for node, grid, use in zip(nodes, grids, matched, strict=True)]
    return (*volumes, {number: name for number, name in enumerate(matched[0], start=1)})


def correctedFromNode(node: slicer.vtkMRMLNode, grid: Grid) -> Volume | dict[str, Volume]:
    """What ``Side.corrected`` takes: the segments on ``grid``, by name, or a label map node on its own grid.

    Raises:
        InputError: two segments of one name, or a node that cannot be read.
    """
    if not node.IsA("vtkMRMLSegmentationNode"):
        return volumeFromNode(node)
    segmentation, names = node.GetSegmentation(), _segmentNames(node)
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        who, todo = f"Segmentation '{node.GetName()}'", "Rename one of the segments"
        raise InputError(who, "two segments have one name", "each name once", repr(twice[0]), todo)
    return {name: volumeFromSegment(node, segmentation.GetNthSegmentID(k), grid) for k, name in enumerate(names)}


def bodiesFromNode(node: slicer.vtkMRMLNode, grid: Grid) -> Volume:
    """What ``Side.rigid`` takes: the segments on ``grid`` (the n-th is n), or a label map node on its own grid.

    Raises:
        InputError: a node that cannot be read.
    """
    isSegmentation = node.IsA("vtkMRMLSegmentationNode")
    return labelsFromSegmentation(node, grid) if isSegmentation else volumeFromNode(node)


def maskFromNode(node: slicer.vtkMRMLNode, grid: Grid) -> Volume:
    """A ROI or a segmentation (all its segments, 0 or 1) on ``grid``, or a label map node on its own grid.

    Convention: a ROI is the box that Slicer draws, under any parent transform.

    Raises:
        InputError: another kind of node, or one that cannot be read.
    """
    if not node.IsA("vtkMRMLMarkupsROINode"):
        return volumeFromStructure(node, grid)
    matrix = RAS_TO_LPS @ numpyMatrix(node.GetObjectToWorldMatrix())
    return RoiBox(matrix, np.array(node.GetSize()), node.GetInsideOut(), node.GetName()).mask(grid)


def landmarksFromNode(node: slicer.vtkMRMLNode) -> Landmarks:
    """All control points of a point list with their labels, LPS mm, in the world; NaN for one that is not placed.

    Raises:
        InputError: no point is placed.
    """
    positions = [_position(node, i) for i in range(node.GetNumberOfControlPoints())]
    labels = tuple(node.GetNthControlPointLabel(i) for i in range(len(positions)))
    points = np.reshape(positions, (-1, 3))
    _toLps(points[np.isfinite(points).all(axis=1)], node)
    return Landmarks(_toLps(points, node), labels)


def _segmentNames(node) -> list[str]:
    segmentation = node.GetSegmentation()
    return [segmentation.GetNthSegment(k).GetName() for k in range(segmentation.GetNumberOfSegments())]


def _labels(node, grid: Grid, names: list[str]) -> Volume:
    """The named segments on ``grid``: the n-th name is n; in layers where segments overlap."""
    segmentation, layers = node.GetSegmentation(), [np.zeros(grid.shape, dtype=np.int32)]
    for number, name in enumerate(names, start=1):
        inside = volumeFromSegment(node, segmentation.GetSegmentIdBySegmentName(name), grid).array > 0
        free = [layer for layer in layers if not layer[inside].any()]
        if not free:
            layers.append(np.zeros(grid.shape, dtype=np.int32))
        (free or layers[-1:])[0][inside] = number
    return Volume(np.stack(layers) if len(layers) > 1 else layers[0], grid, node.GetName())


def _points(node) -> np.ndarray:
    points = np.reshape([_position(node, i) for i in range(node.GetNumberOfControlPoints())], (-1, 3))
    return _toLps(points[np.isfinite(points).all(axis=1)], node)


def _position(node, number: int) -> list[float]:
    """Of a control point in the world (RAS); a point that was never placed, or cleared, keeps coordinates: NaN."""
    placed = node.GetNthControlPointPositionStatus(number) == node.PositionDefined
    return list(node.GetNthControlPointPositionWorld(number)) if placed else [np.nan] * 3


def _curve(node) -> np.ndarray:
    points = node.GetCurvePointsWorld()
    found = vtk_to_numpy(points.GetData()) if points is not None and points.GetNumberOfPoints() else np.zeros((0, 3))
    return _toLps(found, node)


def _toLps(ras: np.ndarray, node) -> np.ndarray:
    if not len(ras):
        todo = "Place control points"
        raise InputError(f"Markups '{node.GetName()}'", "it is empty", "control points", "none", todo)
    return ras.astype(float) * np.diag(RAS_TO_LPS)[:3]
