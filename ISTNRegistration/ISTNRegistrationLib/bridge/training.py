"""Training data from a scene, and the configuration of a training from what a user says in the panel."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

from ..core.errors import InputError
from .structures import labelsFromSegmentation
from .volumes import volumeFromNode

VALIDATION_SHARE = 5  # every fifth subject validates
CONFIGURATION = """# Written by the panel of ISTN Registration; every key is explained in docs/training.md.
[model]
method = {method}
transforms = ["affine", "bspline"]
channels = [
{channels}
]
grid = {{ size = [{size}, {size}, {size}], spacing = [{spacing}, {spacing}, {spacing}] }}

[data]
subjects = {subjects}

[training]
steps = {steps}
validate_every = {validate}

[card]
title = {title}
"""


def exportScene(scene, folder: Path) -> Path:
    """Write every segmentation with the volume that it was drawn on as a subject; returns the list (subjects.csv).

    Raises:
        InputError: fewer than three such segmentations, or nothing can be written.
    """
    from ..data.images import write_image

    pairs = annotatedVolumes(scene)
    if len(pairs) < 3:
        todo = "Draw segmentations on at least three volumes, of different people"
        raise InputError("Training data", "the scene has too little", "3 segmented volumes", str(len(pairs)), todo)
    rows = []
    for number, (volumeNode, segmentation) in enumerate(pairs):
        name, volume = (
            f"{number:03d}-{re.sub(r'[^A-Za-z0-9_-]+', '-', volumeNode.GetName())}",
            volumeFromNode(volumeNode),
        )
        write_image(folder / f"{name}.nii.gz", volume)
        write_image(folder / f"{name}-labels.nii.gz", labelsFromSegmentation(segmentation, volume.grid))
        split = "val" if number % VALIDATION_SHARE == 1 or number == len(pairs) - 1 else "train"
        rows.append([volumeNode.GetName(), f"{name}.nii.gz", f"{name}-labels.nii.gz", split])
    path = folder / "subjects.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([["person", "image", "labels", "split"], *rows])
    return path


def annotatedVolumes(scene) -> list:
    """(volume node, segmentation node) of every segmentation that knows the volume it was drawn on."""
    found = []
    for k in range(scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")):
        segmentation = scene.GetNthNodeByClass(k, "vtkMRMLSegmentationNode")
        volume = segmentation.GetNodeReference(segmentation.GetReferenceImageGeometryReferenceRole())
        if volume is not None:
            found.append((volume, segmentation))
    return found


def writeConfiguration(subjects: Path, channels: str, size: int, spacing: float, method: str, steps: int) -> Path:
    """Write the configuration beside the list of subjects; returns its path.

    Args:
        channels: ``name = labels``, separated by semicolons: ``left = 1; right = 2, 3``.

    Raises:
        InputError: there is no such list, or the structures cannot be read.
    """
    if not subjects.is_file():
        raise InputError("List of subjects", "there is no such file", "a CSV", str(subjects), "Choose another one")
    named = parseChannels(channels)
    lines = [f"  {{ name = {json.dumps(name)}, labels = {labels} }}," for name, labels in named]
    text = CONFIGURATION.format(
        method=json.dumps(method),
        channels="\n".join(lines),
        size=int(size),
        spacing=float(spacing),
        subjects=json.dumps(subjects.name),
        steps=int(steps),
        validate=max(1, min(250, int(steps) // 4)),
        title=json.dumps(", ".join(name for name, _labels in named)),
    )
    path = subjects.with_name("training.toml")
    path.write_text(text, encoding="utf-8")
    return path


def parseChannels(text: str) -> list[tuple[str, list[int]]]:
    """Names and label numbers of ``left = 1; right = 2, 3``.

    Raises:
        InputError: it does not look like this.
    """
    found = []
    for part in filter(None, (part.strip() for part in text.split(";"))):
        match = re.fullmatch(r"([^=]+)=\s*(\d+(?:\s*,\s*\d+)*)", part)
        if match is None:
            raise InputError(
                "Structures", "they cannot be read", "name = labels; ...", part, "Write: left = 1; right = 2"
            )
        found.append((match.group(1).strip(), [int(n) for n in match.group(2).split(",")]))
    if not found:
        raise InputError("Structures", "none is named", "name = labels; ...", "nothing", "Write: left = 1; right = 2")
    return found


def readHistory(path: Path) -> dict[str, list[float]]:
    """Curves of a run's history.csv by column, as far as they are written; empty while there is no file."""
    if not path.is_file():
        return {}
    curves: dict[str, list[float]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for key, value in row.items():
                if key and key != "step" and value:
                    curves.setdefault(key, []).append(float(value))
    return curves
