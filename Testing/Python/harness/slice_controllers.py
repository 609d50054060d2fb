"""The bars above slice views: Libs/MRML/Widgets/qMRMLSliceControllerWidget.cxx (5.12) on Slicer's own link logic.

A layer's selector writes what it shows into its view, and the link carries it to every linked view of the group: so a
node that is removed while a view shows it puts the next volume there, and into the others.
"""

import slicer

from .mrml_widgets import qMRMLNodeComboBox

LAYERS = ("Background", "Foreground", "Label")
SLIDERS = ("Foreground", "Label")  # ForegroundOpacitySlider, LabelMapOpacitySlider
TYPES = {"Label": "vtkMRMLLabelMapVolumeNode"}  # Resources/UI/qMRMLSliceControllerWidget.ui


class SliceController:
    """Selectors of one view's three layers, bound to its composite node both ways."""

    def __init__(self, scene, sliceLogic):
        self._scene, self._logic, self._composite = scene, sliceLogic, sliceLogic.GetSliceCompositeNode()
        self.selectors = {layer: self._selector(layer) for layer in LAYERS}
        self._opacities = dict.fromkeys(SLIDERS)
        self._tags = [
            (self._composite, self._composite.AddObserver("ModifiedEvent", self._update)),
            (scene, scene.AddObserver(scene.EndBatchProcessEvent, self._update)),  # .cxx:1505
        ]
        self._update()

    def _selector(self, layer):
        selector = qMRMLNodeComboBox()
        selector.nodeTypes = [TYPES.get(layer, "vtkMRMLVolumeNode")]
        selector.noneEnabled = selector.editEnabled = selector.renameEnabled = True
        selector.addEnabled = selector.removeEnabled = False
        selector.setMRMLScene(self._scene)  # with signals blocked there: .cxx:1509-1523
        selector.currentNodeChanged.connect(lambda node: self._select(layer, node))
        return selector

    def _select(self, layer, node):
        """.cxx:961-1000 and 1101-1118 (on...NodeSelected)."""
        flag = getattr(slicer.vtkMRMLSliceCompositeNode, f"{layer}VolumeFlag")
        self._logic.StartSliceCompositeNodeInteraction(flag)
        getattr(self._composite, f"Set{layer}VolumeID")(node.GetID() if node is not None else None)
        self._logic.EndSliceCompositeNodeInteraction()

    def _update(self, *_event):
        """.cxx:868-920 (updateWidgetFromMRMLSliceCompositeNode)."""
        if self._scene.IsBatchProcessing():
            return
        for layer, selector in self.selectors.items():
            blocked = selector.blockSignals(True)
            node = self._scene.GetNodeByID(getattr(self._composite, f"Get{layer}VolumeID")() or "")
            selector.setCurrentNode(node)
            selector.blockSignals(blocked)
        for layer in SLIDERS:  # .cxx:923-926: their signals are not blocked
            self._slide(layer, getattr(self._composite, f"Get{layer}Opacity")())

    def _slide(self, layer, opacity):
        """A slider that moves writes its view's opacity: .cxx:2037-2078 (setLabelMapOpacity, setForegroundOpacity)."""
        if self._opacities[layer] == opacity:
            return
        self._opacities[layer] = opacity
        flag = getattr(slicer.vtkMRMLSliceCompositeNode, f"{layer}OpacityFlag")
        self._logic.StartSliceCompositeNodeInteraction(flag)
        getattr(self._composite, f"Set{layer}Opacity")(opacity)
        self._logic.EndSliceCompositeNodeInteraction()

    def close(self):
        """Let go of the scene."""
        for observed, tag in self._tags:
            observed.RemoveObserver(tag)
        for selector in self.selectors.values():
            selector.blockSignals(True)
            selector.setMRMLScene(None)


def link(scene):
    """Slicer's logic that carries a change in one slice view to the linked ones: Libs/MRML/Logic, the real one."""
    logic = slicer.vtkMRMLSliceLinkLogic()
    logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
    logic.SetMRMLScene(scene)
    return logic
