"""Lists of pairs of files: reading them, reading the files, and what identifies a pair.

A list is a CSV with the columns fixed and moving; it may have initial (a name or a transform file), rigid (bodies of
the fixed image), and for each of the two sides a mask, labels, landmarks and corrected structures (``fixed_mask``,
``moving_labels``, ...). Paths are relative to the list.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

import numpy as np

from ..core.checkpoint import Checkpoint
from ..core.errors import InputError
from ..core.files import is_file
from ..core.grid import Grid
from ..core.landmarks import Landmarks
from ..core.options import INITIALS, RegisterOptions
from ..core.volume import Volume
from .files import existing_file, sha256_of
from .images import read_image, read_labels
from .lists import listed_path, read_table
from .markups import is_markups, read_landmarks, read_roi
from .run import Request, Side

NEEDED = ("fixed", "moving")
ROLES = ("mask", "labels", "landmarks", "corrected")
OTHER_NAMES = {"fixed_soi": "fixed_labels", "moving_soi": "moving_labels"}  # of lists made for older versions
NEARLY = 0.8  # likeness of a column's name to one of ours (difflib), from which it is taken for a mistake
DATA_OF_HEADER = {".hdr": (".img", ".img.gz"), ".mhd": (".raw", ".zraw"), ".nhdr": (".raw", ".raw.gz")}


@dataclass(frozen=True)
class PairFiles:
    """One pair as it stands in the list (paths relative to the list; empty where nothing is given)."""

    fixed: str
    moving: str
    fixed_mask: str = ""
    moving_mask: str = ""
    fixed_labels: str = ""
    moving_labels: str = ""
    fixed_landmarks: str = ""
    moving_landmarks: str = ""
    fixed_corrected: str = ""
    moving_corrected: str = ""
    rigid: str = ""
    initial: str = ""
    id: str = ""

    @property
    def name(self) -> str:
        """For people: the two files' names."""
        return self.id or f"{_stem(self.moving)}-to-{_stem(self.fixed)}"


def read_pairs(path: Path, needed: tuple[str, ...] = NEEDED) -> list[PairFiles]:
    """The pairs of a list.

    Args:
        needed: columns that must be there and filled.

    Raises:
        InputError: no such file, not a CSV, missing columns, no rows, or an empty field, with its line; a name in the
            column ``id`` that stands there twice, or that cannot name a folder.
    """
    who, columns = f"Pairs '{path.name}'", [field.name for field in dataclasses.fields(PairFiles)]
    pairs, rows = [], read_table(path, who, needed, OTHER_NAMES)
    _check_columns(rows[0], columns, who)
    for row in rows:
        pairs.append(PairFiles(**{key: row.get(key) or "" for key in columns}))
    ids = [pair.id for pair in pairs if pair.id]
    for name, times in Counter(ids).items():
        if times > 1 or name != Path(name).name or name in (".", ".."):
            expected, todo = "names of folders, each once", "Give every line an id of its own, or leave the column out"
            raise InputError(f"{who} column id", "it cannot name the results", expected, repr(name), todo)
    return pairs


def _check_columns(found, columns: list[str], who: str) -> None:
    """Raise InputError for a column that is nearly one of ours: it would be ignored in silence."""
    for name in set(found) - set(columns):
        close = difflib.get_close_matches(name, columns, n=1, cutoff=NEARLY)
        if close:
            todo = f"Is '{close[0]}' meant? Rename the column, or take it out"
            raise InputError(who, "a column is not known", ", ".join(columns), repr(name), todo)


