"""The one writer of the project's files: each is complete and checked before it takes its name, or not there."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from .errors import InputError

PREFIX = ".istn-"
TEMPORARY = re.compile(r"(\.istn-[0-9a-f]{12}-)(\d+)((?:-\w+)*)(\..*)?$")  # stem, process, more, extension
OLD_S = 3600.0
FULL = 1 << 16  # bytes that are free: on less than that, a library's writer may well have failed for want of space


def write_atomically(path, write: Callable[[str], None], who: str, check: Callable[[str], None] | None = None) -> None:
    """Call ``write`` with a temporary name beside ``path`` (same extension), check the file, rename it to ``path``.

    What killed runs left of the same file is taken away first.

    Args:
        check: called with the temporary name; raises InputError or OSError when the file is not what was to be written.

    Raises:
        InputError: no such folder, not writable, no space left, or an extension that ``write`` cannot handle. A file
            that was there before is as it was.
    """
    path = Path(path)
    temporary = temporary_name(path)
    try:
        if not is_folder(path.parent):
            raise FileNotFoundError(f"there is no folder {path.parent}")
        clear_leftovers(path)
        write(str(temporary))
        finish(temporary, check)
        temporary.replace(path)
    except (OSError, RuntimeError) as error:
        todo = "Check the folder, its permissions, the space on the disk and the file's extension"
        got = _why(error, path.parent)
        raise InputError(who, "it cannot be written", "a file to write to", got, todo) from error
    finally:
        with suppress(OSError, ValueError):
            temporary.unlink(missing_ok=True)


def _why(error: Exception, folder: Path) -> str:
    """What an error says; and what is wrong with the folder, where a library has only words of its own."""
    text = one_line(error)
    if getattr(error, "errno", None):
        return text
    with suppress(OSError):
        if not os.access(folder, os.W_OK):
            return f"{text}: the folder cannot be written to"
        if shutil.disk_usage(folder).free < FULL:
            return f"{text}: no space left on the disk"
    return text


def write_bytes(path, data: bytes, who: str) -> None:
    """Write ``data`` as :func:`write_atomically` does, and read it again.

    Raises:
        InputError: it cannot be written.
    """

    def check(name: str) -> None:
        if Path(name).read_bytes() != data:
            raise OSError("what was written is not what was to be written: is the disk full?")

    write_atomically(path, lambda name: Path(name).write_bytes(data), who, check)


def write_text(path, text: str, who: str) -> None:
    """:func:`write_bytes` of UTF-8 text."""
    write_bytes(path, text.encode("utf-8", "surrogateescape"), who)


def temporary_name(path: Path) -> Path:
    """Where this process writes ``path`` until it is complete: in the same folder, hidden, with the same extension.

    The extension is in lower case, the only one that ITK knows for most formats. The temporary name of a temporary
    name is of the same kind, so that it is found again too.
    """
    found = TEMPORARY.match(path.name)
    if found:
        return path.with_name(f"{found[1]}{found[2]}{found[3] or ''}-x{found[4] or ''}")
    return path.with_name(f"{_stem(path)}{os.getpid()}{''.join(path.suffixes[-2:])[-40:].lower()}")


def finish(temporary: Path, check: Callable[[str], None] | None = None) -> None:
    """See that a file has reached the disk and is not empty, then call ``check`` with its name.

    Raises:
        OSError: the disk did not take it.
    """
    with temporary.open("r+b") as file:
        os.fsync(file.fileno())
        if not file.seek(0, os.SEEK_END):
            raise OSError("nothing was written: is the disk full?")
    if check is not None:
        check(str(temporary))


def check_space(name: str, size: int) -> None:
    """Raise OSError where the disk has no room for ``size`` bytes, for writers that do not survive a full disk."""
    free = shutil.disk_usage(Path(name).parent).free
    if free < size:
        raise OSError(errno.ENOSPC, f"no space left on the disk: {size} bytes are needed, {free} are free")


def is_file(path) -> bool:
    """Whether there is such a file; a name that the system cannot have (too long, a NUL in it) is none."""
    return _answered(Path(path).is_file)


def is_folder(path) -> bool:
    """As :func:`is_file`, of folders."""
    return _answered(Path(path).is_dir)


def _answered(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except (OSError, ValueError):
        return False


def clear_leftovers(path: Path) -> None:
    """Take away what runs that were killed left while they wrote ``path``, files and folders."""
    stem = _stem(path)
    with suppress(OSError):
        for entry in list(path.parent.glob(f"{stem}*")):
            found = TEMPORARY.match(entry.name)
            if found and int(found[2]) != os.getpid() and not _is_alive(int(found[2]), entry):
                shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(missing_ok=True)


def _stem(path: Path) -> str:
    """Of the temporary names of one file: short, however long its own name is."""
    return f"{PREFIX}{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:12]}-"


def _is_alive(process: int, written: Path) -> bool:
    """Whether the process that writes a file may still run; Windows is not asked, there the file's age decides."""
    if sys.platform == "win32":
        return time.time() - written.stat().st_mtime < OLD_S
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # of another user
    return True


def one_line(error: Exception) -> str:
    """What an ITK or system error says, without the C++ source line and on one line."""
    text = re.split(r"(?:sitk::|ITK )ERROR: ", str(error))[-1]
    text = re.sub(r"^\w+\(0x[0-9a-f]+\): ", "", text)
    return " ".join(text.split()).rstrip(".")
