"""Many pairs of files, one after the other: what is done is not done again, what fails is listed and skipped."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from ..core.checkpoint import Checkpoint
from ..core.errors import InputError
from ..core.initial import NAMES
from ..core.register import RegisterOptions, register_pair
from .evaluate import measure
from .files import existing_file, read_text, write_atomically
from .images import read_image, read_labels, write_image
from .initial import resolve_initial
from .outputs import all_or_nothing
from .report import registration_report, write_report
from .results import strongest, warped_moving
from .table import parse, read_table
from .transforms import write_transform

COLUMNS = ("fixed", "moving")
LABELS = ("fixed_soi", "moving_soi")
WAITING, DONE, FAILED = "waiting", "done", "failed"
TABLE = "batch.csv"


@dataclass(frozen=True)
class Row:
    """One pair: its files (as in the list), where it stands, and its numbers; empty where there is none.

    ``name`` is the folder of its results; ``version`` changes when the same pair would get another result.
    """

    name: str
    fixed: str
    moving: str
    fixed_soi: str = ""
    moving_soi: str = ""
    state: str = WAITING
    version: str = ""
    agreement_before: float | str = ""
    agreement: float | str = ""
    dice: float | str = ""
    asd_mm: float | str = ""
    folded: int | str = ""
    seconds: float | str = ""
    message: str = ""


@dataclass(frozen=True)
class BatchOptions:
    """The checkpoint, how to register (``initial`` as ``data.initial.resolve_initial`` takes it), and what to write."""

    checkpoint: Checkpoint
    register: RegisterOptions
    heatmaps: bool = False

    @property
    def version(self) -> str:
        """Changes when the same pair would get another result."""
        values = {key: str(value) for key, value in asdict(self.register).items()}
        values["initial"] = _start(self.register.initial)
        text = json.dumps([self.checkpoint.sha256, values, self.heatmaps])
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def read_batch(pairs: Path, output: Path, version: str) -> list[Row]:
    """The pairs of a CSV (columns fixed, moving; if wanted fixed_soi, moving_soi), with what an earlier run has done.

    Args:
        pairs: paths in it are relative to it.
        output: folder of the results.
        version: of the options; what was done with others is done again.

    Raises:
        InputError: the list cannot be read or would be overwritten by the table, or ``output`` is no folder.
    """
    if output.exists() and not output.is_dir():
        raise InputError("Output folder", "it is a file", "a folder", str(output), "Give the name of a folder")
    if pairs.resolve() == (output / TABLE).resolve():
        who, what = f"Pairs '{pairs.name}'", "the table of results would overwrite it"
        raise InputError(who, what, "another folder or name", str(pairs), "Give --output another folder")
    rows = []
    for number, entry in enumerate(read_table(pairs, f"Pairs '{pairs.name}'", COLUMNS), start=1):
        files = {key: entry.get(key) or "" for key in (*COLUMNS, *LABELS)}
        rows.append(Row(name=f"{number:04d}-{_stem(files['moving'])}-to-{_stem(files['fixed'])}", **files))
    done = {_files(old): old for old in _read_table(output / TABLE) if _is_done(old, output, version)}
    return [done.get(_files(row), row) for row in rows]


def run_batch(rows: list[Row], pairs: Path, output: Path, options: BatchOptions, on_progress=None) -> Iterator[Row]:
    """Register what is not done yet; yields each row when it is done or has failed, after the table is written.

    Stopping to iterate ends the batch between two pairs; RegistrationCancelled from ``on_progress`` ends it within one.
    """
    rows = list(rows)
    write_table(output, rows)
    for index, row in enumerate(rows):
        if row.state != DONE:
            rows[index] = register_row(row, pairs, output, options, on_progress)
            write_table(output, rows)
            yield rows[index]


def register_row(row: Row, pairs: Path, output: Path, options: BatchOptions, on_progress=None) -> Row:
    """Register one pair and write its folder; the row as it stands then, done or failed."""
    output.mkdir(parents=True, exist_ok=True)
    try:
        return _registered(row, pairs.parent, output / row.name, options, on_progress)
    except (InputError, OSError, MemoryError, RuntimeError) as error:
        return replace(row, state=FAILED, version=options.version, message=" ".join(str(error).split()))


def write_table(output: Path, rows: list[Row]) -> None:
    """``batch.csv``: a line per pair."""
    output.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(asdict(rows[0])), lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    path = output / TABLE
    write_atomically(path, lambda name: Path(name).write_text(text.getvalue(), "utf-8", newline=""), f"Table '{path}'")


def _registered(row: Row, base: Path, folder: Path, options: BatchOptions, on_progress: Callable | None) -> Row:
    began = time.perf_counter()
    fixed, moving = (read_image(base / name) for name in (row.fixed, row.moving))
    soi = [read_labels(base / name) for name in (row.fixed_soi, row.moving_soi) if name]
    initial = resolve_initial(options.register.initial, fixed, moving)
    result = register_pair(fixed, moving, options.checkpoint, replace(options.register, initial=initial), on_progress)
    scores = measure(result.transform, *soi) if len(soi) == 2 else []
    with all_or_nothing() as temporary:
        write_transform(temporary(folder / "transform.h5"), result.transform)
        write_image(temporary(folder / "warped.nii.gz"), warped_moving(moving, result.transform, fixed.grid))
        write_report(temporary(folder / "report.json"), registration_report(fixed, moving, options.checkpoint, result))
        if options.heatmaps:
            for name in ("fixed_map", "moving_map", "warped_map"):
                write_image(temporary(folder / f"{name}.nii.gz"), strongest(getattr(result, name)))
    kept = next(stage for stage in result.stages if stage.name == result.kept)
    return replace(
        row,
        state=DONE,
        version=options.version,
        agreement_before=_number(result.stages[0].agreement),
        agreement=_number(kept.agreement),
        dice=_mean([s.dice for s in scores]),
        asd_mm=_mean([s.asd_mm for s in scores]),
        folded=kept.folded,
        seconds=round(time.perf_counter() - began, 3),
        message="" if kept is result.stages[-1] else f"kept '{kept.name}'",
    )


def _read_table(path: Path) -> list[Row]:
    if not path.is_file():
        return []
    who, columns = f"Table '{path}'", list(asdict(Row("", "", "")))
    header, rows = parse(read_text(path, who, "a CSV"), who)
    if header != columns:
        got, todo = ", ".join(header)[:80], "Give --output another folder"
        raise InputError(who, "it is a CSV of another kind", ", ".join(columns), got, todo)
    return [Row(**{key: row[key] or "" for key in columns}) for row in rows]


def _files(row: Row) -> tuple[str, ...]:
    return row.name, row.fixed, row.moving, row.fixed_soi, row.moving_soi


def _is_done(row: Row, output: Path, version: str) -> bool:
    return row.state == DONE and row.version == version and (output / row.name / "transform.h5").is_file()


def _start(initial) -> str | list:
    """What the initial alignment is, exactly: a name, the numbers of a matrix, or the bytes of a file.

    Raises:
        InputError: there is no such name or file.
    """
    if not isinstance(initial, (str, Path)):
        return np.asarray(initial).tolist()
    if str(initial) in (*NAMES, "rigid"):
        return str(initial)
    return hashlib.sha256(Path(existing_file(initial, "Initial alignment")).read_bytes()).hexdigest()


def _stem(name: str) -> str:
    return Path(name).name.split(".")[0]


def _number(value: float) -> float | str:
    return round(float(value), 5) if math.isfinite(value) else ""


def _mean(values: list[float]) -> float | str:
    known = [value for value in values if math.isfinite(value)]
    return _number(sum(known) / len(known)) if known else ""
