"""The report of a registration: what programs read to understand and repeat it."""

from __future__ import annotations

import json
import math
import platform
from datetime import datetime, timezone
from importlib import metadata

import h5py
import numpy as np
import SimpleITK as sitk
import torch

from ..core.files import write_text
from ..core.quality import HEADINGS, StageQuality
from ..core.trust import Expected


def registration_report(outcome) -> dict:
    """All that is needed to understand and repeat an ``Outcome`` of ``data.run``, as JSON can hold it.

    Convention: matrices are fixed → moving points, LPS mm, as row lists. ``linear`` is L of T(x) = L (x + u(x)); for a
    B-spline the residual u is only in the transform file. Numbers that mean nothing are null.
    """
    request, result, verdict = outcome.request, outcome.result, outcome.verdict
    return {
        "fixed": _side(request.fixed),
        "moving": _side(request.moving),
        "checkpoint": {
            "name": outcome.checkpoint.name,
            "sha256": outcome.checkpoint.sha256,
            "structures": [channel.name for channel in outcome.checkpoint.config.channels],
        },
        "options": request.options.as_dict(),
        "warnings": list(outcome.warnings),
        "notes": list(outcome.notes),
        "verdict": {"light": verdict.light, "reason": verdict.reason},
        "kept": result.kept,
        "variant": _variant(outcome),
        "stages": [_stage(*both) for both in zip(result.stages, outcome.quality, strict=True)],
        "initial_fixed_to_moving_LPS": result.initial.tolist(),
        "linear_fixed_to_moving_LPS": result.transform.linear.tolist(),
        "seconds": _number(outcome.seconds),
        "date": now(),
        "versions": versions(),
    }


def write_report(path, report: dict) -> None:
    """Write a report as JSON, whole or not at all.

    Raises:
        InputError: the place cannot be written to.
        ValueError: a number in it is not finite.
    """
    text = json.dumps(report, indent=2, allow_nan=False) + "\n"
    write_text(path, text, f"Report '{path}'")


def now() -> str:
    """Date and time, UTC, ISO 8601."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Of what the answer depends on."""
    try:
        own = metadata.version("istn-registration")
    except metadata.PackageNotFoundError:
        own = "source tree"
    packages = {"torch": torch, "numpy": np, "SimpleITK": sitk, "h5py": h5py}
    others = {name: str(package.__version__) for name, package in packages.items()}
    return {"istn-registration": own, "python": platform.python_version(), **others}


def _variant(outcome) -> dict | None:
    """Of which answer it is a variant, and what was changed since then, step by step; None for a first answer."""
    first = outcome.origin
    if first is None:
        return None
    of = {"kept": first.result.kept, "options": first.request.options.as_dict()}
    return {"of": of, "changes": list(outcome.changes)}


def _side(side) -> dict:
    image, landmarks = side.image, side.landmarks
    return {
        "name": image.name,
        "size": list(image.grid.size),
        "spacing_mm": list(image.grid.spacing),
        "mask": side.mask.name if side.mask else None,
        "labels": side.labels.name if side.labels else None,
        "landmarks": None if landmarks is None else len(landmarks),
        "corrected": side.corrected_names,
        "rigid": side.rigid.name if side.rigid else None,
    }


def _stage(stage, quality: StageQuality) -> dict:
    """A stage's numbers: those of the table, its loss, and the scores of each reference label."""
    numbers = {key: getattr(quality, key) for key in HEADINGS if key != "stage"} | {"loss": stage.loss}
    labels = {str(s.label): {k: _number(getattr(s, k)) for k in ("dice", "asd_mm", "hd95_mm")} for s in quality.labels}
    return {
        "name": stage.name,
        **{key: _number(value) for key, value in numbers.items()},
        "iterations": len(stage.losses),
        "labels": labels,
        "expected_dice": _expectation(quality.expectation),
    }


def _expectation(expectation) -> dict | None:
    """Expected Dice, mm and their intervals, the mean's and each structure's; None where the checkpoint cannot tell."""
    if expectation is None:
        return None
    told = ("mean", expectation.overall), *((expected.name, expected) for expected in expectation.structures)
    return {name: _expected(expected) for name, expected in told}


def _expected(expected: Expected) -> dict:
    low_mm, high_mm = expected.interval_mm
    mm = {"mm": expected.mm, "low_mm": low_mm, "high_mm": high_mm}
    dice = {key: getattr(expected, key) for key in ("dice", "low", "high")}
    return {key: _number(value) for key, value in (dice | mm).items()}


def _number(value):
    """Rounded; None (JSON's null) for what is not known."""
    if isinstance(value, int | np.integer):
        return int(value)
    return round(float(value), 9) if math.isfinite(value) else None
