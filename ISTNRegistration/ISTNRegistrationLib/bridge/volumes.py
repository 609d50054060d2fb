"""MRML volumes, label maps and segments to ``Volume``, and back. The nodes that are read are never changed."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from numpy.typing import ArrayLike
from vtk.util.numpy_support import get_vtk_array_type, numpy_to_vtk, vtk_to_numpy

from ..core.errors import InputError
from ..core.grid import Grid, apply_matrix
from ..core.volume import Volume

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # its own inverse
MAX_SHEAR = 1e-3  # largest cosine between two image axes that still counts as a right angle (NIfTI headers are float32)


def volumeFromNode(node: slicer.vtkMRMLNode | None) -> Volume:
    """Volume (LPS mm) of a scalar volume or label map node, where it lies in the world; the voxels are copied.

    Convention: a linear parent transform that keeps the axes at right angles is folded into the grid; under any other
    one the volume is resampled once, at the place where Slicer shows it.

    Raises:
        InputError: no node, no voxels, more than one component, impossible axes.
    """
    who = _describe(node)
    if node is None or not node.IsA("vtkMRMLScalarVolumeNode"):
        got = "nothing" if node is None else node.GetClassName()
        raise InputError(who, "it is not a scalar volume", "a scalar volume or label map node", got, "Select a volume")
    image = node.GetImageData()
    if image is None or image.GetNumberOfPoints() == 0:
        raise InputError(who, "it is empty", "a volume with voxels", "a node without image data", "Load its image")
    components = image.GetNumberOfScalarComponents()
    if components != 1:
        todo = "Convert color or vectors to one channel (module Vector to Scalar Volume)"
        raise InputError(who, "it is not a scalar image", "one component", str(components), todo)
    if not keepsRightAngles(node):
        from .hardened import hardenedVolume

        return hardenedVolume(node)
    grid = Grid.from_matrix(image.GetDimensions(), _ijkToWorldLps(node, who))
    array = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(grid.shape).copy()
    return Volume(array, grid, node.GetName())


def volumeFromSegment(segmentationNode: slicer.vtkMRMLSegmentationNode, segmentId: str, grid: Grid) -> Volume:
    """One segment (0 or 1, uint8) at the voxels of ``grid`` (LPS mm), by nearest neighbor, under any parent transform.

    The segment's own labels are looked up point by point. Slicer's resampling (5.11 to 5.13) cuts oblique segmentations
    under a non-linear transform: it maps only two corners of their box.

    Raises:
        InputError: no such segment, or the segmentation has no binary labelmap representation.
    """
    who = f"Segment '{segmentId}' of {_describe(segmentationNode)}"
    labels = slicer.vtkOrientedImageData()
    known = segmentationNode.GetSegmentation().GetSegment(segmentId) is not None
    if not known or not segmentationNode.GetBinaryLabelmapRepresentation(segmentId, labels):
        got = "a segment without one" if known else "no such segment"
        todo = "Create the binary labelmap representation in the Segmentations module"
        raise InputError(who, "it cannot be read", "a segment with a binary labelmap", got, todo)
    array = np.zeros(grid.shape, dtype=np.uint8)
    if labels.GetNumberOfPoints() > 0:
        fromWorld = worldTransform(segmentationNode.GetParentTransformNode(), fromWorld=True)
        for k in range(grid.shape[0]):  # slab by slab, so that a big grid needs little memory
            index = np.indices((1, *grid.shape[1:])).reshape(3, -1)[::-1].T + [0, 0, k]
            array[k] = _labelsAt(labels, fromWorld, grid.index_to_physical(index)).reshape(grid.shape[1:])
    return Volume(array, grid, segmentationNode.GetSegmentation().GetSegment(segmentId).GetName())


def volumeFromStructure(node: slicer.vtkMRMLNode, grid: Grid) -> Volume:
    """A segmentation (all its segments, 0 or 1) on ``grid``, or a label map node on its own grid.

    Raises:
        InputError: another kind of node, or one that cannot be read.
    """
    if not node.IsA("vtkMRMLSegmentationNode"):
        return volumeFromNode(node)
    array = np.zeros(grid.shape, dtype=np.uint8)
    for segmentId in node.GetSegmentation().GetSegmentIDs():
        array |= volumeFromSegment(node, segmentId, grid).array
    return Volume(array, grid, node.GetName())


def nodeFromVolume(
    scene: slicer.vtkMRMLScene, volume: Volume, name: str, className: str = "vtkMRMLScalarVolumeNode"
) -> slicer.vtkMRMLScalarVolumeNode:
    """New volume node (RAS) holding a copy of a one-channel 3-D ``volume``, with a display node."""
    image = _imageData(volume)
    node = scene.AddNewNodeByClass(className, scene.GenerateUniqueName(name))
    _fill(node, image, volume.grid)
    node.CreateDefaultDisplayNodes()
    return node


def fillNode(node: slicer.vtkMRMLScalarVolumeNode, volume: Volume) -> None:
    """Give a volume node (RAS) a copy of the voxels and the place of a one-channel 3-D ``volume``."""
    _fill(node, _imageData(volume), volume.grid)


def _fill(node, image, grid: Grid) -> None:
    node.SetIJKToRASMatrix(vtkMatrix(RAS_TO_LPS @ grid.matrix))
    node.SetAndObserveImageData(image)


def _imageData(volume: Volume):
    """vtkImageData of a one-channel 3-D volume; InputError for another one, before a node is made of it."""
    array = _writable(volume.channels)
    if volume.grid.ndim != 3 or len(array) != 1:
        got = f"{volume.grid.ndim}-D, {len(array)} channels"
        raise InputError(f"Volume '{volume.name}'", "it does not fit a node", "3-D, one channel", got)
    image = vtk.vtkImageData()
    image.SetDimensions(*volume.grid.size)
    kind = get_vtk_array_type(array.dtype)
    image.GetPointData().SetScalars(numpy_to_vtk(array.reshape(-1), deep=True, array_type=kind))
    return image


def segmentationFromVolume(scene: slicer.vtkMRMLScene, labels: Volume, name: str) -> slicer.vtkMRMLSegmentationNode:
    """New segmentation node (RAS) with one segment for each label above zero, named after its number."""
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", scene.GenerateUniqueName(name))
    node.CreateDefaultDisplayNodes()
    for value in np.unique(labels.array[labels.array > 0]):
        image = orientedImage(labels.array == value, labels.grid)
        node.AddSegmentFromBinaryLabelmapRepresentation(image, f"{value:g}")
    return node


def orientedImage(mask: ArrayLike, grid: Grid) -> slicer.vtkOrientedImageData:
    """vtkOrientedImageData (RAS) of a mask, as segments hold it."""
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(*grid.size)
    values = np.ascontiguousarray(mask, dtype=np.uint8)
    image.GetPointData().SetScalars(numpy_to_vtk(values.reshape(-1), deep=True))
    image.SetImageToWorldMatrix(vtkMatrix(RAS_TO_LPS @ grid.matrix))
    return image


def worldTransform(transformNode: slicer.vtkMRMLTransformNode | None, fromWorld: bool) -> vtk.vtkGeneralTransform:
    """vtkGeneralTransform between a transform node's space and the world (RAS); the identity for None."""
    general = vtk.vtkGeneralTransform()
    world, node = (None, transformNode) if fromWorld else (transformNode, None)
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(world, node, general)
    return general


