"""Lists of files as people have them: saved by a spreadsheet, on another system, in an older encoding."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable
from pathlib import Path

from ..core.errors import InputError
from ..core.files import is_file
from .files import read_bytes

TODO = "Write one line per row, with paths relative to the list"
SEPARATORS = (",", ";", "\t")
MARKS = (  # UTF-32 begins as UTF-16 does
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
NAMED = 5  # files that one message names


def read_table(path: Path, who: str, columns: tuple[str, ...], other_names=None) -> list[dict[str, str]]:
    """Rows of a list in which every one of ``columns`` is filled; other columns may be there, empty rows are none.

    Fields are separated by commas, semicolons or tabs; the text is UTF-8, UTF-16 or cp1252; blanks around fields do
    not count, nor does the case of column names, in which blanks and hyphens are read as ``_``.

    Args:
        columns: in lower case.
        other_names: names by which some columns are known, too.

    Raises:
        InputError: no such file, no text, missing columns, no rows, an empty or a surplus field, with its line.
    """
    text, expected = decoded(read_bytes(path, who, "a list (CSV)"), who), "columns " + ", ".join(columns)
    separator, lines = _lines(text, who)
    header = [(other_names or {}).get(name, name) for name in map(_column, lines[0][1])] if lines else []
    if not set(columns) <= set(header):
        got = ", ".join(header) + (f" (separated by {separator!r})" if header else "an empty file")
        raise InputError(who, "columns are missing", expected, got, TODO)
    if len(set(header) - {""}) < len([name for name in header if name]):
        raise InputError(who, "a column is there twice", "each once", ", ".join(header), TODO)
    if not lines[1:]:
        raise InputError(who, "it has no rows", "one line per row", "only a header", TODO)
    return [_row(header, fields, columns, f"{who} line {number}") for number, fields in lines[1:]]


def _row(header: list[str], fields: list[str], columns: tuple[str, ...], who: str) -> dict[str, str]:
    """A line's fields by column, with every one of ``columns`` filled."""
    row = dict(zip(header, fields + [""] * (len(header) - len(fields)), strict=False))
    if len(fields) > len(header) and any(fields[len(header) :]):
        todo = "Put a field that has the separator in it in quotes"
        raise InputError(who, "it has too many fields", f"{len(header)}", str(fields), todo)
    if not all(row[key] for key in columns):
        raise InputError(who, "a field is empty", "columns " + ", ".join(columns), str(fields), TODO)
    return row


def parse(text: str, who: str) -> tuple[list[str], list[dict]]:
    """Header and rows of a CSV as this project writes it.

    Raises:
        InputError: it is no CSV.
    """
    reader = csv.DictReader(io.StringIO(text))
    try:
        rows = list(reader)
    except csv.Error as error:
        raise InputError(who, "it cannot be read", "a CSV", str(error), TODO) from error
    return list(reader.fieldnames or []), rows


def decoded(data: bytes, who: str) -> str:
    """Text in the encoding that its mark says; else UTF-8, UTF-16 where every other byte is zero, or cp1252.

    Raises:
        InputError: it is in none of them.
    """
    encoding = next((name for mark, name in MARKS if data.startswith(mark)), None)
    if encoding is None and data[:200].count(0) > len(data[:200]) // 4:
        encoding = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
    for name in (encoding,) if encoding else ("utf-8", "cp1252"):
        try:
            text = data.decode(name)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    todo = "Save it again as UTF-8"
    raise InputError(who, "it cannot be read", "text in UTF-8, UTF-16 or cp1252", "another encoding", todo)


def listed_path(folder: Path, text: str) -> Path:
    """The file that a list in ``folder`` names, with the separators of any system.

    A name that really has a backslash in it, which Windows forbids, is taken as it stands.
    """
    path = folder / text
    if "\\" not in text or Path(text).is_absolute() or is_file(path):
        return path
    return folder / text.replace("\\", "/")


def check_files(paths: Iterable[Path], who: str) -> None:
    """Raise one InputError that names what is missing (the first few, and how many) of all ``paths``."""
    paths = list(dict.fromkeys(paths))
    missing = [path for path in paths if not is_file(path)]
    if missing:
        folder = missing[0].parent
        names = [path.name if path.parent == folder else str(path) for path in missing[:NAMED]]
        names += [f"{len(missing) - NAMED} more"] * (len(missing) > NAMED)
        got, todo = (
            f"{len(missing)} missing in {folder}: {', '.join(names)}",
            "Check the list; paths are relative to it",
        )
        raise InputError(who, "there is no such file", f"{len(paths)} existing files", got, todo)


def _lines(text: str, who: str) -> tuple[str, list[tuple[int, list[str]]]]:
    """The separator, and the number and the stripped fields of every line that is not empty."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    first, _, rest = text.lstrip("\n").partition("\n")
    told = first.strip().lower()
    if told.startswith("sep=") and len(told) == 5:  # Excel's own line
        separator, text = told[4], "\n" + rest
    else:
        separator = max(SEPARATORS, key=first.count)
    reader, lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True), []
    try:
        for row in reader:
            fields = [field.strip() for field in row]
            lines += [(reader.line_num, fields)] if any(fields) else []
    except csv.Error as error:
        raise InputError(who, "it cannot be read", "a list (CSV)", str(error), TODO) from error
    return separator, lines


def _column(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")
