"""The validation scores of a training as a picture: mean Dice, from 0 to 1, by step."""

from __future__ import annotations

import qt
from slicer.i18n import tr as _

from .plot import MARGIN, paperColors

LEFT, BOTTOM, LINE = 28, 18, 16


def diceCurves(history: dict[str, list[float]]) -> dict[str, list[float]]:
    """Of a run's history the mean Dice before and after each transform, and of the maps, by what is drawn."""
    names = {
        "val/identity": _("before"),
        "val/itn": _("maps"),
        "val/rigid": _("rigid"),
        "val/affine": _("affine"),
        "val/bspline": _("B-spline"),
    }
    return {text: history[key] for key, text in names.items() if key in history}


def trainingPixmap(history: dict[str, list[float]], lastStep: float, width: int, height: int):
    """QPixmap of the Dice curves over the steps from 0 to ``lastStep``, with the last values."""
    pixmap = qt.QPixmap(width, height)
    paper, ink, colors = paperColors()
    pixmap.fill(paper)
    painter = qt.QPainter(pixmap)
    _drawAxes(painter, ink, lastStep, width, height)
    colors = (ink, *colors)
    for number, (name, values) in enumerate(diceCurves(history).items()):
        painter.setPen(qt.QPen(qt.QColor(colors[number % len(colors)])))
        painter.drawText(LEFT + MARGIN, LINE * (number + 1), f"{name} {values[-1]:.2f}")
        points = dicePoints(history["step"], values, lastStep, width, height)
        for x, y in points:
            painter.drawRect(x - 1, y - 1, 2, 2)
        for (x0, y0), (x1, y1) in zip(points[:-1], points[1:], strict=True):
            painter.drawLine(x0, y0, x1, y1)
    painter.end()
    return pixmap


def dicePoints(steps: list[float], values: list[float], lastStep: float, width: int, height: int):
    """Pixels of a curve: step 0 at the left axis, ``lastStep`` at the right; Dice 0 below, 1 on top."""
    across, down = width - LEFT - MARGIN, height - BOTTOM - MARGIN
    pairs = zip(steps, values, strict=True)
    return [(LEFT + round(s / max(lastStep, 1) * across), MARGIN + round((1 - v) * down)) for s, v in pairs]


def _drawAxes(painter, ink, lastStep: float, width: int, height: int) -> None:
    top, bottom, right = MARGIN, height - BOTTOM, width - MARGIN
    painter.setPen(qt.QPen(ink))
    painter.drawLine(LEFT, top, LEFT, bottom)
    painter.drawLine(LEFT, bottom, right, bottom)
    painter.drawText(4, top + 8, "1")
    painter.drawText(4, bottom, "0")
    painter.drawText(
        LEFT, height - 4, _("Dice on the validation people by step (0 to {last})").format(last=int(lastStep))
    )
