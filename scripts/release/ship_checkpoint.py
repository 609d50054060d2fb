"""Put a trained checkpoint into the module's Resources/Models, its measured results in the card, and a page to read.

    python scripts/release/ship_checkpoint.py work/brain/best.h5 --name brain --results docs/results_pairs.csv
    python scripts/release/ship_checkpoint.py work/runs/hippocampus-istn-e/best.h5 --name hippocampus \\
        --results docs/results_hippocampus_pairs.csv --method istn-e

The results must be of these weights: of scripts/paper/results.py, or of scripts/paper/table1.py with --method.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import ROOT

# isort: split
from ISTNRegistrationLib.core.checkpoint import load_checkpoint, save_checkpoint

MODELS = ROOT / "ISTNRegistration" / "Resources" / "Models"
MEASURES = ("dice", "asd_mm", "union_dice", "union_asd_mm")
TABLE1 = {"asd_mm": "asd", "union_dice": "whole_dice", "union_asd_mm": "whole_asd"}
STAGES = {
    "one pass affine": "affine, one pass",
    "affine refined": "affine, refined",
    "one pass bspline": "B-spline, one pass",
    "bspline refined": "B-spline, refined",
}


def main() -> None:
    """Copy the model with a fuller card; write the card's page beside it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--results", type=Path, help="per-pair CSV of scripts/paper/results.py")
    parser.add_argument("--method", help="the column of Table 1 that this checkpoint is")
    parser.add_argument("--note", default="", help="anything about the training that a user must know")
    args = parser.parse_args()
    checkpoint = load_checkpoint(args.checkpoint)
    card = checkpoint.card | {"note": args.note}
    if args.results:
        card["results"] = {"split": "develop-test", "methods": summary(args.results, args.method)}
    save_checkpoint(MODELS / f"{args.name}.h5", checkpoint.model, card)
    (MODELS / f"{args.name}.md").write_text(page(args.name, checkpoint.config, card), encoding="utf-8", newline="\n")


def summary(path: Path, column: str | None) -> dict:
    """Mean and standard deviation over the pairs, per ISTN method (or stage of a column of Table 1) and measure."""
    rows = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if column and row["method"] == column and row["stage"] in STAGES:
                rows[STAGES[row["stage"]]].append(row | {key: row[name] for key, name in TABLE1.items()})
            elif not column and row["method"].startswith("istn"):
                rows[row["method"]].append(row)
    return {method: _measures(values) for method, values in rows.items()}


def _measures(rows: list[dict]) -> dict:
    columns = {key: [float(row[key]) for row in rows] for key in MEASURES}
    means = {key: [round(mean(values), 3), round(stdev(values), 3)] for key, values in columns.items()}
    return {"pairs": len(rows), **means}


def page(name: str, config, card: dict) -> str:
    """The model card as Markdown."""
    size = " x ".join(f"{n} x {s:g} mm" for n, s in zip(config.grid.size, config.grid.spacing, strict=True))
    structures = ", ".join(f"{c.name} (labels {', '.join(map(str, c.labels))})" for c in config.channels)
    lines = [
        f"# Model card: {name}",
        "",
        f"**{card['title']}.** Method {config.method}, transforms {', '.join(config.transforms)}.",
        "",
        f"- Data: {card['data']}",
        f"- License: {card['license']}",
        f"- Credits: {card['credits']}",
        f"- Structures, one channel each: {structures}",
        f"- The networks see {size}, anchor {config.grid.anchor}, offset {list(config.grid.offset)} mm (LPS)",
        f"- Training: {card['steps']} steps, seed {card['seed']}, weights of step {card['best']['step']} "
        f"(validation score {card['best']['validation_score']:.3f}); torch {card['versions']['torch']}",
    ]
    lines += [f"- Note: {card['note']}"] if card["note"] else []
    return "\n".join([*lines, *_results(card), ""])


def _results(card: dict) -> list[str]:
    if "results" not in card:
        return []
    head = ["method", "pairs", "Dice, mean of the structures", "ASD mm", "Dice, union", "ASD mm, union"]
    lines = ["", "## Results on develop-test (mean ± sd over the pairs)", "", "| " + " | ".join(head) + " |"]
    lines.append("|" + "---|" * len(head))
    for method, values in card["results"]["methods"].items():
        cells = [f"{values[key][0]:.3f} ± {values[key][1]:.3f}" for key in MEASURES]
        lines.append(f"| {method} | {values['pairs']} | " + " | ".join(cells) + " |")
    return [
        *lines,
        "",
        "Measured by `results.py` or `table1.py` of `scripts/paper`; the tables: `docs/results.md`, `docs/table1.md`.",
    ]


if __name__ == "__main__":
    main()
