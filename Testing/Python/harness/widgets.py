"""Stand-ins for the ctk and qMRML widgets of the panel, on the real MRML scene."""

from PySide6.QtCore import Property, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QWidget


class qMRMLWidget(QWidget):
    def setMRMLScene(self, scene):
        for child in self.findChildren(QWidget):
            if hasattr(child, "setMRMLScene"):
                child.setMRMLScene(scene)


class ctkCollapsibleButton(QWidget):
    text = Property(str, lambda self: "", lambda self, value: None)


class qMRMLNodeComboBox(QWidget):
    """Lists the scene's nodes of ``nodeTypes`` and follows the scene."""

    currentNodeChanged = Signal(object)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene, self._types, self._tags = None, [], []
        self._box = QComboBox()
        QHBoxLayout(self).addWidget(self._box)
        self._box.currentIndexChanged.connect(lambda index: self.currentNodeChanged.emit(self.currentNode()))

    def setMRMLScene(self, scene):
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        self._scene, self._tags = scene, []
        if scene is not None:
            events = (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndCloseEvent)
            self._tags = [scene.AddObserver(event, self._refresh) for event in events]
            self._refresh()

    def _refresh(self, caller=None, event=None):
        node = self.currentNode()
        self._box.blockSignals(True)
        self._box.clear()
        self._box.addItem("None", "")
        for kind in self._types:
            for k in range(self._scene.GetNumberOfNodesByClass(kind)):
                found = self._scene.GetNthNodeByClass(k, kind)
                self._box.addItem(found.GetName(), found.GetID())
        self._box.setCurrentIndex(max(0, self._box.findData(node.GetID() if node else "")))
        self._box.blockSignals(False)
        if self.currentNode() is not node:
            self.currentNodeChanged.emit(self.currentNode())

    def currentNode(self):
        node_id = self._box.itemData(self._box.currentIndex)
        return self._scene.GetNodeByID(node_id) if node_id else None

    def setCurrentNode(self, node):
        self._box.setCurrentIndex(self._box.findData(node.GetID() if node is not None else ""))

    def _flag():
        return Property(bool, lambda self: False, lambda self, value: None)

    nodeTypes = Property("QStringList", lambda self: self._types, lambda self, types: self._types.extend(types))
    showChildNodeTypes, addEnabled, removeEnabled, noneEnabled = _flag(), _flag(), _flag(), _flag()


STAND_INS = {c.__name__: c for c in (qMRMLWidget, ctkCollapsibleButton, qMRMLNodeComboBox)}
