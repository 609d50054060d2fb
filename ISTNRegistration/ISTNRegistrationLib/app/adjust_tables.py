"""The two tables of the section Adjust: how much each structure counts, and the variants to compare."""

from __future__ import annotations

import math

import qt
from slicer.i18n import tr as _

from ..core.quality import HEADINGS, cells
from .tables import tableItem
from .verdict import measureTexts

LARGEST_WEIGHT = 100.0
COLUMNS = ("expected", "agreement", "folded", "tre_mm", "displacement_mm")


class StructuresTable:
    """A row per structure: a box to tick, and a weight to type.

    Args:
        table: QTableWidget.
        onChange: called when the user has changed a row.
    """

    def __init__(self, table, onChange) -> None:
        self._table, self._onChange, self._filling = table, onChange, False
        table.setColumnCount(2)
        texts = (_("Structure"), _("Ticked ones count")), (_("Weight"), _("1: it counts as much as the others"))
        for column, (heading, explanation) in enumerate(texts):
            table.setHorizontalHeaderItem(column, tableItem(heading, explanation))
        table.verticalHeader().hide()
        table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
        table.connect("cellChanged(int,int)", self._onCell)

    def fill(self, names, weights) -> None:
        """Show structures; those without a weight have 1."""
        self._filling = True
        self._table.setRowCount(len(names))
        for row, name in enumerate(names):
            weight = weights.get(name, 1.0)
            item = tableItem(name, _("Whether it counts"))
            item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsUserCheckable)
            item.setCheckState(qt.Qt.Checked if weight > 0 else qt.Qt.Unchecked)
            self._table.setItem(row, 0, item)
            self._table.setItem(row, 1, tableItem(f"{weight or 1.0:g}", _("A number above 0")))
        self._filling = False

    def weights(self) -> dict[str, float]:
        """The weight of each structure that does not simply count 1; 0 for one that is not ticked."""
        found = {}
        for row in range(self._table.rowCount):
            item = self._table.item(row, 0)
            found[item.text()] = self._weight(row) if item.checkState() == qt.Qt.Checked else 0.0
        return {name: weight for name, weight in found.items() if weight != 1.0}

    def _weight(self, row: int) -> float:
        """What is typed; 1 where it is no weight."""
        try:
            weight = float(self._table.item(row, 1).text().replace(",", "."))
        except ValueError:
            return 1.0
        return min(weight, LARGEST_WEIGHT) if math.isfinite(weight) and weight > 0 else 1.0

    def _onCell(self, row: int, column: int) -> None:
        if self._filling:
            return
        self._filling = True  # what cannot be used does not stay
        if column == 1:
            self._table.item(row, 1).setText(f"{self._weight(row):g}")
        ticked = [self._table.item(k, 0).checkState() == qt.Qt.Checked for k in range(self._table.rowCount)]
        if not any(ticked):
            self._table.item(row, 0).setCheckState(qt.Qt.Checked)
        self._filling = False
        self._onChange()


class VariantsTable:
    """A row per variant, the shown one in bold; only what is known of one of them has a column.

    Args:
        table: QTableWidget.
    """

    def __init__(self, table) -> None:
        self._table = table
        table.verticalHeader().hide()

    def fill(self, variants, shown) -> None:
        """Show variants (``bridge.variants.Variant``)."""
        rows = [dict(zip(HEADINGS, cells(variant.outcome.kept), strict=True)) for variant in variants]
        columns = [key for key in COLUMNS if any(row[key] != "–" for row in rows)]
        texts, table = measureTexts(), self._table
        table.setRowCount(len(rows))
        table.setColumnCount(1 + len(columns))
        table.setHorizontalHeaderItem(0, tableItem(_("Variant"), _("Click to show it")))
        for column, key in enumerate(columns, start=1):
            heading, explanation = texts[key]
            table.setHorizontalHeaderItem(column, tableItem(shortHeading(key), f"{heading}. {explanation}"))
        for number, (variant, row) in enumerate(zip(variants, rows, strict=True)):
            for column, text in enumerate([variant.name, *(row[key] for key in columns)]):
                tip = variant.name if column == 0 else f"{variant.name}: {texts[columns[column - 1]][0]} {text}"
                table.setItem(number, column, tableItem(text, tip, variant is shown))
        header = table.horizontalHeader()
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(0, qt.QHeaderView.Stretch)
        if rows:
            table.scrollToBottom()


def shortHeading(key: str) -> str:
    """Of a column of the variants: the names need the room of a narrow panel."""
    return {
        "expected": _("Dice"),
        "agreement": _("Agree"),
        "folded": _("Folds"),
        "tre_mm": _("TRE"),
        "displacement_mm": _("mm"),
    }[key]
