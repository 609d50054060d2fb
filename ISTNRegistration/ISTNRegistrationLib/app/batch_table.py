"""The table of the tab Batch: a row for each pair or frame; what a run says about itself is read without scrolling."""

from __future__ import annotations

from dataclasses import dataclass

import qt
from slicer.i18n import tr as _

from .verdict import lamp, lightWord

STATE, NUMBERS, PADDING = 1, 2, 8


@dataclass(frozen=True)
class Line:
    """What one row shows; numbers are empty or not a number where there is none."""

    state: str
    light: str = ""
    agreementBefore: float | str = ""
    agreement: float | str = ""
    mm: float | str = ""
    dice: float | str = ""
    folded: int | str = ""
    seconds: float | str = ""
    message: str = ""


class BatchTable:
    """Fits a narrow panel: the message of a row without numbers takes their place, that of the chosen row is below.

    Args:
        table: QTableWidget.
        messageLabel: QLabel below it.
    """

    def __init__(self, table, messageLabel) -> None:
        self._table, self._label, self._messages = table, messageLabel, []
        headings = self._headings()
        table.setColumnCount(len(headings))
        table.verticalHeader().hide()
        table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
        for column, (heading, explanation, widest) in enumerate(headings):
            item = qt.QTableWidgetItem(heading)
            item.setToolTip(explanation)
            table.setHorizontalHeaderItem(column, item)
            metrics = table.fontMetrics()
            table.setColumnWidth(column, PADDING + max(metrics.horizontalAdvance(text) for text in (heading, widest)))
        table.connect("itemSelectionChanged()", self.showMessage)

    def _headings(self) -> list[tuple[str, str, str]]:
        """Heading, explanation and widest text of each column."""
        agreement = _("Predicted by the networks themselves, before and after: Dice. 1 is best")
        return [
            (_("Pair"), _("What is registered"), ""),
            (_("State"), _("Where it stands, and the light"), "MM" + stateName("waiting")),
            (_("Agreement"), agreement, "0.00 → 0.00"),
            (_("± mm"), _("How far the structures' surfaces are expected to lie apart. 0 is best"), "00.0"),
            (_("Dice"), _("Overlap of the reference structures. 1 is best"), "0.00"),
            (_("s"), _("Computing time in seconds"), "0000"),
        ]

    def fill(self, names) -> None:
        """Begin anew, with a row for each name."""
        self._table.clearSpans()
        self._table.setRowCount(0)
        self._table.setRowCount(len(names))
        self._messages = [""] * len(names)
        for row, name in enumerate(names):
            self._set(row, 0, name, name)
        self.showMessage()

    def show(self, row: int, line: Line) -> None:
        """Show where a row stands."""
        said = self._messages[row] = _message(line)
        state = self._set(row, STATE, stateName(line.state), said or stateName(line.state))
        if line.light:
            state.setIcon(qt.QIcon(lamp(line.light)))
        agreement = [_number(value) for value in (line.agreementBefore, line.agreement)]
        others = [_number(line.mm, 1), _number(line.dice), _number(line.seconds, 0)]
        numbers = [" → ".join(n for n in agreement if n), *others]
        hasNumbers = any(numbers)
        span = 1 if hasNumbers else len(numbers)
        if span != self._table.columnSpan(row, NUMBERS):
            self._table.setSpan(row, NUMBERS, 1, span)
        for column, text in enumerate(numbers if hasNumbers else [said], start=NUMBERS):
            self._set(row, column, text, said)
        self._table.resizeRowToContents(row)
        self.showMessage()

    def showMessage(self) -> None:
        """The message of the chosen row, else the last one that there is."""
        chosen, said = self._table.currentRow(), [text for text in self._messages if text]
        own = self._messages[chosen] if 0 <= chosen < len(self._messages) else ""
        self._label.text = own or (said[-1] if said else "")

    @property
    def lastRow(self) -> int:
        """Number of the last row."""
        return len(self._messages) - 1

    def _set(self, row: int, column: int, text: str, tip: str):
        item = qt.QTableWidgetItem(text)
        item.setToolTip(tip)
        self._table.setItem(row, column, item)
        return item


def stateName(state: str) -> str:
    """Where a pair stands, in the user's language."""
    names = {
        "waiting": _("waiting"),
        "done": _("done"),
        "failed": _("failed"),
        "left out": _("left out"),
        "not kept": _("not kept"),
    }
    return names.get(state, state)


def _message(line: Line) -> str:
    """What a row has to say that is in no column."""
    folded = _("Folded voxels: {count}.").format(count=line.folded) if line.folded not in ("", "0", 0) else ""
    return " ".join(text for text in (lightWord(line.light) + "." if line.light else "", folded, line.message) if text)


def _number(value: float | str, digits: int = 2) -> str:
    return "" if value == "" or float(value) != float(value) else f"{float(value):.{digits}f}"
