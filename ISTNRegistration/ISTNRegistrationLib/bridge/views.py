"""What slice views show: the user's own views are shown results in, remembered, and given back as they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import slicer

from .scene import nodesOfClass
from .volumes import fillNode, ijkToWorld, keepsRightAngles, volumeFromNode, vtkMatrix

OWN_VIEWS = "ISTN"  # layout names of the cockpit's views begin with this
VOLUMES = ("BackgroundVolumeID", "ForegroundVolumeID", "LabelVolumeID")
SHARES = ("ForegroundOpacity", "LabelOpacity", "Compositing")
LINKS = ("LinkedControl", "HotLinkedControl")


def compositeNodes(scene: slicer.vtkMRMLScene) -> list:
    """The layers of every slice view."""
    return nodesOfClass(scene, "vtkMRMLSliceCompositeNode")


def usersViews(scene: slicer.vtkMRMLScene) -> list:
    """The layers of the slice views that are not the cockpit's."""
    return [node for node in compositeNodes(scene) if not (node.GetLayoutName() or "").startswith(OWN_VIEWS)]


def viewsOfPair(
    scene: slicer.vtkMRMLScene, pair: Sequence, shownBefore: slicer.vtkMRMLScalarVolumeNode | None = None
) -> list:
    """The user's views that are black, or show a pair, or one of it, with nothing over it but what was shown before.

    Args:
        pair: fixed and moving volume node.
        shownBefore: volume node that the module itself has put into the foreground, if any.
    """
    backgrounds = {None, *(node.GetID() for node in pair)}
    foregrounds = backgrounds | {shownBefore.GetID() if shownBefore is not None else None}
    return [
        node
        for node in usersViews(scene)
        if node.GetBackgroundVolumeID() in backgrounds and node.GetForegroundVolumeID() in foregrounds
    ]


def showVolumes(
    scene: slicer.vtkMRMLScene,
    views: Sequence,
    background: slicer.vtkMRMLScalarVolumeNode,
    foreground: slicer.vtkMRMLScalarVolumeNode | None = None,
    opacity: float | None = 0.5,
) -> bool:
    """Show one or two volumes in slice views.

    Args:
        scene: the MRML scene.
        views: composite nodes, for example of ``usersViews``.
        background, foreground: volume nodes; no foreground leaves that layer empty.
        opacity: of the foreground; None leaves that of a view which has a foreground already, else a half.

    Returns:
        Whether the background is new to one of the views, so that the caller should fit them.
    """
    isNew = any(node.GetBackgroundVolumeID() != background.GetID() for node in views)
    with unlinked(scene):
        for node in views:
            kept = node.GetForegroundOpacity() if node.GetForegroundVolumeID() else 0.5
            setLayers(node, background, foreground, kept if opacity is None else opacity)
    return isNew


def setLayers(
    composite: slicer.vtkMRMLSliceCompositeNode,
    background: slicer.vtkMRMLScalarVolumeNode | None,
    foreground: slicer.vtkMRMLScalarVolumeNode | None = None,
    opacity: float = 0.5,
) -> None:
    """Background and foreground of one view; call it within ``unlinked``."""
    composite.SetBackgroundVolumeID(background.GetID() if background is not None else None)
    composite.SetForegroundVolumeID(foreground.GetID() if foreground is not None else None)
    composite.SetForegroundOpacity(opacity if foreground is not None else 0.0)


@contextmanager
def unlinked(scene: slicer.vtkMRMLScene) -> Iterator[None]:
    """Within this block no slice view hands on what it shows.

    Slicer's slice controllers answer a changed layer or opacity of a linked view by writing it into every linked view
    of the group (5.12: vtkMRMLSliceLogic::EndSliceCompositeNodeInteraction, vtkMRMLSliceLinkLogic).
    """
    links = [(node, [getattr(node, f"Get{key}")() for key in LINKS]) for node in compositeNodes(scene)]
    for node, _values in links:
        node.SetLinkedControl(False)
    try:
        yield
    finally:
        for node, values in links:
            _set(node, LINKS, values)


