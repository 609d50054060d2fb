"""Warnings before a run, from the nodes that a panel shows; no voxels are copied and torch is not imported."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import slicer
from vtk.util.numpy_support import vtk_to_numpy

from ..core.card import CheckpointCard
from ..core.checks import warnings
from ..core.grid import Grid
from ..core.suitability import ImageFacts, middle_over_rim, suggestion
from .hardened import hardenedGrid
from .volumes import RAS_TO_LPS, ijkToRas, ijkToWorld, keepsRightAngles

REMEMBERED = 8  # images
_MIDDLES: dict[tuple, float] = {}  # by the time of the voxels, which VTK gives to one state of one image, and spacing


def pairWarnings(
    fixedNode: slicer.vtkMRMLScalarVolumeNode,
    movingNode: slicer.vtkMRMLScalarVolumeNode,
    card: CheckpointCard,
    initial: Any,
) -> list[str]:
    """Sentences for the user; empty when nothing looks wrong. Never raises for nodes that a volume selector offers.

    Args:
        fixedNode, movingNode: scalar volume nodes.
        initial: name of the initial alignment, or a transform node.
    """
    facts = [imageFacts(node) for node in (fixedNode, movingNode)]
    if None in facts:
        return ["One of the volumes has no image."]
    same = fixedNode.GetImageData() is movingNode.GetImageData()
    return warnings(*facts, card.config, card.card, initial, same)


def suggestedCheckpoint(
    fixedNode: slicer.vtkMRMLScalarVolumeNode, movingNode: slicer.vtkMRMLScalarVolumeNode, card: CheckpointCard
) -> str | None:
    """Name of the shipped checkpoint that fits both volumes where the one of ``card`` does not; else None."""
    facts = [imageFacts(node) for node in (fixedNode, movingNode)]
    return None if None in facts else suggestion(facts, card.config, card.card)


def imageFacts(node: slicer.vtkMRMLScalarVolumeNode) -> ImageFacts | None:
    """What is known of a volume without work (its grid in the world, LPS mm); None for one without an image."""
    image = node.GetImageData()
    if image is None or image.GetNumberOfPoints() == 0:
        return None
    if not np.linalg.norm(ijkToRas(node)[:3, :3], axis=0).all():
        return None
    if keepsRightAngles(node):
        grid = Grid.from_matrix(image.GetDimensions(), RAS_TO_LPS @ ijkToWorld(node))
    else:
        grid = hardenedGrid(node)
    return ImageFacts(grid, image.GetScalarRange()[0], _middle(node))


def _middle(node: slicer.vtkMRMLScalarVolumeNode) -> float:
    """``middle_over_rim`` of a node's voxels; asked for at every change in the panel, it is worked out once."""
    image, spacing = node.GetImageData(), np.linalg.norm(ijkToRas(node)[:3, :3], axis=0)
    if image.GetNumberOfScalarComponents() != 1:
        return math.nan
    key = (image.GetMTime(), *spacing)
    if key not in _MIDDLES:
        values = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])
        _MIDDLES[key] = middle_over_rim(values, spacing)
        for old in list(_MIDDLES)[:-REMEMBERED]:
            del _MIDDLES[old]
    return _MIDDLES[key]