class PairReader:
    """Reads the files of pairs; a fixed side that comes again is not read again (``data.run.Runner`` sees it once).

    Args:
        base: folder that the paths are relative to.
    """

    def __init__(self, base: Path) -> None:
        self._base, self._fixed = base, ((), None)

    def request(self, pair: PairFiles, checkpoint: Checkpoint, options: RegisterOptions, labels=()) -> Request:
        """What ``data.run`` takes; the pair's own initial alignment takes the place of that of ``options``.

        Raises:
            InputError: a file that cannot be read.
        """
        key = tuple(_signature(path) for path in self._files(pair, "fixed").values())
        if self._fixed[0] != key:
            self._fixed = (key, self._side(pair, "fixed"))
        if pair.initial:
            options = dataclasses.replace(options, initial=initial_of(pair.initial, self._base))
        return Request(self._fixed[1], self._side(pair, "moving"), checkpoint, options, tuple(labels))

    def _files(self, pair: PairFiles, role: str) -> dict[str, Path]:
        names = {"image": getattr(pair, role)} | {key: getattr(pair, f"{role}_{key}") for key in ROLES}
        names |= {"rigid": pair.rigid} if role == "fixed" else {}
        return {key: listed_path(self._base, name) for key, name in names.items() if name}

    def _side(self, pair: PairFiles, role: str) -> Side:
        files = self._files(pair, role)
        image = read_image(files["image"])
        mask = _mask(files["mask"], image.grid) if "mask" in files else None
        maps = [read_labels(files[key]) if key in files else None for key in ("labels", "corrected", "rigid")]
        landmarks = _landmarks(files["landmarks"], image.grid.ndim) if "landmarks" in files else None
        return Side(image, mask, maps[0], landmarks, *maps[1:])

    def missing(self, pairs: list[PairFiles]) -> list[Path]:
        """Files of the list that are not there, each once."""
        named = (path for pair in pairs for path in self._all(pair).values())
        return [path for path in dict.fromkeys(named) if not is_file(path)]

    def full_paths(self, pair: PairFiles) -> dict[str, str]:
        """Of both images, whether they are there or not."""
        return {f"{role}_path": str(listed_path(self._base, getattr(pair, role)).resolve()) for role in NEEDED}

    def described(self, pair: PairFiles) -> dict[str, dict[str, str]]:
        """Full path and SHA-256 of each file of a pair, by column.

        Raises:
            InputError: a file is not there.
        """
        found = self._all(pair)
        return {key: {"path": str(path.resolve()), "sha256": fingerprint(path)} for key, path in found.items()}

    def _all(self, pair: PairFiles) -> dict[str, Path]:
        columns = [*NEEDED, "rigid", *(f"{role}_{what}" for role in NEEDED for what in ROLES)]
        columns += ["initial"] if pair.initial not in (*INITIALS, "") else []
        return {key: listed_path(self._base, getattr(pair, key)) for key in columns if getattr(pair, key)}

    def identity(self, pair: PairFiles, version: str) -> str:
        """What the result depends on: the contents of all files that go in, and ``version`` of everything else.

        Raises:
            InputError: a file is not there.
        """
        files = self._files(pair, "fixed") | {f"m {k}": path for k, path in self._files(pair, "moving").items()}
        initial = initial_version(initial_of(pair.initial, self._base)) if pair.initial else ""
        values = [version, initial, {key: fingerprint(path) for key, path in files.items()}]
        return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


def _mask(path: Path, grid: Grid) -> Volume:
    """A label map on its own grid, or a region of interest (markups) on ``grid``."""
    return read_roi(path).mask(grid) if is_markups(path) else read_labels(path)


def initial_of(text: str, base: Path) -> str | Path:
    """A name, or a file relative to ``base``."""
    return text if text in INITIALS else listed_path(base, text)


def initial_version(initial) -> str | list:
    """What an initial alignment is, exactly: a name, the numbers of a matrix, or the contents of a file.

    Raises:
        InputError: there is no such name or file.
    """
    if not isinstance(initial, str | Path):
        return np.asarray(initial).tolist()
    return str(initial) if str(initial) in INITIALS else fingerprint(existing_file(initial, "Initial alignment"))


def fingerprint(path) -> str:
    """SHA-256 of a file's contents, with those of the data file beside a header (.hdr, .mhd, .nhdr).

    Raises:
        InputError: there is no such file.
    """
    path = Path(existing_file(path, f"File '{Path(path).name}'"))
    beside = [path.with_name(path.stem + end) for end in DATA_OF_HEADER.get(path.suffix.lower(), ())]
    parts = [_sha256(p, p.stat().st_size, p.stat().st_mtime_ns) for p in (path, *beside) if is_file(p)]
    return "+".join(parts)


def _signature(path: Path) -> tuple:
    """Changes when the file does, within one run."""
    state = path.stat() if is_file(path) else None
    return path, state and (state.st_size, state.st_mtime_ns)


@functools.lru_cache(maxsize=1 << 17)  # a long list is gone through twice
def _sha256(path: Path, _size: int, _modified: int) -> str:
    return sha256_of(path)


def _landmarks(path: Path, ndim: int) -> Landmarks:
    found = read_landmarks(path)
    return Landmarks(found.points[:, :ndim], found.labels)


def _stem(name: str) -> str:
    return PureWindowsPath(name).name.split(".")[0]  # it knows both separators
