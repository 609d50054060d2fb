"""Points and curves from Slicer's markups files: .mrk.json, and .fcsv of older versions."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from ..core.files import write_text
from ..core.landmarks import Landmarks
from ..core.roi import RoiBox
from .files import read_text

SUFFIXES = (".json", ".fcsv")
CURVES = ("Curve", "ClosedCurve", "Line")
LPS_NAMES, RAS_NAMES = ("LPS", "1"), ("RAS", "0")
SMALLEST_VOLUME = 1e-6  # of the box's axes, which have length 1
NOWHERE = [np.nan] * 3
LABEL, STATUS, PLACED = 11, 14, "2"  # columns of .fcsv; vtkMRMLMarkupsNode::PositionDefined
Markup = tuple[str, np.ndarray, tuple[str, ...]]  # type, control points (P, 3) LPS mm, labels


def is_markups(path: Path) -> bool:
    """Whether the name is that of a markups file."""
    return path.suffix.lower() in SUFFIXES


def read_markups(path: Path) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """All points of point lists, (P, 3), and each curve's control points in order, (K, 3); LPS mm.

    A curve is the polyline through its control points (a closed one ends where it begins).

    Raises:
        InputError: no such file, not a markups file, an unknown coordinate system, or nothing in it.
    """
    placed = [(kind, points[np.isfinite(points).all(axis=1)]) for kind, points, _labels in _read(path)]
    points = [points for kind, points in placed if kind not in CURVES]
    curves = tuple(_closed(points) if kind == "ClosedCurve" else points for kind, points in placed if kind in CURVES)
    if not sum(map(len, points)) and not any(map(len, curves)):
        raise InputError(f"Markups '{path.name}'", "it is empty", "points or curves", "no control point")
    return np.concatenate([np.zeros((0, 3)), *points]), curves


def read_landmarks(path: Path) -> Landmarks:
    """All points of point lists with their labels, LPS mm; NaN for a point that was never placed.

    Raises:
        InputError: as ``read_markups``, or there is no point.
    """
    lists = [(points, labels) for kind, points, labels in _read(path) if kind not in CURVES]
    points = np.concatenate([np.zeros((0, 3)), *(points for points, _labels in lists)])
    if not np.isfinite(points).all(axis=1).any():
        raise InputError(f"Markups '{path.name}'", "it is empty", "placed points", "none", "Place control points")
    return Landmarks(points, tuple(label for _points, labels in lists for label in labels))


def read_roi(path: Path) -> RoiBox:
    """The box of a ROI markup (.mrk.json).

    Raises:
        InputError: no such file, not a markups file, or not one ROI in it.
    """
    who = f"ROI '{path.name}'"
    text = read_text(path, who, "a markups file")
    with _as_markups(who):
        found = [markup for markup in json.loads(text)["markups"] if markup["type"] == "ROI"]
        if len(found) == 1:
            return _roi(found[0], path.name)
    raise InputError(who, "it is no region of interest", "one ROI", f"{len(found)} of them", "Save the ROI alone")


def _roi(markup: dict, name: str) -> RoiBox:
    """Its orientation is row by row; the columns are the box's axes in the file's coordinate system."""
    size = np.asarray(markup["size"], dtype=float).reshape(3)
    matrix = np.eye(4)
    matrix[:3, :3] = np.asarray(markup["orientation"], dtype=float).reshape(3, 3)
    matrix[:3, 3] = markup["center"]
    system = str(markup.get("coordinateSystem", "LPS"))
    matrix[:3] = _lps(matrix[:3].T, system).T
    if not np.isfinite(matrix).all() or not (size > 0).all() or abs(np.linalg.det(matrix)) < SMALLEST_VOLUME:
        raise ValueError("a box without a place or a size")
    return RoiBox(matrix, size, bool(markup.get("insideOut", False)), name)


def _read(path: Path) -> list[Markup]:
    who = f"Markups '{path.name}'"
    text = read_text(path, who, "a markups file")
    with _as_markups(who):
        return _fcsv(text) if path.suffix.lower() == ".fcsv" else _json(text)


@contextmanager
def _as_markups(who: str):
    """Whatever is strange in a markups file is an InputError."""
    try:
        yield
    except (KeyError, TypeError, ValueError, IndexError) as error:
        todo = "Save the markups again in Slicer (.mrk.json)"
        raise InputError(who, "it cannot be read", "a markups file of Slicer", repr(error), todo) from error


def write_markups(path: Path, markups: list[tuple[str, np.ndarray]]) -> None:
    """Write (type, control points (P, 2 or 3) LPS mm) as .mrk.json; type is Fiducial, Curve, ClosedCurve or Line.

    Raises:
        InputError: it cannot be written, or a coordinate is not finite.
    """
    if not all(np.isfinite(np.asarray(points, dtype=float)).all() for _, points in markups):
        raise InputError(f"Markups '{path}'", "a point is not finite", "mm", "NaN or infinity")
    entries = []
    for kind, points in markups:
        padded = np.pad(np.asarray(points, dtype=float), [(0, 0), (0, 3 - np.shape(points)[1])])
        control = [{"id": str(i + 1), "position": p.tolist()} for i, p in enumerate(padded)]
        entries.append({"type": kind, "coordinateSystem": "LPS", "coordinateUnits": "mm", "controlPoints": control})
    schema = "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    whole = {"@schema": schema + "markups-schema-v1.0.3.json#", "markups": entries}
    write_text(path, json.dumps(whole, indent=1), f"Markups '{path}'")


def _json(text: str) -> list[Markup]:
    found = []
    for markup in json.loads(text)["markups"]:
        control = markup["controlPoints"]
        points = [point["position"] if _is_placed(point) else NOWHERE for point in control]
        labels = tuple(str(point.get("label", "")) for point in control)
        found.append((markup["type"], _lps(points, str(markup.get("coordinateSystem", "LPS"))), labels))
    return found


def _is_placed(point: dict) -> bool:
    """A point that was cleared keeps an old position, or an empty one."""
    return bool(point.get("position")) and point.get("positionStatus", "defined") == "defined"


def _fcsv(text: str) -> list[Markup]:
    """Comment lines name the coordinate system; columns are id, x, y, z, ..., label (11), ..., position status (14)."""
    lines = text.splitlines()
    named = [line.partition("=")[2].strip() for line in lines if line.startswith("# CoordinateSystem")]
    rows = [line.split(",") for line in lines if line.strip() and not line.startswith("#")]
    placed = [len(row) <= STATUS or row[STATUS] in ("", PLACED) for row in rows]
    points = [[float(v) for v in row[1:4]] if there else NOWHERE for row, there in zip(rows, placed, strict=True)]
    labels = tuple(row[LABEL] if len(row) > LABEL else "" for row in rows)
    return [("Fiducial", _lps(points, (named or ["RAS"])[0]), labels)]


def _lps(points: list, system: str) -> np.ndarray:
    if system not in (*LPS_NAMES, *RAS_NAMES):
        raise ValueError(f"coordinate system {system}")
    array = np.asarray(points, dtype=float).reshape(-1, 3)
    return array * [-1.0, -1.0, 1.0] if system in RAS_NAMES else array


def _closed(points: np.ndarray) -> np.ndarray:
    return np.concatenate([points, points[:1]])
