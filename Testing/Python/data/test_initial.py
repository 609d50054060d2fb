import time

import builders
import numpy as np
import pytest
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.initial import NAMES
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data.initial import register_rigid, resolve_initial
from ISTNRegistrationLib.data.transforms import write_transform

IMAGE = builders.blob_volume(builders.make_grid(size=(12, 12, 12)))


def rigid_matrix(ndim, degrees, shift):
    matrix = np.eye(ndim + 1)
    matrix[:ndim, :ndim] = builders.rotation(ndim, degrees)
    matrix[:ndim, ndim] = shift[:ndim]
    return matrix


def cropped(grid, first):
    """``grid`` without the ``first`` voxels of each axis."""
    matrix = grid.matrix
    matrix[:-1, -1] = grid.index_to_physical(first)
    return Grid.from_matrix(np.subtract(grid.size, first), matrix)


@pytest.mark.parametrize("name", NAMES)
def test_names_that_core_knows_pass_through(name):
    assert resolve_initial(name, IMAGE, IMAGE) == name


def test_a_matrix_passes_through():
    matrix = np.diag([1.0, 2.0, 3.0, 1.0])
    assert resolve_initial(matrix, IMAGE, IMAGE) is matrix


@pytest.mark.parametrize("as_text", [True, False])
def test_a_transform_file_becomes_its_matrix(tmp_path, as_text):
    matrix = builders.affine_matrix(3)
    write_transform(tmp_path / "start.tfm", SpatialTransform(matrix))
    path = tmp_path / "start.tfm"
    assert np.allclose(resolve_initial(str(path) if as_text else path, IMAGE, IMAGE), matrix, atol=1e-12)


def test_a_file_of_another_dimension_is_refused(tmp_path):
    write_transform(tmp_path / "start.tfm", SpatialTransform(np.eye(3)))
    with pytest.raises(InputError, match="3-D; got 2-D"):
        resolve_initial(tmp_path / "start.tfm", IMAGE, IMAGE)


def test_a_nonlinear_file_is_refused(tmp_path):
    write_transform(tmp_path / "start.h5", builders.random_transform(builders.make_grid()))
    with pytest.raises(InputError, match="not linear"):
        resolve_initial(tmp_path / "start.h5", IMAGE, IMAGE)


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="neither a name nor a file.*moments, landmarks, rigid.*middle"):
        resolve_initial("middle", IMAGE, IMAGE)


@pytest.mark.parametrize(("ndim", "orientation"), builders.CASES, ids=builders.CASE_IDS)
def test_rigid_finds_a_known_rigid_motion(ndim, orientation):
    fixed = builders.blob_volume(builders.make_grid(ndim, orientation, (32, 30, 28)))
    truth = rigid_matrix(ndim, 20.0, (12.0, -30.0, 20.0))
    moving = Volume(fixed.array, fixed.grid.moved(truth), "moving")  # the same head, carried along
    found = resolve_initial("rigid", fixed, moving)
    points = builders.points_inside(fixed.grid)
    error = SpatialTransform(found).map_points(points) - SpatialTransform(truth).map_points(points)
    assert np.linalg.norm(error, axis=1).max() < 0.75
    assert np.allclose(found[:ndim, :ndim] @ found[:ndim, :ndim].T, np.eye(ndim), atol=1e-9)


def test_rigid_is_not_troubled_by_other_intensities_or_another_grid():
    fixed = builders.blob_volume(builders.make_grid(3, "oblique", (48, 44, 40)))
    truth = rigid_matrix(3, 10.0, (5.0, 6.0, -7.0))
    other = np.sqrt(fixed.array) * 5.0 - 900.0
    moving = Volume(other[:, 2:, 3:], cropped(fixed.grid.moved(truth), (3, 2, 0)), "moving")
    points = builders.points_inside(fixed.grid)
    found = SpatialTransform(register_rigid(fixed, moving)).map_points(points)
    error = found - SpatialTransform(truth).map_points(points)
    assert np.linalg.norm(error, axis=1).max() < 1.5


def test_rigid_gives_the_same_answer_twice():
    fixed = builders.blob_volume(builders.make_grid(size=(30, 30, 30)))
    moving = builders.blob_volume(builders.make_grid(size=(30, 30, 30)), seed=1)
    points = builders.points_inside(fixed.grid)
    first, second = (SpatialTransform(register_rigid(fixed, moving)).map_points(points) for _ in range(2))
    assert np.abs(first - second).max() < 1e-2  # ITK's threads add up in any order


def test_rigid_of_a_large_image_takes_seconds():
    fixed = builders.blob_volume(builders.make_grid(size=(120, 120, 120)), blobs=2)
    moving = Volume(fixed.array, fixed.grid.moved(rigid_matrix(3, 10.0, (9.0, 0.0, 0.0))), "moving")
    start = time.perf_counter()
    register_rigid(fixed, moving)
    assert time.perf_counter() - start < 5.0  # 1 s on two idle cores


def test_rigid_refuses_what_cannot_be_registered():
    flat = Volume(np.zeros_like(IMAGE.array), IMAGE.grid, "flat")
    with pytest.raises(InputError, match="Moving image 'flat'.*constant"):
        resolve_initial("rigid", IMAGE, flat)
    with pytest.raises(InputError, match="differ in dimension"):
        resolve_initial("rigid", IMAGE, builders.blob_volume(builders.make_grid(2)))
