"""Bytes damaged in the ways that disks, networks and people damage them, and in those that find weak parsers."""

import numpy as np

INTERESTING = [0, 1, 0x7F, 0x80, 0xFF]


def damaged(data: bytes, rng: np.random.Generator, first: int = 0, near: tuple[bytes, ...] = ()) -> bytes:
    """``data`` changed from byte ``first`` on: most often in its first kilobytes, where headers are.

    Args:
        near: marks, of which one is chosen; only the bytes around it are changed.
    """
    ways = (_flip, _flip, _set, _zeros, _cut, _cut_out, _twice, _word)
    end = len(data) if rng.random() < 0.3 else min(len(data), first + int(rng.choice([64, 512, 4096])))
    if near:
        places = [place for mark in near if (place := _one_of(data, mark, rng)) >= 0]
        first = max(int(rng.choice(places)) - 64, 0)
        end = first + 160
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        place = int(rng.integers(first, max(end, first + 1)))
        ways[rng.integers(len(ways))](changed, min(place, max(len(changed) - 1, 0)), rng)
    return bytes(changed)


def _one_of(data: bytes, mark: bytes, rng) -> int:
    """Where one of the marks begins, -1 if there is none."""
    found, place = [], data.find(mark)
    while place >= 0:
        found.append(place)
        place = data.find(mark, place + 1)
    return int(rng.choice(found)) if found else -1


def _flip(data, place, rng):
    if data:
        data[place] ^= 1 << int(rng.integers(8))


def _set(data, place, rng):
    if data:
        data[place] = INTERESTING[rng.integers(len(INTERESTING))]


def _zeros(data, place, rng):
    stop = min(len(data), place + int(rng.integers(1, 200)))
    data[place:stop] = bytes(stop - place)


def _cut(data, place, rng):
    del data[int(rng.choice([place, len(data) - 1 - int(rng.integers(64)), len(data) // 2])) :]


def _cut_out(data, place, rng):
    del data[place : place + int(rng.integers(1, 64))]


def _twice(data, place, rng):
    data[place:place] = data[place : place + int(rng.integers(1, 64))]


def _word(data, place, rng):
    """A number of 2, 4 or 8 bytes that overflows something."""
    size = int(rng.choice([2, 4, 8]))
    value = int(rng.choice([0, 1, -1, 2 ** (8 * size - 1) - 1, -(2 ** (8 * size - 1))]))
    data[place : place + size] = value.to_bytes(size, str(rng.choice(["little", "big"])), signed=True)
