"""Files that people name: found, read as text, and one clear line when they cannot be."""

from __future__ import annotations

import os
from pathlib import Path

from ..core.errors import InputError
from ..core.files import one_line, write_atomically  # noqa: F401  (the one writer, for the rest of data)

FOLDER = "Give a file; a DICOM series is loaded and saved in Slicer first, or converted with dcm2niix"


def existing_file(path, who: str) -> str:
    """The path of an existing file as text.

    Raises:
        InputError: there is no such file, it is a folder, a pipe or a device, or its name is not in UTF-8.
    """
    path = Path(path)
    try:
        os.fspath(path).encode("utf-8")
        is_file, exists = path.is_file(), path.exists()
    except UnicodeEncodeError as error:
        raise InputError(who, "its name cannot be used", "a name in UTF-8", str(path), "Rename the file") from error
    except OSError as error:
        raise InputError(who, "there is no such file", "an existing file", one_line(error), "Check the path") from error
    if path.is_dir():
        raise InputError(who, "it is a folder", "an existing file", str(path), FOLDER)
    if not is_file:
        what = "it is no regular file" if exists else "there is no such file"
        raise InputError(who, what, "an existing file", str(path), "Check the path")
    return str(path)


def read_text(path, who: str, expected: str) -> str:
    """Text of a UTF-8 file, with or without a byte order mark.

    Raises:
        InputError: there is no such file, it cannot be read, or is not UTF-8.
    """
    try:
        return Path(existing_file(path, who)).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        got, todo = f"another encoding (byte {error.start})", "Save it again as UTF-8"
        raise InputError(who, "it cannot be read", f"{expected} in UTF-8", got, todo) from error
    except OSError as error:
        raise InputError(who, "it cannot be read", expected, one_line(error), "Check its permissions") from error
