"""Files of points, curves and surfaces: what is in them, and that all else stays when the points change."""

import json

import numpy as np
import pytest
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.data.shapes import read_shape, write_shape

LPS = np.array([[1.0, -2.0, 3.5], [40.0, 5.0, -6.0], [7.0, 8.0, 90.0]])
RAS = LPS * (-1, -1, 1)
SHIFT = (0.5, -10.0, 100.0)
FACES = [[0, 1, 2]]


def rows(points):
    return [[str(float(v)) for v in point] for point in points]


def csv_text(header, points, delimiter=","):
    lines = [header] + [["tip", *row, "red"] for row in rows(points)]
    return "\n".join(delimiter.join(line) for line in lines) + "\n"


CSVS = {
    "x y z, LPS said": (csv_text(["name", "x", "y", "z", "color"], LPS), "LPS"),
    "x y z, RAS said": (csv_text(["name", "X", " y", "Z ", "color"], RAS), "RAS"),
    "l p s": (csv_text(["name", "l", "p", "s", "color"], LPS), None),
    "r a s, against what is said": (csv_text(["name", "r", "a", "s", "color"], RAS, ";"), "LPS"),
    "other order": ("z\ty\tx\n" + "\n".join("\t".join(reversed(r)) for r in rows(LPS)) + "\n", "LPS"),
    "no header": ("\n".join(",".join(r) for r in rows(LPS)) + "\n", "LPS"),
    "byte order mark, blank line": ("\ufeffx,y,z\n\n" + "\n".join(",".join(r) for r in rows(LPS)), "LPS"),
}


@pytest.mark.parametrize("name", CSVS)
def test_a_csv_of_points_is_read_and_written_in_its_own_frame(tmp_path, name):
    text, space = CSVS[name]
    (tmp_path / "p.csv").write_text(text, encoding="utf-8")
    shape = read_shape(tmp_path / "p.csv", space)
    assert np.allclose(shape.points, LPS)
    write_shape(tmp_path / "q.csv", shape, shape.points + SHIFT)
    assert np.allclose(read_shape(tmp_path / "q.csv", space).points, LPS + SHIFT)
    for word in ("tip", "red", ";") if name.startswith("r a s") else ():
        assert word in (tmp_path / "q.csv").read_text()


def test_a_csv_of_2d_points_is_read(tmp_path):
    (tmp_path / "p.csv").write_text("x,y\n1,2\n3,4\n")
    assert np.allclose(read_shape(tmp_path / "p.csv", "RAS").points, [[-1, -2], [-3, -4]])


MARKUPS = {
    "markups": [
        {
            "type": kind,
            "coordinateSystem": frame,
            "controlPoints": [
                {"label": "anterior", "description": "d", "position": points[0].tolist()},
                {"label": "undefined"},
                {"label": "b", "position": points[1].tolist()},
            ],
            "display": {"color": [0.1, 0.2, 0.3]},
        }
        for kind, frame, points in (("Fiducial", "LPS", LPS), ("ClosedCurve", "RAS", RAS), ("Line", "0", RAS))
    ]
}


def test_markups_keep_their_frames_names_and_colors(tmp_path):
    (tmp_path / "p.mrk.json").write_text(json.dumps(MARKUPS))
    shape = read_shape(tmp_path / "p.mrk.json")
    assert np.allclose(shape.points, np.tile(LPS[:2], (3, 1)))
    write_shape(tmp_path / "q.mrk.json", shape, shape.points + SHIFT)
    assert np.allclose(read_shape(tmp_path / "q.mrk.json").points, np.tile(LPS[:2] + SHIFT, (3, 1)))
    new = json.loads((tmp_path / "q.mrk.json").read_text())
    assert np.allclose(new["markups"][1]["controlPoints"][0]["position"], (LPS[0] + SHIFT) * (-1, -1, 1))
    for old, now in zip(MARKUPS["markups"], new["markups"], strict=True):
        assert now["display"] == old["display"] and now["coordinateSystem"] == old["coordinateSystem"]
        assert [p["label"] for p in now["controlPoints"]] == ["anterior", "undefined", "b"]
        assert now["controlPoints"][0]["description"] == "d"


