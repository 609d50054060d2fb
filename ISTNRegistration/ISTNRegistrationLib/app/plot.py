"""A small picture of loss curves for a label of the panel: axes, legend, and the colors of a light or dark panel."""

from __future__ import annotations

import math

import qt
from slicer.i18n import tr as _

MARGIN = 8
# Okabe and Ito's, for color-blind eyes too; the lighter ones of them stand on dark paper.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
COLORS_ON_DARK = ("#56b4e9", "#e69f00", "#2fc79c", "#e3a3c8")
PENS = ("SolidLine", "DashLine", "DotLine", "DashDotLine")  # told apart without color, too
SAMPLE = 22  # pixels of line in the legend


def curvesPixmap(curves: dict[str, list[float]], width: int, height: int):
    """QPixmap of losses by iteration, on one logarithmic axis.

    Args:
        curves: what is written in the legend, to the losses of iteration 1, 2, ...
        width, height: pixels.
    """
    pixmap = qt.QPixmap(width, height)
    paper, ink, colors = paperColors()
    pixmap.fill(paper)
    painter = qt.QPainter(pixmap)
    metrics = painter.fontMetrics()
    limits, count = lossLimits(curves), max(map(len, curves.values()), default=1)
    left = MARGIN + max(metrics.horizontalAdvance(text) for text in lossTicks(limits).values())
    area = (left + 4, MARGIN, width - left - 4 - MARGIN, height - 2 * MARGIN - metrics.height())
    _drawAxes(painter, metrics, area, ink, limits, count)
    for number, values in enumerate(curves.values()):
        painter.setPen(_pen(colors, number))
        points = curvePoints(values, area, limits, count)
        for (x0, y0), (x1, y1) in zip(points[:-1], points[1:], strict=True):
            painter.drawLine(x0, y0, x1, y1)
    _drawLegend(painter, metrics, area, ink, colors, list(curves))
    painter.end()
    return pixmap


def paperColors():
    """Background and text of the panel (QColor), and the colors of curves that stand out on it."""
    palette = qt.QPalette()  # the application's
    paper, ink = palette.color(qt.QPalette.Base), palette.color(qt.QPalette.Text)
    return paper, ink, COLORS_ON_DARK if paper.lightness() < 128 else COLORS


def lossLimits(curves: dict[str, list[float]]) -> tuple[float, float]:
    """Decimal logarithms of the smallest and the largest loss; a tenth apart at least."""
    logs = [math.log10(v) for values in curves.values() for v in values if v > 0 and math.isfinite(v)]
    low, high = min(logs, default=-1.0), max(logs, default=0.0)
    return (low, high) if high - low >= 0.1 else (low - 0.05, low + 0.05)


def lossTicks(limits: tuple[float, float]) -> dict[float, str]:
    """Places (decimal logarithms) and texts of the loss axis: powers of ten if there are two of them, else the ends."""
    powers = range(math.ceil(limits[0]), math.floor(limits[1]) + 1)
    places = [float(p) for p in powers] if len(powers) > 1 else list(limits)
    return {place: f"{10**place:.1g}" if len(powers) > 1 else f"{10**place:.2g}" for place in places}


def curvePoints(values: list[float], area, limits: tuple[float, float], count: int) -> list[tuple[int, int]]:
    """Pixels of a curve; values that are not positive are left out.

    Args:
        values: losses.
        area: left, top, width and height in pixels.
        limits: of ``lossLimits``, at the bottom and on top.
        count: iterations from the left to the right.
    """
    left, top, across, down = area
    low, high = limits
    logs = [(k, math.log10(v)) for k, v in enumerate(values) if v > 0 and math.isfinite(v)]
    last = max(count - 1, 1)
    return [(left + round(k / last * across), top + round((high - y) / (high - low) * down)) for k, y in logs]


def _pen(colors, number: int):
    pen = qt.QPen(qt.QColor(colors[number % len(colors)]))
    pen.setStyle(getattr(qt.Qt, PENS[number % len(PENS)]))
    pen.setWidth(2)
    return pen


def _drawAxes(painter, metrics, area, ink, limits, count: int) -> None:
    left, top, across, down = area
    painter.setPen(qt.QPen(ink))
    painter.drawLine(left, top, left, top + down)
    painter.drawLine(left, top + down, left + across, top + down)
    for place, text in lossTicks(limits).items():
        y = top + round((limits[1] - place) / (limits[1] - limits[0]) * down)
        painter.drawLine(left - 3, y, left, y)
        below = min(max(y + metrics.ascent() // 2, top + metrics.ascent()), top + down)
        painter.drawText(left - 5 - metrics.horizontalAdvance(text), below, text)
    baseline = top + down + metrics.ascent() + 2
    painter.drawText(left, baseline, "1")
    painter.drawText(left + across - metrics.horizontalAdvance(str(count)), baseline, str(count))
    title = _("loss by iteration")
    painter.drawText(left + (across - metrics.horizontalAdvance(title)) // 2, baseline, title)


def _drawLegend(painter, metrics, area, ink, colors, names) -> None:
    """At the upper right, where falling losses leave room."""
    left, top, across, _down = area
    longest = max((metrics.horizontalAdvance(name) for name in names), default=0)
    start = max(left + across - longest - SAMPLE - 6, left + 6)
    for number, name in enumerate(names):
        baseline = top + metrics.ascent() + number * metrics.height()
        painter.setPen(_pen(colors, number))
        painter.drawLine(start, baseline - metrics.ascent() // 3, start + SAMPLE, baseline - metrics.ascent() // 3)
        painter.setPen(qt.QPen(ink))
        painter.drawText(start + SAMPLE + 6, baseline, name)
