"""Cells of the panel's tables."""

from __future__ import annotations

import qt


def tableItem(text: str, toolTip: str, bold: bool = False):
    """QTableWidgetItem."""
    item = qt.QTableWidgetItem(text)
    item.setToolTip(toolTip)
    font = item.font()
    font.setBold(bold)
    item.setFont(font)
    return item
