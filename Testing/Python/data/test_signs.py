"""Faults that no other test of the files' layer saw."""

from types import SimpleNamespace

import numpy as np
import SimpleITK as sitk
from builders import blob_volume, make_grid
from ISTNRegistrationLib.core.dense_field import DenseField
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data.initial import RIGID_VOXELS, _center_of_mass, _small
from ISTNRegistrationLib.data.run import notes_of
from ISTNRegistrationLib.data.transforms import from_sitk_transform, to_sitk_transform


def test_air_of_any_value_weighs_nothing():
    volume = blob_volume(make_grid(3, "oblique", size=(18, 16, 14), center=(30.0, -20.0, 10.0)))
    middle = _center_of_mass(volume)
    assert np.linalg.norm(middle - volume.grid.center) > 0.3
    for air in (-1000.0, 500.0):
        moved = Volume(volume.array + np.float32(air), volume.grid)
        np.testing.assert_allclose(_center_of_mass(moved), middle, atol=0.01)


def test_an_image_becomes_about_as_many_voxels_as_the_rigid_start_wants():
    volume = Volume(np.zeros((150, 160, 170), np.float32), make_grid(3, size=(170, 160, 150)))
    small = _small(volume)
    assert 0.4 * RIGID_VOXELS < np.prod(small.GetSize()) < 2.5 * RIGID_VOXELS


def test_the_note_names_the_last_stage_and_the_kept_one():
    stages = [SimpleNamespace(name=name, base=None) for name in ("initial", "affine", "affine refined", "bspline")]
    result = SimpleNamespace(fell_back=False, stages=stages, kept="affine")
    assert notes_of(result) == ("Stage 'bspline' made things worse: 'affine' was kept.",)
    assert notes_of(SimpleNamespace(fell_back=False, stages=stages, kept="bspline")) == ()


def test_a_field_s_vectors_keep_their_axes_and_their_voxels_in_itk_and_back():
    grid = make_grid(3, "oblique", size=(9, 8, 7))
    vectors = np.zeros((3, *grid.shape), np.float32)
    vectors[:, 2, 5, 6] = 1.0, -2.0, 3.0  # k, j, i
    transform = SpatialTransform(np.eye(4), DenseField(grid, vectors))
    there = grid.index_to_physical([6.0, 5.0, 2.0])
    found = to_sitk_transform(transform)
    np.testing.assert_allclose(np.array(found.TransformPoint(there.tolist())) - there, [1.0, -2.0, 3.0], atol=1e-5)
    assert isinstance(found, sitk.Transform)
    again = from_sitk_transform(found)
    np.testing.assert_allclose(again.map_points(there[None])[0] - there, [1.0, -2.0, 3.0], atol=1e-5)
