"""Texts of an HDF5 file that claim too much, or whose heap would hang the library, are refused before it opens it."""

import struct
import time

import pytest
from command import checkpoint_file, small_config
from ISTNRegistrationLib.core.card import read_card
from ISTNRegistrationLib.core.container import LARGEST_TEXT, USER_BLOCK, sealed
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.texts import _texts, texts_fit


@pytest.fixture
def path(tmp_path):
    return checkpoint_file(tmp_path / "tiny.h5", small_config(2))


def spoiled(data, way):
    """Sealed bytes in which one text or the heap of all is another."""
    data, (length, heap) = bytearray(data), next(iter(_texts(bytes(data), USER_BLOCK)))
    if way == "length":
        text = struct.pack("<IQ", length, heap - USER_BLOCK)
        struct.pack_into("<I", data, data.index(text), 2**31)
    elif way == "free space of no size":
        place = heap + 16
        while index := struct.unpack_from("<H", data, place)[0]:
            place += 16 + -(-struct.unpack_from("<Q", data, place + 8)[0] // 8) * 8
        assert index == 0
        struct.pack_into("<Q", data, place + 8, 0)
    elif way == "superblock":
        struct.pack_into("<Q", data, USER_BLOCK + 64, 2**63)
    else:
        data[heap : heap + 4] = b"HEAP"
    return sealed(bytes(data))


def test_what_we_write_is_read_in_this_process(path):
    data = path.read_bytes()
    assert texts_fit(data, USER_BLOCK, LARGEST_TEXT) and len(list(_texts(data, USER_BLOCK))) == 3
    longest = max(length for length, _ in _texts(data, USER_BLOCK))
    assert texts_fit(data, USER_BLOCK, longest) and not texts_fit(data, USER_BLOCK, longest - 1)


@pytest.mark.parametrize("way", ["length", "free space of no size", "superblock", "heap"])
def test_what_would_stop_the_library_is_refused_soon(path, way):
    path.write_bytes(spoiled(path.read_bytes(), way))
    assert not texts_fit(path.read_bytes(), USER_BLOCK, LARGEST_TEXT)
    began = time.process_time()
    with pytest.raises(InputError, match="cannot be read"):
        read_card(path)
    assert time.process_time() - began < 1
