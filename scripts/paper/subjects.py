"""Write the subjects' CSV of a data set in ../shared/data for `istn train`: develop-train and develop-val only.

python scripts/paper/subjects.py brain --output work/brain/subjects.csv
python scripts/paper/subjects.py brain-whole --output work/brain-any/subjects.csv    (all labels, to paint from)
python scripts/paper/subjects.py hippocampus --output work/hippocampus/subjects.csv --people 30
python scripts/paper/subjects.py head --output work/head/subjects.csv            (label maps only: images are painted)
"""

from __future__ import annotations

import argparse
import csv
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import DATA

LABELS = {"brain": "labels_subcortical", "brain-whole": "labels", "hippocampus": "labels"}
FOLDERS = {"brain-whole": "brain"}  # where they are not called like the data set
COLUMNS = ("person", "image", "labels", "split")
HEAD_SPLITS = {"val": ("05", "10", "16"), "test": ("07", "14", "20")}  # by file; all others train


def subject_rows(name: str, people: int = 0, data: Path = DATA) -> list[dict[str, str]]:
    """Rows of the develop-train and develop-val scans; of training only ``people``, if not 0 (10 are among 30)."""
    folder = data / FOLDERS.get(name, name)
    with (folder / "splits.csv").open(newline="", encoding="utf-8") as file:
        scans = [row for row in csv.DictReader(file) if row["split"] in ("develop-train", "develop-val")]
    persons = sorted({row["subject"] for row in scans if row["split"] == "develop-train"})
    random.Random(0).shuffle(persons)
    left_out = set(persons[people:]) if people else set()
    return [
        {
            "person": row["subject"],
            "image": str(folder / "images" / row["file"]),
            "labels": str(folder / LABELS[name] / row["file"]),
            "split": row["split"].removeprefix("develop-"),
        }
        for row in scans
        if row["subject"] not in left_out
    ]


def head_rows(data: Path = DATA, splits=("train", "val")) -> list[dict[str, str]]:
    """Rows of the whole-head label maps, every file a person, without images."""
    rows = []
    for path in sorted((data / "head" / "labels").glob("head_*.nii.gz")):
        number = path.name.removeprefix("head_").removesuffix(".nii.gz")
        split = next((name for name, numbers in HEAD_SPLITS.items() if number in numbers), "train")
        rows.append({"person": f"head_{number}", "image": "", "labels": str(path), "split": split})
    return [row for row in rows if row["split"] in splits]


def write_subjects(rows: list[dict[str, str]], output: Path) -> None:
    """Write the rows as a CSV that `istn train` reads."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    """Read splits.csv, write person, image, labels, split."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=(*sorted(LABELS), "head"))
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--people", type=int, default=0, help="training people (default: all)")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    rows = head_rows(args.data) if args.name == "head" else subject_rows(args.name, args.people, args.data)
    write_subjects(rows, args.output)


if __name__ == "__main__":
    main()
