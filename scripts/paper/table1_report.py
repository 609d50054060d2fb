"""docs/table1.md and docs/comparisons.md from the pairs that table1.py and comparisons.py have measured.

python scripts/paper/table1_report.py --runs work/runs       (the runs' cards give steps and training time)
"""

from __future__ import annotations

import argparse
import csv
import itertools
import statistics
import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import ROOT

# isort: split
from ISTNRegistrationLib.core.checkpoint import load_checkpoint

from paper import experiments, table1_peers, table1_text
from paper.measuring import gains, markdown, read, spread

COLUMNS = ("id", "stn-u", "stn-s", "istn-e", "istn-i", "soi", "simpleitk", "ants", "greedy")
TITLES = dict(
    zip(COLUMNS, ("Id", "STN-u", "STN-s", "ISTN-e", "ISTN-i", "SoI", "SimpleITK", "ANTs", "Greedy"), strict=True)
)
ROWS = {
    ("affine", "one pass"): ("one pass affine",),
    ("affine", "refined"): ("affine refined", "affine"),
    ("B-spline", "one pass"): ("one pass bspline",),
    ("B-spline", "refined"): ("bspline refined", "bspline"),
}
TRAINING = ROOT / "docs" / "results_training.csv"
NETWORKS = ("stn-u", "stn-s", "istn-e", "istn-i")
Scores = dict[tuple[str, str], dict[tuple[str, str], dict[str, str]]]  # (method, stage) to pair to row


def load(path: Path) -> Scores:
    """Rows by method and stage; a later row of a pair replaces an earlier one."""
    found = defaultdict(dict)
    for row in read(path):
        found[row["method"], row["stage"]][row["fixed"], row["moving"]] = row
    return found


def cell(scores: Scores, method: str, row: tuple[str, str]) -> dict[tuple[str, str], dict[str, str]]:
    """The pairs of a method in a row of Table 1; peers and SoI have one answer, counted as refined."""
    if method == "id":
        return scores.get(("id", "initial"), {})
    stages = ROWS[row] if method in NETWORKS or row[1] == "refined" else ()
    if method in NETWORKS:
        stages = stages[:1]
    return next((scores[method, stage] for stage in stages if (method, stage) in scores), {})


def paper_table(scores: Scores, column: str) -> str:
    """Rows and columns of the paper's Table 1: means over the pairs that all four networks have; (n) where fewer."""
    rows = []
    for row in ROWS:
        common = set.intersection(*(set(cell(scores, method, row)) for method in NETWORKS))
        values = []
        for method in COLUMNS:
            pairs = {key: value for key, value in cell(scores, method, row).items() if key in common}
            mean = spread(pairs.values(), column).split(" ")[0]
            values.append(mean if len(pairs) in (0, len(common)) else f"{mean} ({len(pairs)})")
        rows.append([f"{' '.join(row)}, {len(common)} pairs", *values])
    return markdown(["", *TITLES.values()], rows)


def whole_table(scores: Scores) -> str:
    """Every number: mean ± sd, pairs, seconds, folded voxels."""
    columns = {"dice": 3, "asd": 2, "hd95": 2, "whole_dice": 3, "whole_asd": 2, "whole_average_hausdorff": 3}
    rows = []
    for row in ROWS:
        for method in COLUMNS:
            pairs = cell(scores, method, row)
            if not pairs or (method == "id" and row != ("affine", "one pass")):
                continue
            seconds = statistics.median(float(r["seconds"]) for r in pairs.values())
            name = TITLES[method] + ("" if method == "id" else ", " + " ".join(row if method in NETWORKS else row[:1]))
            numbers = [spread(pairs.values(), column, digits) for column, digits in columns.items()]
            folded = spread(pairs.values(), "folded", 0).split(" ")[0]
            rows.append([name, str(len(pairs)), *numbers, folded, f"{seconds:.2f}"])
    heads = ["Dice", "ASD", "HD95", "whole: Dice", "ASD", "average Hausdorff"]
    return markdown(["method", "n", *heads, "folded", "s"], rows)


