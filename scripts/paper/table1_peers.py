"""What the shipped checkpoint gives beside other tools on the same pairs: a table of docs/table1.md."""

from __future__ import annotations

import statistics

from paper.measuring import gains, markdown, spread

BEST = ("shipped", "dense")
ROWS = {
    ("shipped", "affine"): "ISTN, shipped: affine",
    ("simpleitk", "affine"): "SimpleITK: affine",
    ("ants", "affine"): "ANTs: affine",
    ("greedy", "affine"): "Greedy: affine",
    ("shipped", "bspline"): "ISTN, shipped: B-spline",
    ("simpleitk", "bspline"): "SimpleITK: B-spline",
    ("ants", "bspline"): "ANTs: SyN",
    ("greedy", "bspline"): "Greedy: deformable",
    ("convexadam", "bspline"): "ConvexAdam: MIND",
    ("fireants", "bspline"): "FireANTs: greedy",
    ("shipped", "dense"): "**ISTN, shipped: dense**",
}
Rows = dict[tuple[str, str], dict[tuple[str, str], dict[str, str]]]  # (method, stage) to pair to row


def table(scores: Rows) -> str:
    """Dice, distances, folds and CPU seconds of each; what the dense transform gains on it over the pairs of both."""
    ours, rows = scores.get(BEST, {}), []
    for key, title in ROWS.items():
        pairs = {pair: row for pair, row in scores.get(key, {}).items() if pair in ours}
        if pairs:
            numbers = [spread(pairs.values(), column, digits) for column, digits in (("dice", 3), ("asd", 2))]
            rows.append([title, str(len(pairs)), *numbers, *_beside(ours, pairs, key), _folded(pairs), _seconds(pairs)])
    heads = ["", "n", "Dice", "ASD", "dense minus it", "dense is better in", "pairs that fold", "CPU s"]
    return markdown(heads, rows)


def _beside(ours: dict, theirs: dict, key: tuple[str, str]) -> list[str]:
    if key == BEST:
        return ["", ""]
    found = gains(ours, theirs)
    return [f"{statistics.mean(found):+.3f}", f"{sum(gain > 0 for gain in found)} of {len(found)}"]


def _folded(pairs: dict) -> str:
    known = [row["folded"] for row in pairs.values() if row["folded"]]
    return str(sum(float(count) > 0 for count in known)) if known else "-"


def _seconds(pairs: dict) -> str:
    return f"{statistics.median(float(row['seconds']) for row in pairs.values()):.1f}"
