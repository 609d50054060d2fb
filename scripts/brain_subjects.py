"""Write the subjects' CSV of ../shared/data/brain for `istn train`: develop-train and develop-val only."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path


def main() -> None:
    """Read splits.csv, write person, image, labels, split."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data" / "brain")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    with (args.data / "splits.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] in ("develop-train", "develop-val")]
    args.output.parent.mkdir(parents=True, exist_ok=True)
    with args.output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["person", "image", "labels", "split"])
        for row in rows:
            image, labels = args.data / "images" / row["file"], args.data / "labels_subcortical" / row["file"]
            writer.writerow([row["subject"], image, labels, row["split"].removeprefix("develop-")])


if __name__ == "__main__":
    main()