def vtkMatrix(array: ArrayLike) -> vtk.vtkMatrix4x4:
    """numpy (4, 4) to vtkMatrix4x4."""
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(np.asarray(array, dtype=float).ravel())
    return matrix


def numpyMatrix(matrix: vtk.vtkMatrix4x4) -> np.ndarray:
    """vtkMatrix4x4 to numpy (4, 4)."""
    return np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])


def transformPoints(transform: vtk.vtkAbstractTransform, points: ArrayLike) -> np.ndarray:
    """Map points (N, 3) with a vtkAbstractTransform, in its own frame (RAS), in double precision."""
    source, target = vtk.vtkPoints(), vtk.vtkPoints()
    source.SetDataTypeToDouble()
    target.SetDataTypeToDouble()
    source.SetData(numpy_to_vtk(np.ascontiguousarray(points, dtype=np.float64), deep=True))
    transform.TransformPoints(source, target)
    return vtk_to_numpy(target.GetData()).copy()


def _describe(node) -> str:
    return "The input node" if node is None else f"Node '{node.GetName()}'"


def worldMatrix(node: slicer.vtkMRMLNode) -> np.ndarray:
    """Node to world (RAS, 4 x 4) of a node under a linear parent transform, or none."""
    toWorld = vtk.vtkMatrix4x4()
    if node.GetParentTransformNode() is not None:
        node.GetParentTransformNode().GetMatrixTransformToWorld(toWorld)
    return numpyMatrix(toWorld)


