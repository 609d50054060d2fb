"""docs/results.md from the rows that scripts/paper/results.py has measured."""

from __future__ import annotations

import csv
import statistics
from pathlib import Path

from paper.measuring import gains, markdown, read, spread

NAMES = {
    "identity": "identity after centering",
    "intensity_affine": "intensity affine (SimpleITK)",
    "ours_on_intensity_affine": "intensity affine (our refinement on the images)",
    "istn_affine_none": "ISTN-e affine, one pass",
    "istn_affine_weights": "ISTN-e affine, refined (`weights`)",
    "istn_affine_theta": "ISTN-e affine, refined (`theta`)",
    "best_affine": "best case affine: true structures registered",
    "intensity_bspline": "intensity B-spline (SimpleITK)",
    "ours_on_intensity_bspline": "intensity B-spline (our refinement on the images)",
    "istn_bspline_none": "ISTN-e B-spline, one pass",
    "istn_bspline_weights": "ISTN-e B-spline, refined (`weights`)",
    "istn_bspline_theta": "ISTN-e B-spline, refined (`theta`)",
    "best_bspline": "best case B-spline: true structures registered",
}
MEASURES = {
    "dice": ("Dice", 3),
    "asd_mm": ("ASD mm", 2),
    "hd95_mm": ("HD95 mm", 2),
    "union_dice": ("union Dice", 3),
    "union_asd_mm": ("union ASD mm", 2),
}
TEXT = """# Results

Written by `python scripts/paper/results.py`; every pair's numbers are in [results_pairs.csv](results_pairs.csv).

This page measures the shipped checkpoint `brain`. All four methods on three data sets: [table1.md](table1.md); few
people and corrupted labels: [comparisons.md](comparisons.md); [figures](figures.md).

MICCAI 2012 multi-atlas labelling brains, `{split}`: {scans} scans of people that neither training nor any choice
has seen, all {pairs} ordered pairs of different people. Mean ± standard deviation over the pairs. The moving label
map is warped by each method's transform with nearest neighbor, by the same code, and compared with the fixed one
at 1 mm. *Dice*, *ASD* (true symmetric average surface distance: mean over the pooled surface voxels of both masks)
and *HD95* (the larger of the two directed 95th percentiles) are means over the 15 structures; *union*: all
structures as one mask, the paper's measure. *Folded*: voxels of the fixed image (about 5 million) with a Jacobian
determinant of 0 or less, mean.

{table}

{seconds_note}

{differences}

The settings of the intensity methods were chosen on `develop-val` (3 scans, 6 pairs): the candidates and their Dice
are in [peers_validation.csv](peers_validation.csv) (the first three B-splines there started from the first affine), the
code in `scripts/paper/peers.py`. The best case is our own
refinement (`theta`) run on the true structure maps, as many iterations, the same grid and control points: what
ISTN-e would reach if its maps M' and F' were perfect.

MRI scans originate from the OASIS project; labels provided by Neuromorphometrics, Inc.
(http://Neuromorphometrics.com/) under academic subscription.
"""


def latest(path: Path) -> dict[str, dict[tuple[str, str], dict[str, str]]]:
    """Per method, per (fixed, moving): the last row, of the method's last version."""
    rows = read(path)
    version = {row["method"]: row["version"] for row in rows}
    table = {}
    for row in rows:
        if row["version"] == version[row["method"]]:
            table.setdefault(row["method"], {})[row["fixed"], row["moving"]] = row
    return table


def forget(path: Path, methods: set[str]) -> None:
    """Take the rows of some methods out of a CSV file."""
    rows = read(path)
    if rows:
        _write_rows(path, [row for row in rows if row["method"] not in methods], list(rows[0]))


def write(docs: Path, work: Path, split: str) -> None:
    """Write results.md and results_pairs.csv from ``work``/<split>.csv and, if there, ``work``/<split>_seconds.csv."""
    table, idle = latest(work / f"{split}.csv"), latest(work / f"{split}_seconds.csv")
    rows = [row for key in NAMES for _, row in sorted(table.get(key, {}).items())]
    if not rows:
        return
    pairs = {(row["fixed"], row["moving"]) for row in rows}
    text = TEXT.format(
        split=split,
        scans=len({fixed for fixed, _ in pairs}),
        pairs=len(pairs),
        table=_table(table, idle),
        seconds_note=_seconds_note(idle),
        differences=_differences(table),
    )
    (docs / "results.md").write_text(text, encoding="utf-8")
    _write_rows(docs / "results_pairs.csv", rows, list(rows[0]))


def _write_rows(path: Path, rows, columns: list[str]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _table(table, idle) -> str:
    heads = ["method", "n", *(head for head, _ in MEASURES.values()), "folded", "s per pair"]
    lines = []
    for key in filter(table.get, NAMES):
        rows = list(table[key].values())
        numbers = [spread(rows, column, digits) for column, (_, digits) in MEASURES.items()]
        seconds = statistics.median(float(row["seconds"]) for row in idle.get(key, table[key]).values())
        folded = statistics.mean(float(row["folded"]) for row in rows)
        lines.append([NAMES[key], str(len(rows)), *numbers, f"{folded:.0f}", f"{seconds:.2f}"])
    return markdown(heads, lines)


def _seconds_note(idle) -> str:
    counts = {len(rows) for rows in idle.values()}
    if not counts:
        return "Seconds: median, measured while other jobs used the machine; not for comparison."
    threads = {row["threads"] for rows in idle.values() for row in rows.values()}
    return (
        f"Seconds: median of {min(counts)} pairs on an otherwise idle machine, {'/'.join(sorted(threads))} threads, "
        "images and checkpoint loaded; the B-spline rows include their affine start."
    )


def _differences(table) -> str:
    """Paired differences of ISTN-e refined against the intensity method of the same transform."""
    lines = []
    for transform, word in (("affine", "affine"), ("bspline", "B-spline")):
        ours, peer = table.get(f"istn_{transform}_theta", {}), table.get(f"intensity_{transform}", {})
        found = gains(ours, peer)
        if len(found) < 2:
            continue
        better, mean, deviation = sum(g > 0 for g in found), statistics.mean(found), statistics.stdev(found)
        lines.append(
            f"- {word}: ISTN-e refined (`theta`) minus intensity, Dice {mean:+.3f} ± {deviation:.3f} "
            f"(better in {better} of {len(found)} pairs)."
        )
    heading = "Paired differences (the pairs share scans, so they are not independent):\n\n"
    return heading + "\n".join(lines) if lines else ""
