"""Are the elements of a DICOM file as long as they say? GDCM asks for that much memory before it looks.

Layout: DICOM PS3.5, section 7. Sequences are gone through as far as they tell that they are sequences.
"""

from __future__ import annotations

import struct

FIRST, UNDEFINED = 132, 0xFFFFFFFF
META_GROUP, SYNTAX = 0x0002, 0x0010
ITEM_GROUP, ITEM, ITEM_END, SEQUENCE_END = 0xFFFE, 0xE000, 0xE00D, 0xE0DD
LONG = (b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV")
IMPLICIT, BIG_ENDIAN, DEFLATED = b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.2", b"1.2.840.10008.1.2.1.99"
DEEPEST = 20


def check_lengths(data: bytes) -> None:
    """Go through all elements of a DICOM file (part 10).

    Raises:
        ValueError, struct.error: an element ends beyond the file, or sequences lie too deep in each other.
    """
    place, syntax = FIRST, b""
    while struct.unpack_from("<H", data, place)[0] == META_GROUP:
        number = struct.unpack_from("<H", data, place + 2)[0]
        start, end, _ = _element(data, place, len(data), "<", True)
        syntax = data[start:end].rstrip(b"\0 ") if number == SYNTAX else syntax
        place = end
    if syntax != DEFLATED:
        _walk(data, place, len(data), ">" if syntax == BIG_ENDIAN else "<", syntax != IMPLICIT, 0)


def _element(data: bytes, place: int, stop: int, order: str, explicit: bool) -> tuple[int, int, bytes]:
    """Where the value of an element begins and ends (-1: where its items do), and its kind."""
    kind = data[place + 4 : place + 6] if explicit else b""
    wide = not explicit or kind in LONG
    start = place + (12 if explicit and wide else 8)
    length = struct.unpack_from(order + ("I" if wide else "H"), data, start - (4 if wide else 2))[0]
    if length == UNDEFINED and wide:
        return start, -1, kind
    if start + length > stop:
        raise ValueError(f"an element of {length} bytes, {stop - start} bytes are left")
    return start, start + length, kind


def _walk(data: bytes, place: int, stop: int, order: str, explicit: bool, depth: int) -> int:
    """Elements up to ``stop`` or to the end of the item that they are in; where it ends."""
    while place + 8 <= stop:
        group, number = struct.unpack_from(order + "2H", data, place)
        if (group, number) == (ITEM_GROUP, ITEM_END):
            return place + 8
        start, end, kind = _element(data, place, stop, order, explicit)
        if end < 0 or kind == b"SQ":
            inner = explicit and kind != b"UN"  # PS3.5, 6.2.2
            end = _items(data, start, stop if end < 0 else end, order, inner, depth + 1)
        place = end
    return place


def _items(data: bytes, place: int, stop: int, order: str, explicit: bool, depth: int) -> int:
    """Items of a sequence, or fragments of packed pixels, up to ``stop`` or to the sequence's end."""
    if depth > DEEPEST:
        raise ValueError("sequences too deep in each other")
    while place + 8 <= stop:
        group, number, length = struct.unpack_from(order + "2HI", data, place)
        if group != ITEM_GROUP or number not in (ITEM, SEQUENCE_END):
            raise ValueError("something else than an item in a sequence")
        if number == SEQUENCE_END:
            return place + 8
        place += 8
        if length == UNDEFINED:
            place = _walk(data, place, stop, order, explicit, depth)
        elif place + length > stop:
            raise ValueError(f"an item of {length} bytes, {stop - place} bytes are left")
        else:
            place += length
    return place
