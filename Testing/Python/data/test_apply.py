"""Directions, interpolation and pixel types; SimpleITK's own resampling is the oracle."""

import builders
import numpy as np
import pytest
import SimpleITK as sitk
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.core.warp import warp_volume
from ISTNRegistrationLib.data import apply
from ISTNRegistrationLib.data.images import grid_of, to_sitk
from ISTNRegistrationLib.data.transforms import to_sitk_transform

IDENTITY = {n: sitk.Transform(n, sitk.sitkIdentity) for n in (2, 3)}


def marker(grid, at):
    """A blob at one point, LPS mm, narrow and off the middle of ``grid``."""
    distance = ((grid.points() - at) ** 2).sum(-1)
    return to_sitk(Volume(np.exp(-distance / (2 * 1.8**2)).astype(np.float32), grid, "marker"))


def brightest(image):
    """LPS mm of a marker, the tip of its blob."""
    weights = sitk.GetArrayFromImage(image).ravel().astype(float) ** 4
    return weights @ grid_of(image).points().reshape(len(weights), -1) / weights.sum()


@pytest.mark.parametrize(("ndim", "orientation"), builders.CASES, ids=builders.CASE_IDS)
def test_a_point_of_the_moving_image_stays_on_its_marker(ndim, orientation):
    fixed, moving = builders.make_grid(ndim, orientation), builders.make_grid(ndim, "RAS", center=(8.0, -1.0, 0.0))
    transform = to_sitk_transform(builders.random_transform(fixed))
    at = moving.index_to_physical([14.0, 8.0, 10.0][:ndim])
    carried = apply.resample(marker(moving, at), transform, fixed, sitk.sitkLinear, 0.0)
    point = apply.carry_points(transform, at[None]).points[0]
    assert np.linalg.norm(point - at) > 2.0, "the transform does nothing here"
    assert np.linalg.norm(point - brightest(carried)) < 0.5
    back, _ = apply.pull(transform, moving)
    again = apply.resample(carried, back, moving, sitk.sitkLinear, 0.0)
    assert np.linalg.norm(at - brightest(again)) < 0.5
    assert np.allclose(apply.carry_points(transform, point[None], inverse=True).points[0], at, atol=1e-3)


@pytest.mark.parametrize(("ndim", "orientation"), builders.CASES, ids=builders.CASE_IDS)
def test_linear_images_are_what_the_registration_itself_writes(ndim, orientation):
    fixed, moving = builders.make_grid(ndim, orientation), builders.make_grid(ndim, "anisotropic")
    ours = builders.random_transform(fixed)
    volume = builders.blob_volume(moving)
    image = apply.resample(to_sitk(volume), to_sitk_transform(ours), fixed, sitk.sitkLinear, -7.0)
    expected = warp_volume(volume, ours, fixed, fill=-7.0).array
    differs = np.abs(sitk.GetArrayFromImage(image) - expected) > 0.05
    assert differs.mean() < 0.002  # voxels at the very edge of the image, where rounding decides
    assert (expected == -7.0).any() and (expected != -7.0).any()


@pytest.mark.parametrize("name", apply.IMAGES)
def test_every_interpolation_is_itks_own(name):
    grid, moving = builders.make_grid(3, "oblique"), builders.blob_volume(builders.make_grid(3, "RAS"))
    transform = to_sitk_transform(builders.random_transform(grid))
    got = apply.resample(to_sitk(moving), transform, grid, apply.IMAGES[name], 0.0)
    reference = to_sitk(Volume(np.zeros(grid.shape, np.float32), grid))
    expected = sitk.Resample(to_sitk(moving), reference, transform, apply.IMAGES[name])
    assert np.array_equal(sitk.GetArrayFromImage(got), sitk.GetArrayFromImage(expected))


def test_the_interpolations_differ():
    grid, moving = builders.make_grid(2, "oblique"), to_sitk(builders.blob_volume(builders.make_grid(2)))
    results = [sitk.GetArrayFromImage(apply.resample(moving, IDENTITY[2], grid, i, 0)) for i in apply.IMAGES.values()]
    for i, one in enumerate(results):
        assert all(np.abs(one - other).max() > 1e-3 for other in results[i + 1 :])


INTEGERS = [np.uint8, np.int8, np.int16, np.uint16, np.int32, np.uint32, np.int64]


@pytest.mark.parametrize("dtype", [*INTEGERS, np.float32, np.float64], ids=lambda d: d.__name__)
@pytest.mark.parametrize("name", apply.IMAGES)
def test_the_pixel_type_is_kept_and_whole_numbers_are_rounded_and_clipped(dtype, name):
    rng, whole = np.random.default_rng(0), np.issubdtype(dtype, np.integer)
    low, high = (np.iinfo(dtype).min, np.iinfo(dtype).max) if whole else (-1e3, 1e3)
    low, high = max(low, -(2**40)), min(high, 2**40)
    array = rng.choice([low, high], (12, 12)).astype(dtype)  # sinc and B-spline leave this range
    image = sitk.GetImageFromArray(array)
    half = sitk.TranslationTransform(2, (0.3, 0.45))
    grid = builders.Grid((10, 10), (1.0, 1.0), (1.0, 1.0), ((1.0, 0.0), (0.0, 1.0)))
    got = apply.resample(image, half, grid, apply.IMAGES[name], 0)
    assert got.GetPixelID() == image.GetPixelID()
    exact = sitk.Resample(
        sitk.Cast(image, sitk.sitkFloat64), grid.size, half, apply.IMAGES[name], (1, 1), (1, 1), (1, 0, 0, 1), 0.0
    )
    exact = sitk.GetArrayFromImage(exact)
    expected = np.clip(np.rint(exact), np.iinfo(dtype).min, np.iinfo(dtype).max) if whole else exact
    tolerance = 1 if dtype in (np.int8, np.uint8, np.int16, np.uint16) else 1e-6 * high
    assert np.abs(sitk.GetArrayFromImage(got).astype(float) - expected).max() <= tolerance
    assert np.mean(sitk.GetArrayFromImage(got).astype(float) == expected) > 0.9 or not whole


