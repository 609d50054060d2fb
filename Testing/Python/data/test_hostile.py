"""What fuzzers found (fuzz/run.py), kind by kind: files that stop a library, eat memory, or hold less than they say."""

import struct

import h5py
import numpy as np
import pytest
import SimpleITK as sitk
from builders import affine_matrix
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.data.dicom import check_lengths
from ISTNRegistrationLib.data.images import read_image
from ISTNRegistrationLib.data.mapping import matrix_transform, read_mapping
from ISTNRegistrationLib.data.pairs import PairReader, read_pairs
from ISTNRegistrationLib.data.transforms import read_linear, read_transform

READERS = (read_linear, read_transform, lambda path: read_mapping([str(path)]))


@pytest.fixture(params=["tfm", "h5"])
def transform(request, tmp_path):
    """A file of an affine transform whose center is not the origin."""
    affine = matrix_transform(affine_matrix(3))
    affine.SetCenter((5.0, -3.0, 2.0))
    sitk.WriteTransform(affine, str(tmp_path / f"t.{request.param}"))
    return tmp_path / f"t.{request.param}"


@pytest.mark.parametrize("read", READERS)
def test_a_whole_transform_is_read(transform, read):
    read(transform)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("lost", [1, 3, 12, 40, 200])
def test_a_transform_that_is_cut_is_refused(transform, lost, read):
    """ITK reads a text without its last line, without the translation."""
    transform.write_bytes(transform.read_bytes()[:-lost])
    with pytest.raises(InputError, match="not whole|cannot be read") as caught:
        read(transform)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "AffineTransform", "\x80Transform_double_3_3"])
def test_a_transform_of_no_known_name_is_refused(transform, name):
    """An empty name stops ITK."""
    data = transform.read_bytes()
    if transform.suffix == ".tfm":
        transform.write_bytes(data.replace(b"AffineTransform_double_3_3", name.encode("latin-1")))
    else:
        with h5py.File(transform, "r+") as file:
            del file["TransformGroup/0/TransformType"]
            value = np.array([name.encode("latin-1")], dtype=h5py.string_dtype("ascii"))
            file["TransformGroup/0/TransformType"] = value
    with pytest.raises(InputError):
        read_linear(transform)


def spoil(file, way):
    """Numbers that are kept elsewhere, or that are not there."""
    key, other = "TransformGroup/0/TransformParameters", "/TransformGroup/0/TransformFixedParameters"
    del file[key]
    if way == "soft link":
        file[key] = h5py.SoftLink(other)
    elif way == "external link":
        file[key] = h5py.ExternalLink("other.h5", other)
    elif way == "external storage":
        file.create_dataset(key, (12,), "f8", external=[("other.bin", 0, 96)])
    elif way == "virtual":
        layout = h5py.VirtualLayout((12,), "f8")
        layout[...] = h5py.VirtualSource("other.h5", "x", (12,))
        file.create_virtual_dataset(key, layout)
    elif way == "huge":
        file.create_dataset(key, (1 << 33,), "f8", chunks=(1024,))
    else:
        file[key] = np.full(12, np.nan)


@pytest.mark.parametrize("way", ["soft link", "external link", "external storage", "virtual", "huge", "NaN"])
@pytest.mark.parametrize("transform", ["h5"], indirect=True)
def test_numbers_that_are_kept_elsewhere_or_nowhere_are_refused(transform, way):
    with h5py.File(transform, "r+") as file:
        spoil(file, way)
    for read in READERS:
        with pytest.raises(InputError):
            read(transform)


@pytest.mark.parametrize("transform", ["h5"], indirect=True)
def test_a_text_that_claims_two_gigabytes_is_refused_before_memory_is_taken(transform):
    with h5py.File(transform) as file:
        place = file["TransformGroup/0/TransformType"].id.get_offset()
    data = bytearray(transform.read_bytes())
    struct.pack_into("<I", data, place, 2**31)
    transform.write_bytes(data)
    with pytest.raises(InputError, match="not whole"):
        read_linear(transform)


def dicom(*elements, syntax=b"1.2.840.10008.1.2.1\0"):
    head = bytes(128) + b"DICM" + struct.pack("<2H2sH", 2, 16, b"UI", len(syntax)) + syntax
    return head + b"".join(elements)


def explicit(kind, value, length=None, number=0x10):
    size = len(value) if length is None else length
    return struct.pack("<2H2sHI", 0x7FE0, number, kind, 0, size) + value


ITEM = struct.pack("<2HI", 0xFFFE, 0xE000, 0xFFFFFFFF)
ENDS = struct.pack("<2HI2HI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)


def test_the_elements_of_a_dicom_file_are_as_long_as_they_say():
    inner = explicit(b"OW", b"abcd")
    check_lengths(dicom(inner, explicit(b"SQ", ITEM + inner + ENDS, 0xFFFFFFFF), inner))
    check_lengths(dicom(struct.pack("<2HI", 0x10, 0x10, 4) + b"abcd", syntax=b"1.2.840.10008.1.2\0"))
    for bad in (
        dicom(explicit(b"OW", b"abcd", 5)),
        dicom(explicit(b"SQ", ITEM + explicit(b"OB", b"ab", 2**31) + ENDS, 0xFFFFFFFF)),
        dicom(struct.pack("<2HI", 0x10, 0x10, 5) + b"abcd", syntax=b"1.2.840.10008.1.2\0"),
        dicom(explicit(b"SQ", ITEM * 40, 0xFFFFFFFF)),
        dicom()[:140],
    ):
        with pytest.raises((ValueError, struct.error)):
            check_lengths(bad)


@pytest.mark.parametrize("change", [("SPACING 1", "SPACING inf"), ("ORIGIN 0", "ORIGIN 1e400"), ("8 8 8", "8 0 8")])
def test_a_vtk_header_of_no_place_or_no_voxels_is_refused(tmp_path, change):
    path = tmp_path / "a.vtk"
    sitk.WriteImage(sitk.GetImageFromArray(np.ones((8, 8, 8), np.float32)), str(path))
    data = path.read_bytes()
    assert change[0].encode() in data
    path.write_bytes(data.replace(*(word.encode() for word in change)))
    with pytest.raises(InputError):
        read_image(path)


def test_a_listed_name_that_no_system_can_have_is_a_missing_file(tmp_path):
    (tmp_path / "pairs.csv").write_text(f"fixed,moving\n{'x' * 300}.nii,{'y/' * 3000}b.nii\n")
    pairs, reader = read_pairs(tmp_path / "pairs.csv"), PairReader(tmp_path)
    assert len(reader.missing(pairs)) == 2
    with pytest.raises(InputError, match="no such file"):
        reader.identity(pairs[0], "")