def difference(first: dict, second: dict, column: str = "dice") -> tuple[float, float, str] | None:
    """Paired mean difference, its standard error, and the sentence about them."""
    found = gains(first, second, column)
    if len(found) < 2:
        return None
    mean, error = statistics.mean(found), statistics.stdev(found) / len(found) ** 0.5
    return mean, error, f"{mean:+.3f} ± {error:.3f} ({sum(g > 0 for g in found)} of {len(found)} pairs)"


def findings(scores: Scores) -> str:
    """The paper's findings, each with its paired differences of Dice and what they say."""
    rows = []
    for kind in ("affine", "B-spline"):
        get = lambda method, step, kind=kind: cell(scores, method, (kind, step))  # noqa: E731
        best_stn = max(("stn-u", "stn-s"), key=lambda m: _mean(get(m, "refined")))
        best_istn = max(("istn-e", "istn-i"), key=lambda m: _mean(get(m, "refined")))
        compared = [
            ("one-pass ISTN-e above STN-s", get("istn-e", "one pass"), get("stn-s", "one pass")),
            ("one-pass ISTN-i above STN-s", get("istn-i", "one pass"), get("stn-s", "one pass")),
            *((f"refinement helps {TITLES[m]}", get(m, "refined"), get(m, "one pass")) for m in NETWORKS),
            (
                f"refined {TITLES[best_istn]} above refined {TITLES[best_stn]}",
                get(best_istn, "refined"),
                get(best_stn, "refined"),
            ),
            *(
                (f"refined {TITLES[best_istn]} above {TITLES[p]}", get(best_istn, "refined"), get(p, "refined"))
                for p in COLUMNS[6:]
            ),
            ("STN-s minus STN-u, one pass", get("stn-s", "one pass"), get("stn-u", "one pass")),
            ("STN-s minus STN-u, refined", get("stn-s", "refined"), get("stn-u", "refined")),
            ("explicit minus implicit, refined", get("istn-e", "refined"), get("istn-i", "refined")),
        ]
        for title, first, second in compared:
            found = difference(first, second)
            if found:
                rows.append([kind, title, found[2], "-" if "minus" in title else verdict(*found[:2])])
    return markdown(["", "finding", "paired difference of Dice, mean ± SE", "here"], rows)


def verdict(mean: float, error: float) -> str:
    """In words; a difference of less than two standard errors says nothing."""
    if abs(mean) < 2 * error:
        return "undecided"
    return "holds" if mean > 0 else "does not hold"


def _mean(rows: dict) -> float:
    return statistics.mean(float(row["dice"]) for row in rows.values()) if rows else -1.0


def training_table(name: str) -> str:
    """Steps and time of each method's training."""
    rows = {row["method"]: row for row in read(TRAINING) if row["data"] == name}
    found = [[TITLES[m], rows[m]["steps"], f"{float(rows[m]['seconds']) / 60:.0f}"] for m in NETWORKS if m in rows]
    return markdown(["method", "steps", "minutes, one core beside other jobs"], found)


def remember_training(runs: Path) -> None:
    """Keep steps and seconds of the finished ``runs`` in a file that outlives them."""
    rows = {(row["data"], row["method"]): row for row in read(TRAINING)}
    for data, method in itertools.product(table1_text.DATASETS, NETWORKS):
        for row in read(runs / f"{data}-{method}" / "seconds.csv"):
            steps = load_checkpoint(runs / f"{data}-{method}" / "best.h5").card["training"]["steps"]
            rows[data, method] = {"data": data, "method": method, "steps": steps, "seconds": row["seconds"]}
    with TRAINING.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["data", "method", "steps", "seconds"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows.values())


