"""Hostile lists of files: damaged bytes, other separators and encodings, names that no system knows, huge fields."""

from pathlib import Path

import numpy as np
from command import subject
from ISTNRegistrationLib.data.pairs import PairReader, read_pairs

from .bytes import damaged
from .places import clear, no_plain_file

HEADER = "id,fixed,moving,fixed_labels,moving_labels,initial"
ODD = (
    *("", " ", ",", '"', '"a""b"', "\0", "\r", "\t", ";", "x" * 300, "x" * 200_000, "../../etc/passwd", "/dev/zero"),
    *("~", "C:\\data\\a.nii.gz", "\\\\server\\a", "a.nii.gz/b", ".", "..", "nul", "\ud800", "\u202ea", "ä.nii.gz"),
    *("fixed", "=1+1", "%s%n", "\n", "file:///a", "a" * 100 + "/" + "b" * 4000, "NaN", "-", "#", "pipe.nii.gz"),
)
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252", "latin-1", "utf-7")
SEPARATORS = (",", ";", "\t", "|", " ")


class Lists:
    """Cases of one list of two pairs that are there."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "pairs.csv"
        files = [path.name for name in "ab" for path in subject(folder, name, 2)]
        no_plain_file(folder / "pipe.nii.gz", b"", np.random.default_rng(6))
        image, labels, other, others = files
        row = [image, other, labels, others, "none"]
        self.rows = [HEADER.split(","), ["one", *row], ["two", other, image, others, labels, ""]]

    def write(self, seed: int) -> str:
        """Write case ``seed``; its kind."""
        rng = np.random.default_rng([3, seed])
        kind = ("bytes", "fields", "encoding", "no plain file")[rng.choice(4, p=[0.3, 0.4, 0.25, 0.05])]
        rows = [list(row) for row in self.rows]
        for _ in range(int(rng.integers(1, 4)) * (kind == "fields")):
            _change(rows, rng)
        separator = SEPARATORS[rng.choice(5, p=[0.4, 0.2, 0.2, 0.1, 0.1])]
        text = str(rng.choice(["\n", "\r\n", "\r"])).join(separator.join(row) for row in rows)
        encoding = ENCODINGS[rng.integers(len(ENCODINGS))] if kind == "encoding" else "utf-8"
        data = text.encode(encoding, "surrogatepass" if "utf" in encoding and encoding != "utf-7" else "replace")
        clear(self.path)
        if kind == "no plain file":
            no_plain_file(self.path, data, rng)
        else:
            self.path.write_bytes(damaged(data, rng) if kind == "bytes" else data)
        return kind

    def judge(self, kind: str) -> str:
        """Read the list and the files that it names: ``read`` or ``wrong`` (a pair of nothing); raises InputError."""
        pairs, reader = read_pairs(self.path), PairReader(self.path.parent)
        if not pairs or any(not pair.fixed or not pair.moving for pair in pairs):
            return "wrong"
        missing = reader.missing(pairs)
        for pair in pairs:
            reader.identity(pair, "1")
        return "wrong" if missing else "read"


def _change(rows: list[list[str]], rng) -> None:
    """One field, column or row is another, gone, or there twice."""
    row = rows[rng.integers(len(rows))]
    place = int(rng.integers(len(row))) if row else 0
    way = rng.integers(6)
    if way < 3 and row:
        row[place] = ODD[rng.integers(len(ODD))]
    elif way == 3 and row:
        del row[place]
    elif way == 4:
        row.insert(place, ODD[rng.integers(len(ODD))])
    else:
        rows.insert(int(rng.integers(len(rows) + 1)), list(row))
