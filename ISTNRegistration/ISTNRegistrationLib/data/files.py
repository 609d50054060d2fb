"""Files that people name: found, read as text, and one clear line when they cannot be."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..core.errors import InputError
from ..core.files import one_line

STDERR = 2
LARGEST_TEXT = 256 << 20
FOLDER = "Give a file (a DICOM series: load and save it in Slicer, or convert it with dcm2niix)"


def existing_file(path, who: str) -> str:
    """The path of an existing file as text.

    Raises:
        InputError: there is no such file, it is a folder, a pipe or a device, or its name is not in UTF-8.
    """
    path = Path(path)
    try:
        os.fspath(path).encode("utf-8")
        is_regular, exists = path.is_file(), path.exists()
    except UnicodeEncodeError as error:
        raise InputError(who, "its name cannot be used", "a name in UTF-8", str(path), "Rename the file") from error
    except OSError as error:
        raise InputError(who, "there is no such file", "an existing file", one_line(error), "Check the path") from error
    if path.is_dir():
        raise InputError(who, "it is a folder", "an existing file", str(path), FOLDER)
    if not is_regular:
        what = "it is no regular file" if exists else "there is no such file"
        raise InputError(who, what, "an existing file", str(path), "Check the path")
    return str(path)


class DiskFile(io.FileIO):
    """A new file for h5py to write into, as a context; what the disk does not take is an OSError when it ends.

    The HDF5 library ends the process when it closes a file that it could not write; so it is told that it could.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name, "w+")
        self._error: OSError | None = None

    def write(self, data) -> int:
        """Write all of ``data``, or remember why not."""
        left = memoryview(data).cast("B")
        try:
            while len(left) and self._error is None:
                left = left[super().write(left) :]
        except OSError as error:
            self._error = error
        return memoryview(data).nbytes

    def __exit__(self, *caught) -> None:
        super().__exit__(*caught)
        if self._error is not None:
            raise self._error


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """What the C libraries below ITK print on stderr is not shown: an InputError says it in one line."""
    try:
        kept, nowhere = os.dup(STDERR), os.open(os.devnull, os.O_WRONLY)
    except OSError:  # a program without a console
        yield
        return
    try:
        os.dup2(nowhere, STDERR)
        yield
    finally:
        os.dup2(kept, STDERR)
        os.close(kept)
        os.close(nowhere)


def read_text(path, who: str, expected: str) -> str:
    """Text of a UTF-8 file, with or without a byte order mark; line ends become line feeds.

    Raises:
        InputError: there is no such file, it cannot be read, or is not UTF-8.
    """
    try:
        text = read_bytes(path, who, expected).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        got, todo = f"another encoding (byte {error.start})", "Save it again as UTF-8"
        raise InputError(who, "it cannot be read", f"{expected} in UTF-8", got, todo) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def sha256_of(path) -> str:
    """SHA-256 of a file's contents, in hexadecimal; read block by block."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read_bytes(path, who: str, expected: str) -> bytes:
    """All bytes of a file that holds text, which is never huge.

    Raises:
        InputError: there is no such file, it cannot be read, or is larger than ``LARGEST_TEXT``.
    """
    try:
        with Path(existing_file(path, who)).open("rb") as file:
            data = file.read(LARGEST_TEXT + 1)
    except OSError as error:
        raise InputError(who, "it cannot be read", expected, one_line(error), "Check its permissions") from error
    if len(data) > LARGEST_TEXT:
        got, todo = f"more than {LARGEST_TEXT >> 20} MiB", "Check that this is the right file"
        raise InputError(who, "it cannot be read", expected, got, todo)
    return data