class SliceLayers:
    """Layers, opacities and links of slice views, remembered.

    Args:
        scene: the MRML scene.
        views: their composite nodes.
    """

    def __init__(self, scene: slicer.vtkMRMLScene, views: Sequence) -> None:
        self._scene = scene
        keys = (*VOLUMES, *SHARES, *LINKS)
        self._before = {node.GetID(): {k: getattr(node, f"Get{k}")() for k in keys} for node in views}

    def restore(self) -> None:
        """What was there before, in the views that are still there; volumes that have gone leave their layer empty."""
        nodes = [node for node in compositeNodes(self._scene) if node.GetID() in self._before]
        with unlinked(self._scene):
            for node in nodes:
                before = self._before[node.GetID()]
                _set(node, VOLUMES, [self._still(before[key]) for key in VOLUMES])
                _set(node, SHARES, [before[key] for key in SHARES])
        for node in nodes:
            _set(node, LINKS, [self._before[node.GetID()][key] for key in LINKS])

    def _still(self, nodeId):
        """The id of a node that is still there, or None."""
        return nodeId if nodeId and self._scene.GetNodeByID(nodeId) is not None else None


def browse(scene: slicer.vtkMRMLScene, sequences: Sequence, name: str) -> slicer.vtkMRMLSequenceBrowserNode:
    """New browser node that plays sequences together, the first one leading; Slicer makes what it shows.

    Args:
        scene: the MRML scene.
        sequences: vtkMRMLSequenceNodes with the same index values.
        name: of the browser.
    """
    browser = slicer.vtkMRMLSequenceBrowserNode()
    browser.SetName(scene.GenerateUniqueName(name))
    scene.AddNode(browser)
    for sequence in sequences:
        browser.AddSynchronizedSequenceNode(sequence)
    browser.SetSelectedItemNumber(0)
    return browser


def removeUnseen(scene: slicer.vtkMRMLScene, nodes: Sequence) -> None:
    """Remove nodes that views may show, with their display nodes, and leave the user's views as they are.

    A slice controller that shows a node when it is removed takes the next volume (5.12: qMRMLNodeComboBox follows its
    QComboBox), so every view lets go of them first.
    """
    nodes = [node for node in nodes if node is not None and scene.IsNodePresent(node)]
    ids = {node.GetID() for node in nodes}
    with unlinked(scene):
        for composite in compositeNodes(scene):
            for key in VOLUMES:
                if getattr(composite, f"Get{key}")() in ids:
                    getattr(composite, f"Set{key}")(None)
    for gone in [*nodes, *(display for node in nodes for display in displayNodes(node))]:
        if scene.IsNodePresent(gone):
            scene.RemoveNode(gone)


def displayNodes(node: slicer.vtkMRMLNode) -> list:
    """A node's display nodes; none for nodes that cannot be shown."""
    if not node.IsA("vtkMRMLDisplayableNode"):
        return []
    return [node.GetNthDisplayNode(k) for k in range(node.GetNumberOfDisplayNodes())]


def addHidden(scene: slicer.vtkMRMLScene, className: str, name: str) -> slicer.vtkMRMLNode:
    """New node that no selector lists and no file keeps; hidden before it comes, since selectors look only then."""
    node = getattr(slicer, className)()
    node.SetName(name)
    return scene.AddNode(hide(node))


def hide(node: slicer.vtkMRMLNode) -> slicer.vtkMRMLNode:
    """Not listed and not saved; returns the node."""
    node.SetHideFromEditors(True)
    node.SetSaveWithScene(False)
    return node


def sharedCopy(
    scene: slicer.vtkMRMLScene, volumeNode: slicer.vtkMRMLScalarVolumeNode, name: str
) -> slicer.vtkMRMLScalarVolumeNode:
    """A hidden volume node with a volume's voxels (shared, if it can be) and display, where they lie in the world."""
    node = addHidden(scene, "vtkMRMLScalarVolumeNode", name)
    if keepsRightAngles(volumeNode):
        node.SetIJKToRASMatrix(vtkMatrix(ijkToWorld(volumeNode)))
        node.SetAndObserveImageData(volumeNode.GetImageData())
    else:
        fillNode(node, volumeFromNode(volumeNode))
    showAs(node, volumeNode)
    return node


def showAs(node: slicer.vtkMRMLScalarVolumeNode, volumeNode: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Give a hidden volume node the display of another one."""
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    if volumeNode.GetDisplayNode() is not None and volumeNode.GetDisplayNode().IsA("vtkMRMLScalarVolumeDisplayNode"):
        display.CopyContent(volumeNode.GetDisplayNode())
    hide(display)


def _set(node, keys, values) -> None:
    for key, value in zip(keys, values, strict=True):
        getattr(node, f"Set{key}")(value)
