"""Files of points, curves and surfaces: their points in LPS mm, and the same file written again with other points.

What else is in a file (names, colors, triangles, scalars) stays as it is.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from ..core.files import write_atomically
from .apply_options import SPACES
from .files import read_text
from .surface_files import SURFACES, read_surface

POINTS = (".csv", ".json", ".fcsv")
MOVABLE = ("Fiducial", "Line", "Angle", "Curve", "ClosedCurve")
COLUMNS = {"xyz": None, "lps": "LPS", "ras": "RAS"}  # what the names of the columns say about the frame
OLD_NAMES = {"0": "RAS", "1": "LPS"}  # of .fcsv
FCSV_COLUMNS = slice(1, 4)
DECIMALS = 6


@dataclass(frozen=True)
class Shape:
    """``points`` (P, 2 or 3), LPS mm; ``save(name, points)`` writes the file again with others."""

    points: np.ndarray
    save: Callable[[str, np.ndarray], None]


def read_shape(path: Path, space: str | None = None) -> Shape:
    """Read points (.csv, .mrk.json, .fcsv) or a surface (.vtk, .vtp, .ply).

    Args:
        space: ``LPS`` or ``RAS``, the frame of a file that does not say it itself (CSV with columns x, y, z; surfaces
            without Slicer's mark).

    Raises:
        InputError: no such file, another format, damaged, nothing in it, or a frame that nobody says.
    """
    who, suffix = f"Points '{path.name}'", path.suffix.lower()
    readers = {".csv": _read_csv, ".json": _read_markups, ".fcsv": _read_fcsv} | dict.fromkeys(SURFACES, _read_surface)
    if suffix not in readers:
        raise InputError(who, "the format is unknown", " or ".join(readers), suffix or "none", "Convert the file")
    shape = readers[suffix](path, who, space)
    if not len(shape.points):
        raise InputError(who, "it is empty", "points", "none", "Check that the right file was picked")
    if not np.isfinite(shape.points).all():
        raise InputError(who, "it has NaN or infinite values", "finite coordinates", "some that are not", "Mend them")
    return shape


def write_shape(path, shape: Shape, points: np.ndarray) -> None:
    """Write ``shape``'s file with ``points`` (P, 2 or 3), LPS mm, in the place of its own.

    Raises:
        InputError: the place cannot be written to.
    """
    write_atomically(path, lambda name: shape.save(name, points), f"Output points '{path}'")


def _flip(points, space: str | None, who: str) -> np.ndarray:
    """From ``space`` to LPS, or back."""
    if space not in SPACES:
        todo = "Say it with --space LPS (ITK, ANTs) or --space RAS (Slicer's panel, FreeSurfer)"
        raise InputError(who, "the file does not say its frame", "LPS or RAS", str(space or "neither"), todo)
    points = np.asarray(points, dtype=float)
    sign = [-1.0, -1.0, 1.0][: points.shape[1]]
    return points * sign if space == "RAS" else points


def _read_csv(path: Path, who: str, space: str | None) -> Shape:
    text = read_text(path, who, "a CSV of points")
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if any(field.strip() for field in row)]
    columns, said = _columns(rows[0] if rows else [], who)
    first = 0 if columns is None else 1
    columns = columns or list(range(min(3, len(rows[0]) if rows else 0)))
    points = _numbers([[row[c] for c in columns if c < len(row)] for row in rows[first:]], who)
    frame = said or space

    def save(name: str, moved: np.ndarray) -> None:
        _replace(rows[first:], columns, _flip(moved, frame, who))
        with Path(name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows(rows)

    return Shape(_flip(points, frame, who), save)


def _columns(header: list[str], who: str) -> tuple[list[int] | None, str | None]:
    """Where a header has the coordinates, and the frame that it says; None for a first row of numbers."""
    names = [field.strip().lower() for field in header]
    for axes, space in COLUMNS.items():
        if axes[0] in names and axes[1] in names:
            return [names.index(axis) for axis in axes if axis in names], space
    if names and not _is_number(names[0]):
        todo = "Name the columns x, y, z (or l, p, s or r, a, s)"
        raise InputError(who, "it has no columns of coordinates", "x, y, z", ", ".join(header), todo)
    return None, None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers(rows: list[list[str]], who: str) -> np.ndarray:
    try:
        points = np.array([[float(value) for value in row] for row in rows]) if rows else np.zeros((0, 3))
        if points.shape[1] not in (2, 3):
            raise ValueError(f"{points.shape[1]} coordinates")
    except ValueError as error:
        todo = "Give a number in every field"
        raise InputError(who, "it cannot be read", "2 or 3 numbers in every row", str(error), todo) from error
    return points


def _replace(rows: list[list[str]], columns: list[int], points: np.ndarray) -> None:
    for row, point in zip(rows, points, strict=True):
        for column, value in zip(columns, point, strict=True):
            row[column] = f"{value:.{DECIMALS}f}"


def _read_markups(path: Path, who: str, _space: str | None) -> Shape:
    text = read_text(path, who, "a markups file")
    try:
        whole = json.loads(text)
        kinds = [markup["type"] for markup in whole["markups"]]
        control = [(point, _frame(m)) for m in whole["markups"] for point in m["controlPoints"]]
        control = [(point, frame) for point, frame in control if point.get("position")]
        raw = np.array([point["position"] for point, _ in control], dtype=float).reshape(-1, 3)
    except (KeyError, TypeError, ValueError) as error:
        todo = "Save the markups again in Slicer (.mrk.json)"
        raise InputError(who, "it cannot be read", "a markups file of Slicer", repr(error), todo) from error
    if not set(kinds) <= set(MOVABLE):
        todo = "Give points, lines, angles or curves"
        raise InputError(who, "a markup of this type cannot be carried", ", ".join(MOVABLE), ", ".join(kinds), todo)
    points = [_flip([position], frame, who) for position, (_, frame) in zip(raw, control, strict=True)]

    def save(name: str, moved: np.ndarray) -> None:
        for (point, frame), position in zip(control, moved, strict=True):
            point["position"] = np.round(_flip([position], frame, who)[0], DECIMALS).tolist()
        Path(name).write_text(json.dumps(whole, indent=1), encoding="utf-8")

    return Shape(np.concatenate([np.zeros((0, 3)), *points]), save)


def _frame(markup: dict) -> str:
    named = str(markup.get("coordinateSystem", "LPS"))
    return OLD_NAMES.get(named, named)


def _read_fcsv(path: Path, who: str, _space: str | None) -> Shape:
    lines = read_text(path, who, "a markups file").splitlines()
    named = [line.partition("=")[2].strip() for line in lines if line.startswith("# CoordinateSystem")]
    frame = _frame({"coordinateSystem": (named or ["RAS"])[0]})
    where = [i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")]
    rows = [lines[i].split(",") for i in where]
    points = _numbers([row[FCSV_COLUMNS] for row in rows], who)

    def save(name: str, moved: np.ndarray) -> None:
        _replace(rows, [1, 2, 3], _flip(moved, frame, who))
        for i, row in zip(where, rows, strict=True):
            lines[i] = ",".join(row)
        Path(name).write_text("\n".join(lines) + "\n", encoding="utf-8")

    return Shape(_flip(points, frame, who), save)


def _read_surface(path: Path, who: str, space: str | None) -> Shape:
    surface = read_surface(path, who)
    frame = surface.space or space
    return Shape(_flip(surface.points, frame, who), lambda name, moved: surface.save(name, _flip(moved, frame, who)))
