"""Every choice of the panel, kept in the scene; how the choices are called; and the presets."""

from __future__ import annotations

import dataclasses
import math

import slicer
from slicer.i18n import tr as _

from ..bridge.outputs import OutputOptions
from ..core import options
from ..core.options import PRESETS, REFINEMENTS, Preset

INITIALS = [*options.INITIALS, "transform"]
HEATMAPS = ["warped", "fixed", "moving", "difference"]
COMPARISONS = ["colors", "overlay", "flicker", "wipe", "checkerboard", "moving", "registered"]
ORIENTATIONS = ["Axial", "Coronal", "Sagittal"]
MOST_ITERATIONS = 2000
OWN_PRESET = "ISTNRegistration/OwnPreset"


def initialLabels() -> list[str]:
    """What a user reads for each initial alignment, in the order of ``INITIALS``."""
    return [
        _("Automatic: by the structures, in any position"),
        _("None: the images lie right already"),
        _("Centers of the images"),
        _("Centers of mass"),
        _("Centers of mass and main axes"),
        _("Landmarks of both images"),
        _("Rigid registration of the images (slower)"),
        _("The transform chosen below"),
    ]


def transformLabels() -> dict[str, str]:
    """What a user reads for each transform."""
    return {
        "rigid": _("Rigid"),
        "affine": _("Affine"),
        "bspline": _("B-spline (affine first)"),
        "dense": _("Dense (B-spline first)"),
    }


def chosenOutputs(p) -> OutputOptions:
    """Which nodes the choices of a parameter node ask for."""
    return OutputOptions(
        volume=p.makeVolume,
        heatmaps=p.makeHeatmaps,
        channels=p.makeChannels,
        measures=p.makeMeasures,
        uncertainty=p.makeUncertainty,
        parts=p.makeParts,
        inverse=p.makeInverse,
        grid=p.makeGrid,
        applyToMoving=p.applyToMoving,
        transformNode=p.outputTransform,
    )


def labels() -> dict[str, list[str]]:
    """What a user reads for each choice, by the name of its combo box."""
    return {
        "initialComboBox": initialLabels(),
        "refineComboBox": [
            _("Of the transform (recommended)"),
            _("Of the network's weights (as published)"),
            _("None: one pass of the networks"),
        ],
        "deviceComboBox": [_("Automatic"), _("CPU"), _("Graphics card (CUDA)")],
        "heatmapComboBox": [
            _("Registered: structures seen in the moving volume"),
            _("Fixed: structures seen in the fixed volume"),
            _("Moving: structures as they lie in the moving volume"),
            _("Difference: where the two still disagree"),
        ],
        "comparisonComboBox": [
            _("Two colors: gray where they agree"),
            _("Overlay"),
            _("Flicker"),
            _("Wipe: fixed at the left"),
            _("Checkerboard"),
            _("Before: the moving volume at the start"),
            _("After: the registered volume"),
        ],
        "orientationComboBox": [_("Axial"), _("Coronal"), _("Sagittal")],
    }


def presetLabels(transform: str = "") -> dict[str, str]:
    """Names of the presets, the user's own one and of anything else; with the seconds of the last run, if known.

    Args:
        transform: the one chosen, for which the seconds are.
    """
    names = {
        "fast": _("Fast: one pass"),
        "standard": _("Standard: refined"),
        "accurate": _("Accurate: dense transform"),
        "own": _("My preset"),
        "other": _("Other settings"),
    }
    text, told = _("{preset}, {seconds} s"), {}
    for name, preset in names.items():
        took = lastSeconds(name, transform)
        seconds = "" if took is None else f"{took:.1f}" if took < 10 else f"{took:.0f}"
        told[name] = text.format(preset=preset, seconds=seconds) if seconds else preset
    return told


def lastSeconds(preset: str, transform: str) -> float | None:
    """How long the last registration with a preset took on this computer; None if there was none."""
    try:
        seconds = float(slicer.app.userSettings().value(_secondsKey(preset, transform)))
    except (TypeError, ValueError):
        return None
    return seconds if math.isfinite(seconds) else None


def rememberSeconds(preset: str, transform: str, seconds: float) -> None:
    """Keep it in the application's settings."""
    slicer.app.userSettings().setValue(_secondsKey(preset, transform), f"{seconds:.2f}")


def _secondsKey(preset: str, transform: str) -> str:
    preset_transform = PRESETS[preset].transform if preset in PRESETS else None
    return f"ISTNRegistration/Seconds/{preset}/{preset_transform or transform}"


def ownPreset() -> Preset | None:
    """The preset that the user saved on this computer; None also where it can no longer be chosen."""
    text = slicer.app.userSettings().value(OWN_PRESET)
    refine, _colon, iterations = str(text or "").partition(":")
    possible = refine in REFINEMENTS and iterations.isdecimal() and int(iterations) <= MOST_ITERATIONS
    return Preset(refine, int(iterations)) if possible else None


def saveOwnPreset(preset: Preset) -> None:
    """Remember it in the application's settings."""
    slicer.app.userSettings().setValue(OWN_PRESET, f"{preset.refine}:{preset.iterations}")


def presetName(preset: Preset) -> str:
    """fast, standard, accurate, own (whatever the transform), or other; transform: dense or None."""
    known = [name for name, value in PRESETS.items() if value == preset]
    own = dataclasses.replace(preset, transform=None) == ownPreset()
    return known[0] if known else "own" if own else "other"


def missingChoice(p) -> str:
    """What a registration with these parameters still lacks, as the button Apply says it; empty if nothing."""
    if p.fixedVolume is None:
        return _("Select a fixed volume")
    if p.movingVolume is None:
        return _("Select a moving volume")
    if p.fixedVolume is p.movingVolume:
        return _("Select two different volumes")
    if p.initial == "transform" and p.initialTransform is None:
        return _("Select an initial transform")
    if (p.initial == "landmarks" or p.landmarkWeight) and None in (p.fixedLandmarks, p.movingLandmarks):
        return _("Select landmarks of both images")
    if p.rigidRegion is not None and p.transform not in options.BENDING:
        return _("A rigid region needs B-spline or dense")
    return _missingIterations(p)


def _missingIterations(p) -> str:
    if options.RegisterOptions(refine=p.refine, iterations=p.iterations).refines:
        return ""
    if p.transform == "dense":
        return _("A dense transform needs iterations")
    return _("Landmarks pull only while refining") if p.landmarkWeight else ""
