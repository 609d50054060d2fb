"""A small picture of loss curves for a label of the panel."""

from __future__ import annotations

import math

import qt

MARGIN = 8
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")  # Okabe and Ito's, for colour-blind eyes too


def curvesPixmap(curves: dict[str, list[float]], width: int, height: int):
    """QPixmap of curves (name to values) on a logarithmic scale, each scaled to its own range, with their names."""
    pixmap = qt.QPixmap(width, height)
    pixmap.fill(qt.QColor("#ffffff"))
    painter = qt.QPainter(pixmap)
    for number, (name, values) in enumerate(curves.items()):
        painter.setPen(qt.QPen(qt.QColor(COLORS[number % len(COLORS)])))
        painter.drawText(width // 2, 16 + 16 * number, name)
        points = curvePoints(values, width, height)
        for (x0, y0), (x1, y1) in zip(points[:-1], points[1:], strict=True):
            painter.drawLine(x0, y0, x1, y1)
    painter.end()
    return pixmap


def curvePoints(values: list[float], width: int, height: int) -> list[tuple[int, int]]:
    """Pixels of a curve: the first value at the left, the largest on top; values that are not positive are left out."""
    logs = [(k, math.log(v)) for k, v in enumerate(values) if v > 0 and math.isfinite(v)]
    if not logs:
        return []
    low, high = min(y for _, y in logs), max(y for _, y in logs)
    across, down = width - 2 * MARGIN, height - 2 * MARGIN
    last, span = max(len(values) - 1, 1), (high - low) or 1.0
    return [(MARGIN + round(k / last * across), MARGIN + round((high - y) / span * down)) for k, y in logs]
