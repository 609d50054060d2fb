"""docs/robustness.md from the rows of robustness.py; measures nothing."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from ISTNRegistrationLib.core.card import shipped
from paper.measuring import markdown

from benchmark.robustness_cases import cases

PEERS = {"simpleitk": "SimpleITK, mutual information", "greedy": "Greedy, NCC"}
LIGHTS = ("green", "yellow", "red")
ROWS = {case.key: case.row for case in cases()} | {
    "heads": "painted whole heads to each other",
    "head-to-t1": "painted whole head to real stripped T1",
}
HEAD = """# How it holds when the images change

Made by `python scripts/benchmark/robustness.py` from [results_robustness.csv](results_robustness.csv). Held-out brains
(develop-test), 1 to {pairs} ordered pairs of different people (seed 2026), mean Dice of 15 sub-cortical structures.
The moving image was changed as the row says, its labels went with it; the fixed image is T1 as it is. All methods
met the same images. Ours: initial alignment `auto`, B-spline refined, the affine stage on its way.

*n*: registrations (pairs, and where there are several directions or sides some or all of them; the mean is over all).
*Start*: centers of mass matched, from where SimpleITK and Greedy begin. *Difference*: from the row *T1 as it is*, same
pairs, same structures. *Light*: green / yellow / red. Seconds: one thread on a machine with several jobs on 2 cores;
compare them within this page only. Cut images: structures of which 95 % are left. Painted heads: as
`istn synthesize --from` paints the three test label maps of `head`, never stripped; contrasts are drawn, with bias,
noise and thick slices as harsh as any in training.
"""
MIRROR = """
## Mirrored

A mirrored image cannot be registered without a reflection, which no transform here has: its Dice is near 0 by
construction. What counts is the light, and whether a warning names it:
{named}.
"""
NOTES = """
SimpleITK: affine, then B-spline, both on mutual information (settings of `scripts/paper/peers.py`). Greedy: affine,
then deformable, NCC, radius 2, whole brains without the finest level (1 mm takes minutes): weaker than Greedy in
[results.md](results.md). Neither looks for turned heads by itself.

## Real whole heads

{heads}
"""


def write(rows: list[dict], path: Path, heads: str) -> None:
    """The page: a table per checkpoint, one of the others."""
    names = [name for name in dict.fromkeys(row["method"] for row in rows) if name not in ("start", *PEERS)]
    names.sort(key=lambda name: list(shipped()).index(name) if name in shipped() else len(shipped()))
    count = len({_real(row) for row in rows if _case(row) == "t1"})
    parts = [HEAD.format(pairs=count)]
    for name in names:
        shown = f"`{name}`" if name in shipped() else f"`{name}`, which is not shipped"
        parts.append(f"\n## {shown}\n\n{_table(rows, name)}")
    named = "; ".join(f"`{name}` {_named(rows, name)}" for name in names)
    parts.append(MIRROR.format(named=named))
    others = [name for name in PEERS if any(row["method"] == name for row in rows)]
    if others:
        parts.append(f"\n## Others, on the same pairs\n\n{_others(rows, others)}")
    path.write_text("\n".join([*parts, NOTES.format(heads=heads)]), encoding="utf-8")


def _case(row: dict) -> str:
    return row["moving"].split("/")[0]


def _real(row: dict) -> tuple[str, str]:
    return tuple(row[role].split("/")[-1] for role in ("fixed", "moving"))


def _table(rows: list[dict], name: str) -> str:
    head = ("moving image", "n", "start", "affine", "**B-spline**", "difference", "light", "seconds")
    lines = []
    for title in dict.fromkeys(ROWS.values()):
        mine = _of(rows, name, "bspline", title)
        if mine:
            lights = " / ".join(str(sum(row["light"] == light for row in mine)) for light in LIGHTS)
            begun = [row for row in _of(rows, "start", "initial", title) if _key(row) in set(map(_key, mine))]
            dice = (_mean(group) for group in (begun, _of(rows, name, "affine", title), mine))
            seconds = statistics.median(float(row["seconds"]) for row in mine)
            lines.append([title, str(len(mine)), *dice, _difference(rows, mine), lights, f"{seconds:.1f}"])
    return markdown(head, lines)


def _others(rows: list[dict], names: list[str]) -> str:
    columns = [(name, stage) for name in names for stage in ("affine", "bspline")]
    head = [f"{PEERS[name]}, {stage.replace('bspline', 'deformable')}" for name, stage in columns]
    head = ["moving image", "n", *(x for title in head for x in (title, "difference")), "seconds of each"]
    lines = []
    for title in dict.fromkeys(ROWS.values()):
        found = [_of(rows, *column, title) for column in columns]
        if any(found):
            numbers = [x for group in found for x in (_mean(group), _difference(rows, group))]
            seconds = [f"{statistics.median(float(r['seconds']) for r in g):.0f}" for g in found[1::2] if g]
            lines.append([title, str(max(map(len, found))), *numbers, " / ".join(seconds)])
    return markdown(head, lines)


def _of(rows: list[dict], method: str, stage: str, title: str) -> list[dict]:
    wanted = (method, stage, title)
    return [row for row in rows if (row["method"], row["stage"], ROWS[_case(row)]) == wanted]


def _key(row: dict) -> tuple[str, str]:
    return row["fixed"], row["moving"]


def _mean(rows: Iterable[dict]) -> str:
    values = [float(row["dice"]) for row in rows]
    return f"{np.nanmean(values):.3f}" if values else "–"


def _difference(rows: list[dict], mine: list[dict]) -> str:
    """Mean over registrations of Dice minus that of the row T1, over the structures that both have."""
    if not mine or _case(mine[0]) in ("t1", "mirror", "heads", "head-to-t1"):
        return "–"
    method, stage = mine[0]["method"], mine[0]["stage"]
    plain = {_real(r): _each(r) for r in _of(rows, method, stage, ROWS["t1"])}
    gaps = [np.nanmean(_each(row) - plain[_real(row)]) for row in mine if _real(row) in plain]
    return f"{np.mean(gaps):+.3f}" if gaps else "–"


def _each(row: dict) -> np.ndarray:
    return np.array(row["structures"].split(), dtype=float)


def _named(rows: list[dict], name: str) -> str:
    mine = _of(rows, name, "bspline", ROWS["mirror"])
    named = sum("mirrored" in row["said"] for row in mine)
    green = sum(row["light"] == "green" for row in mine)
    return f"green in {green}, named in {named} of {len(mine)}"
