"""Segmentations and markups of a scene as ``Structures``, from which data.structures draws structure maps."""

from __future__ import annotations

import numpy as np
from vtk.util.numpy_support import vtk_to_numpy

from ..core.errors import InputError
from ..core.grid import Grid
from ..core.volume import Volume
from .volumes import RAS_TO_LPS, volumeFromNode, volumeFromSegment


def structuresFromNode(node, grid: Grid):
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


def labelsFromSegmentation(node, grid: Grid) -> Volume:
    """All segments on ``grid`` as one label map: the n-th segment is n."""
    segmentation = node.GetSegmentation()
    labels = np.zeros(grid.shape, dtype=np.int32)
    for number in range(segmentation.GetNumberOfSegments()):
        segment = volumeFromSegment(node, segmentation.GetNthSegmentID(number), grid)
        labels[segment.array > 0] = number + 1
    return Volume(labels, grid, node.GetName())


def _points(node) -> np.ndarray:
    positions = [node.GetNthControlPointPositionWorld(i) for i in range(node.GetNumberOfControlPoints())]
    return _toLps(np.reshape([list(p) for p in positions], (-1, 3)), node)


def _curve(node) -> np.ndarray:
    points = node.GetCurvePointsWorld()
    found = vtk_to_numpy(points.GetData()) if points is not None and points.GetNumberOfPoints() else np.zeros((0, 3))
    return _toLps(found, node)


def _toLps(ras: np.ndarray, node) -> np.ndarray:
    if not len(ras):
        todo = "Place control points"
        raise InputError(f"Markups '{node.GetName()}'", "it is empty", "control points", "none", todo)
    return ras.astype(float) * np.diag(RAS_TO_LPS)[:3]
