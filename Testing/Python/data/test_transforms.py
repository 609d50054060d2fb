import builders
import numpy as np
import pytest
import SimpleITK as sitk
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.data.transforms import (
    from_sitk_transform,
    read_linear,
    read_transform,
    to_sitk_transform,
    write_transform,
)

TOLERANCE_MM = 1e-3


def itk_points(transform, points):
    return np.array([transform.TransformPoint(point.tolist()) for point in points])


def mrml_points(path, points):
    """LPS points mapped by what Slicer reads from the file, world -> the node's inside (fixed -> moving)."""
    slicer = pytest.importorskip("slicer")
    import vtk

    scene, logic = slicer.vtkMRMLScene(), slicer.vtkSlicerTransformLogic()
    logic.SetMRMLScene(scene)
    node = logic.AddTransform(str(path), scene)
    from_world = vtk.vtkGeneralTransform()
    node.GetTransformFromWorld(from_world)
    flip = np.array([-1.0, -1.0, 1.0])
    return np.array([from_world.TransformPoint(point) for point in points * flip]) * flip


def points_for(grid):
    """Points all over the domain of the residual, and beyond it."""
    return np.concatenate([builders.points_inside(grid), builders.points_inside(grid, 20, 1) + 40])


@pytest.mark.parametrize("bspline", [False, True], ids=["linear", "bspline"])
@pytest.mark.parametrize("extension", [".h5", ".tfm"])
@pytest.mark.parametrize(("ndim", "orientation"), builders.CASES, ids=builders.CASE_IDS)
def test_simpleitk_maps_points_as_we_do_and_the_file_comes_back(tmp_path, ndim, orientation, extension, bspline):
    grid = builders.make_grid(ndim, orientation)
    transform = builders.random_transform(grid, bspline=bspline)
    write_transform(tmp_path / f"t{extension}", transform)
    points = points_for(grid)
    expected = transform.map_points(points)
    by_itk = itk_points(sitk.ReadTransform(str(tmp_path / f"t{extension}")), points)
    assert np.abs(by_itk - expected).max() < TOLERANCE_MM
    back = read_transform(tmp_path / f"t{extension}")
    assert np.abs(back.map_points(points) - expected).max() < 1e-9
    assert [p.name for p in tmp_path.iterdir()] == [f"t{extension}"]


@pytest.mark.parametrize("bspline", [False, True], ids=["linear", "bspline"])
@pytest.mark.parametrize("extension", [".h5", ".tfm"])
@pytest.mark.parametrize("orientation", builders.ORIENTATIONS)
def test_slicer_reads_the_file_and_maps_points_as_we_do(tmp_path, orientation, extension, bspline):
    grid = builders.make_grid(3, orientation)
    transform = builders.random_transform(grid, bspline=bspline)
    write_transform(tmp_path / f"t{extension}", transform)
    points = points_for(grid)
    moved = mrml_points(tmp_path / f"t{extension}", points)
    assert np.abs(moved - transform.map_points(points)).max() < TOLERANCE_MM


def test_the_residual_is_felt_before_the_linear_part():
    grid = builders.make_grid()
    transform = builders.random_transform(grid)
    points = builders.points_inside(grid)
    u = transform.residual.displacement(points)
    assert np.abs(u).max() > 0.2
    by_hand = (points + u) @ transform.linear[:3, :3].T + transform.linear[:3, 3]
    assert np.abs(itk_points(to_sitk_transform(transform), points) - by_hand).max() < TOLERANCE_MM


def rigid(center=(4.0, 5.0, 6.0)):
    return sitk.Euler3DTransform(center, 0.1, -0.2, 0.3, (1.0, -2.0, 3.0))


LINEAR = {
    "rigid": rigid(),
    "similarity": sitk.Similarity3DTransform(1.1, (0, 0, 1), 0.3, (1, 2, 3), (9, 8, 7)),
    "translation": sitk.TranslationTransform(3, (1.0, 2.0, 3.0)),
    "identity": sitk.Transform(3, sitk.sitkIdentity),
    "two in one": sitk.CompositeTransform([rigid(), sitk.TranslationTransform(3, (5.0, 0.0, 0.0))]),
    "affine": sitk.AffineTransform((1.1, 0.1, 0, 0, 0.9, 0, 0.05, 0, 1), (1, 2, 3), (4, 5, 6)),
    "2-D rigid": sitk.Euler2DTransform((3.0, 4.0), 0.2, (1.0, 2.0)),
}


