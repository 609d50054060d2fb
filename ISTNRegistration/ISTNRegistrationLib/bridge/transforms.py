"""``SpatialTransform`` (LPS mm) to MRML transform nodes (RAS), always *from parent*, and linear nodes back to matrices.

Convention: a registration maps fixed to moving points, x -> L (x + u(x)). In MRML that is the transform *from parent*
(world to node): the moving node goes under the transform node, and its image appears on the fixed one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import slicer
import vtk
from numpy.typing import ArrayLike
from vtk.util.numpy_support import numpy_to_vtk

from ..core.errors import InputError
from ..core.grid import Grid
from ..core.transform import BSplineField, SpatialTransform
from .volumes import RAS_TO_LPS, numpyMatrix, transformPoints, vtkMatrix

if TYPE_CHECKING:
    from ..core.transform import DenseField


INVERSE_TOLERANCE_MM = 1e-4  # VTK's own 1e-2 for grids shows in the positions of landmarks
GRID_MARGIN_MM = 20.0  # outside its grid VTK keeps the displacement of the border: keep the border away from the image
INVERSE_POINTS = 4000
FLIP = RAS_TO_LPS.diagonal()[:3]


def transformNodeFor(scene: slicer.vtkMRMLScene, transform: SpatialTransform, name: str) -> slicer.vtkMRMLTransformNode:
    """The exact transform as one node, as compact as it can be.

    A linear transform becomes a linear node; a warp on the identity a B-spline or grid node; a warp on a linear
    transform one composite vtkMRMLTransformNode of both. All are exact everywhere, and saved as one .h5 for ITK.
    """
    if transform.residual is None:
        return linearTransformNode(scene, transform.linear, name)
    if np.array_equal(transform.linear, np.eye(4)):
        return residualTransformNode(scene, transform.residual, name)
    return _newNode(scene, "vtkMRMLTransformNode", name, vtkTransformFor(transform))


def vtkTransformFor(transform: SpatialTransform) -> vtk.vtkAbstractTransform:
    """The transform from parent (RAS) as VTK knows it."""
    if transform.residual is None:
        return _vtkLinear(transform.linear)
    composite = vtk.vtkGeneralTransform()  # premultiplies: what is concatenated last is applied first
    composite.Concatenate(_vtkLinear(transform.linear))
    composite.Concatenate(_vtkResidual(transform.residual))
    return composite


def linearTransformNode(
    scene: slicer.vtkMRMLScene, fixedToMoving_LPS: ArrayLike, name: str
) -> slicer.vtkMRMLLinearTransformNode:
    """vtkMRMLLinearTransformNode of a matrix (4, 4), fixed to moving, LPS mm."""
    node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", scene.GenerateUniqueName(name))
    node.SetMatrixTransformFromParent(_rasMatrix(fixedToMoving_LPS))
    return node


def residualTransformNode(
    scene: slicer.vtkMRMLScene, field: BSplineField | DenseField, name: str
) -> slicer.vtkMRMLTransformNode:
    """Node of x -> x + u(x), exact everywhere: a B-spline node of a BSplineField, a grid node of a DenseField."""
    kind = "BSpline" if isinstance(field, BSplineField) else "Grid"
    return _newNode(scene, f"vtkMRML{kind}TransformNode", name, _vtkResidual(field))


def gridTransformNode(
    scene: slicer.vtkMRMLScene, transform: SpatialTransform, grid: Grid, name: str, marginMm: float = GRID_MARGIN_MM
) -> slicer.vtkMRMLGridTransformNode:
    """vtkMRMLGridTransformNode of the total displacement T(x) - x, for tools that need a dense field.

    Convention: sampled at the voxels of ``grid`` and of a margin around it (float32, linear interpolation): exact at
    the voxels, approximate between them; beyond the margin the displacement of the border holds.
    """
    grid = paddedGrid(grid, marginMm)
    displacement = np.empty((*grid.shape, 3), dtype=np.float32)
    for k in range(grid.shape[0]):  # slab by slab: the points of a big grid in double precision fill the memory
        displacement[k] = (transform.displacement(grid.rows(k, k + 1)) * FLIP)[0]
    return _newNode(scene, "vtkMRMLGridTransformNode", name, _vtkGrid(displacement, grid))


def paddedGrid(grid: Grid, marginMm: float) -> Grid:
    """``grid`` with at least ``marginMm`` (and one voxel) more on every side; its voxels stay where they are."""
    margin = np.maximum(np.ceil(marginMm / np.asarray(grid.spacing)), 1).astype(int)
    matrix = grid.matrix
    matrix[:3, 3] = grid.index_to_physical(-margin)
    return Grid.from_matrix(np.asarray(grid.size) + 2 * margin, matrix)


def matrixFromNode(transformNode: slicer.vtkMRMLTransformNode) -> np.ndarray:
    """fixedToMoving_LPS (4, 4) of a linear transform node, for example of an initial transform.

    Raises:
        InputError: the node, or a parent of it, is not linear.
    """
    if not (transformNode.IsA("vtkMRMLTransformNode") and transformNode.IsTransformToWorldLinear()):
        todo = "Use a linear transform, or harden the non-linear one on a copy of the moving volume"
        who, got = f"Transform '{transformNode.GetName()}'", transformNode.GetClassName()
        raise InputError(who, "it cannot start a registration", "a linear transform node", got, todo)
    fromWorld = vtk.vtkMatrix4x4()
    transformNode.GetMatrixTransformFromWorld(fromWorld)
    return RAS_TO_LPS @ numpyMatrix(fromWorld) @ RAS_TO_LPS


def inverseTransformNode(
    scene: slicer.vtkMRMLScene, transformNode: slicer.vtkMRMLTransformNode, grid: Grid, name: str
) -> slicer.vtkMRMLTransformNode:
    """A copy of a transform node the other way round, with its measured error as attributes.

    Convention: error = |T⁻¹(T(x)) - x| at about INVERSE_POINTS voxels of ``grid``, mm; mean and largest are kept as
    ``ISTNRegistration.inverseErrorMeanMm`` and ``...MaxMm``. VTK inverts warps by Newton's method: a folded transform
    has no inverse, and the error shows it.
    """
    node = scene.AddNewNodeByClass(transformNode.GetClassName(), scene.GenerateUniqueName(name))
    node.CopyContent(transformNode)
    node.Inverse()
    errors = inverseErrors(transformNode, node, grid)
    for key, value in (("Mean", errors.mean()), ("Max", errors.max())):
        node.SetAttribute(f"ISTNRegistration.inverseError{key}Mm", f"{value:.6f}")
    return node


def inverseErrors(
    transformNode: slicer.vtkMRMLTransformNode, inverseNode: slicer.vtkMRMLTransformNode, grid: Grid
) -> np.ndarray:
    """|T⁻¹(T(x)) - x| (N,), mm."""
    step = max(1, round((np.prod(grid.size) / INVERSE_POINTS) ** (1 / 3)))
    points = grid.points()[::step, ::step, ::step].reshape(-1, 3) * FLIP
    there = transformPoints(transformNode.GetTransformFromParent(), points)
    back = transformPoints(inverseNode.GetTransformFromParent(), there)
    return np.linalg.norm(back - points, axis=1)


def setRegistrationReferences(
    transformNode: slicer.vtkMRMLTransformNode,
    fixedNode: slicer.vtkMRMLScalarVolumeNode,
    movingNode: slicer.vtkMRMLScalarVolumeNode,
) -> None:
    """Record which nodes were registered, in the roles that SlicerElastix sets and SlicerRT's DICOM export reads."""
    transformNode.SetNodeReferenceID(transformNode.GetFixedNodeReferenceRole(), fixedNode.GetID())
    transformNode.SetNodeReferenceID(transformNode.GetMovingNodeReferenceRole(), movingNode.GetID())


