"""Training data from a scene or a folder, and the configuration of a training from what a user says in the panel."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

import slicer

from ..core.errors import InputError
from ..core.files import is_file, write_text
from ..core.volume import Volume
from .scene import nodesOfClass
from .structures import labelsFromSegmentation
from .volumes import volumeFromNode

FEWEST = 4  # two people train, two validate
VALIDATION_SHARE = 5  # every fifth person validates
NAMES = "labels.tsv"  # of the scene's segments


@dataclass(frozen=True)
class TrainingChoice:
    """What the panel asks for.

    Attributes:
        channels: ``name = labels``, separated by semicolons: ``left = 1; right = 2, 3``.
        spacing: of the networks' grid, mm; its size follows from where the structures are.
        method: istn-e, istn-i, stn-s or stn-u.
        transforms: some of rigid, affine, bspline, in this order.
        controlSpacing: of the B-spline's control points, mm.
        steps: random pairs to train on.
    """

    channels: str
    spacing: float = 2.0
    method: str = "istn-e"
    transforms: tuple[str, ...] = ("affine", "bspline")
    controlSpacing: float = 15.0
    steps: int = 2000


def exportScene(scene: slicer.vtkMRMLScene, folder: Path) -> Path:
    """Write every annotated volume as a subject; the list (subjects.csv), and beside it the segments' names.

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
    if names:
        numbered = "".join(f"{number}\t{' '.join(name.split())}\n" for number, name in enumerate(names, start=1))
        write_text(folder / NAMES, f"index\tname\n{numbered}", "Names of the segments")
    return _writeList(folder, rows)


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


@dataclass(frozen=True, eq=False)
class Study:
    """Training data that were looked at, and the configuration that is proposed for them.

    Attributes:
        path: of the list of subjects or pairs.
        found: the ``Survey``.
        choice: what is proposed, as the panel shows it.
        findings: what was seen and why this is proposed, as text.
    """

    path: Path
    found: object
    choice: TrainingChoice
    findings: str


def lookAt(path: Path) -> Study:
    """Look at a folder or a list of training data; a folder without a list gets ``subjects.csv``.

    Raises:
        InputError: there are no images with label maps, or too few people.
    """
    from ..data.proposal import propose, subjects_csv
    from ..data.proposal_files import LIST
    from ..data.proposal_text import findings
    from ..data.survey import survey

    found = survey(path)
    proposal = propose(found)
    listed = Path(found.source) if found.list_key else path / LIST
    if not found.list_key:
        write_text(listed, subjects_csv(proposal, path), "List of subjects")
    names = (f"{re.sub('[=;]', '-', c.name)} = {', '.join(map(str, c.labels))}" for c in proposal.chosen.channels)
    numbers = proposal.numbers
    choice = TrainingChoice(
        "; ".join(names),
        proposal.view.spacing,
        controlSpacing=numbers["bspline.spacing_mm"],
        steps=numbers["training.steps"],
    )
    return Study(listed, found, choice, findings(proposal))


def writeConfiguration(study: Study, choice: TrainingChoice) -> Path:
    """Write the configuration training.toml beside the list, and training-data.html with pictures; returns its path.

    Raises:
        InputError: the structures cannot be read, no transform is chosen, or a training.toml of somebody else is there.
    """
    from ..data.proposal import propose
    from ..data.proposal_files import NAME, check_own, texts_of, write_texts

    if not choice.transforms:
        raise InputError("Transforms", "none is chosen", "one or more", "none", "Tick one")
    check_own(study.path.with_name(NAME))
    proposal = propose(study.found, _wishes(choice))
    return write_texts(study.path.parent, texts_of(proposal, study.path.name))[0]


def _wishes(choice: TrainingChoice):
    from ..core.config import Channel
    from ..data.proposal import Wishes

    return Wishes(
        spacing=float(choice.spacing),
        channels=tuple(Channel(name, tuple(labels)) for name, labels in parseChannels(choice.channels)),
        method=choice.method,
        transforms=choice.transforms,
        control_spacing=float(choice.controlSpacing),
        steps=int(choice.steps),
    )


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
    if not is_file(path):
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
