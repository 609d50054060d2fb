"""Are the texts of an HDF5 file where and as long as it says? Found out without HDF5, which would hang or eat memory.

The bytes are those of the HDF5 File Format Specification, version 3.0: superblock 0, object header 1, attributes of
texts of variable length, and the global heap that these are kept in.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

SUPERBLOCK = struct.Struct("<8s5x2B9xQ24x8xQ")  # signature, sizes of offsets and lengths, base address, root's header
HEADER = struct.Struct("<B15x")
MESSAGE = struct.Struct("<2H4x")
ATTRIBUTE = struct.Struct("<Bx3H")
TEXT = struct.Struct("<IQ")  # length, where its heap is
HEAP = struct.Struct("<4sB3xQ")
HEAP_OBJECT = struct.Struct("<H6xQ")
CONTINUED, IS_ATTRIBUTE, VARIABLE, MOST_MESSAGES = 0x10, 0x0C, 9, 1000


def texts_fit(data: bytes, start: int, largest: int) -> bool:
    """Whether the root group's texts have at most ``largest`` bytes each and their heaps are sound.

    Args:
        start: where the superblock begins.

    Returns:
        False also where the file is laid out in another way, or damaged.
    """
    try:
        return all(length <= largest and is_heap(data, place) for length, place in _texts(data, start))
    except (struct.error, IndexError, ValueError, OverflowError):
        return False


def is_heap(data: bytes, start: int) -> bool:
    """Whether a collection of the global heap is filled by its objects, the last of which may be free space (0).

    Raises:
        struct.error, OverflowError: ``start`` is not in ``data``.
    """
    mark, version, size = HEAP.unpack_from(data, start)
    place, end = start + HEAP.size, start + size
    if mark != b"GCOL" or version != 1 or end > len(data):
        return False
    while place + HEAP_OBJECT.size <= end:
        index, length = HEAP_OBJECT.unpack_from(data, place)
        if index == 0:
            return place + length == end
        place += HEAP_OBJECT.size + -(-length // 8) * 8
    return place <= end


def _texts(data: bytes, start: int) -> Iterator[tuple[int, int]]:
    """The claimed length of every text of variable length, and where in ``data`` its heap is."""
    _, *widths, base, root = SUPERBLOCK.unpack_from(data, start)
    if data[start + 8] or widths != [8, 8] or HEADER.unpack_from(data, base + root)[0] != 1:
        raise ValueError("another layout")
    for kind, body in _messages(data, base, base + root):
        if kind == IS_ATTRIBUTE:
            version, *sizes = ATTRIBUTE.unpack_from(body)
            padded = [-(-size // 8) * 8 for size in sizes] if version == 1 else sizes
            kind_at = ATTRIBUTE.size + (version > 2) + padded[0]
            if body[kind_at] & 15 == VARIABLE:
                length, heap = TEXT.unpack_from(body, kind_at + padded[1] + padded[2])
                yield length, base + heap


def _messages(data: bytes, base: int, header: int) -> Iterator[tuple[int, bytes]]:
    """Kind and bytes of each message of an object header, in all its blocks."""
    blocks = [(header + HEADER.size, struct.unpack_from("<I", data, header + 8)[0])]
    for _ in range(MOST_MESSAGES):
        if not blocks:
            return
        place, left = blocks.pop()
        if left < MESSAGE.size:
            continue
        kind, size = MESSAGE.unpack_from(data, place)
        body, after = data[place + MESSAGE.size : place + MESSAGE.size + size], MESSAGE.size + size
        blocks.append((place + after, left - after))
        if kind == CONTINUED:
            at, length = struct.unpack_from("<2Q", body)
            blocks.append((base + at, length))
        yield kind, body
    raise ValueError("too many messages")
