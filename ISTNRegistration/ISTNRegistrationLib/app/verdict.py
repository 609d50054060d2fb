"""How results are told in the panel, in the user's language: the light, its reason, stages and measures.

The library says everything in English; a sentence or name that is not known here is shown as it is.
"""

from __future__ import annotations

import math
import re

import qt
from slicer.i18n import tr as _

from ..core.colors import LIGHTS

LIGHT_SIZE = 18
SIGNS = {"green": "\u2713", "yellow": "!", "red": "\u2715"}


def lightWord(light: str) -> str:
    """The light in a word, for those who do not see its color."""
    return {"green": _("Good"), "yellow": _("Check"), "red": _("Poor")}[light]


def verdictText(verdict) -> str:
    """A light (Verdict) in words, with its reason."""
    return f"{lightWord(verdict.light)}: {reasonText(verdict.reason)}"


def signedVerdict(verdict) -> str:
    """The same after the light's sign, for a line without its picture."""
    return f"{SIGNS[verdict.light]} {verdictText(verdict)}"


def progressText(progress, left: float) -> str:
    """Where a run stands (Progress), the landmarks' mean distance, and at most ``left`` seconds more."""
    text = _("{stage}: iteration {iteration} of at most {iterations}, loss {loss:.2e}, {left:.0f} s left at most")
    fields = {"iteration": progress.iteration, "iterations": progress.iterations, "loss": progress.loss, "left": left}
    told = text.format(stage=stageName(progress.stage), **fields)
    if math.isnan(progress.landmark_mm):
        return told
    return told + _(", landmarks {mm:.1f} mm apart").format(mm=progress.landmark_mm)


def lamp(light: str):
    """QPixmap: green disk with a check mark, yellow triangle with an exclamation mark, or red square with a cross."""
    size = LIGHT_SIZE
    corners = {"yellow": [(size / 2, 0), (size, size), (0, size)], "red": [(0, 0), (size, 0), (size, size), (0, size)]}
    path = qt.QPainterPath()
    if light == "green":
        path.addEllipse(0.0, 0.0, float(size), float(size))
    else:
        first, *others = corners[light]
        path.moveTo(*first)
        for corner in others:
            path.lineTo(*corner)
        path.closeSubpath()
    pixmap = qt.QPixmap(size, size)
    pixmap.fill(qt.QColor(0, 0, 0, 0))
    painter = qt.QPainter(pixmap)
    painter.setRenderHint(qt.QPainter.Antialiasing)
    painter.fillPath(path, qt.QBrush(qt.QColor(LIGHTS[light])))
    painter.setPen(qt.QPen(qt.QColor("#000000" if light == "yellow" else "#ffffff")))
    painter.drawText(0, size // 6 if light == "yellow" else 0, size, size, qt.Qt.AlignCenter, SIGNS[light])
    painter.end()
    return pixmap


def stageName(name: str) -> str:
    """A stage of a registration."""
    names = {
        "initial": _("initial"),
        "rigid": _("rigid"),
        "rigid refined": _("rigid, refined"),
        "affine": _("affine"),
        "affine refined": _("affine, refined"),
        "bspline": _("B-spline"),
        "bspline refined": _("B-spline, refined"),
        "dense": _("dense"),
        "rigid region": _("rigid region"),
        "adjusted": _("adjusted"),
    }
    return names.get(name, name)


def measureTexts() -> dict[str, tuple[str, str]]:
    """Heading and explanation of each measure, by its name in StageQuality."""
    return {
        "agreement": (
            _("Agreement"),
            _("Predicted by the networks themselves: Dice of the structures that they see in both images. 1 is best"),
        ),
        "expected": (
            _("Expected Dice"),
            _("What the overlap is likely to be, learned from people with labels. 1 is best"),
        ),
        "uncertainty_mm": (
            _("± (mm)"),
            _("How far apart the structures' surfaces lie on average at the expected Dice. 0 is best"),
        ),
        "dice": (_("Dice"), _("Overlap of the reference structures, mean over the structures. 1 is best")),
        "asd_mm": (_("ASD (mm)"), _("Mean distance of the reference structures' surfaces. 0 is best")),
        "hd95_mm": (_("HD95 (mm)"), _("95 % of the reference structures' surfaces are closer than this. 0 is best")),
        "tre_mm": (_("TRE (mm)"), _("Mean distance of the landmarks after registration. 0 is best")),
        "folded": (_("Folded"), _("Voxels in which the transform turns space inside out. 0 is best")),
        "displacement_mm": (_("Moved (mm)"), _("The longest way that the transform moves a point")),
        "seconds": (_("Time (s)"), _("Computing time of the stage")),
    }


def structureTexts(row) -> dict[str, tuple[str, str]]:
    """Heading and explanation of each structure's mm, by their names in ``structure_cells``, of a StageQuality."""
    text = _("mm between the surfaces of {name} on average, at the Dice to be expected. 0 is best")
    structures = row.expectation.structures if row.expectation else ()
    return {f"± {one.name}": (f"± {one.name}", text.format(name=one.name)) for one in structures}


def reasonText(reason: str) -> str:
    """The light's reason, sentence by sentence."""
    return translated(reason, reasons)


def reasons(_) -> tuple[str, ...]:
    """Every sentence that a light's reason is made of, as ``_`` puts it; {0}, {1} differ from case to case."""
    return (
        _("The networks see no structure. Are these the images the checkpoint is for?"),
        _("The structures hardly agree (predicted {0})."),
        _("The structures agree only fairly (predicted {0})."),
        _("The structures agree (predicted {0})."),
        _("The reference structures hardly overlap (Dice {0})."),
        _("The reference structures overlap only fairly (Dice {0})."),
        _("The transform folds space in {0} % of the voxels."),
        _("The transform folds space in {0} voxels."),
        _("Expected Dice {0} ({1} to {2}), worst in {3}: {4} ({5} to {6})."),
        _("Try another initial alignment, another checkpoint or a mask."),
        _("The mask of the fixed image leaves {0} % of the structures ({1} % of {2}): make it larger."),
        _("The mask of the moving image leaves {0} % of the structures ({1} % of {2}): make it larger."),
        _("This checkpoint cannot tell what Dice to expect."),
        _("No folding. Please check the images as well."),
        _("Stage '{0}' made things worse: '{1}' was kept."),
        _("The graphics card ran out of memory; the CPU was used instead."),
    )


def translated(text: str, sentences) -> str:
    """Replace each sentence of an English text by its translation.

    Args:
        text: English.
        sentences: what ``reasons`` is.
    """
    for english, own in zip(sentences(str), sentences(_), strict=True):
        pattern = re.sub(r"\\\{\d\\\}", "(.+?)", re.escape(english))
        text = re.sub(pattern, lambda found, own=own: own.format(*map(stageName, found.groups())), text)
    return text
