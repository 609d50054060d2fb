import gzip
import struct
from pathlib import Path

import builders
import numpy as np
import pytest
import SimpleITK as sitk
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data import voxels
from ISTNRegistrationLib.data.formats import check_file
from ISTNRegistrationLib.data.images import from_sitk, read_image, read_labels, to_sitk, write_image


@pytest.mark.parametrize(("ndim", "orientation"), builders.CASES, ids=builders.CASE_IDS)
def test_sitk_and_volume_agree_on_where_voxels_lie(ndim, orientation):
    grid = builders.make_grid(ndim, orientation)
    volume = builders.blob_volume(grid)
    image = to_sitk(volume)
    index = [3, 5, 7][:ndim]
    assert np.allclose(image.TransformIndexToPhysicalPoint(index), grid.index_to_physical(index), atol=1e-12)
    assert image[index] == volume.array[tuple(index[::-1])]
    back = from_sitk(image)
    assert back.grid == grid
    assert np.array_equal(back.array, volume.array)


@pytest.mark.parametrize("extension", [".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize(("ndim", "orientation"), builders.CASES, ids=builders.CASE_IDS)
def test_a_file_gives_back_voxels_geometry_and_dtype(tmp_path, ndim, orientation, extension):
    volume = builders.blob_volume(builders.make_grid(ndim, orientation), dtype=np.int16)
    write_image(tmp_path / f"image{extension}", volume)
    back = read_image(tmp_path / f"image{extension}")
    assert back.array.dtype == np.int16
    assert np.array_equal(back.array, volume.array)
    assert np.allclose(back.grid.matrix, volume.grid.matrix, atol=1e-4)
    assert back.name == f"image{extension}"


def test_channels_become_the_components_of_a_vector_image():
    grid = builders.make_grid()
    maps = np.stack([builders.blob_volume(grid, seed).array for seed in range(3)])
    image = to_sitk(Volume(maps, grid))
    assert image.GetNumberOfComponentsPerPixel() == 3
    assert np.array_equal(sitk.GetArrayFromImage(image)[..., 2], maps[2])


def test_a_fourth_axis_of_one_voxel_is_dropped(tmp_path):
    sitk.WriteImage(sitk.Image([5, 6, 7, 1], sitk.sitkInt16), str(tmp_path / "a.nii.gz"))
    assert read_image(tmp_path / "a.nii.gz").grid.size == (5, 6, 7)


def test_a_series_of_volumes_is_refused(tmp_path):
    sitk.WriteImage(sitk.Image([5, 6, 7, 2], sitk.sitkInt16), str(tmp_path / "a.nii.gz"))
    with pytest.raises(InputError, match="too many dimensions.*5, 6, 7, 2"):
        read_image(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("kind", [sitk.sitkVectorUInt8, sitk.sitkComplexFloat32])
def test_color_and_complex_images_are_refused(kind):
    image = sitk.Image([5, 6, 7], kind, 3) if kind == sitk.sitkVectorUInt8 else sitk.Image([5, 6, 7], kind)
    with pytest.raises(InputError, match="not a scalar image"):
        from_sitk(image, "photo")


def test_a_color_picture_is_refused(tmp_path):
    sitk.WriteImage(sitk.Image([8, 9], sitk.sitkVectorUInt8, 3), str(tmp_path / "photo.png"))
    with pytest.raises(InputError, match="photo.png.*not a scalar image"):
        read_image(tmp_path / "photo.png")


def test_sheared_axes_are_refused():
    image = sitk.Image([5, 6], sitk.sitkFloat32)
    image.SetDirection([1.0, 0.3, 0.0, 1.0])
    with pytest.raises(InputError, match="sheared"):
        from_sitk(image)


@pytest.mark.parametrize("content", [b"not an image", b""])
@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd", "a.dcm", "a"])
def test_a_corrupt_file_gives_one_clear_line(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="cannot be read") as caught:
        read_image(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("keep", [0.5, 0.999])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.mha"])
def test_a_truncated_file_is_refused(tmp_path, name, keep):
    write_image(tmp_path / name, builders.blob_volume(builders.make_grid()))
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(InputError, match="cannot be read"):
        read_image(tmp_path / name)


@pytest.mark.parametrize("kind", ["<", ">"])
def test_a_nifti_2_file_of_either_byte_order_is_measured_by_its_header(tmp_path, kind):
    header = bytearray(544)
    struct.pack_into(kind + "i", header, 0, 540)
    struct.pack_into(kind + "h", header, 14, 16)
    struct.pack_into(kind + "8q", header, 16, 3, 4, 5, 6, 1, 1, 1, 1)
    struct.pack_into(kind + "8d", header, 104, *[1.0] * 8)
    struct.pack_into(kind + "q", header, 168, 544)
    (tmp_path / "a.nii").write_bytes(bytes(header) + bytes(4 * 5 * 6 * 2 - 7))
    with pytest.raises(InputError, match="lacks 7 bytes"):
        read_image(tmp_path / "a.nii")


def check(path):
    check_file(path, "Image")


def nifti_file(path, values, order="<", version=1, spacing=(1.0, 1.0, 1.0), offset=None):
    """A NIfTI file as no library writes it."""
    end, kind = (352, "8h") if version == 1 else (544, "8q")
    dim_at, type_at, pixdim, offset_at = (40, 70, ("8f", 76), "f108") if version == 1 else (16, 12, ("8d", 104), "q168")
    header = bytearray(end)
    struct.pack_into(order + "i", header, 0, end - 4)
    struct.pack_into("8s", header, *((344, b"n+1") if version == 1 else (4, b"n+2\0\r\n\x1a\n")))
    struct.pack_into(order + kind, header, dim_at, 3, *values.shape[::-1], 1, 1, 1, 1)
    struct.pack_into(order + "2h", header, type_at, {4: 16, 8: 64}[values.itemsize], 8 * values.itemsize)
    struct.pack_into(order + pixdim[0], header, pixdim[1], 1.0, *spacing, 1.0, 1.0, 1.0, 1.0)
    struct.pack_into(order + offset_at[0], header, int(offset_at[1:]), end if offset is None else offset)
    data = bytes(header) + values.astype(values.dtype.newbyteorder(order)).tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_itk_would_turn_into_zeros_is_counted(dtype, order, version, name, tmp_path, monkeypatch):
    monkeypatch.setattr(voxels, "CHUNK", 64)
    values = builders.blob_volume(builders.make_grid(), dtype=dtype).array
    check(nifti_file(tmp_path / name, values, order, version))
    if version == 1:  # not every ITK reads NIfTI-2
        assert np.array_equal(read_image(tmp_path / name).array, values)
    values[1, 2, 3], values[3, 2, 1], values[-1, -1, -1] = np.nan, np.inf, -np.inf
    with pytest.raises(InputError, match="NaN or infinite values.*got 3 that are not"):
        read_image(nifti_file(tmp_path / name, values, order, version))


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("spacing", [0.0, np.nan, np.inf])
def test_a_spacing_that_itk_would_turn_into_1_mm_is_refused(spacing, version, tmp_path):
    values = np.ones((5, 6, 7), np.float32)
    with pytest.raises(InputError, match="'a.nii': its spacing is impossible.*finite, non-zero mm; got 1 x "):
        read_image(nifti_file(tmp_path / "a.nii", values, "<", version, (1.0, spacing, 1.0)))
    check(nifti_file(tmp_path / "flat.nii", values[:1], "<", version, (1.0, 1.0, spacing)))


@pytest.mark.parametrize("offset", [np.inf, -np.inf, np.nan, -1.0, 1e30])
def test_a_place_of_the_voxels_that_cannot_be_is_refused(offset, tmp_path):
    with pytest.raises(InputError, match="header is damaged.*vox_offset"):
        read_image(nifti_file(tmp_path / "a.nii", np.ones((5, 6, 7), np.float32), offset=offset))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no such file.*nowhere.nii"):
        read_image(tmp_path / "nowhere.nii")


def test_labels_stored_as_floats_become_integers(tmp_path):
    grid = builders.make_grid()
    labels = np.round(builders.blob_volume(grid).array / 10)
    write_image(tmp_path / "labels.nrrd", Volume(labels, grid))
    back = read_labels(tmp_path / "labels.nrrd")
    assert back.array.dtype == np.int32
    assert np.array_equal(back.array, labels)


def test_labels_with_fractions_are_refused(tmp_path):
    write_image(tmp_path / "image.nrrd", builders.blob_volume(builders.make_grid()))
    with pytest.raises(InputError, match="whole numbers"):
        read_labels(tmp_path / "image.nrrd")


@pytest.mark.parametrize("name", ["missing/a.nii.gz", "a.unknown", "a.mhd", "a.png"])
def test_an_output_that_cannot_be_written_leaves_nothing(tmp_path, name):
    with pytest.raises(InputError, match="Output image"):
        write_image(tmp_path / name, builders.blob_volume(builders.make_grid()))
    assert not list(tmp_path.iterdir())


def test_a_failed_write_keeps_the_older_file(tmp_path, monkeypatch):
    volume = builders.blob_volume(builders.make_grid())
    write_image(tmp_path / "a.nii.gz", volume)
    before = (tmp_path / "a.nii.gz").read_bytes()

    def broken(image, name, **options):
        Path(name).write_bytes(b"half")
        raise RuntimeError("sitk::ERROR: disk full")

    monkeypatch.setattr(sitk, "WriteImage", broken)
    with pytest.raises(InputError, match="disk full"):
        write_image(tmp_path / "a.nii.gz", volume)
    assert (tmp_path / "a.nii.gz").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.nii.gz"]


def test_masks_are_written_as_uint8(tmp_path):
    grid = builders.make_grid()
    write_image(tmp_path / "mask.nii.gz", Volume(builders.blob_volume(grid).array > 20, grid))
    assert read_image(tmp_path / "mask.nii.gz").array.dtype == np.uint8


def positioned(path, sform, qform_offset=(-10.0, -20.0, 30.0), codes=(1, 1)):
    """A NIfTI file of spacing 1, 2, 3 mm with this sform (3, 4) and an upright qform with this offset, RAS mm."""
    array = builders.blob_volume(builders.make_grid(), dtype=np.int16).array
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((1.0, 2.0, 3.0))
    sitk.WriteImage(image, str(path))
    data = bytearray(path.read_bytes())
    struct.pack_into("<2h", data, 252, *codes)
    struct.pack_into("<3f", data, 268, *qform_offset)
    struct.pack_into("<12f", data, 280, *np.ravel(sform))
    path.write_bytes(data)
    return read_image(path)


UPRIGHT = np.array([[-1.0, 0, 0, -10], [0, -2, 0, -20], [0, 0, 3, 30]])


def moved(by):
    return UPRIGHT + [[0, 0, 0, by], [0] * 4, [0] * 4]


def test_two_positions_that_agree_are_no_reason_to_warn(tmp_path):
    assert positioned(tmp_path / "a.nii", moved(0.05)).warnings == ()


@pytest.mark.parametrize("codes, used, x", [((1, 1), "sform", 17.0), ((1, 2), "qform", 10.0), ((2, 1), "sform", 17.0)])
def test_two_positions_are_told_with_their_distance_and_the_one_that_is_used(codes, used, x, tmp_path):
    volume = positioned(tmp_path / "a.nii", moved(-7.0), codes=codes)
    assert volume.grid.origin == pytest.approx((x, 20.0, 30.0))
    (warning,) = volume.warnings
    assert "'a.nii'" in warning and "up to 7.00 mm apart" in warning and f"the {used} is used" in warning


@pytest.mark.parametrize("codes", [(0, 1), (1, 1)])
def test_a_little_shear_is_put_right_and_told(codes, tmp_path):
    sform = UPRIGHT.copy()
    sform[0, 1] = 0.002  # mm a voxel along y
    volume = positioned(tmp_path / "a.nii", sform, codes=codes)
    assert ["right angles" in warning for warning in volume.warnings] == [True] * (codes == (0, 1))
    direction = np.array(volume.grid.direction)
    np.testing.assert_allclose(direction.T @ direction, np.eye(3), atol=1e-9)
    size = np.array(volume.grid.size)
    lps = np.diag([-1.0, -1, 1]) @ sform
    for corner in ((0, 0, 0), size - 1, (0, size[1] - 1, 0)):
        told = lps[:, :3] @ np.array(corner) + lps[:, 3]
        assert np.abs(volume.grid.physical_to_index(told) - corner).max() < 0.1


@pytest.mark.parametrize("codes", [(0, 1), (1, 1)])
def test_a_sheared_sform_is_refused_with_the_reason(codes, tmp_path):
    sform = UPRIGHT.copy()
    sform[0, 1] = 0.4
    with pytest.raises(InputError, match=r"'a.nii' \(sform\): its axes are sheared.*Resample"):
        positioned(tmp_path / "a.nii", sform, codes=codes)


def test_an_sform_of_another_spacing_than_pixdim_counts_as_it_is(tmp_path):
    sform = UPRIGHT.copy()
    sform[:, :3] *= 2
    volume = positioned(tmp_path / "a.nii", sform, codes=(0, 1))
    np.testing.assert_allclose(volume.grid.spacing, (2.0, 4.0, 6.0), rtol=1e-6)
    np.testing.assert_allclose(volume.grid.origin, (10.0, 20.0, 30.0), rtol=1e-6)


def test_axes_of_other_formats_that_are_a_little_off_are_put_right_too():
    image = sitk.Image([9, 8, 7], sitk.sitkFloat32)
    image.SetDirection([1.0, 0.004, 0, 0, 1, 0, 0, 0, 1])
    volume = from_sitk(image)
    direction = np.array(volume.grid.direction)
    np.testing.assert_allclose(direction.T @ direction, np.eye(3), atol=1e-12)
    assert "right angles" in volume.warnings[0]
    np.testing.assert_allclose(
        volume.grid.center, image.TransformContinuousIndexToPhysicalPoint([4, 3.5, 3]), atol=1e-9
    )