@pytest.mark.parametrize(("system", "points"), [("LPS", LPS), ("1", LPS), ("RAS", RAS), ("0", RAS)])
def test_fcsv_of_older_slicers_stays_fcsv(tmp_path, system, points):
    head = f"# Markups fiducial file version = 4.11\n# CoordinateSystem = {system}\n# columns = id,x,y,z,label\n"
    body = "\n".join(f"vtk_{i},{','.join(row)},tip" for i, row in enumerate(rows(points)))
    (tmp_path / "p.fcsv").write_text(head + body)
    shape = read_shape(tmp_path / "p.fcsv")
    assert np.allclose(shape.points, LPS)
    write_shape(tmp_path / "q.fcsv", shape, shape.points + SHIFT)
    assert np.allclose(read_shape(tmp_path / "q.fcsv").points, LPS + SHIFT)
    assert (tmp_path / "q.fcsv").read_text().startswith(head)


def polydata(points):
    """A triangle with a scalar at each point and normals."""
    pytest.importorskip("vtkmodules")
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData

    data, cells = vtkPolyData(), vtkCellArray()
    data.SetPoints(vtkPoints())
    data.GetPoints().SetData(numpy_to_vtk(np.asarray(points, np.float32), deep=True))
    for face in FACES:
        cells.InsertNextCell(len(face), face)
    data.SetPolys(cells)
    scalars = numpy_to_vtk(np.array([3.0, 1.0, 2.0], np.float32), deep=True)
    scalars.SetName("thickness")
    data.GetPointData().SetScalars(scalars)
    return data


def write_surface(path, points, mark):
    """As Slicer writes it: the frame in the header, a comment or a field."""
    data = polydata(points)
    from vtkmodules.vtkCommonCore import vtkStringArray
    from vtkmodules.vtkIOLegacy import vtkPolyDataWriter
    from vtkmodules.vtkIOPLY import vtkPLYWriter
    from vtkmodules.vtkIOXML import vtkXMLPolyDataWriter

    writer = {".vtk": vtkPolyDataWriter, ".vtp": vtkXMLPolyDataWriter, ".ply": vtkPLYWriter}[path.suffix]()
    if mark and path.suffix == ".vtk":
        writer.SetHeader(f"3D Slicer output. SPACE={mark}")
    elif mark and path.suffix == ".ply":
        writer.AddComment(f"SPACE={mark}")
    elif mark:
        field = vtkStringArray()
        field.SetName("SPACE")
        field.InsertNextValue(mark)
        data.GetFieldData().AddArray(field)
    writer.SetFileName(str(path))
    writer.SetInputData(data)
    writer.Write()


@pytest.mark.parametrize("extension", [".vtk", ".vtp", ".ply"])
@pytest.mark.parametrize(("mark", "said"), [("LPS", None), ("RAS", None), ("RAS", "LPS"), (None, "RAS"), (None, "LPS")])
def test_a_surface_is_read_and_written_in_its_own_frame(tmp_path, extension, mark, said):
    path, target = tmp_path / f"s{extension}", tmp_path / f"t{extension}"
    write_surface(path, RAS if "RAS" in (mark or said) else LPS, mark)
    shape = read_shape(path, said)
    assert np.allclose(shape.points, LPS, atol=1e-5)
    write_shape(target, shape, shape.points + SHIFT)
    again = read_shape(target, said)
    assert np.allclose(again.points, LPS + SHIFT, atol=1e-4)
    if mark:
        assert np.allclose(read_shape(target).points, LPS + SHIFT, atol=1e-4), "the mark is lost"


