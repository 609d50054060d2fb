"""One picture of a registration, in three planes: before, affine, B-spline, what the network saw, the warped grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import slicer
from headless.figure import Sheet, rendered_text
from headless.sliceview import VIEWS, SliceView
from ISTNRegistrationLib.bridge.heatmaps import smallLegend
from ISTNRegistrationLib.bridge.volumes import RAS_TO_LPS, segmentationFromVolume
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.core.warp import warp_volume

CELL = (316, 316)
GAP, LEFT, TOP, BOTTOM = 6, 36, 112, 46
FIELD_OF_VIEW = 1.3  # of the structures' longest side
HEAT_OPACITY = 0.75
GRID_SPACING_MM = 8.0
DARKER = 2.2  # the grid shows better on a dim image
NORMAL_AXIS = {"Red": 2, "Green": 1, "Yellow": 0}
STRUCTURE_THRESHOLD = 0.5
FIXED_COLOR, MOVING_COLOR = (0.25, 0.95, 1.0), (1.0, 0.85, 0.1)
GREY, GREEN, MAGENTA = (f"vtkMRMLColorTableNode{name}" for name in ("Grey", "Green", "Magenta"))
DIM = (150, 156, 168)


@dataclass(frozen=True)
class Scenery:
    """What the picture shows: the registered nodes, the RegistrationNodes, and (title, stage, its transform node)s."""

    scene: object
    fixed: object
    moving: object
    nodes: object
    stages: tuple

    @property
    def result(self):
        """The RegistrationResult."""
        return self.nodes.result

    def movingMapAt(self, stage) -> Volume:
        """M' carried by a stage's transform to a grid fine enough for smooth outlines."""
        return warp_volume(self.result.moving_map, stage.transform, _finer(self.result.fixed_map.grid))

    def fixedMap(self) -> Volume:
        """F' on the same grid."""
        identity = SpatialTransform(np.eye(4))
        return warp_volume(self.result.fixed_map, identity, _finer(self.result.fixed_map.grid))


@dataclass(frozen=True)
class _Column:
    title: str
    note: str
    show: Callable[[], None]
    hide: Callable[[], None]


