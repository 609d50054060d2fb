"""Training data from a scene or a folder, and the configuration of a training from what a user says in the panel."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path

import slicer

from ..core.errors import InputError
from ..core.files import write_text
from ..core.volume import Volume
from .scene import nodesOfClass
from .structures import labelsFromSegmentation
from .volumes import volumeFromNode

FEWEST = 4  # two people train, two validate
VALIDATION_SHARE = 5  # every fifth person validates
LAYOUTS = (("imagesTr", "labelsTr"), ("images", "labels"))
WRITTEN_HERE = "# Written by the panel of ISTN Registration; every key is explained in docs/training.md."
CONFIGURATION = (
    WRITTEN_HERE
    + """
[model]
method = {method}
transforms = {transforms}
channels = [
{channels}
]
grid = {{ size = [{size}, {size}, {size}], spacing = [{spacing}, {spacing}, {spacing}] }}
bspline = {{ spacing_mm = {controlSpacing} }}

[data]
{key} = {list}

[training]
steps = {steps}
validate_every = {validate}
itn_first_steps = {first}
warmup_steps = {warmup}

[card]
title = {title}
"""
)


@dataclass(frozen=True)
class TrainingChoice:
    """What the panel asks for.

    Attributes:
        channels: ``name = labels``, separated by semicolons: ``left = 1; right = 2, 3``.
        size: voxels along each side of the networks' grid.
        spacing: of that grid, mm.
        method: istn-e, istn-i, stn-s or stn-u.
        transforms: some of rigid, affine, bspline, in this order.
        controlSpacing: of the B-spline's control points, mm.
        steps: random pairs to train on.
    """

    channels: str
    size: int = 64
    spacing: float = 2.0
    method: str = "istn-e"
    transforms: tuple[str, ...] = ("affine", "bspline")
    controlSpacing: float = 15.0
    steps: int = 2000


def exportScene(scene: slicer.vtkMRMLScene, folder: Path) -> tuple[Path, str]:
    """Write every annotated volume as a subject; the list (subjects.csv), and its structures as the panel writes them.

    Segments get the same number in all subjects by their names. Label maps keep their numbers.

    Raises:
        InputError: too few annotated volumes, segmentations mixed with label maps, a segment that is not in all
            segmentations, or nothing can be written.
    """
    from ..data.images import write_image

    pairs = annotatedVolumes(scene)
    names = _segmentNames([structures for _volume, structures in pairs])
    rows = []
    for number, (volumeNode, structures) in enumerate(pairs, start=1):
        volume = volumeFromNode(volumeNode)
        name = f"{number:03d}-{re.sub(r'[^A-Za-z0-9_-]+', '-', volumeNode.GetName())}"
        files = f"{name}.nii.gz", f"{name}-labels.nii.gz"
        write_image(folder / files[0], volume)
        write_image(folder / files[1], _labels(structures, volume, names))
        rows.append([f"{number:03d} {volumeNode.GetName()}", *files])
    numbered = enumerate(names, start=1)
    structures = "; ".join(f"{re.sub('[=;]', '-', name)} = {number}" for number, name in numbered)
    return _writeList(folder, rows), structures


def annotatedVolumes(scene: slicer.vtkMRMLScene) -> list:
    """(volume node, segmentation or label map node) of every annotated volume.

    A segmentation belongs to the volume it was drawn on, a label map to the volume whose name its own begins with
    (``anna-label``, ``anna``).
    """
    found = []
    for segmentation in _nodes(scene, "vtkMRMLSegmentationNode"):
        volume = segmentation.GetNodeReference(segmentation.GetReferenceImageGeometryReferenceRole())
        if volume is not None:
            found.append((volume, segmentation))
    volumes = [n for n in _nodes(scene, "vtkMRMLScalarVolumeNode") if not n.IsA("vtkMRMLLabelMapVolumeNode")]
    for labels in _nodes(scene, "vtkMRMLLabelMapVolumeNode"):
        named = [v for v in volumes if v.GetName() and labels.GetName().startswith(v.GetName())]
        if named:
            found.append((max(named, key=lambda v: len(v.GetName())), labels))
    return found


def subjectsOf(path: Path) -> Path:
    """The list of subjects or pairs: a CSV itself, that of a folder, or a new one for a folder of images and labels.

    A folder holds ``subjects.csv``, ``pairs.csv``, or the folders ``images`` and ``labels`` (``imagesTr`` and
    ``labelsTr``) with files of equal names; every file is a person then.

    Raises:
        InputError: neither of these.
    """
    lists = [path, path / "subjects.csv", path / "pairs.csv"]
    for candidate in lists:
        if candidate.is_file():
            return candidate
    for images, labels in LAYOUTS:
        both = sorted(f.name for f in (path / images).glob("[!.]*") if (path / labels / f.name).is_file())
        if both:
            return _writeList(path, [[name.split(".")[0], f"{images}/{name}", f"{labels}/{name}"] for name in both])
    expected = "a CSV, or a folder with subjects.csv or the folders images and labels"
    raise InputError("Training data", "there is no list", expected, str(path), "Choose another one")


def writeConfiguration(subjects: Path, choice: TrainingChoice) -> Path:
    """Write the configuration training.toml beside the list of subjects or pairs; returns its path.

    Raises:
        InputError: the structures cannot be read, no transform is chosen, or a training.toml of somebody else is there.
    """
    path, named = subjects.with_name("training.toml"), parseChannels(choice.channels)
    if not choice.transforms:
        raise InputError("Transforms", "none is chosen", "one or more", "none", "Tick one")
    if path.is_file() and not path.read_text(encoding="utf-8", errors="replace").startswith(WRITTEN_HERE):
        todo = "Use it as the configuration, or rename it"
        raise InputError("Configuration", "there is one already", "no file, or one of the panel", str(path), todo)
    text = CONFIGURATION.format(
        method=json.dumps(choice.method),
        transforms=json.dumps(choice.transforms),
        channels="\n".join(f"  {{ name = {_text(name)}, labels = {labels} }}," for name, labels in named),
        size=int(choice.size),
        spacing=float(choice.spacing),
        controlSpacing=float(choice.controlSpacing),
        key=_listKey(subjects),
        list=_text(subjects.name),
        steps=int(choice.steps),
        validate=max(1, min(250, choice.steps // 4)),
        first=min(200, choice.steps // 10),
        warmup=min(50, choice.steps // 10),
        title=_text(", ".join(name for name, _labels in named)),
    )
    write_text(path, text, "Configuration")
    return path


def parseChannels(text: str) -> list[tuple[str, list[int]]]:
    """Names and label numbers of ``left = 1; right = 2, 3``.

    Raises:
        InputError: it does not look like this.
    """
    found, todo = [], "Write for example: left = 1; right = 2"
    for part in filter(None, (part.strip() for part in text.split(";"))):
        match = re.fullmatch(r"([^=]+)=\s*(\d+(?:\s*,\s*\d+)*)", part)
        if match is None:
            raise InputError("Structures", "they cannot be read", "name = labels; ...", part, todo)
        found.append((match.group(1).strip(), [int(n) for n in match.group(2).split(",")]))
    if not found:
        raise InputError("Structures", "none is named", "name = labels; ...", "nothing", todo)
    return found


def readHistory(path: Path) -> dict[str, list[float]]:
    """Columns of a run's history.csv, one value per validation; empty while there is no file."""
    if not path.is_file():
        return {}
    curves: dict[str, list[float]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for key, value in row.items():
                if key and value:
                    curves.setdefault(key, []).append(float(value))
    return curves


def _nodes(scene, className: str) -> list:
    return [node for node in nodesOfClass(scene, className) if not node.GetHideFromEditors()]


def _segmentNames(nodes) -> list[str]:
    """Names of the segments that all these segmentations have; empty for label maps."""
    kinds = {bool(node.IsA("vtkMRMLSegmentationNode")) for node in nodes}
    if len(kinds) > 1:
        todo = "Convert the label maps to segmentations, or remove them from the scene"
        raise InputError("Training data", "structures of two kinds", "segmentations or label maps", "both", todo)
    if kinds != {True}:
        return []
    segmentations = [node.GetSegmentation() for node in nodes]
    names = [[s.GetNthSegment(k).GetName() for k in range(s.GetNumberOfSegments())] for s in segmentations]
    for node, found in zip(nodes, names, strict=True):
        if sorted(found) != sorted(names[0]):
            who, todo = f"Segmentation '{node.GetName()}'", "Give the same structures the same names everywhere"
            expected, got = ", ".join(sorted(names[0])), ", ".join(sorted(found)) or "no segments"
            raise InputError(who, "its segments are not those of the others", expected, got, todo)
    return names[0]


def _labels(node, volume: Volume, names: list[str]) -> Volume:
    """Label map of a subject; a segment's label is its place in ``names``."""
    if not names:
        return volumeFromNode(node)
    labels, segmentation = labelsFromSegmentation(node, volume.grid), node.GetSegmentation()
    numbered, own = labels.array.copy(), range(segmentation.GetNumberOfSegments())
    for number in own:
        name = segmentation.GetNthSegment(number).GetName()
        numbered[labels.array == number + 1] = names.index(name) + 1
    return Volume(numbered, labels.grid, labels.name)


def _writeList(folder: Path, rows: list[list[str]]) -> Path:
    """subjects.csv of rows (person, image, labels); the last fifth of them, at least two, validates."""
    if len(rows) < FEWEST:
        todo = "Draw segmentations on volumes of more people"
        raise InputError("Training data", "there are too few people", f"{FEWEST} or more", str(len(rows)), todo)
    training = len(rows) - max(2, len(rows) // VALIDATION_SHARE)
    split = [[*row, "train" if number < training else "val"] for number, row in enumerate(rows)]
    path = folder / "subjects.csv"
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["person", "image", "labels", "split"], *split])
    write_text(path, text.getvalue(), "List of subjects")
    return path


def _listKey(path: Path) -> str:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return "pairs" if "fixed" in file.readline().strip().split(",") else "subjects"


def _text(text: str) -> str:
    """A TOML string."""
    return json.dumps(text, ensure_ascii=False)
