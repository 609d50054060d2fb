"""Corrupted training labels of the hippocampus: does implicit training hold up better (the paper's closing conjecture)?

    python scripts/paper/corrupted.py eroded --output work/eroded        label maps and subjects.csv for `istn train`

Only training scans are corrupted; validation and test keep their labels.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import paths  # noqa: F401

# isort: split
import numpy as np
import SimpleITK as sitk
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data.images import read_labels, write_image

from paper import subjects

KINDS = ("eroded", "shifted", "missing")
SHIFT_VOXELS = 3
MISSING_SCANS = 0.5  # of the scans lose MISSING_PART of their structure
MISSING_PART = 0.5


def eroded(labels: np.ndarray) -> np.ndarray:
    """Without the outermost voxel of the structure: one sixth to one half of the volume of these small ones."""
    inside = sitk.BinaryErode(sitk.GetImageFromArray((labels > 0).astype(np.uint8)), [1] * labels.ndim)
    return labels * sitk.GetArrayFromImage(inside)


def shifted(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Moved by SHIFT_VOXELS in a random direction, rounded to voxels; what leaves the image is lost."""
    direction = rng.normal(size=labels.ndim)
    steps = np.rint(SHIFT_VOXELS * direction / np.linalg.norm(direction)).astype(int)
    result = np.zeros_like(labels)
    ends = zip(steps, labels.shape, strict=True)
    to, of = zip(*((slice(max(s, 0), n + min(s, 0)), slice(max(-s, 0), n - max(s, 0))) for s, n in ends), strict=True)
    result[to] = labels[of]
    return result


def missing(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Of some scans, MISSING_PART of the structure cut off by a plane at right angles to its longest axis."""
    if rng.random() >= MISSING_SCANS:
        return labels
    where = np.argwhere(labels > 0)
    axis = np.linalg.eigh(np.cov(where.T))[1][:, -1] * rng.choice([-1.0, 1.0])
    along = where @ axis
    cut = where[along > np.quantile(along, 1 - MISSING_PART)]
    result = labels.copy()
    result[tuple(cut.T)] = 0
    return result


def corrupted(kind: str, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A label map corrupted in one of the KINDS."""
    return eroded(labels) if kind == "eroded" else {"shifted": shifted, "missing": missing}[kind](labels, rng)


def corrupted_rows(kind: str, folder: Path) -> list[dict[str, str]]:
    """Write the corrupted training labels into ``folder``; rows for the subjects' CSV of `istn train`."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = subjects.subject_rows("hippocampus")
    for number, row in enumerate(rows):
        if row["split"] == "train":
            labels = read_labels(row["labels"])
            array = corrupted(kind, labels.array, np.random.default_rng([KINDS.index(kind), number]))
            row["labels"] = str((folder / Path(row["labels"]).name).resolve())
            write_image(row["labels"], Volume(array, labels.grid, labels.name))
    return rows


def main() -> None:
    """Write one variant."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    subjects.write_subjects(corrupted_rows(args.kind, args.output / "labels"), args.output / "subjects.csv")


if __name__ == "__main__":
    main()