def efficiency_table(scores: Scores) -> str:
    """Dice by the number of training people."""
    rows = []
    for dataset, counts in experiments.PEOPLE.items():
        for method in ("stn-s", "istn-e"):
            for people in (*counts, 0):
                name = experiments.Experiment(dataset, method, people).name
                numbers = [spread(scores.get((name, stages[0]), {}).values(), "dice") for stages in ROWS.values()]
                if any(number != "-" for number in numbers):
                    rows.append([dataset, TITLES[method], str(people or "all"), *numbers])
    return markdown(["data", "method", "people", *(" ".join(row) for row in ROWS)], rows)


def fewer_people(scores: Scores) -> str:
    """What training with part of the people costs, paired over the test pairs."""
    rows = []
    for dataset, counts in experiments.PEOPLE.items():
        for people in counts:
            for row, stages in ROWS.items():
                losses = []
                for method in ("stn-s", "istn-e"):
                    few, every = (experiments.Experiment(dataset, method, n).name for n in (people, 0))
                    losses.append(difference(scores.get((few, stages[0]), {}), scores.get((every, stages[0]), {})))
                if all(losses):
                    rows.append([dataset, str(people), " ".join(row), losses[0][2], losses[1][2]])
    return markdown(["data", "people", "", "STN-s: change of Dice", "ISTN-e: change of Dice"], rows)


def corruption_table(scores: Scores) -> str:
    """Dice by what was done to the training labels."""
    rows = []
    for kind in ("", *experiments.corrupted.KINDS):
        for method in ("istn-e", "istn-i"):
            name = experiments.Experiment(experiments.COARSE, method, 0, kind).name
            numbers = [spread(scores.get((name, stages[0]), {}).values(), "dice") for stages in ROWS.values()]
            if any(number != "-" for number in numbers):
                rows.append([kind or "clean", TITLES[method], *numbers])
    return markdown(["training labels", "method", *(" ".join(row) for row in ROWS)], rows)


def corruption_losses(scores: Scores) -> str:
    """What each kind of corruption costs ISTN-e and ISTN-i, paired over the test pairs."""
    rows = []
    for kind in experiments.corrupted.KINDS:
        for row, stages in ROWS.items():
            losses = []
            for method in ("istn-e", "istn-i"):
                clean, worse = (experiments.Experiment(experiments.COARSE, method, 0, k).name for k in ("", kind))
                losses.append(difference(scores.get((worse, stages[0]), {}), scores.get((clean, stages[0]), {})))
            if all(losses):
                better = "implicit" if losses[1][0] > losses[0][0] else "explicit"
                rows.append([kind, " ".join(row), losses[0][2], losses[1][2], better])
    return markdown(
        ["training labels", "", "ISTN-e: change of Dice", "ISTN-i: change of Dice", "holds up better"], rows
    )


def section(name: str, scores: Scores) -> list[str]:
    """The tables of a data set."""
    titles = {"dice": "Dice", "asd": "True ASD"}
    parts = [f"**{title}**\n\n{paper_table(scores, column)}" for column, title in titles.items()]
    parts += ["### Do the paper's findings hold here?", findings(scores), "### Every number", whole_table(scores)]
    if table1_peers.BEST in scores:
        parts += [table1_text.SHIPPED, table1_peers.table(scores)]
    return [*parts, "### Training", training_table(name)]


def main() -> None:
    """Write the pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=ROOT / "work" / "runs")
    args = parser.parse_args()
    remember_training(args.runs)
    parts = [table1_text.HEAD]
    for name, text in table1_text.DATASETS.items():
        scores = load(ROOT / "docs" / f"results_{name}_pairs.csv")
        parts += [text, *section(name, scores)] if scores else []
    (ROOT / "docs" / "table1.md").write_text("\n\n".join([*parts, table1_text.TAIL]), encoding="utf-8")
    scores = load(ROOT / "docs" / "results_comparisons_pairs.csv")
    tables = {
        "efficiency": efficiency_table(scores),
        "fewer": fewer_people(scores),
        "corruption": corruption_table(scores),
        "losses": corruption_losses(scores),
    }
    (ROOT / "docs" / "comparisons.md").write_text(table1_text.COMPARISONS.format(**tables), encoding="utf-8")


if __name__ == "__main__":
    main()
