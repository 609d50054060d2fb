"""The one measuring stack: what is missing of (method, pair) is run and appended to a CSV; how such rows are told."""

from __future__ import annotations

import csv
import hashlib
import statistics
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ISTNRegistrationLib.core.checkpoint import Checkpoint
from ISTNRegistrationLib.core.transform import SpatialTransform
from tqdm import tqdm

from paper.datasets import Pair, Warp

HEAD = ("method", "version", "fixed", "moving")


@dataclass(frozen=True)
class Step:
    """A stage of an answer; seconds since the start; no ``transform`` where another program keeps it.

    ``light`` and ``said`` (warnings): what our own verdict was, if it was asked for.
    """

    stage: str
    seconds: float
    warp: Warp
    transform: SpatialTransform | None = None
    light: str = ""
    said: str = ""


@dataclass(frozen=True)
class Method:
    """``key`` names it in the files; ``version`` changes when the answers would."""

    key: str
    version: str
    run: Callable[[Pair], Iterable[Step]]


def version(*parts) -> str:
    """Of a method, from all that decides its answers."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:8]


def weights(checkpoint: Checkpoint) -> str:
    """Hash of configuration and weights: a fuller card does not change the answers."""
    digest = hashlib.sha256(repr(checkpoint.config).encode())
    for tensor in checkpoint.model.state_dict().values():
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def names(pair: Pair) -> tuple[str, str]:
    """File names of the fixed and the moving image."""
    return pair[0].file, pair[1].file


def run(
    methods: list[Method], pairs: list[Pair], path: Path, columns: Iterable[str], measure: Callable[[Pair, Step], dict]
) -> None:
    """Append the rows, one per step, of every (method, pair) that ``path`` does not hold; a pair is written whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    done = {tuple(row[column] for column in HEAD) for row in read(path)}
    todo = [(pair, method) for pair in pairs for method in methods]
    todo = [(p, m) for p, m in todo if (m.key, m.version, *names(p)) not in done]
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*HEAD, *columns], lineterminator="\n")
        if file.tell() == 0:
            writer.writeheader()
        for pair, method in tqdm(todo, desc=path.name, unit="registration"):
            head = dict(zip(HEAD, (method.key, method.version, *names(pair)), strict=True))
            rows = [head | {"seconds": round(step.seconds, 3)} | measure(pair, step) for step in method.run(pair)]
            writer.writerows(rows)
            file.flush()


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file; none if there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def spread(rows: Iterable[dict], column: str, digits: int = 3) -> str:
    """Mean ± standard deviation over the pairs; a dash if there are none."""
    values = [float(row[column]) for row in rows if row[column] not in ("", "nan")]
    if not values:
        return "-"
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.{digits}f} ± {deviation:.{digits}f}"


def gains(first: dict, second: dict, column: str = "dice") -> list[float]:
    """Differences over the pairs that both have."""
    return [float(first[pair][column]) - float(second[pair][column]) for pair in sorted(set(first) & set(second))]


def markdown(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    lines: Iterator[list[str]] = ([*heads], *([*row] for row in rows))
    head, *others = ("| " + " | ".join(line) + " |" for line in lines)
    return "\n".join([head, "|---" * len([*heads]) + "|", *others])
