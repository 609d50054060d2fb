"""Is a NIfTI file complete? ITK reads a truncated one without a word and fills the rest with rubbish."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

CHUNK = 1 << 22
# header size, (type and place of dim), place of bitpix, (type and place of vox_offset): nifti1.h, nifti2.h
LAYOUTS = ((348, ("8h", 40), 72, ("f", 108)), (540, ("8q", 16), 14, ("q", 168)))


def missing_bytes(path) -> int:
    """How many bytes of voxel data a ``.nii`` or ``.nii.gz`` file lacks; 0 when complete or not a single-file NIfTI.

    Sizes are read from the NIfTI-1 or NIfTI-2 header; a broken gzip stream counts up to where it can be read.
    """
    name = Path(path).name.lower()
    if not name.endswith((".nii", ".nii.gz")):
        return 0
    try:
        with (gzip.open if name.endswith(".gz") else open)(path, "rb") as file:
            header = file.read(540)
            expected = _expected_bytes(header)
            return max(0, expected - len(header) - _count(file)) if expected else 0
    except (OSError, EOFError, zlib.error):
        return 0  # not gzip at all: the reader will say so


def _expected_bytes(header: bytes) -> int:
    """Size of the whole uncompressed file, 0 if the header is not NIfTI."""
    for order in "<>":
        for size, dim_at, bits_at, offset_at in LAYOUTS:
            if len(header) >= size and struct.unpack_from(order + "i", header)[0] == size:
                dim = struct.unpack_from(order + dim_at[0], header, dim_at[1])
                bits = struct.unpack_from(order + "h", header, bits_at)[0]
                offset = struct.unpack_from(order + offset_at[0], header, offset_at[1])[0]
                return int(offset) + math.prod(dim[1 : dim[0] + 1]) * bits // 8
    return 0


def _count(file) -> int:
    """Bytes left in an open file, as far as they can be read."""
    total = 0
    try:
        while chunk := file.read(CHUNK):
            total += len(chunk)
    except (OSError, EOFError, zlib.error):
        pass
    return total
