"""What kind of image a file is, by its first bytes, and whether it is complete: before ITK is asked to read it."""

from __future__ import annotations

import gzip
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from .headers import GIPL_HEADER, GIPL_MAGIC, gipl_voxels, meta_voxels, nrrd_voxels, vtk_voxels
from .nifti import HEADER, check_mark, nifti_voxels, read_header
from .pictures import PNG, check_bmp, check_dicom, check_jpeg, check_png, check_tiff
from .voxels import check_voxels

GZIP = b"\x1f\x8b"
KNOWN = "NIfTI, NRRD, MetaImage, GIPL, VTK, DICOM, PNG, TIFF, JPEG or BMP"
PICTURES = (
    (0, (PNG,), "PNGImageIO", check_png),
    (0, (b"\xff\xd8\xff",), "JPEGImageIO", check_jpeg),
    (0, (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "TIFFImageIO", check_tiff),
    (0, (b"BM",), "BMPImageIO", check_bmp),
    (128, (b"DICM",), "GDCMImageIO", check_dicom),
)
TEXTS = (
    ((b"NRRD00",), "NrrdImageIO", nrrd_voxels),
    ((b"# vtk DataFile",), "VTKImageIO", vtk_voxels),
    ((b"ObjectType", b"NDims", b"Comment"), "MetaImageIO", meta_voxels),
)
# what to do about files that are images, but of kinds that nothing here reads
HINTS = {
    ".mgz": "Convert it with mri_convert of FreeSurfer, or load and save it in Slicer, as .nii.gz",
    ".mgh": "Convert it with mri_convert of FreeSurfer, or load and save it in Slicer, as .nii.gz",
    ".mnc": "Convert it with mnc2nii of the MINC tools to .nii",
    ".h5": "Convert it to .nii.gz or .nrrd",
    ".dcm": "Import it into Slicer, or convert it with dcm2niix",
    ".pt": "Give an image",
}


@dataclass(frozen=True)
class Kind:
    """How ITK is to read a file (the name of its ImageIO), and the positions that a NIfTI header gives (LPS mm)."""

    reader: str
    positions: dict[str, np.ndarray] = field(default_factory=dict)


def check_file(path: Path, who: str) -> Kind:
    """Recognize an image file and see that it is complete.

    Raises:
        InputError: of an unknown kind, cut, damaged, too large; for NIfTI also voxels that are not finite.
    """
    try:
        return _check(path, who)
    except InputError:
        raise
    except (OSError, EOFError, zlib.error, struct.error, LookupError, ValueError, ArithmeticError) as error:
        todo = "Check that the file is complete and may be read"
        raise InputError(who, "it cannot be read", "an image file", str(error), todo) from error


def _check(path: Path, who: str) -> Kind:
    with path.open("rb") as file:
        head = first = file.read(4096)
    packing = "plain"
    if first.startswith(GZIP):
        packing = "gzip"
        with gzip.open(path) as file:
            head = file.read(HEADER)
    source = _header_of_pair(path)
    if source is not None:
        head, packing = source.read_bytes()[:HEADER], "plain"
    header = read_header(head)
    if header is not None:
        check_voxels(nifti_voxels(source or path, header, packing, who), who)
        check_mark(path, header, who)
        return Kind("NiftiImageIO", header.positions())
    if len(head) >= GIPL_HEADER and struct.unpack_from(">I", head, GIPL_HEADER - 4)[0] in GIPL_MAGIC:
        check_voxels(gipl_voxels(path, head, packing, who), who)
        return Kind("GiplImageIO")
    return _check_others(path, first, who)


def _check_others(path: Path, head: bytes, who: str) -> Kind:
    """Formats of which a text or a picture's mark tells."""
    for place, marks, reader, check in PICTURES:
        if head[place:].startswith(marks):
            check(path, who)
            return Kind(reader)
    for marks, reader, voxels in TEXTS:
        if head.lstrip().startswith(marks):
            check_voxels(voxels(path, who), who)
            return Kind(reader)
    todo = HINTS.get(path.suffix.lower(), "Check that the file is complete and its format is supported")
    got = f"a file that begins with {head[:8]!r}" if head else "an empty file"
    raise InputError(who, "it cannot be read", f"an image file ({KNOWN})", got, todo)


def _header_of_pair(path: Path) -> Path | None:
    """The .hdr of a .img."""
    name = path.name.lower()
    for end in (".img", ".img.gz"):
        header = path.with_name(path.name[: -len(end)] + ".hdr")
        if name.endswith(end) and header.is_file():
            return header
    return None
