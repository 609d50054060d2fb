"""Arrange a clone of a public repository (docs/data.md names them) into the layout that the scripts use.

    python scripts/paper/arrange.py brain CLONE                        also: hippocampus, head; into shared/data
    python scripts/paper/arrange.py brain CLONE --output FOLDER --splits MY_SPLITS.csv

Voxel values stay. Writes splits.csv by person, 60 % train, 15 % val, 25 % test drawn with seed 2026; these are not the
people of our tables. --splits takes a list with the columns file and split instead, and only its files.
"""

from __future__ import annotations

import argparse
import csv
import random
import shutil
import sys
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import DATA

# isort: split
import numpy as np
import SimpleITK as sitk

SEED, TRAIN, VAL = 2026, 0.60, 0.15
NOT_USABLE = (10, 118, 281)  # hippocampus: planted outliers without an image, and an image without a label
STRUCTURES = (60, 59, 37, 36, 58, 57, 56, 55, 48, 47, 32, 31, 30, 23, 35)  # become 1 to 15, left before right
HEAD_MARGIN = 2  # voxels around what is labeled
Files = dict[str, tuple[str, Callable[[Path], None]]]  # file name: person, and what writes it into a folder


def main() -> None:
    """Write the folder of one data set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(SETS))
    parser.add_argument("clone", type=Path)
    parser.add_argument("--output", type=Path, default=DATA, help="default: shared/data beside the repository")
    parser.add_argument("--splits", type=Path)
    args = parser.parse_args()
    arrange(args.name, args.clone, args.output / args.name, args.splits)


def arrange(name: str, clone: Path, folder: Path, splits: Path | None = None) -> None:
    """Write the images, labels and splits.csv of ``name`` into ``folder``; the head's label maps have no splits."""
    files: Files = SETS[name](clone)
    if not files:
        raise SystemExit(f"{clone}: no files of '{name}' there. See docs/data.md for the repository and its folder.")
    if splits:
        with splits.open(newline="", encoding="utf-8") as file:
            chosen = {row["file"]: row["split"] for row in csv.DictReader(file)}
        files = {file: value for file, value in files.items() if file in chosen}
    else:
        chosen = by_person({file: person for file, (person, _) in files.items()})
    for file, (_person, write) in files.items():
        write(folder)
        print(folder / "labels" / file)
    if name != "head":
        lines = [f"{file},{person},{chosen[file]}\n" for file, (person, _) in files.items()]
        (folder / "splits.csv").write_text("".join(["file,subject,split\n", *lines]), encoding="utf-8")


def by_person(persons: dict[str, str]) -> dict[str, str]:
    """A split for each file; all files of a person in one."""
    names = sorted(set(persons.values()))
    random.Random(SEED).shuffle(names)
    first, second = round(TRAIN * len(names)), round((TRAIN + VAL) * len(names))
    of = {name: ("train", "val", "test")[(place >= first) + (place >= second)] for place, name in enumerate(names)}
    return {file: f"develop-{of[person]}" for file, person in persons.items()}


def hippocampus(clone: Path) -> Files:
    """Byte copies; files 2k-1 and 2k are taken for the two sides of one person."""
    source, found = clone / "data" / "TrainingSet", {}
    for path in sorted((source / "images").glob("hippocampus_*.nii.gz")):
        number = int(path.name.removeprefix("hippocampus_").removesuffix(".nii.gz"))
        if number not in NOT_USABLE:
            found[path.name] = (f"S{(number + 1) // 2:03d}", lambda folder, name=path.name: _copy(source, folder, name))
    return found


def _copy(source: Path, folder: Path, name: str) -> None:
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / kind / name, folder / kind / name)


def brain(clone: Path) -> Files:
    """Stripped images, whole-brain and sub-cortical labels, masks; RAS, the mask's centroid at 0."""
    source, found = clone / "inst" / "extdata", {}
    people = _people(clone / "inst" / "demographics.xlsx") if any(source.glob("*_SS.nii.gz")) else {}
    for path in sorted(source.glob("*_SS.nii.gz")):
        number = path.name.removesuffix("_SS.nii.gz")
        write = lambda folder, number=number: _brain(source, folder, number)  # noqa: E731
        found[f"brain_{number}.nii.gz"] = (people[number], write)
    return found


def _people(table: Path) -> dict[str, str]:
    """OASIS subject of each scan, the first and third column of a spreadsheet."""
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    with zipfile.ZipFile(table) as file:
        texts = ["".join(t.itertext()) for t in ElementTree.fromstring(file.read("xl/sharedStrings.xml"))]
        cells = ElementTree.fromstring(file.read("xl/worksheets/sheet1.xml")).iter(f"{space}c")
        values = {c.get("r"): (c.get("t"), c.findtext(f"{space}v")) for c in cells}
    said = {place: texts[int(v)] if kind == "s" else v for place, (kind, v) in values.items() if v is not None}
    return {value: said.get(f"C{place[1:]}", value) for place, value in said.items() if place[0] == "A"}


def _brain(source: Path, folder: Path, number: str) -> None:
    mask, labels = (_mirrored(source / f"{number}_{kind}.nii.gz").astype(np.uint8) for kind in ("mask", "glm"))
    middle = np.rint(np.argwhere(mask > 0).mean(axis=0)[::-1])
    table = np.zeros(256, np.uint8)
    table[list(STRUCTURES)] = np.arange(1, len(STRUCTURES) + 1)
    image = _mirrored(source / f"{number}_SS.nii.gz").astype(np.int16)
    arrays = {"images": image, "labels": labels, "labels_subcortical": table[labels], "masks": mask}
    for kind, array in arrays.items():
        result = sitk.GetImageFromArray(array)
        result.SetDirection((-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0))  # RAS, as ITK says it in LPS
        result.SetOrigin((middle * (1, 1, -1)).tolist())
        _write(result, folder / kind / f"brain_{number}.nii.gz")


def _mirrored(path: Path) -> np.ndarray:
    """Voxels (z, y, x) with the first axis turned round: LAS becomes RAS."""
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))[..., ::-1]


def head(clone: Path) -> Files:
    """Label maps, cropped to what is labeled and two voxels more."""
    source = clone / "data" / "training_label_maps"
    numbers = [p.name.removeprefix("training_seg_") for p in sorted(source.glob("training_seg_*.nii.gz"))]
    return {
        f"head_{n}": (n, lambda folder, n=n: _head(source / f"training_seg_{n}", folder / "labels" / f"head_{n}"))
        for n in numbers
    }


def _head(path: Path, target: Path) -> None:
    image = sitk.Cast(sitk.ReadImage(str(path)), sitk.sitkUInt16)
    where = np.argwhere(sitk.GetArrayViewFromImage(image) > 0)[:, ::-1]
    low = np.maximum(where.min(axis=0) - HEAD_MARGIN, 0)
    high = np.minimum(where.max(axis=0) + HEAD_MARGIN + 1, image.GetSize())
    _write(sitk.RegionOfInterest(image, (high - low).tolist(), low.tolist()), target)


def _write(image: sitk.Image, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(target), useCompression=True)


SETS = {"brain": brain, "hippocampus": hippocampus, "head": head}

if __name__ == "__main__":
    main()
