"""The fixed image and another one in one picture: two colors, checkerboard, wipe; and the places to look at first."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import slicer
from vtk.util.numpy_support import vtk_to_numpy

from ..core.volume import Volume
from .heatmaps import CUT
from .views import addHidden, sharedCopy, showAs
from .volumes import fillNode, volumeFromNode

if TYPE_CHECKING:
    from ..core.register import RegistrationResult


CHECKERS = 8  # along the longest axis
GREEN, MAGENTA = "vtkMRMLColorTableNodeGreen", "vtkMRMLColorTableNodeMagenta"  # Slicer's own; gray where they add up
DARKEST, BRIGHTEST = 1, 99.5  # percentiles of the gray values that are made equal
HEADROOM = 1.15  # where both are bright their sum is light gray, not white
ACROSS = {"Axial": 0, "Coronal": 0, "Sagittal": 1}  # LPS axis that runs from left to right on the screen


class Mixture:
    """What one view shows of the fixed image and another one; every node is hidden, and made when it is asked for.

    Args:
        scene: the MRML scene.
        fixedNode, otherNode: volume nodes; the other one lies on the fixed one in the world.
        other: () -> Volume, the other image on the fixed one's grid.
        name: of the other one.
    """

    def __init__(
        self,
        scene: slicer.vtkMRMLScene,
        fixedNode: slicer.vtkMRMLScalarVolumeNode,
        otherNode: slicer.vtkMRMLScalarVolumeNode,
        other: Callable[[], Volume],
        name: str,
    ) -> None:
        self._scene, self._fixedNode, self._otherNode = scene, fixedNode, otherNode
        self._other, self._name = other, name
        self._volumes, self._nodes = None, {}

    @property
    def made(self) -> list:
        """The nodes that were made."""
        return list(self._nodes.values())

    def tinted(self) -> tuple:
        """The fixed image in green, the other one in magenta, to be added up: gray where they agree."""
        return (
            self._node("green", lambda: tintedCopy(self._scene, self._fixedNode, GREEN, "Fixed (green)")),
            self._node("magenta", lambda: tintedCopy(self._scene, self._otherNode, MAGENTA, f"{self._name} (magenta)")),
        )

    def board(self) -> slicer.vtkMRMLScalarVolumeNode:
        """Both in alternate fields."""
        return self._node("board", lambda: self._filled("checkerboard", checkered(*self._both())))

    def wipe(self, orientation: str, share: float) -> slicer.vtkMRMLScalarVolumeNode:
        """The fixed image at the left of the screen, up to ``share`` of the width, the other one at the right."""
        volume = wiped(*self._both(), orientation, share)
        node = self._node("wipe", lambda: self._filled("wipe", volume))
        fillNode(node, volume)
        return node

    def _node(self, key: str, make):
        if key not in self._nodes:
            self._nodes[key] = make()
        return self._nodes[key]

    def _filled(self, kind: str, volume: Volume):
        node = addHidden(self._scene, "vtkMRMLScalarVolumeNode", f"Fixed and {self._name.lower()} ({kind})")
        fillNode(node, volume)
        showAs(node, self._fixedNode)
        return node

    def _both(self) -> tuple[Volume, Volume]:
        if self._volumes is None:
            fixed = volumeFromNode(self._fixedNode)
            self._volumes = fixed, matched(fixed, self._other())
        return self._volumes


def tintedCopy(
    scene: slicer.vtkMRMLScene, volumeNode: slicer.vtkMRMLScalarVolumeNode, colorId: str, name: str
) -> slicer.vtkMRMLScalarVolumeNode:
    """Hidden copy (shared voxels) in one color, in the window that the user has chosen, or from air to tissue."""
    node = sharedCopy(scene, volumeNode, name)
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID(colorId)
    display.ApplyThresholdOff()
    if display.GetAutoWindowLevel():
        array = vtk_to_numpy(node.GetImageData().GetPointData().GetScalars())
        low = array.min()
        inside = array[array > low] if array.max() > low else array + 1
        display.AutoWindowLevelOff()
        display.SetWindowLevelMinMax(low, low + HEADROOM * (np.percentile(inside, BRIGHTEST) - low))
    return node


def matched(fixed: Volume, other: Volume) -> Volume:
    """``other`` with its gray values scaled to those of ``fixed``."""
    ranges = [np.percentile(v.array, (DARKEST, BRIGHTEST)) for v in (fixed, other)]
    scale = np.ptp(ranges[0]) / max(np.ptp(ranges[1]), 1e-12)
    return Volume((other.array - ranges[1][0]) * scale + ranges[0][0], other.grid, other.name)


def checkered(fixed: Volume, other: Volume) -> Volume:
    """Both images (on one grid) in alternate cubes, the first one at the first voxel."""
    field = max(fixed.grid.shape) / CHECKERS * min(fixed.grid.spacing)
    index = np.indices(fixed.grid.shape)
    steps = [np.floor(index[a] * s / field) for a, s in enumerate(reversed(fixed.grid.spacing))]
    return Volume(np.where(sum(steps) % 2 == 0, fixed.array, other.array).astype(np.float32), fixed.grid)


def wiped(fixed: Volume, other: Volume, orientation: str, share: float) -> Volume:
    """``fixed`` up to ``share`` (0 to 1) of the way from the left of the screen to its right, then ``other``."""
    across = fixed.grid.direction[ACROSS[orientation]]  # how far each image axis runs to the right
    axis = int(np.argmax(np.abs(across)))
    count = fixed.grid.size[axis]
    along = np.arange(count) if across[axis] > 0 else np.arange(count)[::-1]
    left = along < round(share * count)
    shape = [1, 1, 1]
    shape[2 - axis] = count
    return Volume(np.where(left.reshape(shape), fixed.array, other.array).astype(np.float32), fixed.grid)


def middleOfStructures(result: RegistrationResult) -> np.ndarray | None:
    """Center (LPS mm) of what is seen in the fixed image; None where nothing is."""
    seen = result.fixed_map
    index = np.argwhere(seen.channels.max(axis=0) >= CUT)
    return seen.grid.index_to_physical(index.mean(axis=0)[::-1]) if len(index) else None


def worstPlace(result: RegistrationResult) -> np.ndarray:
    """Point (LPS mm) where F' and the warped M' differ most, on average over 3 x 3 x 3 voxels."""
    maps = result.fixed_map
    difference = np.abs(result.warped_map.channels - maps.channels).max(axis=0)
    for axis in range(3):
        padded = np.pad(difference, [(1, 1) if a == axis else (0, 0) for a in range(3)])
        count = difference.shape[axis]
        difference = sum(np.take(padded, range(k, k + count), axis=axis) for k in range(3))
    index = np.unravel_index(int(difference.argmax()), difference.shape)
    return maps.grid.index_to_physical(np.array(index[::-1], dtype=float))
