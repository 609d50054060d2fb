"""Stand-ins for the ctk and qMRML widgets of the panel, on the real MRML scene; they look as in Slicer, about."""

from PySide6.QtCore import Property, QRect, Qt, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QSlider,
    QStyle,
    QStyleOptionButton,
    QWidget,
)

HEADER = 26


class qMRMLWidget(QWidget):
    def setMRMLScene(self, scene):
        for child in self.findChildren(QWidget):
            if hasattr(child, "setMRMLScene"):
                child.setMRMLScene(scene)


class ctkCollapsibleButton(QWidget):
    """A header that folds what is below it away."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self._text, self._collapsed = "", False
        self.setContentsMargins(0, HEADER, 0, 0)

    def _setText(self, text):
        self._text = text

    def _setCollapsed(self, collapsed):
        self._collapsed = collapsed
        self.setMaximumHeight(HEADER if collapsed else 16777215)
        for child in self.children():
            if isinstance(child, QWidget):
                child.setVisible(not collapsed)

    def showEvent(self, event):
        self._setCollapsed(self._collapsed)
        super().showEvent(event)

    def mousePressEvent(self, event):
        if event.position().y() < HEADER:
            self._setCollapsed(not self._collapsed)

    def paintEvent(self, event):
        painter, option = QPainter(self), QStyleOptionButton()
        option.initFrom(self)
        option.rect = QRect(0, 0, self.width, HEADER - 2)
        self.style().drawControl(QStyle.CE_PushButtonBevel, option, painter, self)
        arrow = "\u25b8" if self._collapsed else "\u25be"
        painter.drawText(option.rect.adjusted(8, 0, 0, 0), Qt.AlignVCenter, f"{arrow}  {self._text}")

    text = Property(str, lambda self: self._text, _setText)
    collapsed = Property(bool, lambda self: self._collapsed, _setCollapsed)


class ctkSliderWidget(QWidget):
    """A slider and a spin box of one number."""

    valueChanged = Signal(float)
    STEPS = 1000

    def __init__(self, parent=None):
        super().__init__(parent)
        self._slider, self._box = QSlider(Qt.Horizontal), QDoubleSpinBox()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._slider)
        row.addWidget(self._box)
        self._slider.setMaximum(self.STEPS)
        self._slider.valueChanged.connect(lambda k: self._box.setValue(self._low() + k / self.STEPS * self._span()))
        self._box.valueChanged.connect(self._changed)

    def _low(self):
        return self._box.minimum

    def _span(self):
        return self._box.maximum - self._box.minimum

    def _changed(self, value):
        self._slider.blockSignals(True)
        self._slider.setValue(round((value - self._low()) / (self._span() or 1) * self.STEPS))
        self._slider.blockSignals(False)
        self.valueChanged.emit(value)

    def setValue(self, value):
        self._box.setValue(value)

    value = Property(float, lambda self: self._box.value, setValue)
    minimum = Property(float, lambda self: self._box.minimum, lambda self, v: self._box.setMinimum(v))
    maximum = Property(float, lambda self: self._box.maximum, lambda self, v: self._box.setMaximum(v))
    singleStep = Property(float, lambda self: self._box.singleStep, lambda self, v: self._box.setSingleStep(v))


class ctkPathLineEdit(QWidget):
    """A line with a path and a button to browse."""

    currentPathChanged = Signal(str)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._line, button = QLineEdit(), QPushButton("...")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._line)
        row.addWidget(button)
        button.setMaximumWidth(30)
        button.clicked.connect(lambda: self._line.setText(QFileDialog.getOpenFileName(self)[0]))
        self._line.textChanged.connect(self.currentPathChanged.emit)

    currentPath = Property(str, lambda self: self._line.text, lambda self, path: self._line.setText(path))
    filters = Property(int, lambda self: 0, lambda self, value: None)


class qMRMLNodeComboBox(QWidget):
    """Lists the scene's nodes of ``nodeTypes`` and follows the scene."""

    currentNodeChanged = Signal(object)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene, self._types, self._tags, self._none = None, [], [], "None"
        self._box = QComboBox()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._box)
        self._box.currentIndexChanged.connect(lambda index: self.currentNodeChanged.emit(self.currentNode()))

    def setMRMLScene(self, scene):
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        self._scene, self._tags = scene, []
        if scene is not None:
            events = (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndCloseEvent, scene.EndImportEvent)
            self._tags = [scene.AddObserver(event, self._refresh) for event in events]
            self._refresh()

    def _nodes(self):
        found = {}
        for kind in self._types:
            for k in range(self._scene.GetNumberOfNodesByClass(kind)):
                node = self._scene.GetNthNodeByClass(k, kind)
                if not node.GetHideFromEditors():
                    found[node.GetID()] = node
        return found

    def _refresh(self, caller=None, event=None):
        node = self.currentNode()
        self._box.blockSignals(True)
        self._box.clear()
        self._box.addItem(self._none, "")
        for nodeId, found in self._nodes().items():
            self._box.addItem(found.GetName(), nodeId)
        self._box.setCurrentIndex(max(0, self._box.findData(node.GetID() if node else "")))
        self._box.blockSignals(False)
        if self.currentNode() is not node:
            self.currentNodeChanged.emit(self.currentNode())

    def currentNode(self):
        node_id = self._box.itemData(self._box.currentIndex)
        return self._scene.GetNodeByID(node_id) if node_id else None

    def setCurrentNode(self, node):
        self._box.setCurrentIndex(self._box.findData(node.GetID() if node is not None else ""))

    def _setNone(self, text):
        self._none = text

    noneDisplay = Property(str, lambda self: self._none, _setNone)

    def _flag():
        return Property(bool, lambda self: False, lambda self, value: None)

    nodeTypes = Property("QStringList", lambda self: self._types, lambda self, types: self._types.extend(types))
    showChildNodeTypes, addEnabled, removeEnabled = _flag(), _flag(), _flag()
    noneEnabled, renameEnabled = _flag(), _flag()


class qMRMLCheckableNodeComboBox(qMRMLNodeComboBox):
    """Several nodes can be ticked; a test ticks with ``setCheckState``."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self._checked = set()

    def setCheckState(self, node, state):
        (self._checked.add if state == Qt.Checked else self._checked.discard)(node.GetID())

    def checkedNodes(self):
        return [node for nodeId, node in self._nodes().items() if nodeId in self._checked]


STAND_INS = {
    c.__name__: c
    for c in (
        qMRMLWidget,
        ctkCollapsibleButton,
        ctkPathLineEdit,
        ctkSliderWidget,
        qMRMLNodeComboBox,
        qMRMLCheckableNodeComboBox,
    )
}
