"""Transform files of other programs, on points over every orientation; the oracle is SimpleITK or made by hand."""

import sys

import builders
import numpy as np
import pytest
import SimpleITK as sitk
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.data.mapping import field_image, map_points, read_mapping
from ISTNRegistrationLib.data.transforms import to_sitk_transform, write_transform

SHIFT = (10.0, -20.0, 30.0)


def one_by_one(transform, points):
    return np.array([transform.TransformPoint(point) for point in points.tolist()])


@pytest.mark.parametrize(("ndim", "orientation"), builders.CASES, ids=builders.CASE_IDS)
def test_all_points_at_once_are_where_itk_maps_each_of_them(ndim, orientation):
    grid = builders.make_grid(ndim, orientation)
    transform = to_sitk_transform(builders.random_transform(grid))
    points = np.concatenate([builders.points_inside(grid), builders.points_inside(grid) + 40]).reshape(2, 50, ndim)
    moved = map_points(transform, points)
    assert moved.shape == points.shape
    assert np.allclose(moved.reshape(-1, ndim), one_by_one(transform, points.reshape(-1, ndim)), atol=1e-9)


def test_no_points_are_no_points():
    assert map_points(sitk.Transform(3, sitk.sitkIdentity), np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize("extension", [".h5", ".H5", ".tfm", ".TFM", ".txt", ".mat", ".hdf5"])
def test_linear_files_of_itk_are_read_in_any_spelling(tmp_path, extension):
    affine = sitk.AffineTransform((1.1, 0.1, 0, 0, 0.9, 0, 0.05, 0, 1), SHIFT, (4, 5, 6))
    sitk.WriteTransform(affine, str(tmp_path / f"t{extension.lower()}"))
    (tmp_path / f"t{extension.lower()}").rename(tmp_path / f"t{extension}")
    points = builders.points_inside(builders.make_grid())
    read = read_mapping([str(tmp_path / f"t{extension}")])
    assert np.allclose(map_points(read, points), one_by_one(affine, points), atol=1e-9)


@pytest.mark.parametrize("extension", [".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("orientation", builders.ORIENTATIONS)
def test_a_displacement_field_moves_its_own_voxels_as_the_transform_does(tmp_path, orientation, extension):
    grid = builders.make_grid(3, orientation)
    transform = builders.random_transform(grid)
    sitk.WriteImage(field_image(transform.displacement(grid), grid), str(tmp_path / f"u{extension}"))
    moved = map_points(read_mapping([str(tmp_path / f"u{extension}")]), grid.points()[1:-1, 1:-1, 1:-1])
    assert np.abs(moved - transform.map_points(grid.points())[1:-1, 1:-1, 1:-1]).max() < 1e-3


def test_the_file_that_is_named_first_is_felt_first(tmp_path):
    turn = sitk.Euler3DTransform((0, 0, 0), 0, 0, np.pi / 2)
    shift = sitk.TranslationTransform(3, SHIFT)
    for name, transform in (("turn", turn), ("shift", shift)):
        sitk.WriteTransform(transform, str(tmp_path / f"{name}.tfm"))
    both = read_mapping([str(tmp_path / "shift.tfm"), str(tmp_path / "turn.tfm")])
    assert np.allclose(both.TransformPoint((1.0, 2.0, 3.0)), (18.0, 11.0, 33.0))  # (11, -18, 33) turned by 90 degrees


def test_a_linear_file_in_brackets_is_inverted(tmp_path):
    sitk.WriteTransform(sitk.TranslationTransform(3, SHIFT), str(tmp_path / "t.tfm"))
    for flag, sign in (("0", 1), ("1", -1)):
        read = read_mapping([f"[{tmp_path / 't.tfm'}, {flag}]"])
        assert np.allclose(read.TransformPoint((0.0, 0.0, 0.0)), np.multiply(SHIFT, sign))


def test_only_a_linear_file_is_inverted_by_brackets(tmp_path):
    write_transform(tmp_path / "t.h5", builders.random_transform(builders.make_grid()))
    with pytest.raises(InputError, match="only a linear"):
        read_mapping([f"[{tmp_path / 't.h5'},1]"])


def test_2d_and_3d_do_not_make_a_chain(tmp_path):
    for n in (2, 3):
        sitk.WriteTransform(sitk.TranslationTransform(n, SHIFT[:n]), str(tmp_path / f"{n}.tfm"))
    with pytest.raises(InputError, match="2-D, 3-D"):
        read_mapping([str(tmp_path / "2.tfm"), str(tmp_path / "3.tfm")])


BROKEN = ["nan.tfm", "nan.nii.gz", "nan.nrrd", "scalar.nii.gz", "rubbish.h5", "rubbish.nrrd", "missing.h5"]


@pytest.mark.parametrize("broken", BROKEN)
def test_what_is_no_transform_gives_one_clear_line(tmp_path, broken):
    path = tmp_path / broken
    if broken == "nan.tfm":
        sitk.WriteTransform(sitk.TranslationTransform(3, (1, np.nan, 3)), str(path))
    elif broken.endswith(".nii.gz") or broken == "nan.nrrd":
        array = np.full((4, 4, 4, *((3,) if "nan" in broken else ())), np.nan if "nan" in broken else 0, np.float32)
        sitk.WriteImage(sitk.GetImageFromArray(array, isVector="nan" in broken), str(path))
    elif "rubbish" in broken:
        path.write_bytes(b"rubbish")
    with pytest.raises(InputError) as caught:
        read_mapping([str(path)])
    assert broken in str(caught.value) and "\n" not in str(caught.value)


LTA = """type      = 1 # LINEAR_RAS_TO_RAS
nxforms   = 1
mean      = 0.0 0.0 0.0
sigma     = 1.0
1 4 4
0 -1 0 10
1 0 0 20
0 0 1 30
0 0 0 1
{}""".format(
    "".join(
        f"{side} volume info\nvalid = 1\nfilename = {side}.nii.gz\nvolume = 20 22 24\nvoxelsize = 1 1 1\n"
        "xras   = -1 0 0\nyras   = 0 0 -1\nzras   = 0 1 0\ncras   = 5 6 7\n"
        for side in ("src", "dst")
    )
)


def test_an_lta_file_maps_the_fixed_image_to_the_moving_one(tmp_path):
    pytest.importorskip("nitransforms")
    (tmp_path / "t.lta").write_text(LTA)
    read = read_mapping([str(tmp_path / "t.lta")])
    # by hand: moving (1, 2, 3) RAS is turned to (-2, 1, 3) and shifted to fixed (8, 21, 33) RAS
    assert np.allclose(read.TransformPoint((-8.0, -21.0, 33.0)), (-1.0, -2.0, 3.0), atol=1e-6)


def test_a_linear_x5_file_is_read(tmp_path):
    linear = pytest.importorskip("nitransforms.linear")
    matrix = np.array([[0, -1, 0, 10], [1, 0, 0, 20], [0, 0, 1, 30], [0, 0, 0, 1.0]])
    linear.Affine(matrix).to_filename(str(tmp_path / "t.x5"), fmt="X5")
    read = read_mapping([str(tmp_path / "t.x5")])
    assert np.allclose(read.TransformPoint((-1.0, -2.0, 3.0)), (-8.0, -21.0, 33.0), atol=1e-6)


def test_an_lta_file_without_nitransforms_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "t.lta").write_text(LTA)
    monkeypatch.setitem(sys.modules, "nitransforms", None)
    monkeypatch.setitem(sys.modules, "nitransforms.linear", None)
    with pytest.raises(InputError, match="pip install nitransforms"):
        read_mapping([str(tmp_path / "t.lta")])
