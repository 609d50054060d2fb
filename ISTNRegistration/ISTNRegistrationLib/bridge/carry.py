"""Segmentations, markups, models and volumes as registered copies in fixed space; the originals stay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import slicer

from ..core.errors import InputError
from ..core.grid import Grid
from ..core.transform import SpatialTransform
from ..core.volume import Volume
from .parents import applyTransform, liesUnder
from .scene import allOrNothing, nodeIds, nodesSince
from .transforms import transformNodeFor
from .volumes import orientedImage, volumeFromNode, volumeFromSegment

if TYPE_CHECKING:
    from .outputs import RegistrationNodes

KINDS = ("vtkMRMLSegmentationNode", "vtkMRMLMarkupsNode", "vtkMRMLModelNode")


def carry(
    scene: slicer.vtkMRMLScene,
    nodes: Sequence,
    transformNode: slicer.vtkMRMLTransformNode,
    fixedNode: slicer.vtkMRMLScalarVolumeNode,
    transform: SpatialTransform | None = None,
) -> list:
    """Copies of ``nodes`` under the registration, hardened: they lie on the fixed image, with no transform above them.

    What lies under the registration's node already stays where it is seen.

    Args:
        transform: the registration (SpatialTransform), where its node lies above the moving volume and does more.

    Segmentations are looked up voxel by voxel on the fixed image's grid, since Slicer (5.11 to 5.13) cuts oblique
    segmentations under a warp.

    Raises:
        InputError: a node of another kind. On any error no copy stays.
    """
    for node in nodes:
        if not any(node.IsA(kind) for kind in KINDS):
            expected = "segmentations, markups or models"
            raise InputError(f"Node '{node.GetName()}'", "it cannot be copied", expected, node.GetClassName())
    with allOrNothing(scene):
        helper = transformNodeFor(scene, transform, "registration") if transform is not None else transformNode
        apply = [transformNode if liesUnder(node, transformNode) else helper for node in nodes]
        copies = [_carried(scene, node, above, fixedNode) for node, above in zip(nodes, apply, strict=True)]
        if helper is not transformNode:
            scene.RemoveNode(helper)
    return copies


def hardened(scene: slicer.vtkMRMLScene, node: slicer.vtkMRMLScalarVolumeNode, nodes: RegistrationNodes) -> Volume:
    """A volume as Slicer hardens it under the registration: its own voxels at their new place, or resampled once.

    Resampled, on a grid of its own about as fine, is what no header can hold: warps and shearing. The scene stays.
    """
    if liesUnder(node, nodes.transform):
        return volumeFromNode(node)
    before = nodeIds(scene)
    try:
        copy = scene.AddNewNodeByClass(node.GetClassName(), node.GetName())
        copy.CopyContent(node, False)
        copy.SetAndObserveTransformNodeID(node.GetTransformNodeID())
        applyTransform(scene, copy, transformNodeFor(scene, nodes.result.transform, "registration"))
        return volumeFromNode(copy)
    finally:
        for helper in nodesSince(scene, before):
            scene.RemoveNode(helper)


def _carried(scene, node, transformNode, fixedNode):
    copy = scene.AddNewNodeByClass(node.GetClassName(), scene.GenerateUniqueName(f"{node.GetName()} registered"))
    copy.CopyContent(node)
    copy.SetAndObserveTransformNodeID(node.GetTransformNodeID())
    copy.CreateDefaultDisplayNodes()
    if node.GetDisplayNode() is not None:
        copy.GetDisplayNode().CopyContent(node.GetDisplayNode())
    before = nodeIds(scene)
    applyTransform(scene, copy, transformNode)
    helpers = nodesSince(scene, before)
    if copy.IsA("vtkMRMLSegmentationNode"):
        _resample(copy, fixedNode)
    else:
        copy.HardenTransform()
    for helper in helpers:
        scene.RemoveNode(helper)
    return copy


def _resample(segmentation, fixedNode) -> None:
    """Replace every segment by what it is on the fixed image's grid; names, colors, ids and 3-D surfaces stay."""
    grid, segments = volumeFromNode(fixedNode).grid, segmentation.GetSegmentation()
    hadSurface = segments.ContainsRepresentation(slicer.vtkSegmentationConverter.GetClosedSurfaceRepresentationName())
    ids = list(segments.GetSegmentIDs())
    masks = [volumeFromSegment(segmentation, segmentId, grid).array for segmentId in ids]
    segmentation.SetAndObserveTransformNodeID(None)
    for segmentId, mask in zip(ids, masks, strict=True):
        segment = segments.GetSegment(segmentId)
        segment.RemoveAllRepresentations()
        segment.AddRepresentation(_binaryName(), orientedImage(*cropped(mask, grid)))
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(fixedNode)
    if hadSurface:
        segmentation.CreateClosedSurfaceRepresentation()


def cropped(mask: np.ndarray, grid: Grid) -> tuple[np.ndarray, Grid]:
    """The box around a mask (D, H, W) and its grid, with a voxel of nothing around it; one voxel of an empty mask."""
    index = np.argwhere(mask)
    low = np.maximum(index.min(axis=0) - 1, 0) if len(index) else np.zeros(3, int)
    high = np.minimum(index.max(axis=0) + 2, mask.shape) if len(index) else np.ones(3, int)
    matrix = grid.matrix
    matrix[:3, 3] = grid.index_to_physical(low[::-1])
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    return mask[box], Grid.from_matrix((high - low)[::-1], matrix)


def _binaryName() -> str:
    return slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
