"""Stand-ins for the CTK widgets of the panel, and the names of those that Slicer's own Python mentions."""

from PySide6.QtCore import Property, QEvent, QRect, Qt, Signal
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import (
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
OWN = "visibilityToParent"  # of a child: what it was last told itself, apart from the section that holds it
# Slicer's guiConnectors.py, guiCreation.py and ScriptedLoadableModule.py name them; the panel has none of them.
UNUSED = (
    *("ctkCheckBox", "ctkCheckablePushButton", "ctkColorPickerButton", "ctkComboBox", "ctkDirectoryButton"),
    *("ctkDoubleRangeSlider", "ctkDoubleSlider", "ctkDoubleSpinBox", "ctkRangeWidget"),
)


class ctkCollapsibleButton(QWidget):
    """A header that folds what is below it away."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self._text, self._collapsed, self._moving = "", False, False
        self.setContentsMargins(0, HEADER, 0, 0)

    def _setText(self, text):
        self._text = text

    def _setCollapsed(self, collapsed):
        self._collapsed = collapsed
        self.setMaximumHeight(HEADER if collapsed else 16777215)
        self._moving = True
        for child in self.children():
            if isinstance(child, QWidget):
                child.setVisible(not collapsed and child.property(OWN) is not False)
        self._moving = False

    def childEvent(self, event):
        """As ctkCollapsibleButton.cpp: a child that was hidden by itself stays hidden when the section is opened."""
        if event.added() and isinstance(event.child(), QWidget):
            event.child().installEventFilter(self)
        super().childEvent(event)

    def eventFilter(self, child, event):
        if event.type() in (QEvent.ShowToParent, QEvent.HideToParent) and not self._moving:
            child.setProperty(OWN, event.type() == QEvent.ShowToParent)
        return super().eventFilter(child, event)

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


def unused(name):
    """A class that exists, to be compared with, and cannot be made."""

    def refuse(self, *_arguments):
        raise NotImplementedError(f"{name} has no stand-in: the panel has none")

    return type(name, (QWidget,), {"__init__": refuse})


CLASSES = {c.__name__: c for c in (ctkCollapsibleButton, ctkPathLineEdit, ctkSliderWidget)}
CLASSES |= {name: unused(name) for name in UNUSED}
