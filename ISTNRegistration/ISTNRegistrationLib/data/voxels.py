"""Are the voxels that a header promises in the file? Readers fill up what is missing, or ask for memory first."""

from __future__ import annotations

import bz2
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.errors import InputError

CHUNK = 1 << 22
LARGEST_IMAGE = 2 << 30
SOURCE = "Copy it again from its source"
UNPACKERS = {"plain": lambda file: file, "gzip": lambda file: gzip.GzipFile(fileobj=file), "bzip2": bz2.BZ2File}


@dataclass(frozen=True)
class Voxels:
    """Where the voxels of an image are.

    Attributes:
        path: the file that holds them.
        count: bytes, or numbers where they are text.
        offset: bytes of the file before them.
        packing: ``plain``, ``gzip``, ``zlib``, ``bzip2`` or ``text``.
        skip: bytes before them once unpacked.
        floats: NumPy type, where NaN and infinity must be looked for because the reader hides them.
    """

    path: Path
    count: int
    offset: int = 0
    packing: str = "plain"
    skip: int = 0
    floats: str = ""


def check_voxels(voxels: Voxels, who: str) -> None:
    """Read what has to be read to know that all voxels are there, chunk by chunk.

    Raises:
        InputError: bytes are missing, a checksum is wrong, more than ``LARGEST_IMAGE``, NaN or infinity.
    """
    if voxels.count > LARGEST_IMAGE:
        expected, todo = f"at most {LARGEST_IMAGE >> 30} GiB of voxels", "Crop or resample it, or repair the header"
        raise InputError(who, "it is too large", expected, f"a header that says {voxels.count} bytes", todo)
    try:
        missing, odd = _count(voxels)
    except OSError as error:
        got = f"voxels in '{voxels.path.name}' that cannot be read ({error})"
        raise InputError(who, "it cannot be read", "a complete file", got, SOURCE) from error
    if missing > 0:
        unit = "numbers" if voxels.packing == "text" else "bytes"
        raise InputError(who, "it cannot be read", "a complete file", f"one that lacks {missing} {unit}", SOURCE)
    if odd:
        todo = "Replace them, for example by the background"
        raise InputError(who, "it has NaN or infinite values", "finite voxels", f"{odd} that are not", todo)


def _count(voxels: Voxels) -> tuple[int, int]:
    """Bytes (or numbers) that are missing, and values that are not finite."""
    with voxels.path.open("rb") as file:
        if voxels.packing == "plain" and not voxels.floats:
            return voxels.count - (file.seek(0, 2) - voxels.offset - voxels.skip), 0
        file.seek(voxels.offset)
        if voxels.packing == "text":
            return voxels.count - sum(_words(file)), 0
        return _measure(unpacked(file, voxels.packing), voxels)


def _measure(chunks: Iterator[bytes], voxels: Voxels) -> tuple[int, int]:
    """As :func:`_count`, of an unpacked stream; it is read to its end, where its checksum is."""
    left, skip, odd, rest = voxels.count, voxels.skip, 0, b""
    try:
        for chunk in chunks:
            values, skip = chunk[skip:][: max(left, 0)], max(0, skip - len(chunk))
            left -= len(values)
            if voxels.floats:
                found, rest = _not_finite(rest + values, voxels.floats)
                odd += found
            if left <= 0 and voxels.packing == "plain":
                break
    except (EOFError, zlib.error) as error:
        if left <= 0:
            raise OSError(f"its end is damaged: {error}") from error
    return left, odd


def _not_finite(data: bytes, kind: str) -> tuple[int, bytes]:
    """How many values are not finite, and the bytes of an incomplete last one."""
    whole = len(data) - len(data) % np.dtype(kind).itemsize
    return int(np.count_nonzero(~np.isfinite(np.frombuffer(data[:whole], kind)))), data[whole:]


def unpacked(file, packing: str) -> Iterator[bytes]:
    """The unpacked bytes from an open file's position on.

    Raises:
        OSError, EOFError, zlib.error: the stream is damaged or cut, or unpacks to far more than any image.
    """
    total = 0
    for chunk in _inflated(file) if packing == "zlib" else _read(UNPACKERS[packing](file)):
        total += len(chunk)
        if total > 2 * LARGEST_IMAGE:
            raise OSError("it unpacks to far more than an image")
        yield chunk


def _read(source) -> Iterator[bytes]:
    while chunk := source.read(CHUNK):
        yield chunk


def _inflated(file) -> Iterator[bytes]:
    stream = zlib.decompressobj()
    while not stream.eof:
        packed = stream.unconsumed_tail or file.read(CHUNK)
        if not packed:
            raise EOFError("the stream is cut")
        yield stream.decompress(packed, CHUNK)


def _words(file) -> Iterator[int]:
    """Numbers of a text, counted where they begin."""
    blank = True
    while chunk := file.read(CHUNK):
        yield len(chunk.split()) - (not blank and not chunk[:1].isspace())
        blank = chunk[-1:].isspace()