def _newNode(scene, className: str, name: str, fromParent):
    node = scene.AddNewNodeByClass(className, scene.GenerateUniqueName(name))
    node.SetAndObserveTransformFromParent(fromParent)
    return node


def _rasMatrix(fixedToMoving_LPS) -> vtk.vtkMatrix4x4:
    return vtkMatrix(RAS_TO_LPS @ np.asarray(fixedToMoving_LPS, dtype=float) @ RAS_TO_LPS)


def _vtkLinear(fixedToMoving_LPS) -> vtk.vtkTransform:
    linear = vtk.vtkTransform()
    linear.SetMatrix(_rasMatrix(fixedToMoving_LPS))
    return linear


def _vtkResidual(field):
    """The warp x -> x + u(x); VTK keeps the border's displacement outside a grid: there a DenseField is zero."""
    if isinstance(field, BSplineField):
        return _vtkBSpline(field)
    return _vtkGrid(np.moveaxis(field.vectors, 0, -1) * FLIP, field.grid)


def _vtkGrid(displacement, grid: Grid):
    """vtkOrientedGridTransform of RAS displacements ([D, H, W, 3]) at the voxels of ``grid``, linear in between."""
    transform = slicer.vtkOrientedGridTransform()
    transform.SetDisplacementGridData(_vectorImage(displacement, grid))
    transform.SetGridDirectionMatrix(_directionMatrix(grid))
    transform.SetInterpolationModeToLinear()
    transform.SetInverseTolerance(INVERSE_TOLERANCE_MM)
    return transform


def _vtkBSpline(field: BSplineField):
    coefficients = np.moveaxis(np.asarray(field.coefficients, dtype=np.float64), 0, -1) * FLIP
    spline = slicer.vtkOrientedBSplineTransform()
    spline.SetCoefficientData(_vectorImage(coefficients, field.grid))
    spline.SetGridDirectionMatrix(_directionMatrix(field.grid))
    spline.SetBorderModeToZero()  # the field is zero outside its domain
    spline.SetInverseTolerance(INVERSE_TOLERANCE_MM)
    return spline


def _vectorImage(vectors, grid: Grid) -> vtk.vtkImageData:
    """Image of RAS vectors ([D, H, W, 3]) at the points of ``grid``; the transform itself holds the directions."""
    image = vtk.vtkImageData()
    image.SetDimensions(*grid.size)
    image.SetSpacing(*grid.spacing)
    image.SetOrigin(*(FLIP * grid.origin))
    scalars = numpy_to_vtk(np.ascontiguousarray(vectors).reshape(-1, 3), deep=True)
    image.GetPointData().SetScalars(scalars)  # SetVectors would silently give the identity
    return image


def _directionMatrix(grid: Grid) -> vtk.vtkMatrix4x4:
    direction = np.eye(4)
    direction[:3, :3] = FLIP[:, None] * np.asarray(grid.direction)
    return vtkMatrix(direction)
