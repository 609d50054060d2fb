"""A CSV that grows by whole entries, one process at a time, and from which an interrupted run goes on."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from ..core.errors import InputError
from ..core.files import is_file, write_atomically
from .files import one_line, read_text
from .lists import parse


class Journal:
    """Rows by the identity of what they are about; a context: entering locks the file, reads and mends it.

    Args:
        path: of the CSV; its first column is ``id``.
        columns: all columns.
        complete: whether the rows of one id are all that belong to it; others are taken out.

    Raises:
        InputError: on entering: another process uses it, it cannot be written, or it is a CSV of another kind.
    """

    def __init__(self, path: Path, columns: tuple[str, ...], complete: Callable[[list[dict]], bool] = bool) -> None:
        self.path, self.columns, self._complete = path, columns, complete
        self.entries: dict[str, list[dict]] = {}
        self._replaced = False
        self._who = f"Results '{path.name}'"
        self._lock = FileLock(path.with_name(f".{path.name}.lock"))

    def __enter__(self) -> Journal:
        self._acquire()
        try:
            self.entries = self.read()
            write_atomically(self.path, self._write_all, self._who)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        if self._replaced:
            write_atomically(self.path, self._write_all, self._who)
        with suppress(OSError):  # Windows removes it itself
            Path(self._lock.lock_file).unlink()
        self._lock.release()

    def _acquire(self) -> None:
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            todo = "Wait until it has ended, or give another --output"
            raise InputError(self._who, "another process is writing them", "one process", "two", todo) from error
        except OSError as error:
            todo = "Give a place that you may write to"
            raise InputError(self._who, "they cannot be written", "a folder", one_line(error), todo) from error

    def read(self) -> dict[str, list[dict]]:
        """The complete entries of the file as it is, the last one where an id comes again; nothing is locked."""
        if not is_file(self.path):
            return {}
        text = read_text(self.path, self._who, "a CSV")
        header, rows = parse(text[: text.rfind("\n") + 1], self._who)  # a last line without an end is half a row
        if text and (header[:1] != ["id"] or not set(header) <= set(self.columns)):  # older versions had fewer
            got, todo = ", ".join(header)[:80], "Give --output another name"
            raise InputError(self._who, "it is a CSV of another kind", ", ".join(self.columns), got, todo)
        found: dict[str, list[dict]] = {}
        for number, row in enumerate(rows):
            if number == 0 or rows[number - 1]["id"] != row["id"]:
                found.pop(row["id"], None)  # a later entry takes the place of an earlier one
            found.setdefault(row["id"], []).append({key: row.get(key) or "" for key in self.columns})
        return {key: entry for key, entry in found.items() if self._complete(entry)}

    def sort(self, identities: list[str]) -> None:
        """Let the file at the end have these entries in this order; all others keep their places."""
        sorted_ones = iter([key for key in dict.fromkeys(identities) if key in self.entries])
        wanted = set(identities)
        order = [next(sorted_ones) if key in wanted else key for key in self.entries]
        self._replaced |= order != list(self.entries)
        self.entries = {key: self.entries[key] for key in order}

    def forget(self, identities: list[str]) -> None:
        """Let the file at the end have none of these entries."""
        self._replaced |= bool(identities)
        self.entries = {key: entry for key, entry in self.entries.items() if key not in identities}

    def append(self, identity: str, rows: list[dict]) -> None:
        """Add an entry at once; it takes the place of an earlier one, which leaves the file at the end.

        Raises:
            InputError: it cannot be written; the file is as it was.
        """
        entry = [{"id": identity, **row} for row in rows]
        size = self.path.stat().st_size
        try:
            with self.path.open("a", newline="", encoding="utf-8") as file:
                file.write(self._lines(entry))
        except OSError as error:
            os.truncate(self.path, size)
            todo = "Make room and start again: it goes on from here"
            raise InputError(self._who, "they cannot be written", "free space", one_line(error), todo) from error
        self._replaced |= identity in self.entries
        self.entries[identity] = [{key: str(value) for key, value in row.items()} for row in entry]

    def _write_all(self, name: str) -> None:
        rows = [row for entry in self.entries.values() for row in entry]
        Path(name).write_text(",".join(self.columns) + "\n" + self._lines(rows), encoding="utf-8", newline="")

    def _lines(self, rows: list[dict]) -> str:
        text = io.StringIO()
        csv.DictWriter(text, self.columns, lineterminator="\n").writerows(rows)
        return text.getvalue()
