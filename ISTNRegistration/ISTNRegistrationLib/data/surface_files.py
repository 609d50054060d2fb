"""Surfaces (.vtk, .vtp, .ply), read and written by VTK: the one file of this layer that needs it, when it is used.

Slicer has VTK; elsewhere it is the extra ``surfaces`` of the package. meshio, which is lighter, reads neither polydata.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from .files import existing_file

SURFACES = (".vtk", ".vtp", ".ply")
MARK = "SPACE"  # as Slicer marks the frame: SPACE=LPS in a header or comment, or a field of this name


@dataclass(frozen=True)
class Surface:
    """``points`` (P, 3) as in the file; ``space``: LPS, RAS or None; ``save(name, points)`` writes it with others."""

    points: np.ndarray
    space: str | None
    save: Callable[[str, np.ndarray], None]


def read_surface(path: Path, who: str) -> Surface:
    """Read polydata; points in the file's own frame.

    Raises:
        InputError: no such file, no surface in it, or no VTK.
    """
    name, suffix = existing_file(path, who), path.suffix.lower()
    with _vtk(who) as (readers, _, convert):
        reader = readers[suffix]()
        reader.SetFileName(name)
        reader.Update()
        data = reader.GetOutput()
        if data.GetPoints() is None:
            todo = "Give a surface (polydata)"
            raise InputError(who, "it cannot be read", "a surface", "a file without points", todo)
        points, marks = convert.vtk_to_numpy(data.GetPoints().GetData()).astype(float), _marks(reader, data, suffix)
    space = next((space for space in ("LPS", "RAS") for mark in marks if f"{MARK}={space}" in mark), None)
    return Surface(points, space, lambda target, moved: _save(target, data, moved, marks, who))


def _save(name: str, data, points: np.ndarray, marks: list[str], who: str) -> None:
    with _vtk(who) as (_, writers, convert):
        moved = data.NewInstance()
        moved.ShallowCopy(data)
        moved.SetPoints(type(data.GetPoints())())
        moved.GetPoints().SetData(convert.numpy_to_vtk(np.ascontiguousarray(points), deep=True))
        suffix = Path(name).suffix.lower()
        writer = writers[suffix]()
        if suffix == ".vtk" and marks:
            writer.SetHeader(marks[0])
        for mark in marks if suffix == ".ply" else ():
            writer.AddComment(mark)
        if suffix == ".ply":
            _keep_colors(writer, moved)
        writer.SetFileName(name)
        writer.SetInputData(_with_new_normals(moved))
        if not writer.Write():
            raise OSError(f"VTK cannot write {name}")


def _with_new_normals(data):
    """The same surface; normals that were there are made again, since they turn with the surface."""
    at_points, at_cells = data.GetPointData().GetNormals(), data.GetCellData().GetNormals()
    if at_points is None and at_cells is None:
        return data
    from vtkmodules.vtkFiltersCore import vtkPolyDataNormals

    normals = vtkPolyDataNormals()
    normals.SetInputData(data)
    normals.SplittingOff()
    normals.ConsistencyOff()
    normals.SetComputePointNormals(at_points is not None)
    normals.SetComputeCellNormals(at_cells is not None)
    normals.Update()
    return normals.GetOutput()


def _keep_colors(writer, data) -> None:
    """VTK's .ply reader calls the colors RGB or RGBA; its writer wants to be told."""
    for name in ("RGB", "RGBA"):
        if data.GetPointData().HasArray(name):
            writer.SetArrayName(name)


def _marks(reader, data, suffix: str) -> list[str]:
    if suffix == ".vtk":
        return [reader.GetHeader() or ""]
    if suffix == ".ply":
        return [reader.GetComments().GetValue(i) for i in range(reader.GetComments().GetNumberOfValues())]
    field = data.GetFieldData().GetAbstractArray(MARK)
    return [f"{MARK}={field.GetValue(0)}"] if field is not None and field.GetNumberOfValues() else []


@contextmanager
def _vtk(who: str) -> Iterator[tuple]:
    """Readers, writers and the conversion of arrays; VTK says nothing meanwhile."""
    try:
        from vtkmodules.util import numpy_support
        from vtkmodules.vtkCommonCore import vtkObject
        from vtkmodules.vtkIOLegacy import vtkPolyDataReader, vtkPolyDataWriter
        from vtkmodules.vtkIOPLY import vtkPLYReader, vtkPLYWriter
        from vtkmodules.vtkIOXML import vtkXMLPolyDataReader, vtkXMLPolyDataWriter
    except ImportError as error:
        raise InputError(who, "surfaces need a package", "vtk", "Python without it", "Run: pip install vtk") from error
    shown = vtkObject.GetGlobalWarningDisplay()
    vtkObject.GlobalWarningDisplayOff()
    try:
        yield (
            dict(zip(SURFACES, (vtkPolyDataReader, vtkXMLPolyDataReader, vtkPLYReader), strict=True)),
            dict(zip(SURFACES, (vtkPolyDataWriter, vtkXMLPolyDataWriter, vtkPLYWriter), strict=True)),
            numpy_support,
        )
    finally:
        vtkObject.SetGlobalWarningDisplay(shown)