def drawOverview(scenery: Scenery, title: str, path) -> None:
    """Render the picture and save it as PNG; the slice views stay in the scene, on the structures."""
    views = {name: SliceView(scenery.scene, name, CELL) for name in VIEWS}
    for node in (scenery.fixed, scenery.moving, scenery.nodes.volume):
        showAllGreys(node)
    columns = _columns(scenery, views)
    width = LEFT + len(columns) * (CELL[0] + GAP) + GAP
    sheet = Sheet(width, TOP + len(views) * (CELL[1] + GAP) + BOTTOM)
    sheet.write(title, (LEFT, 14), size=24, bold=True)
    for number, column in enumerate(columns):
        left = LEFT + number * (CELL[0] + GAP)
        sheet.write(column.title, (left + CELL[0] / 2, 58), size=19, bold=True, align="center")
        sheet.write(column.note, (left + CELL[0] / 2, 84), size=15, color=DIM, align="center")
        column.show()
        for row, view in enumerate(views.values()):
            sheet.paste(view.picture(), left, TOP + row * (CELL[1] + GAP))
        column.hide()
    for row, name in enumerate(VIEWS.values()):
        label = rendered_text(name.lower(), 16, DIM, bold=False)
        sheet.blend(np.rot90(label), 8, TOP + row * (CELL[1] + GAP) + (CELL[1] - label.shape[1]) // 2)
    _writeLegend(sheet)
    sheet.save(path)


def lookAtStructures(scenery: Scenery, views) -> None:
    """Center all views on the structures of F'; each slice is the one that cuts most of them."""
    maps = scenery.result.fixed_map
    shown = structures(maps)
    points = maps.grid.points()[shown] if shown.any() else maps.grid.points().reshape(-1, 3)
    points = points * RAS_TO_LPS.diagonal()[:3]
    fieldOfView = FIELD_OF_VIEW * np.ptp(points, axis=0).max()
    for name, view in views.items():
        middle, normal = points.mean(axis=0), NORMAL_AXIS[name]
        offsets, counts = np.unique(np.round(points[:, normal], 3), return_counts=True)
        most = offsets[counts == counts.max()]
        middle[normal] = most[len(most) // 2]
        view.lookAt(middle, fieldOfView)


def showAllGreys(node) -> None:
    """Window from zero to the brightest tissue, the same for images of any scanner."""
    array = slicer.util.arrayFromVolume(node)
    inside = array[array > array.min()]
    display = node.GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(float(array.min()), 1.08 * float(np.percentile(inside, 99.5)))


def presentScene(scenery: Scenery) -> None:
    """Leave the scene as one wants to find it: aligned, heat over the fixed image with its legend, warped grid."""
    scenery.moving.SetAndObserveTransformNodeID(scenery.nodes.transform.GetID())
    scenery.nodes.transform.GetDisplayNode().SetVisibility(True)
    heat = scenery.nodes.heatmaps["warped"]
    legend = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(heat)
    legend.RemoveAllViewNodeIDs()
    legend.SetVisibility(True)
    for k in range(scenery.scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")):
        composite = scenery.scene.GetNthNodeByClass(k, "vtkMRMLSliceCompositeNode")
        composite.SetBackgroundVolumeID(scenery.fixed.GetID())
        composite.SetForegroundVolumeID(heat.GetID())
        composite.SetForegroundOpacity(HEAT_OPACITY)


def _finer(grid: Grid) -> Grid:
    return Grid.centered(grid.center, [2 * s for s in grid.size], [h / 2 for h in grid.spacing], grid.direction)


def structures(maps: Volume) -> np.ndarray:
    """Where any channel is above the threshold."""
    return maps.channels.max(axis=0) > STRUCTURE_THRESHOLD


def _columns(scenery: Scenery, views) -> list[_Column]:
    lookAtStructures(scenery, views)
    columns = [_fusionColumn(scenery, views, *stage) for stage in scenery.stages]
    nodes = scenery.nodes
    columns.append(_heatColumn(views, "F' on the fixed image", scenery.fixed, nodes.heatmaps["fixed"]))
    columns.append(_heatColumn(views, "M' warped, on the warped image", nodes.volume, nodes.heatmaps["warped"]))
    return [*columns, _gridColumn(scenery, views)]


def _fusionColumn(scenery: Scenery, views, title: str, stage, transformNode) -> _Column:
    """Fixed in green plus moving in magenta: grey where they agree; structures of both as outlines."""
    outlines = []

    def show():
        scenery.moving.SetAndObserveTransformNodeID(transformNode.GetID())
        _setColor(scenery.fixed, GREEN)
        _setColor(scenery.moving, MAGENTA)
        _setLayers(views, scenery.fixed, scenery.moving, 1.0, slicer.vtkMRMLSliceCompositeNode.Add)
        outlines.append(_outline(scenery.scene, scenery.fixedMap(), FIXED_COLOR))
        outlines.append(_outline(scenery.scene, scenery.movingMapAt(stage), MOVING_COLOR))

    def hide():
        scenery.moving.SetAndObserveTransformNodeID(None)
        for node in (scenery.fixed, scenery.moving):
            _setColor(node, GREY)
        for node in outlines:
            scenery.scene.RemoveNode(node.GetDisplayNode())
            scenery.scene.RemoveNode(node)

    return _Column(title, f"{stage.name}: structure agreement {stage.agreement:.2f}", show, hide)


def _heatColumn(views, title: str, background, heat) -> _Column:
    legend = smallLegend(heat, "", [views["Red"].node.GetID()])
    legend.SetVisibility(False)

    def show():
        _setLayers(views, background, heat, HEAT_OPACITY)
        legend.SetVisibility(True)

    return _Column(title, "structures that the network sees", show, lambda: legend.SetVisibility(False))


def _gridColumn(scenery: Scenery, views) -> _Column:
    node, warped = scenery.nodes.transform, scenery.nodes.volume
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetVisibility(False)

    def show():
        _setLayers(views, warped)
        _scaleWindow(warped, DARKER)
        showGrid(display)

    note = "moved 2 mm green, 5 yellow, 10 red"
    return _Column("Warped grid", note, show, lambda: _scaleWindow(warped, 1 / DARKER))


def _scaleWindow(node, factor: float) -> None:
    display = node.GetDisplayNode()
    display.SetWindowLevelMinMax(display.GetWindowLevelMin(), display.GetWindowLevelMax() * factor)


def showGrid(display) -> None:
    """Let a transform's display node draw the warped grid in the slice views."""
    display.SetVisibility(True)
    display.SetVisibility2D(True)
    display.SetVisibility3D(False)
    display.SetVisualizationMode(display.VIS_MODE_GRID)
    display.SetGridSpacingMm(GRID_SPACING_MM)
    display.SetGridResolutionMm(2.0)
    display.SetGridShowNonWarped(False)
    display.SetLineWidth(2)


def _setLayers(views, background, foreground=None, opacity=0.0, compositing=None) -> None:
    if compositing is None:
        compositing = slicer.vtkMRMLSliceCompositeNode.Alpha
    for view in views.values():
        view.composite.SetBackgroundVolumeID(background.GetID())
        view.composite.SetForegroundVolumeID(foreground.GetID() if foreground else None)
        view.composite.SetForegroundOpacity(opacity)
        view.composite.SetCompositing(compositing)


def _setColor(node, colorId: str) -> None:
    node.GetDisplayNode().SetAndObserveColorNodeID(colorId)


def _outline(scene, maps: Volume, color):
    """Segmentation node of where a map is above the threshold, drawn as an outline."""
    mask = structures(maps).astype(np.uint8)
    node = segmentationFromVolume(scene, Volume(mask, maps.grid), "structures")
    for number in range(node.GetSegmentation().GetNumberOfSegments()):
        node.GetSegmentation().GetNthSegment(number).SetColor(*color)
    node.GetDisplayNode().SetVisibility2DFill(False)
    node.GetDisplayNode().SetSliceIntersectionThickness(2)
    return node


def _writeLegend(sheet: Sheet) -> None:
    height = sheet.pixels.shape[0]
    entries = (
        ("fixed image", (90, 220, 90)),
        ("moving image", (235, 90, 235)),
        ("both", (215, 215, 215)),
        ("outline of F'", tuple(int(255 * c) for c in FIXED_COLOR)),
        ("outline of M' under the transform", tuple(int(255 * c) for c in MOVING_COLOR)),
    )
    left = LEFT
    for text, color in entries:
        sheet.pixels[height - 31 : height - 17, left : left + 14] = color
        left += 22 + sheet.write(text, (left + 22, height - 35), size=16) + 30