def ijkToRas(node: slicer.vtkMRMLScalarVolumeNode) -> np.ndarray:
    """Index to the node's own space (RAS, 4 x 4), without parent transforms."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return numpyMatrix(matrix)


def ijkToWorld(node: slicer.vtkMRMLScalarVolumeNode) -> np.ndarray:
    """Index to world (RAS, 4 x 4) of a volume node under a linear parent transform, or none."""
    return worldMatrix(node) @ ijkToRas(node)


def keepsRightAngles(node: slicer.vtkMRMLScalarVolumeNode) -> bool:
    """Whether a volume's parent transforms, if any, are linear and leave its axes at right angles."""
    parent = node.GetParentTransformNode()
    if parent is None:
        return True
    return parent.IsTransformToWorldLinear() and _shear(ijkToWorld(node)[:3, :3]) <= MAX_SHEAR


def _shear(axes: np.ndarray) -> float:
    """Largest cosine between two of the columns; 0 where a column is impossible."""
    lengths = np.linalg.norm(axes, axis=0)
    if not np.isfinite(axes).all() or lengths.min() == 0:
        return 0.0
    return float(np.abs((axes / lengths).T @ (axes / lengths) - np.eye(3)).max())


def _ijkToWorldLps(node, who: str) -> np.ndarray:
    """Index to LPS mm of a volume node, its linear parent transforms included."""
    matrix = RAS_TO_LPS @ ijkToWorld(node)
    lengths = np.linalg.norm(matrix[:3, :3], axis=0)
    if not np.isfinite(matrix).all() or lengths.min() == 0:
        raise InputError(who, "its axes are impossible", "finite, non-zero spacing", f"{lengths} mm")
    shear = _shear(matrix[:3, :3])
    if shear > MAX_SHEAR:
        todo = "Resample it (module Resample Scalar Volume)"
        raise InputError(who, "its axes are sheared", "axes at right angles", f"a cosine of {shear:.3g}", todo)
    return matrix


def _labelsAt(labels, fromWorld, pointsLps) -> np.ndarray:
    """Nearest labels (> 0) of a vtkOrientedImageData at world points (N, 3) in LPS mm; 0 outside."""
    points = transformPoints(fromWorld, np.asarray(pointsLps) * RAS_TO_LPS.diagonal()[:3])
    worldToImage = vtk.vtkMatrix4x4()
    labels.GetWorldToImageMatrix(worldToImage)
    index = np.rint(apply_matrix(numpyMatrix(worldToImage), points)).astype(int)
    low, high = np.reshape(labels.GetExtent(), (3, 2)).T
    inside = ((index >= low) & (index <= high)).all(axis=1)
    array = vtk_to_numpy(labels.GetPointData().GetScalars()).reshape((high - low + 1)[::-1])
    x, y, z = (index[inside] - low).T
    found = np.zeros(len(index), dtype=np.uint8)
    found[inside] = array[z, y, x] > 0
    return found


def _writable(array: np.ndarray) -> np.ndarray:
    """Contiguous array of a type that MRML can hold and write to a file."""
    kinds = {"bool": "uint8", "int8": "int16", "float16": "float32"}
    target = kinds.get(array.dtype.name, array.dtype)
    if array.dtype.name in ("int64", "uint64"):  # MRML has no portable 64-bit integers
        fits = array.size == 0 or (np.iinfo(np.int32).min <= array.min() and array.max() <= np.iinfo(np.int32).max)
        target = "int32" if fits else "float64"
    return np.ascontiguousarray(array, dtype=target)
