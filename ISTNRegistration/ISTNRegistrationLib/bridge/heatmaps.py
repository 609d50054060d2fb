"""The maps that a registration compared (M', F', warped M') as volume nodes that show up as heat over the anatomy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import slicer
from numpy.typing import ArrayLike

from ..core.colors import HEAT, ramp
from ..core.volume import Volume
from .volumes import nodeFromVolume

if TYPE_CHECKING:
    from ..core.register import RegistrationResult


WINDOW = (0.0, 1.0)  # maps are trained towards 0 and 1
TRANSPARENT_BELOW = 0.15
UNCERTAIN_MM = 2.0  # hot
CUT = 0.5  # where a map counts as structure
OPAQUE_ABOVE = 1e9
TABLE_NAME = "ISTN heat"
MAPS = {"fixed": ("fixed_map", "F'"), "moving": ("moving_map", "M'"), "warped": ("warped_map", "M' warped")}


def heatmapNodes(
    scene: slicer.vtkMRMLScene, result: RegistrationResult, channelNames: Sequence[str] | None = None
) -> dict:
    """Nodes of a result's three maps, ``"fixed"``, ``"moving"`` and ``"warped"``, all structures in one.

    Args:
        scene: where the nodes go.
        result: has ``fixed_map``, ``moving_map`` and ``warped_map``.
        channelNames: if given, one more node per channel and map, under ``"fixed hippocampus"`` and the like.
    """
    nodes = {}
    for key, (attribute, label) in MAPS.items():
        maps = getattr(result, attribute)
        nodes[key] = heatmapNode(scene, maps.strongest, label)
        for channel, name in enumerate(channelNames or ()):
            volume = Volume(maps.channels[channel], maps.grid, maps.name)
            nodes[f"{key} {name}"] = heatmapNode(scene, volume, f"{label} {name}")
    return nodes


def differenceNode(scene: slicer.vtkMRMLScene, result: RegistrationResult) -> slicer.vtkMRMLScalarVolumeNode:
    """|warped M' - F'|, the largest over the structures: where registered and fixed still disagree."""
    difference = np.abs(result.warped_map.channels - result.fixed_map.channels).max(axis=0)
    return heatmapNode(scene, Volume(difference, result.fixed_map.grid, "difference"), "|M' warped - F'|")


def uncertaintyNode(scene: slicer.vtkMRMLScene, volume: Volume, name: str) -> slicer.vtkMRMLScalarVolumeNode:
    """Expected distance of the structures' surfaces, mm, as heat from 0 to UNCERTAIN_MM or the largest value."""
    return heatmapNode(scene, volume, f"{name} uncertainty mm", (0.0, max(UNCERTAIN_MM, float(volume.array.max()))))


def heatmapNode(
    scene: slicer.vtkMRMLScene, volume: Volume, name: str, window: tuple[float, float] = WINDOW
) -> slicer.vtkMRMLScalarVolumeNode:
    """Scalar volume node of one map, colored from the window's low to its high end, transparent below the threshold."""
    node = nodeFromVolume(scene, volume, name)
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID(heatColorNode(scene).GetID())
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(*window)
    display.SetThreshold(TRANSPARENT_BELOW, OPAQUE_ABOVE)
    display.ApplyThresholdOn()
    return node


def heatColorNode(scene: slicer.vtkMRMLScene) -> slicer.vtkMRMLColorTableNode:
    """The scene's heat color table; made when it is not there yet."""
    return colorTable(scene, TABLE_NAME, heatColors())


def colorTable(scene: slicer.vtkMRMLScene, name: str, colors: ArrayLike) -> slicer.vtkMRMLColorTableNode:
    """The scene's color table of this name; made of ``colors`` (N, 3; 0 to 1) when it is not there yet."""
    known = scene.GetFirstNode(name, "vtkMRMLColorTableNode")
    if known is not None:
        return known
    table = scene.AddNewNodeByClass("vtkMRMLColorTableNode", name)
    table.SetTypeToUser()
    table.SetNumberOfColors(len(colors))
    for number, color in enumerate(colors):
        table.SetColor(number, f"{number / (len(colors) - 1):.2f}", *color, 1.0)
    return table


def heatColors() -> np.ndarray:
    """(COLORS, 3) red, green, blue from 0 to 1: through the control colors."""
    return ramp(HEAT)


def addLegend(heatmap: slicer.vtkMRMLNode, title: str) -> slicer.vtkMRMLNode:
    """Color legend display node of a heatmap node, at the right edge of the slice views."""
    legend = slicer.vtkSlicerColorLogic.AddDefaultColorLegendDisplayNode(heatmap)
    legend.SetTitleText(title)
    legend.SetLabelFormat("%.1f")
    legend.SetNumberOfLabels(6)
    return legend


def smallLegend(node: slicer.vtkMRMLNode, title: str, views: Sequence[str]) -> slicer.vtkMRMLNode:
    """Hidden color legend of a volume or model node, small enough for a small view, in some views only (ids)."""
    legend = addLegend(node, title)
    legend.SetHideFromEditors(True)
    legend.SetSaveWithScene(False)
    legend.SetSize(0.10, 0.42)
    legend.SetPosition(0.97, 0.06)
    legend.GetLabelTextProperty().SetFontSize(15)
    legend.GetLabelTextProperty().SetBold(True)
    legend.SetViewNodeIDs(views)
    return legend