def test_the_triangles_and_scalars_of_a_surface_stay(tmp_path):
    write_surface(tmp_path / "s.vtp", LPS, "LPS")
    shape = read_shape(tmp_path / "s.vtp")
    write_shape(tmp_path / "t.vtp", shape, shape.points + SHIFT)
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkIOXML import vtkXMLPolyDataReader

    reader = vtkXMLPolyDataReader()
    reader.SetFileName(str(tmp_path / "t.vtp"))
    reader.Update()
    data = reader.GetOutput()
    assert data.GetNumberOfPolys() == 1
    assert vtk_to_numpy(data.GetPointData().GetArray("thickness")).tolist() == [3.0, 1.0, 2.0]


def test_normals_turn_with_the_surface(tmp_path):
    pytest.importorskip("vtkmodules")
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
    from vtkmodules.vtkIOXML import vtkXMLPolyDataReader, vtkXMLPolyDataWriter

    data = polydata([[0, 0, 0], [1, 0, 0], [0, 1, 0]])
    data.GetPointData().SetNormals(numpy_to_vtk(np.tile([0.0, 0.0, 1.0], (3, 1)), deep=True))
    writer = vtkXMLPolyDataWriter()
    writer.SetFileName(str(tmp_path / "s.vtp"))
    writer.SetInputData(data)
    writer.Write()
    shape = read_shape(tmp_path / "s.vtp", "LPS")
    write_shape(tmp_path / "t.vtp", shape, shape.points[:, [2, 0, 1]])  # x -> y -> z -> x
    reader = vtkXMLPolyDataReader()
    reader.SetFileName(str(tmp_path / "t.vtp"))
    reader.Update()
    assert np.allclose(vtk_to_numpy(reader.GetOutput().GetPointData().GetNormals()), [1, 0, 0])


BROKEN = {
    "nobody says the frame.csv": ("x,y,z\n1,2,3\n", "does not say its frame.*--space"),
    "no columns.csv": ("name,u,v\na,1,2\n", "no columns of coordinates"),
    "a hole.csv": ("x,y,z\n1,,3\n", "cannot be read"),
    "uneven.csv": ("x,y,z\n1,2,3\n4,5\n", "cannot be read"),
    "nan.csv": ("l,p,s\n1,nan,3\n", "NaN"),
    "empty.csv": ("", "empty"),
    "only a header.csv": ("l,p,s\n", "empty"),
    "rubbish.json": ("{", "cannot be read"),
    "other.json": ('{"a": 1}', "cannot be read"),
    "list.json": ("[1]", "cannot be read"),
    "plane.mrk.json": ('{"markups": [{"type": "Plane", "controlPoints": []}]}', "type cannot be carried"),
    "frame.mrk.json": (
        '{"markups": [{"type": "Line", "coordinateSystem": "IJK", "controlPoints": [{"position": [1, 2, 3]}]}]}',
        "does not say its frame",
    ),
    "short.fcsv": ("a,1\n", "cannot be read|frame|empty"),
    "points.docx": ("", "format is unknown"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_gives_one_clear_line(tmp_path, name):
    text, complaint = BROKEN[name]
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=complaint) as caught:
        read_shape(tmp_path / name, None)
    assert "\n" not in str(caught.value) and name in str(caught.value)


@pytest.mark.parametrize("extension", [".vtk", ".vtp", ".ply"])
def test_a_broken_surface_gives_one_clear_line_and_vtk_is_silent(tmp_path, extension, capfd):
    pytest.importorskip("vtkmodules")
    (tmp_path / f"s{extension}").write_text("rubbish")
    with pytest.raises(InputError, match="cannot be read"):
        read_shape(tmp_path / f"s{extension}", "LPS")
    assert capfd.readouterr().err == ""


def test_a_missing_file_is_named(tmp_path):
    for name in ("p.csv", "p.vtk", "p.mrk.json"):
        with pytest.raises(InputError, match="no such file"):
            read_shape(tmp_path / name, "LPS")
