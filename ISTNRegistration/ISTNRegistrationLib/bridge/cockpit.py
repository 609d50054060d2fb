"""The heatmap cockpit: four linked slice views that show what the networks saw and what the registration did.

    fixed, with the outlines of F'      | before: fixed and moving as they lay at the start
    after: fixed and registered, grid   | heatmap of choice over the fixed image

The layout's four views have names of their own, so the user's usual views stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..core.volume import Volume
from .transforms import linearTransformNode
from .volumes import nodeFromVolume, orientedImage, volumeFromNode

VIEWS = {"ISTNFixed": "F", "ISTNBefore": "B", "ISTNAfter": "A", "ISTNHeat": "H"}
ORIENTATIONS = ("Axial", "Coronal", "Sagittal")
LAYOUT_ID = 7209  # any number that no other layout has
CUT = 0.5  # where a map counts as structure
CHECKERS = 8  # along the longest axis
GRID_SPACING_MM = 8.0
# Okabe and Ito's colours, which people with colour-blindness can tell apart; first those that stand out on grey.
STRUCTURE_COLORS = (
    (0.90, 0.62, 0.00), (0.34, 0.71, 0.91), (0.00, 0.62, 0.45), (0.94, 0.89, 0.26),
    (0.80, 0.47, 0.65), (0.84, 0.37, 0.00), (0.00, 0.45, 0.70), (1.00, 1.00, 1.00),
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

    def open(self, structureNames) -> None:
        """Make what the views need and fill them; the views must be there (``layoutXml``)."""
        self.start = self._keep(linearTransformNode(self.scene, self.nodes.result.initial, "ISTN start"))
        self.before = self._keep(_copyUnder(self.scene, self.moving, self.start))
        self.outlines = self._keep(structureOutlines(self.scene, self.nodes.result, structureNames))
        self.checkerboard = self._keep(checkerboardNode(self.scene, self.fixed, self.nodes.volume))
        self.show("fixed", comparison="overlay", opacity=0.5)
        self.showGrid(True)

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
        """Colour scale of the three maps."""
        for key, node in self.nodes.heatmaps.items():
            if key != "difference":
                node.GetDisplayNode().SetWindowLevelMinMax(low, high)

    def showGrid(self, visible: bool) -> None:
        """The transform as a warped grid in the view "after"."""
        transform = self.nodes.transform
        transform.CreateDefaultDisplayNodes()
        display = transform.GetDisplayNode()
        display.SetVisibility(visible)
        display.SetVisibility2D(visible)
        display.SetVisibility3D(False)
        display.SetVisualizationMode(display.VIS_MODE_GRID)
        display.SetGridSpacingMm(GRID_SPACING_MM)
        display.SetGridShowNonWarped(False)
        _showOnlyIn(self.scene, display, ("ISTNAfter",))

    def showOutlines(self, visible: bool) -> None:
        """The outlines of the structures that the networks see in the fixed image."""
        self.outlines.GetDisplayNode().SetVisibility(visible)

    def turn(self, orientation: str) -> None:
        """Axial, Coronal or Sagittal, in all four views."""
        for name in VIEWS:
            node = self.scene.GetSingletonNode(name, "vtkMRMLSliceNode")
            if node is not None:
                node.SetOrientation(orientation)

    def close(self) -> None:
        """Take away what only the cockpit needed; the results stay."""
        if self.nodes.transform.GetDisplayNode() is not None:
            self.nodes.transform.GetDisplayNode().SetVisibility(False)
        for node in self._made:
            if self.scene.IsNodePresent(node):
                self.scene.RemoveNode(node)
        self._made = []

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
