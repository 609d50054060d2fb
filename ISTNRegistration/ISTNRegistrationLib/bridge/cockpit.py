"""The heatmap cockpit: four linked slice views that show what the networks saw and what the registration did.

    fixed, with the outlines of F'      | before: fixed and moving as they lay at the start
    after: fixed and registered, grid   | heatmap of choice over the fixed image

The layout's four views have names of their own, so the user's usual views stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..core.grid import Grid
from ..core.volume import Volume
from .heatmaps import colorTable
from .transforms import linearTransformNode
from .volumes import nodeFromVolume, orientedImage, volumeFromNode

VIEWS = {"ISTNFixed": "F", "ISTNBefore": "B", "ISTNAfter": "A", "ISTNHeat": "H"}
ORIENTATIONS = ("Axial", "Coronal", "Sagittal")
LABEL_MM = 1.0
LAYOUT_ID = 7209  # any number that no other layout has
CUT = 0.5  # where a map counts as structure
CHECKERS = 8  # along the longest axis
GRID_SPACING_MM, GRID_LINE_MM, GRID_OPACITY = 8.0, 0.6, 0.6
GRID_COLOR = (0.94, 0.89, 0.26)
GRID_TABLE = "ISTN grid"
# Okabe and Ito's colours, which people with colour-blindness can tell apart, and a light pink in place of black.
STRUCTURE_COLORS = (
    (0.90, 0.62, 0.00), (0.34, 0.71, 0.91), (0.00, 0.62, 0.45), (0.94, 0.89, 0.26),
    (0.80, 0.47, 0.65), (0.84, 0.37, 0.00), (0.00, 0.45, 0.70), (1.00, 0.65, 0.75),
)  # fmt: skip
COMPARISONS = ("overlay", "checkerboard", "moving", "registered")


@dataclass
class Cockpit:
    """What the cockpit shows; every node of it is hidden in selectors and goes with ``close``.

    Attributes:
        scene: the MRML scene.
        fixed, moving: the registered volume nodes.
        nodes: RegistrationNodes, with volume and heatmaps.
    """

    scene: object
    fixed: object
    moving: object
    nodes: object
    before: object = None
    start: object = None
    checkerboard: object = None
    outlines: object = None
    _made: list = field(default_factory=list)
    _grids: dict = field(default_factory=dict)

    def open(self, structureNames) -> None:
        """Make what the views need; they must be there (``layoutXml``), and are filled by ``show``."""
        self.start = self._keep(linearTransformNode(self.scene, self.nodes.result.initial, "ISTN start"))
        self.before = self._keep(_copyUnder(self.scene, self.moving, self.start))
        self.outlines = self._keep(structureOutlines(self.scene, self.nodes.result, structureNames))
        self.checkerboard = self._keep(checkerboardNode(self.scene, self.fixed, self.nodes.volume))

    def show(self, heatmap: str, comparison: str, opacity: float) -> None:
        """Fill the views.

        Args:
            heatmap: key of ``nodes.heatmaps``.
            comparison: one of COMPARISONS, for the view "after".
            opacity: of the heatmap and of the overlays, 0 to 1.
        """
        if comparison not in COMPARISONS:
            raise ValueError(f"comparison is one of {COMPARISONS}, not {comparison!r}")
        after = {
            "overlay": (self.fixed, self.nodes.volume, opacity),
            "checkerboard": (self.checkerboard, None, 0.0),
            "moving": (self.fixed, self.before, 1.0),
            "registered": (self.fixed, self.nodes.volume, 1.0),
        }[comparison]
        layers = {
            "ISTNFixed": (self.fixed, None, 0.0),
            "ISTNBefore": (self.fixed, self.before, opacity),
            "ISTNAfter": after,
            "ISTNHeat": (self.fixed, self.nodes.heatmaps.get(heatmap), opacity),
        }
        for name, (background, foreground, share) in layers.items():
            composite = compositeNode(self.scene, name)
            if composite is not None:
                composite.SetBackgroundVolumeID(background.GetID())
                composite.SetForegroundVolumeID(foreground.GetID() if foreground is not None else None)
                composite.SetForegroundOpacity(share)
                composite.SetLinkedControl(True)

    def setHeatRange(self, low: float, high: float) -> None:
        """Colour scale of the maps."""
        for node in self.nodes.heatmaps.values():
            node.GetDisplayNode().SetWindowLevelMinMax(low, high)

    def showGrid(self, visible: bool, orientation: str) -> None:
        """A grid of the moving image's space, as the transform bends it, in the view "after".

        Slicer's own transform display draws its grid in every slice view (5.12), so this one is a label map.
        """
        if visible and orientation not in self._grids:
            self._grids[orientation] = self._keep(warpedGridNode(self.scene, self.nodes.result, orientation))
        composite = compositeNode(self.scene, "ISTNAfter")
        if composite is not None:
            composite.SetLabelVolumeID(self._grids[orientation].GetID() if visible else None)
            composite.SetLabelOpacity(GRID_OPACITY)

    def showOutlines(self, visible: bool) -> None:
        """The outlines of the structures that the networks see in the fixed image."""
        self.outlines.GetDisplayNode().SetVisibility(visible)

    def turn(self, orientation: str) -> None:
        """Axial, Coronal or Sagittal, in all four views."""
        for name in VIEWS:
            node = self.scene.GetSingletonNode(name, "vtkMRMLSliceNode")
            if node is not None:
                node.SetOrientation(orientation)

    def lookAtStructures(self) -> None:
        """All four views go through the middle of what is seen in the fixed image."""
        seen = self.nodes.result.fixed_map
        index = np.argwhere(seen.channels.max(axis=0) >= CUT)
        if not len(index):
            return
        x, y, z = seen.grid.index_to_physical(index.mean(axis=0)[::-1])
        for name in VIEWS:
            node = self.scene.GetSingletonNode(name, "vtkMRMLSliceNode")
            if node is not None:
                node.JumpSliceByOffsetting(-x, -y, z)

    def close(self) -> None:
        """Take away what only the cockpit needed; the results stay."""
        for node in self._made:
            display = node.GetDisplayNode() if self.scene.IsNodePresent(node) else None
            for gone in (node, display):
                if gone is not None and self.scene.IsNodePresent(gone):
                    self.scene.RemoveNode(gone)
        self._made, self._grids = [], {}

    def _keep(self, node):
        node.SetHideFromEditors(True)
        node.SetSaveWithScene(False)
        self._made.append(node)
        return node


def layoutXml() -> str:
    """The two by two views as Slicer's layout manager wants them."""
    views = [
        f'<item><view class="vtkMRMLSliceNode" singletontag="{name}">'
        f'<property name="orientation" action="default">Axial</property>'
        f'<property name="viewlabel" action="default">{label}</property>'
        f'<property name="viewcolor" action="default">#5a7da0</property></view></item>'
        for name, label in VIEWS.items()
    ]
    rows = (f'<item><layout type="horizontal">{"".join(views[k : k + 2])}</layout></item>' for k in (0, 2))
    return f'<layout type="vertical">{"".join(rows)}</layout>'


