"""CSV files that people write: as a spreadsheet saves them, and with one clear line for what is wrong in them."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from ..core.errors import InputError
from .files import read_text

TODO = "Write one line per row, with paths relative to the CSV"


def read_table(path: Path, who: str, columns: tuple[str, ...], other_names=None) -> list[dict[str, str]]:
    """Rows of a CSV in which every one of ``columns`` is filled; other columns may be there.

    Args:
        other_names: names by which some columns are known, too.

    Raises:
        InputError: no such file, not a CSV in UTF-8, missing columns, no rows, or an empty field, with its line.
    """
    expected = "columns " + ", ".join(columns)
    header, rows = parse(read_text(path, who, "a CSV"), who)
    names = {name: (other_names or {}).get(name, name) for name in header}
    header, rows = list(names.values()), [{names[key]: row[key] for key in names} for row in rows]
    if not set(columns) <= set(header):
        raise InputError(who, "columns are missing", expected, ", ".join(header) or "an empty file", TODO)
    if not rows:
        raise InputError(who, "it has no rows", "one line per row", "only a header", TODO)
    for line, row in enumerate(rows, start=2):
        if not all(row[key] for key in columns):
            raise InputError(f"{who} line {line}", "a field is empty", expected, str(list(row.values())), TODO)
    return rows


def parse(text: str, who: str) -> tuple[list[str], list[dict]]:
    """Header and rows of a CSV's text."""
    reader = csv.DictReader(io.StringIO(text))
    try:
        rows = list(reader)
    except csv.Error as error:
        raise InputError(who, "it cannot be read", "a CSV", str(error), TODO) from error
    return list(reader.fieldnames or []), rows
