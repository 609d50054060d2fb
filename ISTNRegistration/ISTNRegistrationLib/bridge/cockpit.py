"""The heatmap cockpit: linked views that show what the networks saw and what the registration did.

    fixed, with the outlines of F' | before: fixed and moving as they lay at the start | 3-D: the structures of both
    after: fixed and registered    | heatmap of choice over the fixed image            | on their way

The views have names and a view group of their own, so the user's views stay as they are: Slicer links views by group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import slicer

from ..core.colors import FIXED_COLOR, MOVING_COLOR
from ..core.volume import Volume
from .compare import Mixture, middleOfStructures, worstPlace
from .heatmaps import smallLegend
from .layout import VIEW_3D, VIEWS
from .scene import nodesOfClass
from .surfaces import (
    GRID_COLOR,
    GRID_OPACITY,
    MovingSurface,
    structureSurface,
    surfaceNode,
    warpedGridLines,
)
from .transforms import FLIP
from .views import addHidden, compositeNodes, removeUnseen, setLayers, showAs, unlinked
from .volumes import RAS_TO_LPS, fillNode, numpyMatrix, volumeFromNode, vtkMatrix

if TYPE_CHECKING:
    from .outputs import RegistrationNodes


SLICES, IN_3D = [f"vtkMRMLSliceNode{name}" for name in VIEWS], [f"vtkMRMLViewNode{VIEW_3D}"]  # the view nodes' ids
VIEW_GROUP = 7209  # any number that no other views have
COMPARISONS = ("colors", "overlay", "flicker", "wipe", "checkerboard", "moving", "registered")
CAMERA_FROM, VIEW_ANGLE = (-0.35, 0.85, 0.4), 30.0  # RAS: front, a little above and from the patient's left
ROOM = 2.0  # around the structures: the view is taller than wide


@dataclass(frozen=True)
class Look:
    """What the user chose to see.

    Attributes:
        heatmap: key of ``RegistrationNodes.heatmaps``.
        comparison: one of COMPARISONS, for the views "before" and "after".
        opacity: of the heatmap and the overlay, and the place of the wipe, 0 to 1.
        heatRange: colors of the maps span it.
        orientation: Axial, Coronal or Sagittal.
        outlines, grid: whether they are drawn.
        way: how far the structures in 3-D are on their way, 0 (before) to 1 (after).
    """

    heatmap: str = "warped"
    comparison: str = "colors"
    opacity: float = 0.5
    heatRange: tuple[float, float] = (0.0, 1.0)
    orientation: str = "Axial"
    outlines: bool = True
    grid: bool = False
    way: float = 1.0


class Cockpit:
    """Fills the views; every node that it makes is hidden, is not saved, and goes with ``close``.

    Args:
        scene: the MRML scene; the views of ``layoutXml`` must be there.
        pair: the fixed and the moving volume node that were registered.
        nodes: RegistrationNodes, with volume and heatmaps.
    """

    def __init__(self, scene: slicer.vtkMRMLScene, pair: Sequence, nodes: RegistrationNodes) -> None:
        self.scene, self.nodes, self._fixed = scene, nodes, pair[0]
        self._grids, self._flicked, self._shown = {}, False, None
        images = nodes.outcome.request  # as they lay when the run began; the nodes may have moved since
        self.before = _copyAtStart(scene, pair[1], images.moving.image, nodes.result.initial)
        self._mixtures = {
            "ISTNBefore": Mixture(scene, pair[0], self.before, lambda: _movingAtStart(nodes.outcome), "Moving"),
            "ISTNAfter": Mixture(scene, pair[0], nodes.volume, lambda: volumeFromNode(nodes.volume), "Registered"),
        }
        self._prepareViews()
        self._addSurfaces()
        self.legends = [smallLegend(heat, "", ["vtkMRMLSliceNodeISTNHeat"]) for heat in nodes.heatmaps.values()]
        self.legends.append(smallLegend(self.moving.node, "mm", IN_3D))

    def show(self, look: Look) -> None:
        """Fill the views."""
        if look.comparison not in COMPARISONS:
            raise ValueError(f"comparison is one of {COMPARISONS}, not {look.comparison!r}")
        self._shown = look
        for node in self.nodes.heatmaps.values():
            node.GetDisplayNode().SetWindowLevelMinMax(*look.heatRange)
        with unlinked(self.scene):
            self._setView("ISTNFixed", self._fixed)
            self._setView("ISTNHeat", self._fixed, self.nodes.heatmaps.get(look.heatmap), look.opacity)
            for name, mixture in self._mixtures.items():
                self._setView(name, *self._compared(mixture, name, look), added=look.comparison == "colors")
        for legend in self.legends:
            legend.Modified()  # Slicer looks which volumes a view shows only then (5.12)
        self._turn(look.orientation)
        self._showLines(look)
        self.moving.move(look.way)

    def flick(self) -> None:
        """Change from the fixed to the other image, or back, in the views "before" and "after"."""
        self._flicked = not self._flicked
        with unlinked(self.scene):
            for name in self._mixtures:
                self._view(name).SetForegroundOpacity(float(self._flicked))

    def lookAtStructures(self) -> None:
        """All slices go through the middle of what is seen in the fixed image; the 3-D view looks at it."""
        point = middleOfStructures(self.nodes.result)
        if point is not None:
            self._jump(point)
        self._aimCamera()

    def lookAtWorst(self) -> np.ndarray:
        """All slices go through the place where the structures differ most; it is returned (RAS mm)."""
        point = worstPlace(self.nodes.result)
        self._jump(point)
        return point * FLIP

    def close(self) -> None:
        """Take away what only the cockpit needed, and leave the user's views as they are; the results stay."""
        mixed = [node for mixture in self._mixtures.values() for node in mixture.made]
        lines = [*self.outlines, *self._grids.values(), self.moving.node, self.moving.colors]
        removeUnseen(self.scene, [*mixed, self.before, *lines, *self.legends])
        with unlinked(self.scene):
            for composite in self._views():
                setLayers(composite, None)
                composite.SetLabelVolumeID(None)

    def _prepareViews(self) -> None:
        for composite in self._views():
            composite.SetDoPropagateVolumeSelection(False)  # what is loaded meanwhile stays out of these views
            composite.SetLinkedControl(True)
            composite.SetHotLinkedControl(True)
            composite.SetSaveWithScene(False)
        view = self.scene.GetSingletonNode(VIEW_3D, "vtkMRMLViewNode")
        for node in filter(None, [*map(self._sliceNode, VIEWS), view]):
            node.SetViewGroup(VIEW_GROUP)
            node.SetSaveWithScene(False)
        for camera in self._cameras():
            camera.SetSaveWithScene(False)
        if view is not None:
            view.SetBoxVisible(False)
            view.SetAxisLabelsVisible(False)
            view.SetOrientationMarkerType(view.OrientationMarkerTypeHuman)

    def _addSurfaces(self) -> None:
        """F' in every slice and in 3-D; M' before and after in the slices, and on its way in 3-D."""
        result = self.nodes.result
        atStart = _atStart(result.moving_map, result, result.fixed_map.grid)
        target, before, after = map(structureSurface, (result.fixed_map, atStart, result.warped_map))
        fixed = surfaceNode(self.scene, target, "F' outline", FIXED_COLOR, SLICES, IN_3D)
        fixed.GetDisplayNode().SetFrontfaceCulling(True)  # seen from inside, as a rim around what moves
        fixed.GetDisplayNode().SetBackfaceCulling(False)
        moving = [
            surfaceNode(self.scene, surface, "M' outline", MOVING_COLOR, [f"vtkMRMLSliceNode{name}"])
            for name, surface in (("ISTNBefore", before), ("ISTNAfter", after))
        ]
        self.outlines = [fixed, *moving]
        self.moving = MovingSurface(self.scene, self.nodes, before, target, IN_3D)

    def _compared(self, mixture: Mixture, name: str, look: Look) -> tuple:
        """(background, foreground, opacity) of a view that compares."""
        other = self.before if name == "ISTNBefore" else self.nodes.volume
        layers = {
            "colors": lambda: (*mixture.tinted(), 1.0),
            "overlay": lambda: (self._fixed, other, look.opacity),
            "flicker": lambda: (self._fixed, other, float(self._flicked)),
            "wipe": lambda: (mixture.wipe(look.orientation, look.opacity), None, 0.0),
            "checkerboard": lambda: (mixture.board(), None, 0.0),
            "moving": lambda: (self._fixed, self.before, 1.0),
            "registered": lambda: (self._fixed, self.nodes.volume, 1.0),
        }
        return layers[look.comparison]()

    def _setView(self, name: str, background, foreground=None, opacity=0.0, added=False) -> None:
        composite = self._view(name)
        if composite is not None:
            setLayers(composite, background, foreground, opacity)
            composite.SetCompositing(composite.Add if added else composite.Alpha)

    def _showLines(self, look: Look) -> None:
        """Outlines and warped grid."""
        for node in self.outlines:
            node.GetDisplayNode().SetVisibility2D(look.outlines)
        if look.grid and look.orientation not in self._grids:
            lines = warpedGridLines(self.nodes.result, look.orientation)
            node = surfaceNode(self.scene, lines, "Warped grid", GRID_COLOR, ["vtkMRMLSliceNodeISTNAfter"])
            node.GetDisplayNode().SetSliceIntersectionThickness(1)
            node.GetDisplayNode().SetSliceIntersectionOpacity(GRID_OPACITY)
            self._grids[look.orientation] = node
        for orientation, node in self._grids.items():
            node.GetDisplayNode().SetVisibility2D(look.grid and orientation == look.orientation)

    def _turn(self, orientation: str) -> None:
        """Turn the slices about the middle of the first one, so that all show one place."""
        nodes = list(filter(None, map(self._sliceNode, VIEWS)))
        if all(node.GetOrientation() == orientation for node in nodes):
            return
        middle = numpyMatrix(nodes[0].GetSliceToRAS())[:3, 3]
        for node in nodes:
            node.SetOrientation(orientation)
            node.JumpSliceByOffsetting(*middle)

    def _jump(self, point) -> None:
        """All slices through a point (LPS mm)."""
        for node in filter(None, map(self._sliceNode, VIEWS)):
            node.JumpSliceByOffsetting(*(np.asarray(point) * FLIP))

    def _aimCamera(self) -> None:
        """Look at the structures."""
        box = np.reshape(self.outlines[0].GetPolyData().GetBounds(), (3, 2))
        middle, radius = box.mean(axis=1), np.ptp(box, axis=1).max() / 2
        away = ROOM * radius / np.sin(np.radians(VIEW_ANGLE / 2))
        for camera in self._cameras() if radius > 0 else ():
            camera.SetFocalPoint(*middle)
            camera.SetPosition(*(middle + away * np.array(CAMERA_FROM) / np.linalg.norm(CAMERA_FROM)))
            camera.SetViewUp(0.0, 0.0, 1.0)
            camera.SetViewAngle(VIEW_ANGLE)
            camera.ResetClippingRange()

    def _cameras(self) -> list:
        cameras = nodesOfClass(self.scene, "vtkMRMLCameraNode")
        return [camera for camera in cameras if camera.GetLayoutName() == VIEW_3D]

    def _sliceNode(self, name: str):
        return self.scene.GetSingletonNode(name, "vtkMRMLSliceNode")

    def _view(self, name: str):
        return next((node for node in compositeNodes(self.scene) if node.GetLayoutName() == name), None)

    def _views(self) -> list:
        return [node for node in compositeNodes(self.scene) if node.GetLayoutName() in VIEWS]


def _copyAtStart(scene, movingNode, moving: Volume, initial):
    """Hidden copy (shared voxels, if it was read as it is) of the moving volume where the initial alignment puts it."""
    node = addHidden(scene, "vtkMRMLScalarVolumeNode", "Moving (at the start)")
    fillNode(node, moving)
    if movingNode.GetImageData().GetDimensions() == moving.grid.size:
        node.SetAndObserveImageData(movingNode.GetImageData())
    node.SetIJKToRASMatrix(vtkMatrix(RAS_TO_LPS @ np.linalg.inv(initial) @ moving.grid.matrix))
    showAs(node, movingNode)
    return node


def _movingAtStart(outcome) -> Volume:
    """The moving image at the start, on the fixed one's grid."""
    return _atStart(outcome.request.moving.image, outcome.result, outcome.request.fixed.image.grid)


def _atStart(moving: Volume, result, grid) -> Volume:
    """What lies in moving space, on a grid of fixed space, by the initial alignment alone."""
    from ..core.transform import SpatialTransform
    from ..core.warp import warp_volume

    return warp_volume(moving, SpatialTransform(result.initial), grid, fill=float(moving.array.min()))
