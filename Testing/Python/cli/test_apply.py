"""istn apply on files of every kind; what SimpleITK makes of the same transform says what is right."""

import json

import builders
import numpy as np
import pytest
import SimpleITK as sitk
from command import files_in, run
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data.images import to_sitk, write_image
from ISTNRegistrationLib.data.mapping import field_image, map_points
from ISTNRegistrationLib.data.transforms import to_sitk_transform, write_transform

AT = np.array([[9.0, -7.0, 5.0], [1.0, 2.0, -3.0]])  # off the middle


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A transform, a fixed and a moving image, labels and points of both, in the working folder."""
    monkeypatch.chdir(tmp_path)
    fixed, moving = builders.make_grid(3, "oblique"), builders.make_grid(3, "anisotropic")
    write_transform("t.h5", builders.random_transform(fixed))
    for name, grid in (("fixed", fixed), ("moving", moving)):
        volume = builders.blob_volume(grid, seed=len(name), dtype=np.int16)
        write_image(f"{name}.nii.gz", volume)
        write_image(f"{name}_labels.nii.gz", Volume((volume.array > 30).astype(np.uint8) * 9, grid))
    rows = "".join(f"p{i},{x},{y},{z}\n" for i, (x, y, z) in enumerate(AT))
    (tmp_path / "points.csv").write_text("name,x,y,z\n" + rows)
    markup = {"type": "ClosedCurve", "coordinateSystem": "RAS", "controlPoints": []}
    markup["controlPoints"] = [{"label": str(i), "position": (p * (-1, -1, 1)).tolist()} for i, p in enumerate(AT)]
    (tmp_path / "curve.mrk.json").write_text(json.dumps({"markups": [markup]}))
    return tmp_path


def transform():
    return to_sitk_transform(builders.random_transform(builders.make_grid(3, "oblique")))


def csv_points(path):
    return np.array([[float(v) for v in line.split(",")[1:]] for line in path.read_text().splitlines()[1:]])


def test_quiet_says_nothing_and_threads_are_so_many(folder, capsys):
    words = ["apply", "--transform", "t.h5", "--reference", "fixed.nii.gz", "--images", "moving.nii.gz", "--output"]
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    try:
        assert run(*words, "a.nii.gz", "--threads", "3") == 0 and capsys.readouterr().out == "a.nii.gz\n"
        assert sitk.ProcessObject.GetGlobalDefaultNumberOfThreads() == 3
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
    assert run(*words, "b.nii.gz", "--quiet") == 0 and capsys.readouterr().out == ""
    assert (folder / "a.nii.gz").read_bytes() == (folder / "b.nii.gz").read_bytes()


def test_many_files_at_once_go_from_moving_to_fixed(folder, capsys):
    done = run(
        *["apply", "--transform", "t.h5", "--reference", "fixed.nii.gz", "--images", "moving.nii.gz"],
        *["--labels", "moving_labels.nii.gz", "--points", "points.csv", "curve.mrk.json", "--space", "LPS"],
        *["--output-folder", "out"],
    )
    assert done == 0
    assert files_in(folder / "out") == {"moving.nii.gz", "moving_labels.nii.gz", "points.csv", "curve.mrk.json"}
    fixed = sitk.ReadImage("fixed.nii.gz")
    image, labels = sitk.ReadImage("out/moving.nii.gz"), sitk.ReadImage("out/moving_labels.nii.gz")
    for got in (image, labels):
        assert np.allclose(got.GetOrigin(), fixed.GetOrigin(), atol=1e-5)
        assert np.allclose(got.GetDirection(), fixed.GetDirection(), atol=1e-5)
    assert image.GetPixelID() == sitk.sitkInt16 and labels.GetPixelID() == sitk.sitkUInt8
    moving = sitk.Cast(sitk.ReadImage("moving.nii.gz"), sitk.sitkFloat64)
    expected = sitk.Resample(moving, fixed, transform(), sitk.sitkLinear, 0.0, moving.GetPixelID())
    assert np.abs(sitk.GetArrayFromImage(image) - sitk.GetArrayFromImage(expected)).max() <= 0.51
    expected = sitk.Resample(sitk.ReadImage("moving_labels.nii.gz"), fixed, transform(), sitk.sitkNearestNeighbor)
    assert np.array_equal(sitk.GetArrayFromImage(labels), sitk.GetArrayFromImage(expected))
    moved = csv_points(folder / "out" / "points.csv")
    assert np.abs(map_points(transform(), moved) - AT).max() < 1e-3
    control = json.loads((folder / "out" / "curve.mrk.json").read_text())["markups"][0]["controlPoints"]
    assert np.allclose([p["position"] for p in control], moved * (-1, -1, 1), atol=1e-5)
    said = capsys.readouterr()
    assert "inverse: error mean 0.0000" in said.out and said.err == ""


def test_the_inverse_goes_from_fixed_to_moving(folder):
    words = ["--images", "fixed.nii.gz", "--points", "points.csv", "--space", "LPS", "--output-folder", "out"]
    assert run("apply", "--transform", "t.h5", "--inverse", "--reference", "moving.nii.gz", *words) == 0
    moved = csv_points(folder / "out" / "points.csv")
    assert np.allclose(moved, map_points(transform(), AT), atol=1e-5)
    image = sitk.ReadImage("out/fixed.nii.gz")
    assert image.GetSize() == sitk.ReadImage("moving.nii.gz").GetSize()
    fixed = sitk.Cast(sitk.ReadImage("fixed.nii.gz"), sitk.sitkFloat32)
    at = builders.points_inside(builders.make_grid(3, "oblique"), 300)
    there = sitk.Cast(image, sitk.sitkFloat32)
    to = map_points(transform(), at)
    index = builders.make_grid(3, "anisotropic").physical_to_index(to)
    inside = ((index > 1) & (index < np.subtract(image.GetSize(), 2))).all(axis=1)
    pairs = [
        (fixed.EvaluateAtPhysicalPoint(p), there.EvaluateAtPhysicalPoint(q))
        for p, q in zip(at[inside].tolist(), to[inside].tolist(), strict=True)
    ]
    assert len(pairs) > 100
    assert np.corrcoef(np.transpose(pairs))[0, 1] > 0.98


def test_a_chain_of_ants_is_read_as_ants_reads_it(folder):
    whole = builders.random_transform(builders.make_grid(3, "oblique"))
    grid = builders.make_grid(3, "oblique")
    warp = whole.residual.on_grid(grid)
    sitk.WriteImage(field_image(warp, grid), "1Warp.nii.gz")
    sitk.WriteTransform(to_sitk_transform(type(whole)(whole.linear)), "0GenericAffine.mat")
    images = ["--images", "moving.nii.gz", "--reference", "fixed.nii.gz", "--output"]
    assert run("apply", "--transform", "1Warp.nii.gz", "0GenericAffine.mat", *images, "a.nrrd") == 0
    assert run("apply", "--transform", "t.h5", *images, "b.nrrd") == 0
    a, b = (sitk.GetArrayFromImage(sitk.ReadImage(name)).astype(int) for name in ("a.nrrd", "b.nrrd"))
    assert (np.abs(a - b) > 1).mean() < 0.01 and b.max() > 30


def test_a_surface_is_carried_as_its_points_are(folder):
    pytest.importorskip("vtkmodules")
    lines = ["ply", "format ascii 1.0", "comment SPACE=RAS", "element vertex 2"]
    lines += [*(f"property float {axis}" for axis in "xyz"), "element face 0"]
    lines += ["property list uchar int vertex_indices", "end_header"]
    lines += [" ".join(str(v) for v in point) for point in (AT * (-1, -1, 1)).tolist()]
    (folder / "s.ply").write_text("\n".join(lines) + "\n")
    assert run("apply", "--transform", "t.h5", "--surfaces", "s.ply", "--output", "o.ply") == 0
    assert run("apply", "--transform", "t.h5", "--points", "points.csv", "--space", "LPS", "--output", "o.csv") == 0
    from ISTNRegistrationLib.data.shapes import read_shape

    assert np.allclose(read_shape(folder / "o.ply").points, csv_points(folder / "o.csv"), atol=1e-4)


@pytest.mark.parametrize("extension", [".png", ".tif"])
def test_png_and_tiff_go_in_and_out(tmp_path, monkeypatch, extension):
    monkeypatch.chdir(tmp_path)
    array = np.zeros((20, 30), np.uint16)
    array[4:8, 20:25] = 40000
    sitk.WriteImage(sitk.GetImageFromArray(array), f"i{extension}")
    sitk.WriteTransform(sitk.TranslationTransform(2, (7.0, -3.0)), "t.tfm")
    words = ["--images", f"i{extension}", "--reference", f"i{extension}", "--output", f"o{extension}"]
    assert run("apply", "--transform", "t.tfm", *words) == 0
    got = sitk.ReadImage(f"o{extension}")
    assert got.GetPixelID() == sitk.sitkUInt16
    assert np.array_equal(sitk.GetArrayFromImage(got), np.roll(array, (3, -7), axis=(0, 1)))


def test_a_turned_reference_and_png_give_a_note(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    grid = builders.make_grid(2, "oblique")
    write_image("i.nii.gz", builders.blob_volume(grid, dtype=np.uint8))
    sitk.WriteTransform(sitk.TranslationTransform(2, (1.0, 0.0)), "t.tfm")
    words = ["--images", "i.nii.gz", "--reference", "i.nii.gz", "--output", "o.png"]
    assert run("apply", "--transform", "t.tfm", *words) == 0
    assert "keeps neither origin nor direction" in capsys.readouterr().out


@pytest.mark.parametrize("value, seen", [([], -1000), (["--background", "-5"], -5)])
def test_the_background_is_the_darkest_value_or_what_is_said(folder, value, seen):
    volume = builders.blob_volume(builders.make_grid(3, "RAS"), dtype=np.int16)
    write_image("ct.nii.gz", Volume(np.maximum(volume.array, 1) - 1001 + (volume.array > 9), volume.grid))
    sitk.WriteTransform(sitk.TranslationTransform(3, (900.0, 0.0, 0.0)), "away.tfm")  # nothing of the image is left
    words = ["--images", "ct.nii.gz", "--reference", "ct.nii.gz", "--output", "o.nii.gz"]
    assert run("apply", "--transform", "away.tfm", *words, *value) == 0
    array = sitk.GetArrayFromImage(sitk.ReadImage("o.nii.gz"))
    assert np.unique(array).tolist() == [seen]


def test_a_folding_transform_is_said_to_have_no_inverse(folder, capsys):
    grid = builders.make_grid(3, "LPS")
    u = np.zeros((*grid.shape, 3))
    u[..., 0] = -2.0 * np.maximum(grid.points()[..., 0] - grid.center[0], 0)
    sitk.WriteImage(field_image(u, grid), "fold.nii.gz")
    (folder / "far.csv").write_text("l,p,s\n15,-3,2\n1,-3,2\n")
    assert run("apply", "--transform", "fold.nii.gz", "--points", "far.csv", "--output", "o.csv") == 0
    assert "no inverse at 1 of 2 points" in capsys.readouterr().err


OUT = ("--output-folder", "o")
REFUSED = {
    "nothing": (["--output", "o.nii.gz"], "nothing to carry"),
    "two files, one name": (["--images", "moving.nii.gz", "fixed.nii.gz", "--output", "o.nii.gz"], "--output-folder"),
    "no reference": (["--images", "moving.nii.gz", "--output", "o.nii.gz"], "the fixed image with --reference"),
    "3-D as png": (["--images", "moving_labels.nii.gz", "--reference", "fixed.nii.gz", "--output", "o.png"], "o.png"),
    "input overwritten": (
        ["--images", "moving.nii.gz", "--reference", "fixed.nii.gz", "--output", "moving.nii.gz"],
        "same file",
    ),
    "reference overwritten": (
        ["--images", "moving.nii.gz", "--reference", "fixed.nii.gz", "--output", "fixed.nii.gz"],
        "same file",
    ),
    "same name twice": (
        ["--images", "moving.nii.gz", "--labels", "moving.nii.gz", "--reference", "fixed.nii.gz", *OUT],
        "same file",
    ),
    "given twice": (["--images", "moving.nii.gz", "moving.nii.gz", "--reference", "fixed.nii.gz", *OUT], "given twice"),
    "no frame": (["--points", "points.csv", "--output", "o.csv"], "--space"),
    "format changed": (["--points", "points.csv", "--space", "LPS", "--output", "o.fcsv"], "format would change"),
    "background": (
        ["--images", "moving.nii.gz", "--reference", "fixed.nii.gz", "--output", "o.nrrd", "--background", "1e6"],
        "-32768 to 32767",
    ),
    "image as labels": (
        ["--labels", "real.nii.gz", "--reference", "fixed.nii.gz", "--output", "o.nii.gz"],
        "not a label map",
    ),
    "missing": (["--images", "moving.nii.gz", "gone.nii.gz", "--reference", "fixed.nii.gz", *OUT], "gone"),
    "2-D": (["--images", "slice.nii.gz", "--reference", "fixed.nii.gz", "--output", "o.nii.gz"], "2-D"),
    "no folder": (["--images", "moving.nii.gz", "--reference", "fixed.nii.gz", "--output-folder", "a/b"], "no folder"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(folder, name, capsys):
    write_image("slice.nii.gz", builders.blob_volume(builders.make_grid(2), dtype=np.int16))
    write_image("real.nii.gz", builders.blob_volume(builders.make_grid(3)))
    before = {path: (folder / path).read_bytes() for path in files_in(folder)}
    words, complaint = REFUSED[name]
    assert run("apply", "--transform", "t.h5", *words) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1 and complaint in error, error
    assert {path: (folder / path).read_bytes() for path in files_in(folder)} == before


def test_a_2d_int16_image_is_not_written_as_png(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_image("i.nii.gz", builders.blob_volume(builders.make_grid(2), dtype=np.int16))
    sitk.WriteTransform(sitk.TranslationTransform(2, (1.0, 0.0)), "t.tfm")
    words = ["--images", "i.nii.gz", "--reference", "i.nii.gz", "--output", "o.png"]
    assert run("apply", "--transform", "t.tfm", *words) == 2
    assert "PNG supports" in capsys.readouterr().err and not (tmp_path / "o.png").exists()


def test_torch_is_not_needed(folder):
    import subprocess
    import sys
    from pathlib import Path

    import ISTNRegistrationLib.cli.apply as module

    code = "import sys; sys.modules['torch'] = None; from ISTNRegistrationLib.cli.main import main; sys.exit(main())"
    words = ["apply", "--transform", "t.h5", "--points", "points.csv", "--space", "LPS", "--output", "o.csv"]
    place = Path(module.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code, *words], env={"PYTHONPATH": str(place)}, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_the_oracle_of_this_file_is_not_our_own_writer(folder):
    read = sitk.ReadTransform("t.h5")
    assert np.allclose(map_points(read, AT), map_points(transform(), AT), atol=1e-9)
    assert to_sitk(builders.blob_volume(builders.make_grid())).GetDimension() == 3
