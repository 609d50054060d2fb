"""Surfaces of what the networks see, as outlines in the slices and in 3-D, and the grid that the transform bends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import slicer
import vtk
from numpy.typing import ArrayLike
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from ..core.colors import MOVING_COLOR, ramp
from ..core.grid import Grid
from ..core.volume import Volume
from .heatmaps import CUT, colorTable
from .views import addHidden, hide
from .volumes import RAS_TO_LPS, transformPoints, vtkMatrix

if TYPE_CHECKING:
    from ..core.register import RegistrationResult
    from .outputs import RegistrationNodes


# The colors of F' and M' in the demo's picture; blue-green and yellow differ in every kind of color vision.
OUTLINE_PIXELS = 2
DISTANCE = "Distance to F' (mm)"
# From light gray over orange to dark red: even steps of lightness, so that order shows without color vision.
DISTANCE_COLORS = ((0.93, 0.93, 0.90), (0.99, 0.75, 0.44), (0.94, 0.40, 0.20), (0.70, 0.09, 0.13), (0.40, 0.0, 0.05))
GRID_SPACING_MM, GRID_STEP_MM = 8.0, 4.0
GRID_COLOR, GRID_OPACITY = (0.94, 0.89, 0.26), 0.6
IN_PLANE = {"Axial": (0, 1), "Coronal": (0, 2), "Sagittal": (1, 2)}  # LPS axes that lie in the slice


def structureSurface(maps: Volume) -> vtk.vtkPolyData:
    """vtkPolyData (RAS mm) of where each channel (M', F') rises above CUT, all structures in one."""
    append = vtk.vtkAppendPolyData()
    for channel in maps.channels:
        append.AddInputData(_contours(channel, maps.grid, [CUT]))
    normals = vtk.vtkPolyDataNormals()
    normals.SetInputConnection(append.GetOutputPort())
    normals.SplittingOff()
    normals.Update()
    return normals.GetOutput()


def warpedGridLines(result: RegistrationResult, orientation: str) -> vtk.vtkPolyData:
    """vtkPolyData (RAS mm): where the moving coordinate T(x) is a multiple of GRID_SPACING_MM, over the networks' grid.

    They are surfaces, which a slice cuts in lines. Only the two coordinates in the slice's plane make them: the third
    would fill whole slices.
    """
    seen = result.fixed_map.grid
    size = [round(n * s / GRID_STEP_MM) + 1 for n, s in zip(seen.size, seen.spacing, strict=True)]
    grid = Grid.centered(seen.center, size, (GRID_STEP_MM,) * 3)
    moving = grid.points() + result.transform.displacement(grid)
    append = vtk.vtkAppendPolyData()
    for axis in IN_PLANE[orientation]:
        steps = moving[..., axis] / GRID_SPACING_MM
        append.AddInputData(_contours(steps, grid, np.arange(np.ceil(steps.min()), np.floor(steps.max()) + 1)))
    append.Update()
    return append.GetOutput()


def surfaceNode(
    scene: slicer.vtkMRMLScene,
    surface: vtk.vtkPolyData,
    name: str,
    color: Sequence[float],
    sliceViews: Sequence[str],
    threeDViews: Sequence[str] = (),
) -> slicer.vtkMRMLModelNode:
    """Hidden model node, drawn as an outline in some slice views and as a surface in some 3-D views (view node ids)."""
    node = addHidden(scene, "vtkMRMLModelNode", name)
    node.SetAndObservePolyData(surface)
    node.CreateDefaultDisplayNodes()
    display = hide(node.GetDisplayNode())
    display.SetColor(*color)
    display.SetVisibility2D(bool(sliceViews))
    display.SetVisibility3D(bool(threeDViews))
    display.SetSliceIntersectionThickness(OUTLINE_PIXELS)
    display.SetViewNodeIDs([*sliceViews, *threeDViews])
    return node


class MovingSurface:
    """The structures of the moving image on their way from the start to where the registration puts them.

    Their color is the distance (mm) to the structures of the fixed image.

    Args:
        scene: the MRML scene.
        nodes: RegistrationNodes.
        start, target: vtkPolyData (RAS mm) of the moving structures before, and of the fixed ones.
        views: ids of the 3-D views that show it.
    """

    def __init__(
        self,
        scene: slicer.vtkMRMLScene,
        nodes: RegistrationNodes,
        start: vtk.vtkPolyData,
        target: vtk.vtkPolyData,
        views: Sequence[str],
    ) -> None:
        self._surface, self._target = vtk.vtkPolyData(), target
        self._surface.DeepCopy(start)
        self._before = _points(start)
        self._after = registeredPoints(nodes, self._before)
        self.node = surfaceNode(scene, self._surface, "ISTN M' on its way", MOVING_COLOR, (), views)
        self.colors = hide(colorTable(scene, "ISTN distance", ramp(DISTANCE_COLORS)))
        self.furthest = max(1.0, float(np.ceil(self._distances(self._before).max(initial=0.0))))
        display = self.node.GetDisplayNode()
        display.SetAndObserveColorNodeID(self.colors.GetID())
        display.SetScalarRangeFlag(display.UseManualScalarRange)
        display.SetScalarRange(0.0, self.furthest)
        self.move(1.0)
        display.SetActiveScalarName(DISTANCE)
        display.SetScalarVisibility(True)

    def move(self, share: float) -> None:
        """Put it on the straight way from before (0) to after (1)."""
        points = (1 - share) * self._before + share * self._after
        self._surface.GetPoints().SetData(numpy_to_vtk(points, deep=True))
        distances = numpy_to_vtk(self._distances(points), deep=True)
        distances.SetName(DISTANCE)
        self._surface.GetPointData().SetScalars(distances)
        self._surface.Modified()

    def _distances(self, points) -> np.ndarray:
        """(N,) mm from points (RAS) to the fixed structures; 0 where there are none."""
        if not self._target.GetNumberOfPolys() or not len(points):
            return np.zeros(len(points))
        distance, values = vtk.vtkImplicitPolyDataDistance(), vtk.vtkDoubleArray()
        distance.SetInput(self._target)
        distance.FunctionValue(numpy_to_vtk(np.ascontiguousarray(points, dtype=np.float64), deep=True), values)
        return np.abs(vtk_to_numpy(values))


def registeredPoints(nodes: RegistrationNodes, points: ArrayLike) -> np.ndarray:
    """Where the registration puts structures (N, 3), RAS mm, that lie in fixed space by the initial alignment.

    x -> T^-1(I(x)): the initial alignment I leads to the moving image, the inverse of the result T back.
    """
    initial = RAS_TO_LPS @ nodes.result.initial @ RAS_TO_LPS
    moving = points @ initial[:3, :3].T + initial[:3, 3]
    return transformPoints(nodes.transform.GetTransformToParent(), moving)


def _contours(array, grid: Grid, values):
    """vtkPolyData (RAS mm) of the surfaces where an array on ``grid`` has one of some values."""
    image = vtk.vtkImageData()
    image.SetDimensions(*grid.size)
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(array, dtype=np.float32).reshape(-1), deep=True))
    edges = vtk.vtkFlyingEdges3D()
    edges.SetInputData(image)
    edges.ComputeNormalsOff()
    edges.ComputeScalarsOff()
    for number, value in enumerate(values):
        edges.SetValue(number, value)
    toRas = vtk.vtkTransform()
    toRas.SetMatrix(vtkMatrix(RAS_TO_LPS @ grid.matrix))
    placed = vtk.vtkTransformPolyDataFilter()
    placed.SetInputConnection(edges.GetOutputPort())
    placed.SetTransform(toRas)
    placed.Update()
    return placed.GetOutput()


def _points(surface) -> np.ndarray:
    if not surface.GetNumberOfPoints():
        return np.zeros((0, 3))
    return vtk_to_numpy(surface.GetPoints().GetData()).astype(np.float64)
