"""The dense stage beside Greedy on the same pairs of develop-test, for docs/dense.md; measures nothing.

    python scripts/paper/dense_peers.py

From docs/results_dense_pairs.csv (dense_trials.py) and docs/results_brain_pairs.csv (table1.py).
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import ROOT

# isort: split
from paper.measuring import gains, markdown, read

DOCS = ROOT / "docs"
DENSE = ("dense, as built", "dense, auto")  # as dense_trials.py calls it, and called it


def main() -> None:
    """Print the table and the paired difference."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    print(told(read(DOCS / "results_dense_pairs.csv"), read(DOCS / "results_brain_pairs.csv")))


def told(dense: list[dict], peers: list[dict]) -> str:
    """Means of what both files hold, and dense minus Greedy (mean and standard deviation of the pairs)."""
    greedy = by_pair(row for row in peers if (row["method"], row["stage"]) == ("greedy", "bspline"))
    names = {name: by_pair(row for row in dense if row["method"] == name) for name in dict.fromkeys(_methods(dense))}
    rows = []
    for name, found in {**names, "Greedy, deformable": greedy}.items():
        mean = statistics.mean(float(row["dice"]) for row in found.values())
        folded = sum(float(row["folded"] or "nan") > 0 for row in found.values()) if name in names else ""
        rows.append([name, str(len(found)), f"{mean:.3f}", str(folded)])
    found = gains(next(names[name] for name in DENSE if name in names), greedy)
    difference = f"{statistics.mean(found):+.3f} ± {statistics.stdev(found):.3f}"
    better = f"dense above Greedy in {sum(gain > 0 for gain in found)} of {len(found)} pairs"
    return markdown(["", "pairs", "Dice", "folded pairs"], rows) + f"\n\n{difference}; {better}"


def by_pair(rows) -> dict[tuple[str, str], dict]:
    """Rows by fixed and moving image."""
    return {(row["fixed"], row["moving"]): row for row in rows}


def _methods(rows: list[dict]) -> list[str]:
    return [row["method"] for row in rows]


if __name__ == "__main__":
    main()
