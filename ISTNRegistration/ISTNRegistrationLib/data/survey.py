"""A look at every image and label map of a study: values, sizes, places, spacing, and what is odd about a scan."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from ..core.files import is_file
from ..core.preprocess import Prepared
from ..core.volume import Volume, check_image
from .discover import Found, discover
from .images import read_image, read_labels
from .lists import read_table
from .nifti import farthest_mm
from .scans import DataConfig, read_study

LISTS = ("subjects.csv", "pairs.csv")
OBLIQUE_DEG = 10.0  # training turns images by up to as much
MOST_VALUES = 200  # of a label map; more are no structures
LEAST_INSIDE = 0.5  # share of a label map's structures that must lie in its image


@dataclass(frozen=True, eq=False)
class Structure:
    """One label value of one scan: cubic mm (2-D: square mm), centroid, box (low, high corner), LPS mm."""

    voxels: int
    volume: float
    centroid: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True, eq=False)
class Looked:
    """What one scan is like; ``anchors``: LPS mm by name; ``problem``: why it cannot be used, or ""."""

    found: Found
    size: tuple[int, ...] = ()
    spacing: tuple[float, ...] = ()
    axes: str = ""
    oblique_deg: float = 0.0
    anchors: dict[str, np.ndarray] | None = None
    structures: dict[int, Structure] | None = None
    remarks: tuple[str, ...] = ()
    problem: str = ""

    @property
    def name(self) -> str:
        return self.found.image.name


@dataclass(frozen=True, eq=False)
class Survey:
    """All scans of a study; ``list_key``: subjects or pairs where there was a list, "" where one is to be written."""

    source: Path
    scans: tuple[Looked, ...]
    notes: tuple[str, ...] = ()
    names: dict[int, str] | None = None
    list_key: str = ""

    @property
    def folder(self) -> Path:
        """That of the study, or of its list."""
        return (self.source.parent if self.list_key else self.source).resolve()

    @property
    def usable(self) -> tuple[Looked, ...]:
        return tuple(scan for scan in self.scans if not scan.problem)


def survey(source: Path, on_scan: Callable[[int, int], object] | None = None) -> Survey:
    """Look at the scans of a folder, or of a list of subjects or pairs (also in a folder).

    Args:
        on_scan: called after each scan with how many are done, of how many.

    Raises:
        InputError: nothing to look at, none of the scans can be used, or 2-D and 3-D images are mixed.
    """
    source = Path(source)
    listed = next((p for p in (source, *(source / name for name in LISTS)) if is_file(p)), None)
    scans, notes = _listed(listed) if listed else _discovered(source)
    looked = []
    for number, found in enumerate(scans, start=1):
        looked.append(look(found))
        if on_scan:
            on_scan(number, len(scans))
    looked = [_dimension_checked(scan, looked) for scan in looked]
    if all(scan.problem for scan in looked):
        raise InputError(f"Study '{source}'", "no scan can be used", "images with their label maps", looked[0].problem)
    folder = listed.parent if listed else source
    return Survey(listed or source, tuple(looked), notes, structure_names(folder), _list_key(listed))


def _discovered(folder: Path) -> tuple[tuple[Found, ...], tuple[str, ...]]:
    discovery = discover(folder)
    return discovery.scans, discovery.notes


def _list_key(listed: Path | None) -> str:
    if listed is None:
        return ""
    header = listed.read_text(encoding="utf-8-sig", errors="replace").split("\n", 1)[0].lower()
    return "pairs" if "fixed" in header else "subjects"


def _listed(path: Path) -> tuple[tuple[Found, ...], tuple[str, ...]]:
    key = _list_key(path)
    study = read_study(DataConfig(**{key: path.name}), path.parent)
    scans = tuple(Found(s.image, s.labels, s.person, s.split) for s in study.scans)
    return scans, (f"scans, people and splits are those of '{path.name}'; without it the folder is looked at anew",)


def look(found: Found) -> Looked:
    """One scan; what is wrong with it is its ``problem``, never an error."""
    try:
        image, labels = read_image(found.image), read_labels(found.labels)
        check_image(image, "Training")
        structures = _structures(labels)
    except (InputError, MemoryError) as error:
        return Looked(found, problem=" ".join(str(error).split()))
    prepared, (axes, turned) = Prepared(image), _axes(image)
    remarks = [*image.warnings, *labels.warnings]
    if turned > OBLIQUE_DEG:
        remarks.append(f"its axes are oblique: turned by {turned:.0f} degrees from those of the patient")
    problem, mismatch = _mismatch(image, labels, structures)
    return Looked(
        found,
        image.grid.size,
        image.grid.spacing,
        axes,
        turned,
        {name: prepared.anchor(name) for name in ("center_of_mass", "center")},
        structures,
        tuple([*remarks, mismatch] if mismatch else remarks),
        problem,
    )


def _structures(labels: Volume) -> dict[int, Structure]:
    """Each positive value; a map of ``MOST_VALUES`` values or of none is no label map."""
    place = np.argwhere(labels.array > 0)
    values = labels.array[labels.array > 0]
    order = np.argsort(values, kind="stable")
    found, first = np.unique(values[order], return_index=True)
    if not 0 < len(found) <= MOST_VALUES:
        got = f"{len(found)} values above 0"
        raise InputError(f"Labels '{labels.name}'", "there are no structures", f"1 to {MOST_VALUES} values", got)
    voxel = float(np.prod(labels.grid.spacing))
    groups = np.split(place[order][:, ::-1], first[1:])
    return {int(v): _structure(labels, index, voxel) for v, index in zip(found, groups, strict=True)}


def _structure(labels: Volume, index: np.ndarray, voxel: float) -> Structure:
    points = labels.grid.index_to_physical(index.astype(float))
    half = np.abs(labels.grid.matrix[:-1, :-1]).sum(axis=1) / 2  # a voxel's own extent
    return Structure(
        len(index), len(index) * voxel, points.mean(axis=0), points.min(axis=0) - half, points.max(axis=0) + half
    )


def _axes(image: Volume) -> tuple[str, float]:
    """Where the image's axes point (LPS, RAS, ...), and their largest angle to the patient's, degrees."""
    matrix, names = np.asarray(image.grid.direction), ("LR", "PA", "SI")
    nearest = np.argsort(image.grid.axes_along_lps())
    letters = "".join(names[row][0 if matrix[row, column] > 0 else 1] for column, row in enumerate(nearest))
    cosines = [abs(matrix[row, column]) for column, row in enumerate(nearest)]
    return letters, float(np.degrees(np.arccos(np.clip(min(cosines), 0, 1))))


def _mismatch(image: Volume, labels: Volume, structures: dict[int, Structure]) -> tuple[str, str]:
    """(problem, remark) about an image and a label map that do not lie on one grid."""
    if image.grid.ndim != labels.grid.ndim:
        return f"a {image.grid.ndim}-D image has a {labels.grid.ndim}-D label map", ""
    apart = farthest_mm(image.grid.matrix, labels.grid.matrix, image.grid.size)
    if image.grid.size == labels.grid.size:
        if apart > min(image.grid.spacing):
            advice = "copy the image's geometry to the label map (in Slicer: Volumes, or resample by identity)"
            return f"image and label map have the same voxels but lie up to {apart:.1f} mm apart: {advice}", ""
        return "", f"image and label map lie {apart:.2f} mm apart" if apart > 0.1 * min(image.grid.spacing) else ""
    middles = image.grid.physical_to_index(np.array([s.centroid for s in structures.values()]))
    inside = image.grid.shows(middles).mean()
    sizes = f"image {image.grid.size}, label map {labels.grid.size} voxels"
    if inside < LEAST_INSIDE:
        return f"the structures lie outside the image ({sizes})", ""
    return "", f"image and label map have different grids ({sizes}); positions in mm are used"


def _dimension_checked(scan: Looked, scans: list[Looked]) -> Looked:
    """A problem for an image whose dimension is not that of most."""
    counts = Counter(len(other.size) for other in scans if not other.problem)
    if scan.problem or not counts or len(scan.size) == counts.most_common(1)[0][0]:
        return scan
    return replace(scan, problem=f"it is {len(scan.size)}-D, most images are not")


def structure_names(folder: Path) -> dict[int, str]:
    """Names of label values: nnU-Net's or the Decathlon's dataset.json, BIDS' dseg.tsv, a color table (.ctbl)."""
    tables = (("*dseg.tsv", _from_table), ("labels.tsv", _from_table), ("*.ctbl", _from_colors))
    for pattern, reader in (("dataset.json", _from_json), *tables):
        for path in sorted(folder.rglob(pattern))[:1]:
            try:
                found = reader(path)
            except (InputError, OSError, ValueError, KeyError, AttributeError, TypeError):
                continue  # a file of that name of another kind
            names = {value: " ".join(str(name).split()) for value, name in found.items() if value > 0 and name}
            if names:
                return names
    return {}


def _from_json(path: Path) -> dict[int, str]:
    labels = json.loads(path.read_text(encoding="utf-8-sig"))["labels"]
    if all(str(key).isdigit() for key in labels):
        return {int(key): name for key, name in labels.items()}
    return {value: name for name, value in labels.items() if isinstance(value, int)}


def _from_table(path: Path) -> dict[int, str]:
    rows = read_table(path, f"Names '{path.name}'", ("index", "name"))
    return {int(row["index"]): row["name"] for row in rows}


def _from_colors(path: Path) -> dict[int, str]:
    rows = (line.split() for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    return {int(row[0]): row[1] for row in rows if len(row) >= 5 and row[0].isdigit()}
