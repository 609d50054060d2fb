"""A file that is cut anywhere, of whatever format it is, is refused; what is whole is read as it was written."""

import gzip
import struct

import numpy as np
import pytest
import SimpleITK as sitk
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.data import voxels
from ISTNRegistrationLib.data.images import read_image

WHOLE = [
    *((end, packed) for end in ("nrrd", "nhdr", "mha", "mhd", "tif") for packed in (False, True)),
    *((end, False) for end in ("nii", "nii.gz", "hdr", "img", "gipl", "gipl.gz", "vtk", "png", "jpg", "dcm")),
]
NAMES = [f"{end}{' packed' if packed else ''}" for end, packed in WHOLE]


def written(folder, end, packed=False):
    """The file, and what it holds."""
    rng = np.random.default_rng(0)
    array = (rng.random((6, 17, 18)) * 1000).astype(np.uint16 if end == "dcm" else np.int16)
    if end in ("png", "jpg"):
        array = (array[0] / 4).astype(np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(array[:1] if end == "dcm" else array), str(folder / f"a.{end}"), packed)
    return folder / f"a.{end}", array[:1] if end == "dcm" else array


@pytest.mark.parametrize("end, packed", WHOLE, ids=NAMES)
def test_a_whole_file_is_read_as_it_was_written(end, packed, tmp_path):
    path, array = written(tmp_path, end, packed)
    found = read_image(path)
    assert found.array.shape == array.shape and found.warnings == ()
    assert end == "jpg" or np.array_equal(found.array, array)


@pytest.mark.parametrize("end, packed", WHOLE, ids=NAMES)
def test_a_file_that_is_cut_is_refused_or_lacks_nothing_that_counts(end, packed, tmp_path):
    """The zeros after the header of a pair and the last line feed of a text header are all that may be missing."""
    path, array = written(tmp_path, end, packed)
    for file in list(tmp_path.iterdir()):
        data = file.read_bytes()
        for kept in {0, 1, 40, 100, 300, len(data) // 2, len(data) - 1, len(data) - 2, len(data) - 9} - {len(data)}:
            file.write_bytes(data[: max(kept, 0)])
            try:
                found = read_image(path)
            except InputError as error:
                assert "\n" not in str(error) and path.name in str(error)
                continue
            assert np.array_equal(found.array, array) and file.suffix in (".hdr", ".mhd") and len(data) - kept <= 2
        file.write_bytes(data)


def test_a_plain_file_with_the_name_of_a_compressed_one_is_measured_too(tmp_path):
    path, array = written(tmp_path, "nii")
    data, named = path.read_bytes(), tmp_path / "plain.nii.gz"
    named.write_bytes(data)
    assert np.array_equal(read_image(named).array, array)
    named.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="'plain.nii.gz': it cannot be read.*lacks [0-9]+ bytes"):
        read_image(named)


def test_a_flipped_bit_in_packed_voxels_is_found_by_the_checksum(tmp_path):
    path, _ = written(tmp_path, "nii.gz")
    data = bytearray(path.read_bytes())
    data[-6] ^= 1  # of the CRC-32 itself
    path.write_bytes(data)
    with pytest.raises(InputError, match="CRC check failed"):
        read_image(path)


@pytest.mark.parametrize("missing", [0, 100])
def test_a_pair_without_voxels_is_refused(missing, tmp_path):
    path, _ = written(tmp_path, "hdr")
    (tmp_path / "a.img").write_bytes(b"" if missing == 0 else (tmp_path / "a.img").read_bytes()[:-missing])
    with pytest.raises(InputError, match="'a.hdr': it cannot be read.*lacks"):
        read_image(path)
    (tmp_path / "a.img").unlink()
    with pytest.raises(InputError, match="the voxels of the pair are missing"):
        read_image(path)


@pytest.mark.parametrize(
    "place, kind, value, words",
    [
        (40, "h", 512, r"1 to 7 axes; got dim\[0\] = 512"),
        (40, "h", 0, r"1 to 7 axes; got dim\[0\] = 0"),
        (42, "h", 0, "at least one voxel along each axis"),
        (46, "h", 30000, "lacks"),
        (46, "h", -3, "at least one voxel"),
        (344, "4s", b"n+3\0", "one of the marks"),
        (344, "4s", b"ni1\0", "one of the marks"),
        (0, "i", 349, "begins with"),
    ],
)
def test_a_damaged_nifti_header_is_refused(place, kind, value, words, tmp_path):
    path, _ = written(tmp_path, "nii")
    data = bytearray(path.read_bytes())
    struct.pack_into("<" + kind, data, place, value)
    for name, content in (("b.nii", data), ("b.nii.gz", gzip.compress(data))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=words):
            read_image(tmp_path / name)


@pytest.mark.parametrize("end", ["nrrd", "mha", "vtk", "gipl"])
def test_sizes_that_the_file_cannot_hold_are_refused_before_memory_is_taken(end, tmp_path):
    path, _ = written(tmp_path, end)
    data = path.read_bytes()
    huge = {b"18 17 6": b"99999 99999 99999", struct.pack(">3H", 18, 17, 6): struct.pack(">3H", 65535, 65535, 65535)}
    for old, new in huge.items():
        data = data.replace(old, new, 1)
    path.write_bytes(data)
    with pytest.raises(InputError, match="it is too large"):
        read_image(path)


def test_a_file_that_unpacks_to_more_than_any_image_is_refused(tmp_path, monkeypatch):
    path, _ = written(tmp_path, "nii.gz")
    monkeypatch.setattr(voxels, "CHUNK", 1 << 10)
    monkeypatch.setattr(voxels, "LARGEST_IMAGE", 6 * 17 * 18 * 2)
    with gzip.open(path, "ab") as file:
        file.write(bytes(1 << 20))
    with pytest.raises(InputError, match="far more than an image"):
        read_image(path)


@pytest.mark.parametrize(
    "name, content, words",
    [
        ("T1.mgz", gzip.compress(bytes(300)), "mri_convert"),
        ("a.mnc", b"\x89HDF\r\n\x1a\n", "mnc2nii"),
        ("a.txt", b"hello", "begins with b'hello'"),
        ("a.nii", b"", "an empty file"),
        ("a.nhdr", b"NRRD0004\ntype: short\ndimension: 1\nsizes: 1\nencoding: raw\ndata file: \n\n", "cannot be read"),
        ("a.nhdr", b"NRRD0004\ntype: short\ndimension: 1\nsizes: 1\nencoding: raw\ndata file: gone\n\n", "is missing"),
        ("a.mhd", b"NDims = 1\nDimSize = 1\nElementType = MET_CHAR\nElementDataFile = LIST\n", "in several files"),
        ("a.mhd", b"NDims = 3\nDimSize = 1 x\n", "header is damaged"),
    ],
)
def test_other_files_are_refused_with_what_to_do(name, content, words, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_image(tmp_path / name)


def test_folders_and_names_that_itk_cannot_open_are_refused(tmp_path):
    with pytest.raises(InputError, match="it is a folder.*DICOM series"):
        read_image(tmp_path)
    with pytest.raises(InputError, match="its name cannot be used. Expected a name in UTF-8"):
        read_image(str(tmp_path / "a\udcff.nii"))
