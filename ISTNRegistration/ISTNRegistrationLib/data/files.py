"""Files that are either complete or not there."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from ..core.errors import InputError


def write_atomically(path, write: Callable[[str], None], who: str) -> None:
    """Call ``write`` with a temporary name beside ``path``, then rename it to ``path``.

    Convention: the temporary name has the same extension in lower case, the only one that ITK knows for most formats.

    Raises:
        InputError: the folder is missing or not writable, or the extension is one that ``write`` cannot handle.
    """
    path = Path(path)
    temporary = path.with_name(f".{os.getpid()}-{path.name.lower()}")
    try:
        if not path.parent.is_dir():
            raise FileNotFoundError(f"there is no folder {path.parent}")
        write(str(temporary))
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        todo = "Check the folder, its permissions and the file's extension"
        raise InputError(who, "it cannot be written", "a file to write to", one_line(error), todo) from error
    finally:
        temporary.unlink(missing_ok=True)


def existing_file(path, who: str) -> str:
    """The path of an existing file as text.

    Raises:
        InputError: there is no such file.
    """
    if not Path(path).is_file():
        raise InputError(who, "there is no such file", "an existing file", str(path), "Check the path")
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


def one_line(error: Exception) -> str:
    """What an ITK or system error says, without the C++ source line and on one line."""
    text = re.split(r"(?:sitk::|ITK )ERROR: ", str(error))[-1]
    text = re.sub(r"^\w+\(0x[0-9a-f]+\): ", "", text)
    return " ".join(text.split()).rstrip(".")
