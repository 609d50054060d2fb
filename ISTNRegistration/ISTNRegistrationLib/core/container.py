"""The bytes of a checkpoint file: read once, held against the digest in front of them, and only then given to HDF5.

Layout: 512 bytes of text (an HDF5 *user block*) with the SHA-256 of all that follows, then an HDF5 file whose tensors
are plain blocks of float32. Files of older versions have no digest: core/legacy.py.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import stat
from pathlib import Path

import numpy as np

from .errors import InputError

USER_BLOCK = 512
TITLE = b"ISTN checkpoint, SHA-256 of what follows these 512 bytes: "
HDF5 = b"\x89HDF\r\n\x1a\n"
TORCH = (b"PK\x03\x04", b"\x80\x02")  # torch.save since 1.6, and before
LARGEST_FILE = 100 << 20
LARGEST_TEXT = 8 << 20
ATTRIBUTES = ("format", "format_version", "config", "card")
REPAIR = "Copy or download the file again, or make it anew with istn train"
EXPECTED = "an ISTN checkpoint (.h5)"


def read_once(path: Path, who: str) -> bytes:
    """All bytes of a regular file; a pipe or a device is refused, not waited for.

    Raises:
        InputError: no regular file, not readable, or larger than any checkpoint.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(who, "it cannot be read", EXPECTED, "a folder, pipe or device", "Give the path of a file")
        with os.fdopen(os.open(path, flags), "rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(who, "it cannot be read", EXPECTED, str(error), "Check its permissions") from error
    if len(data or b"") > LARGEST_FILE:
        raise InputError(who, "it is too large", f"at most {LARGEST_FILE >> 20} MiB", "more", REPAIR)
    return data or b""


def has_digest(data: bytes, who: str) -> bool:
    """Whether the file begins with a digest, and it is that of the bytes that follow; False for a bare HDF5 file.

    Raises:
        InputError: the digest is of other bytes, or this is no checkpoint.
    """
    if data.startswith(TITLE):
        wanted, found = data[len(TITLE) : len(TITLE) + 64], hashlib.sha256(data[USER_BLOCK:]).hexdigest()
        if data[:USER_BLOCK] != _user_block(found):
            what = "it cannot be read, it has changed since it was written"
            expected = f"an ISTN checkpoint with SHA-256 {wanted[:16].decode(errors='replace')}..."
            raise InputError(who, what, expected, f"{found[:16]}...", REPAIR)
        return True
    if data.startswith(TORCH):
        todo = "Convert it with istn convert if it is one of the published code"
        raise InputError(who, "it cannot be read", EXPECTED, "a file of torch.save (.pt)", todo)
    if not data.startswith(HDF5):
        got = "an empty file" if not data else f"a file that begins with {data[:12]!r}"
        raise InputError(who, "it cannot be read", EXPECTED, got, REPAIR)
    return False


def sealed(data: bytes) -> bytes:
    """An HDF5 file that has a user block, with the digest put there."""
    return _user_block(hashlib.sha256(data[USER_BLOCK:]).hexdigest()) + data[USER_BLOCK:]


def packed(attributes: dict, weights: dict[str, np.ndarray]) -> bytes:
    """A sealed file of these attributes and float32 arrays: the same content gives the same bytes."""
    h5py, buffer = hdf5(), io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=USER_BLOCK) as file:
        file.attrs.update(attributes)
        group = file.create_group("weights")
        for key, value in weights.items():
            group.create_dataset(key, data=np.asarray(value, np.float32))
    return sealed(buffer.getvalue())


def hdf5():
    """The package h5py, which a new Slicer does not have yet.

    Raises:
        InputError: it is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        todo = "Press 'Install what is missing' in Slicer, or install h5py"
        raise InputError("Checkpoints", "they cannot be read yet", "the package h5py", str(error), todo) from error
    return h5py


def read_attributes(file, who: str) -> dict:
    """The attributes of a checkpoint: scalars, texts of at most ``LARGEST_TEXT`` characters; None where there is none.

    Raises:
        InputError: an attribute is something else.
    """
    found = {}
    for name in ATTRIBUTES:
        if name not in file.attrs:
            found[name] = None
        elif file.attrs.get_id(name).shape != () or file.attrs.get_id(name).get_storage_size() > LARGEST_TEXT:
            raise InputError(who, f"it cannot be read, '{name}' is damaged", "one text or number", "another", REPAIR)
        else:
            value = file.attrs[name]
            found[name] = value.item() if isinstance(value, np.generic) else value
    return found


def weights_of(file, who: str):
    """The group of the tensors, kept in this file.

    Raises:
        InputError: there is none, or it is a link to somewhere else.
    """
    return _own(file, "weights", "weights", who, hdf5().Group)


def tensor(group, key: str, who: str):
    """The dataset ``key``, float32 kept in this file; nothing of it is read yet.

    Raises:
        InputError: it is missing, a link, no float32 dataset, or its values are kept somewhere else.
    """
    dataset = _own(group, key, key, who, hdf5().Dataset)
    if dataset.is_virtual or dataset.external:
        what = f"the values of tensor '{key}' are kept in other files"
        raise InputError(who, what, "all in one file", "external or virtual storage", REPAIR)
    if dataset.dtype != np.dtype("<f4"):
        raise InputError(who, f"tensor '{key}' has the wrong type", "float32", f"{dataset.dtype}", REPAIR)
    return dataset


def values_of(dataset, who: str) -> np.ndarray:
    """The values of a tensor that is one block of float32, as :func:`packed` writes it.

    Raises:
        InputError: it is stored in another way.
    """
    bytes_of_values = 4 * math.prod(dataset.shape)
    if dataset.chunks is not None or dataset.id.get_storage_size() != bytes_of_values:
        got = f"{dataset.id.get_storage_size()} bytes, chunks {dataset.chunks}"
        what = f"tensor '{dataset.name}' is not stored as one block"
        raise InputError(who, what, f"{bytes_of_values} bytes", got, REPAIR)
    return dataset[()]


def _own(group, key: str, name: str, who: str, kind):
    """A member of a group: there, of this file (a hard link) and of this kind."""
    link = group.get(key, getlink=True)
    if link is None:
        raise InputError(who, "a tensor is missing", name, "nothing", REPAIR)
    if not isinstance(link, hdf5().HardLink):
        raise InputError(who, f"'{name}' is a link to somewhere else", "all in one file", type(link).__name__, REPAIR)
    if group.get(key, getclass=True) is not kind:
        raise InputError(who, f"'{name}' has the wrong type", kind.__name__, "another", REPAIR)
    return group[key]


def _user_block(digest: str) -> bytes:
    return (TITLE + digest.encode() + b"\n").ljust(USER_BLOCK, b"\0")
