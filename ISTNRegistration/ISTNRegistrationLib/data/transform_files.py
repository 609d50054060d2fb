"""Is a file of ITK's transforms whole? ITK reads one whose end is cut, and leaves out what is missing, silently."""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path

import h5py
import numpy as np

from ..core.container import HDF5
from ..core.errors import InputError
from ..core.texts import TEXT as TEXT_AT
from ..core.texts import is_heap

TEXT = b"#Insight Transform File"
KEYS = re.compile(r"^(Transform|Parameters|FixedParameters):(.*)$", re.M)
REPAIR = "Copy or write it again; a text file must end with an empty line"
COMPOSITE = "CompositeTransform"
TYPE, TYPE_KEY = re.compile(r"[A-Za-z]\w*_(double|float)_\d_\d"), "TransformType"


def check_whole(path: Path, who: str) -> None:
    """Look at a transform file's own structure, by content and not by its extension.

    Raises:
        InputError: a text that is cut, or an HDF5 file whose numbers are kept in other files or are not there.
    """
    try:
        with path.open("rb") as file:
            head = file.read(len(TEXT))
        if head == TEXT:
            _check_text(path.read_bytes(), who)
        elif head.startswith(HDF5):
            with h5py.File(path, "r") as file:
                _check_group(file, path.read_bytes(), who)
    except InputError:
        raise
    except (OSError, LookupError, RuntimeError, ValueError, TypeError, ArithmeticError, struct.error) as error:
        raise InputError(who, "it cannot be read", "a transform file", str(error), REPAIR) from error


def _check_text(data: bytes, who: str) -> None:
    """A transform is three lines, of which a composite has the first only; the last line has its end."""
    words = [(key, rest.strip()) for key, rest in KEYS.findall(data.decode("ascii", "replace").replace("\r", ""))]
    wanted = []
    for kind in (rest for key, rest in words if key == "Transform"):
        _check_type(kind, who)
        wanted += ["Transform"] + ["Parameters", "FixedParameters"] * (not kind.startswith(COMPOSITE))
    got = [key for key, _ in words]
    if got != wanted or not data.endswith((b"\n", b"\r")):
        end = data[-40:].decode("ascii", "replace")
        raise InputError(who, "it is not whole", "Parameters and FixedParameters", f"a text that ends '{end}'", REPAIR)


def _check_group(group: h5py.Group, data: bytes, who: str) -> None:
    """Everything is kept in this file, and nothing claims to be larger than it."""
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise InputError(who, "it cannot be read", "all in one file", f"a link '{name}'", REPAIR)
        found = group[name]
        if isinstance(found, h5py.Group):
            _check_group(found, data, who)
        elif found.external or found.is_virtual:
            raise InputError(who, "it cannot be read", "all in one file", f"'{name}' in another file", REPAIR)
        elif not _is_whole(found, data):
            raise InputError(who, "it is not whole", f"{found.shape} numbers or texts in '{name}'", "fewer", REPAIR)
        elif name == TYPE_KEY:
            _check_type(b"".join(np.ravel(found[()])).decode("ascii", "replace"), who)


def _check_type(kind: str, who: str) -> None:
    """Refuse what ITK takes for the name of a transform and crashes on."""
    if not TYPE.fullmatch(kind):
        raise InputError(who, "it cannot be read", "the name of a transform of ITK", repr(kind), REPAIR)


def _is_whole(dataset: h5py.Dataset, data: bytes) -> bool:
    """Whether a dataset is stored whole; a text of variable length is a length and where in the file it is."""
    if dataset.chunks is not None:
        return dataset.dtype.kind == "f" and dataset.id.get_num_chunks() == _chunks(dataset)
    if h5py.check_string_dtype(dataset.dtype) is None or dataset.dtype.kind != "O":
        return dataset.id.get_storage_size() == _bytes(dataset) <= len(data)
    place, count = dataset.id.get_offset(), math.prod(dataset.shape)
    if place is None or 16 * count > len(data):
        return not count
    texts = [TEXT_AT.unpack_from(data, place + 16 * i) for i in range(count)]
    return all(length < len(data) and is_heap(data, heap) for length, heap in texts)


def _bytes(dataset: h5py.Dataset) -> int:
    return dataset.dtype.itemsize * math.prod(dataset.shape)


def _chunks(dataset: h5py.Dataset) -> int:
    return math.prod(-(-length // chunk) for length, chunk in zip(dataset.shape, dataset.chunks, strict=True))
