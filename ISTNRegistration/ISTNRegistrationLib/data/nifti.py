"""Is a NIfTI file what it seems? Silently, ITK fills up a truncated one and turns NaN into 0, no spacing into 1 mm."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.errors import InputError

CHUNK = 1 << 22
HEADER = 540
LARGEST_OFFSET = 1 << 62
# header size, then type and place of dim, pixdim, vox_offset, (datatype, bitpix): nifti1.h, nifti2.h
LAYOUTS = (
    (348, ("8h", 40), ("8f", 76), ("f", 108), ("2h", 70)),
    (540, ("8q", 16), ("8d", 104), ("q", 168), ("2h", 12)),
)
FLOATS = {16: "f4", 64: "f8"}


@dataclass(frozen=True)
class Header:
    """What decides where the voxels are and how large; ``order`` is ``<`` or ``>``."""

    order: str
    end: int
    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    offset: float
    datatype: int
    bits: int


def check_nifti(path, who: str) -> None:
    """Check a single-file NIfTI-1 or NIfTI-2 image, compressed or not; other files pass.

    Raises:
        InputError: voxels are missing, NaN or infinite, or a spacing or the place of the voxels is impossible.
    """
    name = Path(path).name.lower()
    if not name.endswith((".nii", ".nii.gz")):
        return
    try:
        with (gzip.open if name.endswith(".gz") else open)(path, "rb") as file:
            header = _read_header(file.read(HEADER))
            if header is not None:
                _check_header(header, who)
                _check_voxels(file, header, who)
    except (OSError, EOFError, zlib.error):
        return  # not gzip at all: the reader will say so


def _read_header(data: bytes) -> Header | None:
    """The header, None if it is not one of NIfTI."""
    for order in "<>":
        for size, *fields in LAYOUTS:
            if len(data) >= size and struct.unpack_from(order + "i", data)[0] == size:
                dim, pixdim, (offset,), (datatype, bits) = (struct.unpack_from(order + t, data, at) for t, at in fields)
                last = dim[0] + 1
                return Header(order, size, dim[1:last], pixdim[1:last], offset, datatype, bits)
    return None


def _check_header(header: Header, who: str) -> None:
    todo = "Repair the header (pixdim) or convert the image from its source again"
    for length, spacing in zip(header.shape[:3], header.spacing[:3], strict=True):
        if length > 1 and (spacing == 0 or not math.isfinite(spacing)):
            got = " x ".join(f"{value:g}" for value in header.spacing[:3])
            raise InputError(who, "its spacing is impossible", "finite, non-zero mm", got, todo)
    if not 0 <= header.offset < LARGEST_OFFSET:
        todo, got = "Copy it again from its source", f"vox_offset {header.offset:g}"
        raise InputError(who, "its header is damaged", "the number of bytes before the voxels", got, todo)


def _check_voxels(file, header: Header, who: str) -> None:
    """Read the voxels of an open file, chunk by chunk."""
    missing, odd = math.prod(header.shape) * header.bits // 8, 0
    kind = FLOATS.get(header.datatype)
    try:
        file.seek(max(int(header.offset), header.end))
        while missing > 0 and (chunk := file.read(min(CHUNK, missing))):
            missing -= len(chunk)
            if kind:
                values = np.frombuffer(chunk, header.order + kind, len(chunk) // int(kind[1]))
                odd += values.size - np.count_nonzero(np.isfinite(values))
    except (OSError, EOFError, zlib.error):
        pass  # a broken gzip stream counts up to where it can be read
    if missing > 0:
        got, todo = f"one that lacks {missing} bytes", "Copy it again from its source"
        raise InputError(who, "it cannot be read", "a complete file", got, todo)
    if odd:
        todo = "Replace them, for example by the background"
        raise InputError(who, "it has NaN or infinite values", "finite voxels", f"{odd} that are not", todo)
