"""Fields, linear parts and inverses on disk: read by SimpleITK (and nibabel's view of NIfTI), compared with ours."""

import gzip
import struct

import builders
import numpy as np
import pytest
import SimpleITK as sitk
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.transform import BSplineField, SpatialTransform
from ISTNRegistrationLib.data.exchange import write_field, write_inverse, write_linear
from ISTNRegistrationLib.data.mapping import map_points, read_mapping
from ISTNRegistrationLib.data.transforms import write_transform


@pytest.mark.parametrize("extension", [".nii.gz", ".nii", ".nrrd", ".mha", ".MHA", ".NII.GZ"])
@pytest.mark.parametrize(("ndim", "orientation"), builders.CASES, ids=builders.CASE_IDS)
def test_the_field_holds_the_whole_displacement_at_its_voxels(tmp_path, ndim, orientation, extension):
    grid = builders.make_grid(ndim, orientation)
    transform = builders.random_transform(grid)
    write_field(tmp_path / f"u{extension}", transform, grid)
    assert [path.name for path in tmp_path.iterdir()] == [f"u{extension}"]
    field = read_mapping([str(tmp_path / f"u{extension}")]).GetDisplacementField()
    assert np.allclose(field.GetOrigin(), grid.origin, atol=1e-4)
    assert np.abs(sitk.GetArrayFromImage(field) - transform.displacement(grid)).max() < 1e-4


def test_the_nifti_field_is_five_dimensional_with_vectors_in_lps(tmp_path):
    grid = builders.make_grid()
    shift = np.eye(4)
    shift[:3, 3] = 1.0, -2.0, 3.0
    write_field(tmp_path / "u.nii.gz", SpatialTransform(shift), grid)
    data = gzip.decompress((tmp_path / "u.nii.gz").read_bytes())
    assert struct.unpack_from("<8h", data, 40) == (5, *grid.size, 1, 3, 1, 1)
    assert struct.unpack_from("<h", data, 68) == (1007,)  # NIFTI_INTENT_VECTOR: ITK does not flip such vectors
    voxels = np.frombuffer(data, "<f4", offset=352).reshape(3, *grid.shape)
    assert np.allclose(voxels[:, 0, 0, 0], (1.0, -2.0, 3.0))


@pytest.mark.parametrize("extension", [".mat", ".txt", ".tfm", ".h5", ".MAT"])
def test_the_linear_part_is_written_alone(tmp_path, extension):
    transform = builders.random_transform(builders.make_grid())
    write_linear(tmp_path / f"a{extension}", transform)
    points = builders.points_inside(builders.make_grid())
    moved = map_points(read_mapping([str(tmp_path / f"a{extension}")]), points)
    assert np.allclose(moved, SpatialTransform(transform.linear).map_points(points), atol=1e-9)


@pytest.mark.parametrize("name", ["i.h5", "i.tfm", "i.nii.gz", "i.nrrd"])
@pytest.mark.parametrize(("ndim", "orientation"), builders.CASES, ids=builders.CASE_IDS)
def test_the_inverse_on_disk_takes_points_back_with_the_error_that_is_said(tmp_path, ndim, orientation, name):
    fixed = builders.make_grid(ndim, orientation)
    moving = builders.make_grid(ndim, "anisotropic", size=(60, 44, 24), center=(8.0, -1.0, 0.0))
    transform = builders.random_transform(fixed)
    found = write_inverse(tmp_path / name, transform, fixed, moving)
    points = builders.points_inside(fixed, 200, seed=7)
    there = transform.map_points(points)
    index = moving.physical_to_index(there)
    inside = ((index >= 0) & (index <= np.asarray(moving.size) - 1)).all(axis=1)
    assert inside.sum() > 100
    back = map_points(read_mapping([str(tmp_path / name)]), there)[inside]
    error = np.linalg.norm(back - points[inside], axis=1)
    assert np.linalg.norm(there - points, axis=1).mean() > 1.0
    assert error.mean() < 2 * found.mean + 1e-4 and error.max() < 1.5 * found.largest + 1e-4
    assert found.largest < 1.0


def test_a_linear_transform_has_an_exact_inverse(tmp_path):
    grid = builders.make_grid()
    transform = SpatialTransform(builders.affine_matrix(3, 1))
    assert write_inverse(tmp_path / "i.mat", transform, grid, grid).largest < 1e-9


WRITERS = {
    "transform": (lambda path, t, g: write_transform(path, t), "o.h5"),
    "field": (write_field, "o.nii.gz"),
    "linear": (lambda path, t, g: write_linear(path, t), "o.mat"),
    "inverse": (lambda path, t, g: write_inverse(path, t, g, g), "o.h5"),
    "inverse field": (lambda path, t, g: write_inverse(path, t, g, g), "o.nii.gz"),
}


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", WRITERS)
def test_a_transform_that_is_not_finite_is_never_written(tmp_path, name, bad):
    write, file = WRITERS[name]
    grid = builders.make_grid()
    matrix = np.eye(4)
    matrix[1, 3] = bad
    with pytest.raises(InputError, match="NaN or infinite"):
        write(tmp_path / file, SpatialTransform(matrix), grid)
    field = builders.bspline_field(grid)
    coefficients = field.coefficients.copy()
    coefficients[1, 4, 4, 4] = bad
    if name != "linear":
        with pytest.raises(InputError, match="NaN or infinite"):
            write(tmp_path / file, SpatialTransform(np.eye(4), BSplineField(field.grid, coefficients)), grid)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", WRITERS)
def test_another_extension_or_a_missing_folder_leaves_nothing(tmp_path, name):
    write, file = WRITERS[name]
    grid = Grid.centered((0.0,) * 3, (8,) * 3, (2.0,) * 3)
    for path in (tmp_path / "o.xyz", tmp_path / "missing" / file):
        with pytest.raises(InputError, match="Output"):
            write(path, SpatialTransform(np.eye(4)), grid)
    assert not list(tmp_path.iterdir())
