"""Stand-ins for Slicer's MRML widgets on the real scene; each names the file of Slicer (5.12) whose behavior it copies.

Nothing reaches a child by itself: a scene comes by a connection in the .ui file, or not at all.
"""

import vtk
from PySide6.QtCore import Property, Qt, Signal
from PySide6.QtGui import QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QWidget

FIRST, LAST = 10.0, -10.0  # priorities of the scene model's observers: Libs/MRML/Widgets/qMRMLSceneModel.cxx:379-382
EXTRA = ("separator", "actions")  # rows behind the nodes: qMRMLNodeComboBox.cxx:221-275


class qMRMLWidget(QWidget):
    """Libs/MRML/Widgets/qMRMLWidget.cxx:61-70: the scene is told on by a signal; the children are not searched."""

    mrmlSceneChanged = Signal(object)
    SIGNALS = ("mrmlSceneChanged(vtkMRMLScene*)",)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene = None

    def setMRMLScene(self, scene):
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self):
        return self._scene


class qSlicerWidget(qMRMLWidget):
    """Base/QTGUI/qSlicerWidget.cxx: what a scripted module's panel may have as its top, too."""


class qMRMLNodeComboBox(QWidget):
    """Lists the scene's nodes of ``nodeTypes``: Libs/MRML/Widgets/qMRMLNodeComboBox.cxx and qMRMLSceneModel.cxx.

    Empty and disabled without a scene; while a scene is imported no node is added, at its end all rows are made anew
    and the choice is lost; when the chosen node is removed the next one is chosen, as any QComboBox does.
    """

    currentNodeChanged = Signal(object)
    nodeActivated = Signal(object)
    SIGNALS = ("currentNodeChanged(vtkMRMLNode*)", "currentNodeChanged(bool)", "nodeActivated(vtkMRMLNode*)")

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene, self._types, self._tags, self._none, self._requested = None, [], [], "None", None
        self._flags = {"addEnabled": True, "removeEnabled": True, "renameEnabled": False, "editEnabled": False}
        self._flags |= {"noneEnabled": False, "showChildNodeTypes": True}
        self._rows, self._box = QStandardItemModel(self), QComboBox()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._box)
        self._box.setModel(self._rows)
        self._box.currentIndexChanged.connect(self._onIndex)  # qMRMLNodeComboBox.cxx: emitCurrentNodeChanged
        self._box.activated.connect(lambda index: self.nodeActivated.emit(self.currentNode()))
        self.setEnabled(False)

    def setMRMLScene(self, scene):
        """qMRMLNodeComboBox.cxx:742-850; a node asked for before there was a scene is chosen now."""
        if scene is self._scene:
            return
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        self._scene, self._tags = scene, []
        self._fill()
        if scene is not None:
            self._tags = [
                scene.AddObserver(scene.NodeAddedEvent, _called(self._onAdded), FIRST),
                scene.AddObserver(scene.NodeAboutToBeRemovedEvent, _called(self._onRemoved), LAST),
                scene.AddObserver(scene.EndCloseEvent, lambda *_: self._fill()),
                scene.AddObserver(scene.EndImportEvent, lambda *_: self._fill()),
            ]
            if self._requested is not None:
                self.setCurrentNode(self._requested)
        self._requested = None
        self.setEnabled(scene is not None)

    def mrmlScene(self):
        return self._scene

    def _accepts(self, node):
        """qMRMLSortFilterProxyModel.cxx:208-290."""
        if node.GetHideFromEditors():
            return False
        return any(
            node.IsA(kind) if self._flags["showChildNodeTypes"] else node.GetClassName() == kind for kind in self._types
        )

    def _fill(self):
        """qMRMLSceneModel.cxx:710-800 (updateScene): all rows go and come again; the choice is lost, and told."""
        self._rows.removeRows(0, self._rows.rowCount())
        if self._flags["noneEnabled"]:
            self._rows.appendRow(_row(self._none, ""))
        for k in range(self._scene.GetNumberOfNodes() if self._scene is not None else 0):
            node = self._scene.GetNthNode(k)
            if self._accepts(node):
                self._rows.appendRow(_row(node.GetName(), node.GetID()))
        if any(self._flags[f"{action}Enabled"] for action in ("add", "remove", "rename", "edit")):
            for text in EXTRA:
                self._rows.appendRow(_row(text, "", extra=True))
        self._box.setCurrentIndex(0 if self._flags["noneEnabled"] else -1)

    def _onAdded(self, node):
        if self._scene.IsImporting() or not self._accepts(node):  # qMRMLSceneModel.cxx:1174
            return
        behind = sum(bool(self._rows.item(k).data(Qt.UserRole + 1)) for k in range(self._rows.rowCount()))
        self._rows.insertRow(self._rows.rowCount() - behind, _row(node.GetName(), node.GetID()))

    def _onRemoved(self, node):
        row = self._box.findData(node.GetID())
        if not self._scene.IsClosing() and row >= 0:  # qMRMLSceneModel.cxx:1191
            self._rows.removeRow(row)

    def _onIndex(self, index):
        """qMRMLNodeComboBox.cxx:688-712: an extra row is never chosen; the last node is instead."""
        node = self.currentNode()
        if node is None and index != (0 if self._flags["noneEnabled"] else -1):
            if self.nodeCount():
                self.setCurrentNode(self._nodes()[-1])
            return
        self.currentNodeChanged.emit(node)

    def _nodes(self):
        ids = [self._box.itemData(k) for k in range(self._box.count)]
        return [self._scene.GetNodeByID(name) for name in ids if name]

    def nodeCount(self):
        return len(self._nodes())

    def currentNode(self):
        name = self._box.itemData(self._box.currentIndex)
        return self._scene.GetNodeByID(name) if name and self._scene is not None else None

    def setCurrentNode(self, node):
        if self._scene is None:
            self._requested = node
        row = self._box.findData(node.GetID()) if node is not None and node.GetID() else -1
        self._box.setCurrentIndex(row if row >= 0 else 0 if self._flags["noneEnabled"] else -1)

    def _setNone(self, text):
        self._none = text
        self._fill()

    def _setTypes(self, types):
        if list(types) != self._types:
            self._types, node = list(types), self.currentNode()
            self._fill()
            self.setCurrentNode(node)

    def _setFlag(self, name, value):
        self._flags[name] = value
        self._fill()

    def _flag(name):
        return Property(bool, lambda self: self._flags[name], lambda self, value: self._setFlag(name, value))

    noneDisplay = Property(str, lambda self: self._none, _setNone)
    nodeTypes = Property("QStringList", lambda self: self._types, _setTypes)
    showChildNodeTypes, addEnabled, removeEnabled = map(_flag, ("showChildNodeTypes", "addEnabled", "removeEnabled"))
    noneEnabled, renameEnabled, editEnabled = map(_flag, ("noneEnabled", "renameEnabled", "editEnabled"))


class qMRMLCheckableNodeComboBox(qMRMLNodeComboBox):
    """Several nodes can be ticked: Libs/MRML/Widgets/qMRMLCheckableNodeComboBox.cxx. Only listed nodes are."""

    checkedNodesChanged = Signal()

    def __init__(self, parent=None):
        super().__init__(parent)
        self._checked = set()
        self._flags |= {"addEnabled": False, "removeEnabled": False}

    def setCheckState(self, node, state):
        if self._box.findData(node.GetID()) >= 0:
            (self._checked.add if state == Qt.Checked else self._checked.discard)(node.GetID())
            self.checkedNodesChanged.emit()

    def checkedNodes(self):
        return [node for node in self._nodes() if node.GetID() in self._checked]


def _row(text, data, extra=False):
    item = QStandardItem(text)
    item.setData(data, Qt.UserRole)
    item.setData(extra, Qt.UserRole + 1)
    return item


def _called(method):
    """An observer that gets the node of the event."""

    def observer(caller, event, node):
        method(node)

    observer.CallDataType = vtk.VTK_OBJECT
    return observer
