"""What a run says about itself: the stage table that people read, and the report that programs read."""

from __future__ import annotations

import json
import math
import platform
from importlib import metadata
from pathlib import Path

import h5py
import numpy as np
import SimpleITK as sitk
import torch

from ..core.checkpoint import Checkpoint
from ..core.register import RegisterOptions, RegistrationResult
from ..core.stages import Stage
from ..core.volume import Volume
from .files import write_atomically

HEADINGS = ("stage", "seconds", "loss", "agreement", "folded voxels")


def stage_table(stages: tuple[Stage, ...]) -> str:
    """The stages, one line each; agreement is the Dice of M' under the transform and F', both cut at 0.5.

    It is ``nan`` where the network sees no structure in either image.
    """
    lines = ["{:<18}{:>9}{:>12}{:>12}{:>15}".format(*HEADINGS)]
    lines += [f"{s.name:<18}{s.seconds:>9.2f}{s.loss:>12.2e}{s.agreement:>12.3f}{s.folded:>15}" for s in stages]
    return "\n".join(lines)


def registration_report(fixed: Volume, moving: Volume, checkpoint: Checkpoint, result: RegistrationResult) -> dict:
    """All that is needed to understand and repeat a registration, as JSON can hold it.

    Convention: matrices are fixed → moving points, LPS mm, as row lists. ``linear`` is L of T(x) = L (x + u(x)); for a
    B-spline the residual u is only in the transform file.
    """
    return {
        "fixed": _image(fixed),
        "moving": _image(moving),
        "checkpoint": {
            "name": checkpoint.name,
            "sha256": checkpoint.sha256,
            "structures": [channel.name for channel in checkpoint.config.channels],
        },
        "options": _options(result.options),
        "kept": result.kept,
        "stages": [_stage(stage) for stage in result.stages],
        "initial_fixed_to_moving_LPS": result.initial.tolist(),
        "linear_fixed_to_moving_LPS": result.transform.linear.tolist(),
        "versions": versions(),
    }


def write_report(path, report: dict) -> None:
    """Write a report as JSON, whole or not at all.

    Raises:
        InputError: the place cannot be written to.
    """
    text = json.dumps(report, indent=2) + "\n"
    write_atomically(path, lambda name: Path(name).write_text(text, encoding="utf-8"), f"Report '{path}'")


def versions() -> dict[str, str]:
    """Of what the answer depends on."""
    try:
        own = metadata.version("istn-registration")
    except metadata.PackageNotFoundError:
        own = "source tree"
    packages = {"torch": torch, "numpy": np, "SimpleITK": sitk, "h5py": h5py}
    others = {name: str(package.__version__) for name, package in packages.items()}
    return {"istn-registration": own, "python": platform.python_version(), **others}


def _image(volume: Volume) -> dict:
    return {"name": volume.name, "size": list(volume.grid.size), "spacing_mm": list(volume.grid.spacing)}


def _options(options: RegisterOptions) -> dict:
    values = {key: getattr(options, key) for key in ("transform", "initial", "refine", "iterations", "device", "seed")}
    return {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in values.items()}


def _stage(stage: Stage) -> dict:
    numbers = {key: _number(getattr(stage, key)) for key in ("seconds", "loss", "agreement")}
    return {"name": stage.name, **numbers, "folded": int(stage.folded), "iterations": len(stage.losses)}


def _number(value: float) -> float | None:
    """Rounded; None (JSON's null) for what is not known."""
    return round(float(value), 9) if math.isfinite(value) else None