def test_itk_alone_would_cut_the_fraction_off():
    image = sitk.GetImageFromArray(np.array([[0, 10], [0, 10]], np.int16))
    grid = builders.Grid((5, 1), (0.19, 1.0), (0.0, 0.0), ((1.0, 0.0), (0.0, 1.0)))
    got = sitk.GetArrayFromImage(apply.resample(image, IDENTITY[2], grid, sitk.sitkLinear, 0))
    assert got.tolist() == [[0, 2, 4, 6, 8]]  # of 0, 1.9, 3.8, 5.7, 7.6


def test_every_channel_of_a_color_image_is_carried():
    rng = np.random.default_rng(0)
    image = sitk.GetImageFromArray(rng.integers(0, 255, (9, 8, 3)).astype(np.uint8), isVector=True)
    grid = builders.Grid((6, 5), (1.0, 1.0), (1.0, 2.0), ((1.0, 0.0), (0.0, 1.0)))
    got = apply.resample(image, IDENTITY[2], grid, sitk.sitkBSpline3, 0)
    assert got.GetPixelID() == sitk.sitkVectorUInt8
    assert np.array_equal(sitk.GetArrayFromImage(got), sitk.GetArrayFromImage(image)[2:7, 1:7])


def test_the_background_is_the_images_darkest():
    assert apply.darkest(sitk.GetImageFromArray(np.array([[-1024, 5]], np.int16))) == -1024


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float32, np.float64], ids=lambda d: d.__name__)
@pytest.mark.parametrize("name", apply.LABELS)
def test_labels_make_no_new_values_and_keep_their_type(dtype, name):
    grid = builders.make_grid(3, "oblique")
    labels = np.zeros(builders.make_grid().shape, dtype)
    labels[4:12, 5:14, 6:15], labels[8:15, 3:9, 8:19] = 7, 100
    image = to_sitk(Volume(labels, builders.make_grid()))
    transform = to_sitk_transform(builders.random_transform(grid))
    got = apply.resample_labels(image, transform, grid, name)
    values = sitk.GetArrayFromImage(got)
    assert values.dtype == dtype and set(np.unique(values)) == {0, 7, 100}
    expected = sitk.GetArrayFromImage(apply.resample(image, transform, grid, sitk.sitkNearestNeighbor, 0))
    assert (values == expected).mean() > (0.999999 if name == "nearest" else 0.9)
    assert (values != expected).any() == (name == "linear")


def test_an_image_is_no_label_map():
    image = to_sitk(builders.blob_volume(builders.make_grid()))
    with pytest.raises(InputError, match="not a label map"):
        apply.resample_labels(image, IDENTITY[3], builders.make_grid(), "nearest")


def test_a_2d_transform_leaves_the_third_coordinate():
    shift = sitk.TranslationTransform(2, (3.0, -1.0))
    assert np.allclose(apply.carry_points(shift, np.array([[5.0, 6.0, 7.0]])).points, [[2.0, 7.0, 7.0]])
    with pytest.raises(InputError, match="do not fit"):
        apply.carry_points(IDENTITY[3], np.zeros((1, 2)))


FORMATS = {
    (".png", np.uint8, 2): True,
    (".png", np.uint16, 2): True,
    (".png", np.int16, 2): False,
    (".png", np.float32, 2): False,
    (".png", np.uint8, 3): False,  # ITK would write the first slice without a word
    (".tif", np.int16, 2): True,
    (".tiff", np.float32, 2): True,
    (".tif", np.uint8, 3): True,
    (".jpg", np.int16, 2): False,
    (".nii.gz", np.int16, 3): True,
    (".nrrd", np.float64, 3): True,
    (".mha", np.uint16, 2): True,
    (".xyz", np.uint8, 2): False,
}


@pytest.mark.parametrize("extension, dtype, ndim", FORMATS)
def test_a_format_that_cannot_hold_the_image_is_refused(tmp_path, extension, dtype, ndim):
    image = sitk.GetImageFromArray(np.arange(4**ndim).reshape((4,) * ndim).astype(dtype))
    path = tmp_path / f"i{extension}"
    if FORMATS[extension, dtype, ndim]:
        apply.write_any_image(path, image)
        back, _ = apply.read_any_image(path, "Image")
        assert back.GetPixelID() == image.GetPixelID()
        assert np.array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(image))
    else:
        with pytest.raises(InputError, match="Output image"):
            apply.write_any_image(path, image)
        assert not list(tmp_path.iterdir())