@pytest.mark.parametrize("name", LINEAR)
def test_any_linear_transform_is_read_as_a_matrix(tmp_path, name):
    transform = LINEAR[name]
    sitk.WriteTransform(transform, str(tmp_path / "t.tfm"))
    matrix = read_linear(tmp_path / "t.tfm")
    points = np.random.default_rng(0).uniform(-100, 100, (20, transform.GetDimension()))
    expected = itk_points(transform, points)
    assert np.allclose(SpatialTransform(matrix).map_points(points), expected, atol=1e-9)
    assert np.allclose(read_transform(tmp_path / "t.tfm").map_points(points), expected, atol=1e-9)


def test_nested_composites_are_taken_apart():
    inner = sitk.CompositeTransform([rigid(), sitk.ScaleTransform(3, (1.1, 1, 0.9))])
    residual = to_sitk_transform(builders.random_transform(builders.make_grid())).GetNthTransform(1)
    transform = sitk.CompositeTransform([inner, sitk.CompositeTransform([rigid(), residual])])
    points = points_for(builders.make_grid())
    assert np.allclose(from_sitk_transform(transform).map_points(points), itk_points(transform, points), atol=1e-6)


def test_a_nonlinear_file_is_no_initial_transform(tmp_path):
    write_transform(tmp_path / "t.h5", builders.random_transform(builders.make_grid()))
    with pytest.raises(InputError, match="not linear.*BSplineTransform"):
        read_linear(tmp_path / "t.h5")


def test_a_projection_is_no_initial_transform(tmp_path):
    flat = sitk.AffineTransform(3)
    flat.SetMatrix([1.0, 0, 0, 0, 1, 0, 0, 0, 1e-9])
    sitk.WriteTransform(flat, str(tmp_path / "t.tfm"))
    with pytest.raises(InputError, match="cannot be inverted"):
        read_linear(tmp_path / "t.tfm")


def test_a_bspline_that_is_not_applied_first_is_refused():
    bspline = to_sitk_transform(builders.random_transform(builders.make_grid())).GetNthTransform(1)
    with pytest.raises(InputError, match="not linear"):
        from_sitk_transform(sitk.CompositeTransform([bspline, rigid()]))


def test_a_quadratic_bspline_is_refused():
    with pytest.raises(InputError, match="another order"):
        from_sitk_transform(sitk.BSplineTransform(3, 2))


@pytest.mark.parametrize("name", ["t.h5", "t.tfm"])
@pytest.mark.parametrize("content", [b"", b"rubbish"])
def test_a_corrupt_file_gives_one_clear_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="cannot be read") as caught:
        read_linear(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named():
    with pytest.raises(InputError, match="no such file"):
        read_transform("nowhere.h5")


@pytest.mark.parametrize("name", ["missing/t.h5", "t.nii.gz", "t"])
def test_an_output_that_cannot_be_written_leaves_nothing(tmp_path, name):
    with pytest.raises(InputError, match="Output transform"):
        write_transform(tmp_path / name, SpatialTransform(np.eye(4)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("part", [0, 1])
def test_a_file_that_holds_another_number_in_any_part_is_not_kept(part, tmp_path, monkeypatch):
    """A composite's own parameters are those of one part only: all of them are compared."""
    grid = builders.make_grid()
    plain, written = sitk.WriteTransform, builders.random_transform(grid, 3)
    parts = [to_sitk_transform(written).GetNthTransform(number) for number in range(2)]
    values = list(parts[part].GetParameters())
    values[len(values) // 2] += 1e-3
    parts[part].SetParameters(values)
    wrong = sitk.CompositeTransform(parts)
    monkeypatch.setattr(sitk, "WriteTransform", lambda transform, name: plain(wrong, name))
    with pytest.raises(InputError, match="the file is not whole"):
        write_transform(tmp_path / "t.h5", written)
    assert not list(tmp_path.iterdir())
