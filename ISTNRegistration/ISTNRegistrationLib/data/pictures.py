"""PNG, JPEG, BMP, TIFF and DICOM files: whether they are complete, from their own marks, lengths and checksums."""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path

from ..core.errors import InputError
from .dicom import check_lengths
from .voxels import LARGEST_IMAGE, SOURCE

PNG = b"\x89PNG\r\n\x1a\n"
JPEG_END = b"\xff\xd9"
TIFF_STRIPS = ((273, 279), (324, 325))  # places and lengths of strips, or of tiles
TIFF_WIDTH, TIFF_LENGTH, TIFF_BITS, TIFF_SAMPLES = 256, 257, 258, 277
TIFF_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 16: 8}
TIFF_NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
MOST_PAGES = 10_000
PIXELS = b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10"  # the DICOM element (7FE0,0010), little and big endian
UNKNOWN_LENGTH = 0xFFFFFFFF


def check_png(path: Path, who: str) -> None:
    """Raise InputError for a PNG file that is cut, damaged (each part has a checksum) or too large."""
    data, place, kind = path.read_bytes(), len(PNG), b""
    _check_size(struct.unpack_from(">2I", data.ljust(24, b"\0"), 16), 8, who)
    while kind != b"IEND":
        if len(data) < place + 12:
            raise _incomplete(who, "a PNG file that ends early")
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 8 + length
        if data[end : end + 4] != struct.pack(">I", zlib.crc32(data[place + 4 : end])):
            raise _incomplete(who, f"one whose part {kind!r} has another checksum")
        place = end + 4


def check_jpeg(path: Path, who: str) -> None:
    """Raise InputError for a JPEG file without its end (readers make the rest gray)."""
    if not path.read_bytes().rstrip(b"\0\r\n ").endswith(JPEG_END):
        raise _incomplete(who, "a JPEG file that ends early")


def check_bmp(path: Path, who: str) -> None:
    """Raise InputError for a BMP file with fewer bytes than its header says."""
    data = path.read_bytes()
    start, _, width, height, _, bits, packed = struct.unpack_from("<IIiiHHI", data.ljust(64, b"\0"), 10)
    _check_size((abs(width), abs(height)), bits / 8, who)
    rows = (abs(width) * bits + 31) // 32 * 4 * abs(height)
    if not rows or len(data) < start + (rows if packed == 0 else 1):
        raise _incomplete(who, f"a BMP file of {len(data)} bytes")


def check_tiff(path: Path, who: str) -> None:
    """Raise InputError for a TIFF file whose pages, strips or tiles are not all there, or that is too large."""
    data = path.read_bytes()
    try:
        for page in _tiff_pages(data):
            size = [page[key][0] for key in (TIFF_WIDTH, TIFF_LENGTH)]
            _check_size(size, page.get(TIFF_BITS, [1])[0] * page.get(TIFF_SAMPLES, [1])[0] / 8, who)
            place, length = next(keys for keys in TIFF_STRIPS if keys[0] in page and keys[1] in page)
            if any(start + count > len(data) for start, count in zip(page[place], page[length], strict=True)):
                raise _incomplete(who, "a TIFF file that ends early")
    except (struct.error, KeyError, ValueError, IndexError, StopIteration) as error:
        if isinstance(error, InputError):
            raise
        raise _incomplete(who, f"a TIFF file with a damaged directory ({error})") from error


def _tiff_pages(data: bytes):
    """Per page the numbers of each tag; of TIFF and BigTIFF (libtiff's documentation, BigTIFF design)."""
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    count_as, entry, pointer, start = ("Q", 20, "Q", 8) if big else ("H", 12, "I", 4)
    place = struct.unpack_from(order + pointer, data, start)[0]
    for _ in range(MOST_PAGES):
        if not place:
            return
        count = struct.unpack_from(order + count_as, data, place)[0]
        first = place + struct.calcsize(count_as)
        entries = (first + i * entry for i in range(min(count, 4096)))
        yield dict(_tiff_entry(data, order, pointer, at) for at in entries)
        place = struct.unpack_from(order + pointer, data, first + count * entry)[0]
    raise ValueError("too many pages")


def _tiff_entry(data: bytes, order: str, pointer: str, at: int) -> tuple[int, tuple]:
    """A tag and its numbers; none for those that are texts or fractions."""
    tag, kind, count = struct.unpack_from(f"{order}HH{pointer}", data, at)
    size, place = count * TIFF_BYTES.get(kind, 1), at + 4 + struct.calcsize("=" + pointer)
    if size > struct.calcsize("=" + pointer):
        place = struct.unpack_from(order + pointer, data, place)[0]
    if place + size > len(data):
        raise ValueError(f"tag {tag} lies beyond the end")
    letter = TIFF_NUMBERS.get(kind)
    return tag, struct.unpack_from(f"{order}{count}{letter}", data, place) if letter else ()


def check_dicom(path: Path, who: str) -> None:
    """Raise InputError for a DICOM file without pixels, or where an element is shorter than it says."""
    data = path.read_bytes()
    try:
        check_lengths(data)
    except (struct.error, ValueError) as error:
        raise _incomplete(who, f"a damaged DICOM file ({error})") from error
    places = [(place, order) for tag, order in zip(PIXELS, "<>", strict=True) if (place := data.rfind(tag)) >= 0]
    for place, order in places:
        explicit = data[place + 4 : place + 6] in (b"OW", b"OB", b"OF", b"OD")
        after = place + (12 if explicit else 8)
        length = struct.unpack_from(order + "I", data.ljust(after, b"\0"), after - 4)[0]
        if length == UNKNOWN_LENGTH and data[after:].rstrip(b"\0")[-8:].find(b"\xfe\xff\xdd\xe0") >= 0:
            return
        if 0 < length <= len(data) - after:
            return
    raise _incomplete(who, "a DICOM file whose pixels are missing or cut")


def _check_size(size, width: float, who: str) -> None:
    if math.prod(size) * width > LARGEST_IMAGE:
        got = f"a header that says {' x '.join(map(str, size))} pixels"
        raise InputError(who, "it is too large", f"at most {LARGEST_IMAGE >> 30} GiB of voxels", got, SOURCE)


def _incomplete(who: str, got: str) -> InputError:
    return InputError(who, "it cannot be read", "a complete file", got, SOURCE)