def compositeNode(scene, view: str):
    """Layers of the slice view of this name; None while there is no such view."""
    count = scene.GetNumberOfNodesByClass("vtkMRMLSliceCompositeNode")
    nodes = (scene.GetNthNodeByClass(k, "vtkMRMLSliceCompositeNode") for k in range(count))
    return next((node for node in nodes if node.GetLayoutName() == view), None)


def structureOutlines(scene, result, names):
    """Segmentation of F', cut at 0.5: a segment per structure in a colour of its own, shown as outlines only."""
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "ISTN structures")
    node.CreateDefaultDisplayNodes()
    grid = result.fixed_map.grid
    for number, (name, channel) in enumerate(zip(names, result.fixed_map.channels, strict=True)):
        image = orientedImage(channel >= CUT, grid)
        node.AddSegmentFromBinaryLabelmapRepresentation(image, name, STRUCTURE_COLORS[number % len(STRUCTURE_COLORS)])
    display = node.GetDisplayNode()
    display.SetVisibility2DFill(False)
    display.SetVisibility3D(False)
    _showOnlyIn(scene, display, ("ISTNFixed", "ISTNAfter", "ISTNHeat"))
    return node


def checkerboardNode(scene, fixedNode, registeredNode):
    """Fixed and registered volume in alternate fields, the registered one's grey values scaled to the fixed one's."""
    fixed, registered = volumeFromNode(fixedNode), volumeFromNode(registeredNode)
    ranges = [np.percentile(v.array, (1, 99)) for v in (fixed, registered)]
    scale = np.ptp(ranges[0]) / max(np.ptp(ranges[1]), 1e-12)
    other = (registered.array - ranges[1][0]) * scale + ranges[0][0]
    field = max(fixed.grid.shape) / CHECKERS * min(fixed.grid.spacing)
    index = np.indices(fixed.grid.shape)
    steps = [np.floor(index[a] * s / field) for a, s in enumerate(reversed(fixed.grid.spacing))]
    array = np.where(sum(steps) % 2 == 0, fixed.array, other).astype(np.float32)
    node = nodeFromVolume(scene, Volume(array, fixed.grid), "ISTN checkerboard")
    if fixedNode.GetDisplayNode() is not None:
        node.GetDisplayNode().CopyContent(fixedNode.GetDisplayNode())
    return node


def warpedGridNode(scene, result, orientation: str):
    """Label map (1 mm, over the networks' grid) of the lines whose moving coordinate is a multiple of GRID_SPACING_MM.

    Only the two coordinates in the slice's plane draw lines: the third would fill whole slices.
    """
    seen = result.fixed_map.grid
    size = [round(n * s / LABEL_MM) for n, s in zip(seen.size, seen.spacing, strict=True)]
    grid = Grid.centered(seen.center, size, (LABEL_MM,) * 3)
    moving = grid.points() + result.transform.displacement(grid)
    across = {"Axial": (0, 1), "Coronal": (0, 2), "Sagittal": (1, 2)}[orientation]
    steps = moving[..., list(across)] / GRID_SPACING_MM
    lines = (np.abs(steps - np.rint(steps)) * GRID_SPACING_MM < GRID_LINE_MM).any(axis=-1)
    node = nodeFromVolume(scene, Volume(lines.astype(np.uint8), grid), "ISTN grid", "vtkMRMLLabelMapVolumeNode")
    node.GetDisplayNode().SetAndObserveColorNodeID(gridColorNode(scene).GetID())
    return node


def gridColorNode(scene):
    """Nothing, and the colour of the grid's lines."""
    return colorTable(scene, GRID_TABLE, [(0.0, 0.0, 0.0, 0.0), (*GRID_COLOR, 1.0)])


def _copyUnder(scene, movingNode, transformNode):
    """The moving volume as it lay at the start, resampled on nothing: a copy under the initial alignment."""
    volume = volumeFromNode(movingNode)
    node = nodeFromVolume(scene, volume, "ISTN before")
    if movingNode.GetDisplayNode() is not None:
        node.GetDisplayNode().CopyContent(movingNode.GetDisplayNode())
    node.SetAndObserveTransformNodeID(transformNode.GetID())
    return node


def _showOnlyIn(scene, display, views) -> None:
    display.RemoveAllViewNodeIDs()
    for name in views:
        node = scene.GetSingletonNode(name, "vtkMRMLSliceNode")
        if node is not None:
            display.AddViewNodeID(node.GetID())
