"""Many pairs of files, one after the other: what is done is not done again, what fails is listed and skipped."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ..core.checkpoint import Checkpoint
from ..core.errors import InputError
from ..core.files import is_file
from ..core.options import RegisterOptions
from ..core.quality import StageQuality
from .images import write_image
from .jobs import results_of
from .journal import Journal
from .outputs import all_or_nothing
from .pairs import PairFiles, PairReader, initial_version, read_pairs
from .report import now, write_report
from .run import Outcome, Runner
from .transforms import write_transform

WAITING, DONE, FAILED = "waiting", "done", "failed"
TABLE = "batch.csv"
MAPS = ("fixed_map", "moving_map", "warped_map")
FAILURES = (InputError, OSError, MemoryError, RuntimeError)  # end a pair, not the batch


@dataclass(frozen=True)
class Row:
    """One pair: its files (as in the list), where it stands, and its numbers; empty where there is none.

    ``id`` identifies everything that the result depends on; ``folder`` holds the results.
    """

    id: str
    folder: str
    fixed: str
    moving: str
    state: str = WAITING
    light: str = ""
    agreement_before: float | str = ""
    agreement: float | str = ""
    expected: float | str = ""
    expected_low: float | str = ""
    expected_high: float | str = ""
    uncertainty_mm: float | str = ""
    dice: float | str = ""
    asd_mm: float | str = ""
    tre_mm: float | str = ""
    folded: int | str = ""
    seconds: float | str = ""
    message: str = ""
    reason: str = ""
    dice_by_label: str = ""
    uncertainty_by_structure: str = ""
    date: str = ""
    fixed_path: str = ""
    moving_path: str = ""


COLUMNS = tuple(Row.__dataclass_fields__)


@dataclass(frozen=True)
class BatchOptions:
    """The checkpoint, how to register, and whether to write the maps."""

    checkpoint: Checkpoint
    register: RegisterOptions
    heatmaps: bool = False

    @property
    def version(self) -> str:
        """Changes when the same pair would get another result."""
        values = self.register.as_dict() | {"initial": initial_version(self.register.initial)}
        return hashlib.sha256(json.dumps([self.checkpoint.sha256, values, self.heatmaps]).encode()).hexdigest()


class Batch:
    """The pairs of a list and what is done of them. A context: within it no other process writes to ``output``.

    Attributes:
        rows: a Row per pair, in the order of the list.

    Raises:
        InputError: the list cannot be read or would be overwritten by the table, ``output`` is no folder, or the
            checkpoint cannot do what is asked for.
    """

    def __init__(self, pairs: Path, output: Path, options: BatchOptions) -> None:
        if is_file(output):
            raise InputError("Output folder", "it is a file", "a folder", str(output), "Give the name of a folder")
        if pairs.resolve() == (output / TABLE).resolve():
            who, what = f"Pairs '{pairs.name}'", "the table of results would overwrite it"
            raise InputError(who, what, "another folder or name", str(pairs), "Give --output another folder")
        options.register.check()
        options.checkpoint.check_options(options.register)
        if options.heatmaps:
            options.checkpoint.check_maps("Do not ask for heatmaps")
        self.output, self._options, self._version = output, options, options.version
        self._pairs, self._reader = read_pairs(pairs), PairReader(pairs.parent)
        self._work = PairWork(pairs.parent, output, options)
        self._journal = Journal(output / TABLE, COLUMNS)
        self.rows = self._rows(self._journal.read())

    def __enter__(self) -> Batch:
        self.output.mkdir(parents=True, exist_ok=True)
        self._journal.__enter__()
        self.rows = self._rows(self._journal.entries)
        return self

    def __exit__(self, *_) -> None:
        self._journal.forget(self._mended())
        self._journal.sort([row.id for row in self.rows])
        self._journal.__exit__()

    def todo(self) -> list[int]:
        """Numbers of the rows that are not done."""
        return [index for index, row in enumerate(self.rows) if row.state != DONE]

    def missing(self) -> list[Path]:
        """Files of the list that are not there."""
        return self._reader.missing(self._pairs)

    def register(self, index: int, on_progress=None) -> Row:
        """Register one pair and write its folder; its row as it stands then, done or failed.

        Raises:
            RegistrationCancelled: passed on from ``on_progress``.
        """
        return self._keep(index, self._work((self.rows[index], self._pairs[index]), on_progress))

    def register_all(self, indices: list[int], jobs: int = 1, threads: int | None = None) -> Iterator[Row]:
        """The rows of many pairs, each when it is done or failed (``jobs.results_of``)."""
        pairs = [(self.rows[index], self._pairs[index]) for index in indices]
        for number, row in results_of(self._work, pairs, jobs, threads):
            yield self._keep(indices[number], row if isinstance(row, Row) else failed(pairs[number][0], row))

    def _keep(self, index: int, row: Row) -> Row:
        self.rows[index] = row
        self._journal.append(row.id, [asdict(row)])
        return row

    def _mended(self) -> list[str]:
        """Entries that failed, of pairs that are done now: a file was put right meanwhile, or an option."""
        own = {row.id for row in self.rows}
        done = {(row.fixed_path, row.moving_path) for row in self.rows if row.state == DONE}
        old = [entry[0] for key, entry in self._journal.entries.items() if key not in own]
        return [e["id"] for e in old if e["state"] == FAILED and (e["fixed_path"], e["moving_path"]) in done]

    def _rows(self, done: dict[str, list[dict]]) -> list[Row]:
        return [self._row(pair, done) for pair in self._pairs]

    def _row(self, pair: PairFiles, done: dict[str, list[dict]]) -> Row:
        try:
            identity = self._reader.identity(pair, self._version)
        except InputError:  # a missing file: said when its turn comes
            identity = hashlib.sha256(f"{pair} {self._version}".encode()).hexdigest()[:16]
        old = done.get(identity, [{}])[0]
        if old.get("state") == DONE and is_file(self.output / old["folder"] / "transform.h5"):
            return Row(**old)
        folder = pair.id or f"{pair.name}-{identity[:8]}"
        return Row(identity, folder, pair.fixed, pair.moving, **self._reader.full_paths(pair))


class PairWork:
    """Registers pairs and writes their folders; it can be sent to another process.

    Args:
        base: folder that the list's paths are relative to.
        output: folder of the results.
    """

    def __init__(self, base: Path, output: Path, options: BatchOptions) -> None:
        self._output, self._options = output, options
        self._reader, self._runner, self._version = PairReader(base), Runner(), options.version

    def __call__(self, job: tuple[Row, PairFiles], on_progress=None) -> Row:
        """The row of one pair, done or failed."""
        row, pair = job
        try:
            row = replace(row, id=self._reader.identity(pair, self._version))
            request = self._reader.request(pair, self._options.checkpoint, self._options.register)
            outcome = self._runner.run(request, on_progress)
            files = self._reader.described(pair)
            write_outcome(outcome, self._output / row.folder, self._options.heatmaps, files)
            return replace(row, state=DONE, **numbers_of(outcome))
        except FAILURES as error:
            return failed(row, error)


def failed(row: Row, error: Exception) -> Row:
    """The row of a pair that cannot be registered."""
    return replace(row, state=FAILED, message=" ".join(str(error).split()), date=now())


def write_outcome(outcome: Outcome, folder: Path, heatmaps: bool, files: dict) -> None:
    """transform.h5, warped.nii.gz, report.json and, if asked for, the maps and the uncertainty: all or none."""
    with all_or_nothing() as temporary:
        write_transform(temporary(folder / "transform.h5"), outcome.result.transform)
        write_image(temporary(folder / "warped.nii.gz"), outcome.warped())
        write_report(temporary(folder / "report.json"), outcome.report() | {"files": files})
        for name in MAPS if heatmaps else ():
            write_image(temporary(folder / f"{name}.nii.gz"), getattr(outcome.result, name).strongest)
        if heatmaps and outcome.uncertainty is not None:
            write_image(temporary(folder / "uncertainty.nii.gz"), outcome.uncertainty)


def numbers_of(outcome: Outcome) -> dict:
    """What a row says of a finished registration."""
    kept, before = outcome.kept, outcome.result.stages[0]
    measured = ("agreement", "dice", "asd_mm", "tre_mm")
    return {
        "light": outcome.verdict.light,
        "agreement_before": number(before.agreement),
        **{key: number(getattr(kept, key)) for key in measured},
        **expected_numbers(kept),
        "folded": kept.folded,
        "seconds": round(outcome.seconds, 3),
        "message": " ".join((*outcome.warnings, *outcome.notes)),
        "reason": outcome.verdict.reason,
        "dice_by_label": " ".join(f"{score.label}={number(score.dice)}" for score in kept.labels),
        "date": now(),
    }


def expected_numbers(kept: StageQuality) -> dict:
    """Expected Dice with its interval, and mm; nothing where the checkpoint cannot tell."""
    if kept.expectation is None:
        return {}
    overall = kept.expectation.overall
    interval = {"expected_low": overall.low, "expected_high": overall.high}
    numbers = {"expected": overall.dice, **interval, "uncertainty_mm": overall.mm}
    each = ";".join(f"{expected.name}={number(expected.mm)}" for expected in kept.expectation.structures)
    return {key: number(value) for key, value in numbers.items()} | {"uncertainty_by_structure": each}


def number(value: float) -> float | str:
    """To five decimals; an empty field, which pandas reads as NaN, for what is not known."""
    return round(float(value), 5) if math.isfinite(value) else ""
