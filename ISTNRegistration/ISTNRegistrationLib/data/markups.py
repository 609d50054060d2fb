"""Points and curves from Slicer's markups files: .mrk.json, and .fcsv of older versions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from ..core.files import write_text
from .files import read_text

SUFFIXES = (".json", ".fcsv")
CURVES = ("Curve", "ClosedCurve", "Line")
LPS_NAMES, RAS_NAMES = ("LPS", "1"), ("RAS", "0")


def is_markups(path: Path) -> bool:
    """Whether the name is that of a markups file."""
    return path.suffix.lower() in SUFFIXES


def read_markups(path: Path) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """All points of point lists, (P, 3), and each curve's control points in order, (K, 3); LPS mm.

    A curve is the polyline through its control points (a closed one ends where it begins).

    Raises:
        InputError: no such file, not a markups file, an unknown coordinate system, or nothing in it.
    """
    who = f"Markups '{path.name}'"
    text = read_text(path, who, "a markups file")
    try:
        markups = _fcsv(text) if path.suffix.lower() == ".fcsv" else _json(text)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        todo = "Save the markups again in Slicer (.mrk.json)"
        raise InputError(who, "it cannot be read", "a markups file of Slicer", repr(error), todo) from error
    points = [points for kind, points in markups if kind not in CURVES]
    curves = tuple(_closed(points) if kind == "ClosedCurve" else points for kind, points in markups if kind in CURVES)
    if not sum(map(len, points)) and not curves:
        raise InputError(who, "it is empty", "points or curves", "no control point")
    return np.concatenate([np.zeros((0, 3)), *points]), curves


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


def _json(text: str) -> list[tuple[str, np.ndarray]]:
    found = []
    for markup in json.loads(text)["markups"]:
        points = [point["position"] for point in markup["controlPoints"] if "position" in point]
        found.append((markup["type"], _lps(points, str(markup.get("coordinateSystem", "LPS")))))
    return found


def _fcsv(text: str) -> list[tuple[str, np.ndarray]]:
    """Comment lines name the coordinate system; columns are id, x, y, z, ..."""
    lines = text.splitlines()
    named = [line.partition("=")[2].strip() for line in lines if line.startswith("# CoordinateSystem")]
    rows = [line.split(",") for line in lines if line.strip() and not line.startswith("#")]
    return [("Fiducial", _lps([[float(v) for v in row[1:4]] for row in rows], (named or ["RAS"])[0]))]


def _lps(points: list, system: str) -> np.ndarray:
    if system not in (*LPS_NAMES, *RAS_NAMES):
        raise ValueError(f"coordinate system {system}")
    array = np.asarray(points, dtype=float).reshape(-1, 3)
    return array * [-1.0, -1.0, 1.0] if system in RAS_NAMES else array


def _closed(points: np.ndarray) -> np.ndarray:
    return np.concatenate([points, points[:1]])
