"""Volumes under transforms that no header can hold (warps, shearing): resampled once where they are seen."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from ..core.grid import Grid
from ..core.volume import Volume
from .volumes import RAS_TO_LPS, ijkToRas, transformPoints, vtkMatrix, worldTransform

MOST_EDGE_POINTS = 24  # of a volume's edge that are looked at to find its box in the world


def hardenedVolume(node: slicer.vtkMRMLScalarVolumeNode) -> Volume:
    """The volume at its place in the world (LPS mm) as Slicer shows it: linear, label maps by nearest neighbor."""
    grid = hardenedGrid(node)
    reslice = vtk.vtkImageReslice()
    reslice.SetInputData(_inVoxels(node.GetImageData()))
    reslice.SetResliceTransform(_fromVoxels(grid, node))
    reslice.SetOutputExtent(*np.stack([np.zeros(3, int), np.asarray(grid.size) - 1], axis=1).ravel().tolist())
    reslice.SetOutputSpacing(1.0, 1.0, 1.0)
    reslice.SetOutputOrigin(0.0, 0.0, 0.0)
    reslice.SetBackgroundLevel(node.GetImageData().GetScalarRange()[0])
    if node.IsA("vtkMRMLLabelMapVolumeNode"):
        reslice.SetInterpolationModeToNearestNeighbor()
    else:
        reslice.SetInterpolationModeToLinear()
    reslice.Update()
    array = vtk_to_numpy(reslice.GetOutput().GetPointData().GetScalars()).reshape(grid.shape).copy()
    return Volume(array, grid, node.GetName())


def hardenedGrid(node: slicer.vtkMRMLScalarVolumeNode) -> Grid:
    """A grid of about the node's voxels around all that it shows in the world, its axes turned with the volume."""
    size = np.asarray(node.GetImageData().GetDimensions())
    toWorld, matrix = worldTransform(node.GetParentTransformNode(), fromWorld=False), ijkToRas(node)

    def world(index) -> np.ndarray:
        points = np.asarray(index, dtype=float) @ matrix[:3, :3].T + matrix[:3, 3]
        return transformPoints(toWorld, points) @ RAS_TO_LPS[:3, :3]

    middle = (size - 1) / 2
    steps = world(middle + np.eye(3)) - world(middle - np.eye(3))
    u, _s, v = np.linalg.svd(steps.T)
    direction, spacing = u @ v, np.linalg.norm(steps, axis=1) / 2
    along = world(_surface(size)) @ direction / spacing
    low, high = np.floor(along.min(axis=0)), np.ceil(along.max(axis=0))
    onGrid = np.eye(4)
    onGrid[:3, :3] = direction * spacing
    onGrid[:3, 3] = onGrid[:3, :3] @ low
    return Grid.from_matrix((high - low + 1).astype(int), onGrid)


def _surface(size) -> np.ndarray:
    """Indices (N, 3) over the outer voxels of a volume, half a voxel out."""
    ticks = [np.linspace(-0.5, n - 0.5, min(n + 1, MOST_EDGE_POINTS)) for n in size]
    points = np.stack(np.meshgrid(*ticks, indexing="ij"), axis=-1).reshape(-1, 3)
    edge = ((points == -0.5) | (points == np.asarray(size) - 0.5)).any(axis=1)
    return points[edge]


def _inVoxels(image):
    """The image with its voxels at their indices."""
    plain = vtk.vtkImageData()
    plain.ShallowCopy(image)
    plain.SetOrigin(0.0, 0.0, 0.0)
    plain.SetSpacing(1.0, 1.0, 1.0)
    return plain


def _fromVoxels(grid: Grid, node):
    """From the indices of ``grid`` to those of the node."""
    transform = vtk.vtkGeneralTransform()  # premultiplies: what is concatenated last is applied first
    transform.Concatenate(vtkMatrix(np.linalg.inv(ijkToRas(node))))
    transform.Concatenate(worldTransform(node.GetParentTransformNode(), fromWorld=True))
    transform.Concatenate(vtkMatrix(RAS_TO_LPS @ grid.matrix))
    return transform
