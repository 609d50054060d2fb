"""A user's hands and eyes for the tests inside Slicer: clicks, keys, dialogs, and what can be seen."""

import time

import qt
import slicer

SHOWN = ("BackgroundVolumeID", "ForegroundVolumeID", "LabelVolumeID", "ForegroundOpacity", "LabelOpacity",
         "LinkedControl")  # fmt: skip
USUAL_VIEWS, COCKPIT_VIEW = ("Red", "Green", "Yellow"), "ISTNAfter"
PATIENCE = 120  # s, for an answer


def ui():
    """The panel's widgets by name; those of the tabs Batch and Train are below ``batchTab`` and ``trainingTab``."""
    return slicer.modules.ISTNRegistrationWidget.ui


def check(holds, message) -> None:
    """Fail with a sentence that says what is wrong."""
    if not holds:
        raise AssertionError(message)


def settle(seconds: float = 0.2) -> None:
    """Let Slicer draw and answer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        slicer.app.processEvents()
        time.sleep(0.01)


def waitFor(happened, what: str) -> float:
    """Let Slicer work until ``happened()``; the seconds that it took."""
    began = time.monotonic()
    while not happened():
        check(time.monotonic() - began < PATIENCE, f"{what}: not within {PATIENCE} s")
        settle(0.02)
    return time.monotonic() - began


def click(button) -> None:
    """A left click in the middle of a button that can be seen and pressed."""
    check(button.visible, f"the button '{button.text}' cannot be seen")
    check(button.enabled, f"the button '{button.text}' cannot be pressed")
    press(button, qt.QPointF(button.width / 2, button.height / 2))


def press(widget, place) -> None:
    """A left click at a place of a widget."""
    for kind, held in ((qt.QEvent.MouseButtonPress, qt.Qt.LeftButton), (qt.QEvent.MouseButtonRelease, qt.Qt.NoButton)):
        slicer.app.sendEvent(widget, qt.QMouseEvent(kind, place, qt.Qt.LeftButton, held, qt.Qt.NoModifier))
    settle()


def pressKeys(widget, *keys) -> None:
    """Keys of the keyboard, as Qt's numbers, to a widget."""
    for key in keys:
        for kind in (qt.QEvent.KeyPress, qt.QEvent.KeyRelease):
            slicer.app.sendEvent(widget, qt.QKeyEvent(kind, key, qt.Qt.NoModifier))


def choose(comboBox, data) -> None:
    """Go through a combo box with the arrow keys until it shows the entry with this data, or of this number."""
    for key in (qt.Qt.Key_Home, *[qt.Qt.Key_Down] * comboBox.count):
        pressKeys(comboBox, key)
        if data in (comboBox.itemData(comboBox.currentIndex), comboBox.currentIndex):
            return settle()
    raise AssertionError(f"'{data}' cannot be chosen in {comboBox.objectName}")


def tick(table, row: int) -> None:
    """A click on the box in the first cell of a row."""
    item = table.item(row, 0)
    table.scrollToItem(item)
    settle()
    cell = table.visualItemRect(item)
    press(table.viewport(), qt.QPointF(cell.x() + 10, cell.y() + cell.height() / 2))


def answer(kind: str, act) -> None:
    """Do something with the next dialog (a Qt class), as soon as it can be seen; Slicer waits for it meanwhile."""
    found = [w for w in slicer.app.topLevelWidgets() if w.visible and w.inherits(kind)]
    if found:
        act(found[0])
    else:
        qt.QTimer.singleShot(100, lambda: answer(kind, act))


def show(tab) -> None:
    """Turn to a tab of the panel."""
    ui().tabs.setCurrentWidget(tab)
    settle()


def whileRunning(action) -> None:
    """Do something as soon as the next run has begun."""
    if ui().cancelButton.visible:
        action()
    else:
        qt.QTimer.singleShot(100, lambda: whileRunning(action))


def views() -> dict:
    """What each of the user's own slice views shows, and the layout."""
    layout = slicer.app.layoutManager()
    shown = {"layout": layout.layout}
    for name in USUAL_VIEWS:
        composite = layout.sliceWidget(name).mrmlSliceCompositeNode()
        shown[name] = [getattr(composite, f"Get{what}")() for what in SHOWN]
    return shown


def cockpitIsShown() -> bool:
    """Whether the cockpit's views can be seen; it borrows the number of the user's layout."""
    view = slicer.app.layoutManager().sliceWidget(COCKPIT_VIEW)
    return view is not None and view.visible


def chosen() -> list:
    """Names of the selected nodes."""
    nodes = [ui().fixedSelector.currentNode(), ui().movingSelector.currentNode()]
    return [node.GetName() if node else None for node in nodes]
