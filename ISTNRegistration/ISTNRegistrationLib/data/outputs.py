"""The files of one run: checked before it begins, and in the end all of them are there or none."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..core.errors import InputError
from ..core.files import clear_leftovers, finish, is_folder, one_line, temporary_name


def check_writable(path: Path, who: str, write: Callable[[Path], None]) -> None:
    """Write something small of the same kind in a folder beside ``path`` and take it away again.

    Raises:
        InputError: there is no such folder, it cannot be written to, ``path`` is a folder, or ``write`` refuses it.
    """
    todo = "Give a file name in an existing folder that you may write to"
    try:
        if is_folder(path) or not is_folder(path.parent):
            got = f"the folder {path}" if is_folder(path) else f"{path}, and there is no folder {path.parent}"
            raise InputError(who, "it cannot be written", "a file name in an existing folder", got, todo)
        clear_leftovers(path)
        with tempfile.TemporaryDirectory(
            dir=path.parent, prefix=f"{temporary_name(path.with_suffix('')).name}-"
        ) as folder:
            _probe(Path(folder) / path.name, path, write)
    except OSError as error:
        got = f"{path} ({one_line(error)})"
        raise InputError(who, "it cannot be written", "a folder that you may write to", got, todo) from error


def make_folder(path: Path, who: str) -> None:
    """Make a folder that files are written into, and what is above it.

    Raises:
        InputError: it is a file, or it cannot be made.
    """
    todo = "Give the name of a folder that you may write to"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        got = f"{path} ({one_line(error)})"
        raise InputError(who, "it cannot be made", "a folder", got, todo) from error


def check_distinct(outputs: dict[str, Path], inputs: dict[str, Path]) -> None:
    """Both map what a path is for to the path.

    Raises:
        InputError: two outputs, or an output and an input, are the same file; links are followed.
    """
    taken = {path.resolve(): name for name, path in inputs.items()}
    for name, path in outputs.items():
        other = taken.setdefault(path.resolve(), name)
        if other != name:
            what, todo = f"it is the same file as {other}", "Give every output a name of its own"
            raise InputError(name, what, "a file of its own", str(path), todo)


def _probe(temporary: Path, path: Path, write: Callable[[Path], None]) -> None:
    """Write ``temporary``; an error names ``path``."""
    try:
        write(temporary)
    except InputError as error:
        error.args = (str(error).replace(str(temporary), str(path)),)
        raise


@contextmanager
def all_or_nothing() -> Iterator[Callable[[Path], Path]]:
    """Within this block, ask the yielded function for the temporary name to write a file under.

    At the end all files take their names, replacing older ones; after any exception (Ctrl-C too) the old ones are still
    there and nothing new is. A file's folder is made if only its last part is missing.
    """
    temporaries: dict[Path, Path] = {}
    made: list[Path] = []

    def temporary(path: Path) -> Path:
        if not is_folder(path.parent):
            path.parent.mkdir()
            made.append(path.parent)
        clear_leftovers(path)
        temporaries[path] = temporary_name(path)
        return temporaries[path]

    try:
        with _told_by_own_names(temporaries):
            yield temporary
            for written in temporaries.values():
                finish(written)
            _take_names(temporaries)
        made.clear()
    finally:
        _take_away(temporaries.values(), made)


@contextmanager
def _told_by_own_names(temporaries: dict[Path, Path]) -> Iterator[None]:
    """Errors name each file, and not its temporary names; all of them are InputErrors."""

    def told(text: str) -> str:
        for path, written in temporaries.items():
            for name in (written, temporary_name(written)):
                text = text.replace(str(name), str(path))
        return text

    try:
        yield
    except InputError as error:
        error.args = (told(str(error)),)
        raise
    except OSError as error:
        got, todo = told(one_line(error)), "Check the folder, its permissions and the disk's space"
        raise InputError("Output", "it cannot be written", "a place to write to", got, todo) from error


def _take_names(temporaries: dict[Path, Path]) -> None:
    """Give all files their names; if one cannot have it, those that had their names before get them back."""
    older: dict[Path, Path] = {}
    done: list[Path] = []
    try:
        for path, written in temporaries.items():
            if os.path.lexists(path):
                older[path] = temporary_name(written)
                _keep(path, older[path])
        for path, written in temporaries.items():
            written.replace(path)
            done.append(path)
    except OSError:
        for path in done:
            older[path].replace(path) if path in older else path.unlink()
        raise
    finally:
        _take_away(older.values(), ())


def _keep(path: Path, aside: Path) -> None:
    """The same file under a second name; a copy where the disk has no links. A folder raises OSError."""
    try:
        os.link(path, aside, follow_symlinks=False)
    except (OSError, NotImplementedError):
        shutil.copy2(path, aside)


def _take_away(files, folders) -> None:
    """Remove what is left of files, and the folders in which nothing else has been put meanwhile."""
    for written in files:
        with suppress(OSError):
            written.unlink(missing_ok=True)
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()
