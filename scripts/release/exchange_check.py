"""Which program reads which of our files: a table of Dice for docs/exchange.md, from real registrations.

Registers the shipped sample pair, and two people of develop-val where ../shared/data is; writes the transform as every
kind of file; lets every program that is installed resample a label map by each; and compares with SimpleITK's labels,
and with the labels of the image that they come to lie on. Start it with a Python that has torch and the programs:

    pip install antspyx itk-elastix picsl_greedy nitransforms slicer-core
    python scripts/release/exchange_check.py --work work/exchange
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import DATA, ROOT, SAMPLE

# isort: split
import numpy as np
import SimpleITK as sitk
from ISTNRegistrationLib.cli.main import main as istn
from ISTNRegistrationLib.data.exchange import write_field, write_inverse, write_linear
from ISTNRegistrationLib.data.images import read_image, write_image
from ISTNRegistrationLib.data.transforms import read_transform, write_transform

from release import exchange_peers

BRAIN = DATA / "brain"
PEOPLE = ("brain_1013.nii.gz", "brain_1017.nii.gz")  # develop-val
PAGE = ROOT / "docs" / "exchange.md"
CLASSES = (30, 60, 90)  # percentiles of the foreground that make labels of an image without any
PACKAGES = {"SimpleITK": "SimpleITK", "ANTs": "antspyx", "transformix": "itk-elastix", "Greedy": "picsl_greedy"}
PACKAGES |= {"Slicer": "slicer-core", "nitransforms": "nitransforms"}


@dataclass(frozen=True)
class Pair:
    """Images and label maps; ``known``: the two label maps name the same structures."""

    name: str
    fixed: Path
    moving: Path
    fixed_labels: Path
    moving_labels: Path
    known: bool


def pairs(work: Path) -> list[Pair]:
    """The pairs whose images are here."""
    sample = SAMPLE / "mni152.nii.gz", SAMPLE / "colin27.nii.gz"
    labels = work / "mni152_classes.nii.gz", work / "colin27_classes.nii.gz"
    for image, path in zip(sample, labels, strict=True):
        _write_classes(image, path)
    found = [Pair("sample pair", *sample, *labels, known=False)]
    if BRAIN.is_dir():
        images = (BRAIN / "images" / name for name in PEOPLE)
        found.append(Pair("two people", *images, *(BRAIN / "labels_subcortical" / name for name in PEOPLE), known=True))
    return found


def _write_classes(image: Path, path: Path) -> None:
    volume = read_image(image)
    limits = np.percentile(volume.array[volume.array > volume.array.min()], CLASSES)
    write_image(path, type(volume)(np.digitize(volume.array, limits).astype(np.uint8), volume.grid, volume.name))


def write_files(pair: Pair, folder: Path) -> dict[str, bool]:
    """Register, and write every kind of file; name → whether it is the inverse."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / "transform.h5"
    words = [
        "--fixed",
        str(pair.fixed),
        "--moving",
        str(pair.moving),
        "--checkpoint",
        "brain",
        "--transform",
        "bspline",
    ]
    if istn(["register", *words, "--output-transform", str(whole)]):
        raise SystemExit(f"{pair.name}: the registration failed")
    transform = read_transform(whole)
    fixed, moving = read_image(pair.fixed).grid, read_image(pair.moving).grid
    write_transform(folder / "transform.tfm", transform)
    write_field(folder / "field.nii.gz", transform, fixed)
    for extension in ("mat", "txt"):
        write_linear(folder / f"linear.{extension}", transform)
    for name in ("inverse.h5", "inverse.nii.gz"):
        found = write_inverse(folder / name, transform, fixed, moving)
        print(f"{pair.name}, {name}: error mean {found.mean:.4f} mm, largest {found.largest:.4f} mm")
    forward = ("transform.h5", "transform.tfm", "field.nii.gz", "linear.mat", "linear.txt")
    return dict.fromkeys(forward, False) | {"inverse.h5": True, "inverse.nii.gz": True}


def dice(first: np.ndarray, second: np.ndarray, labels: list[int]) -> float:
    """Mean Dice over labels."""
    masks = [(first == label, second == label) for label in labels]
    return float(np.mean([2 * (a & b).sum() / max(1, a.sum() + b.sum()) for a, b in masks]))


def scores(pair: Pair, folder: Path) -> dict[str, dict[str, list[float] | str]]:
    """File → program → [Dice with SimpleITK's labels, Dice with the labels that are there], or why there is none."""
    table: dict[str, dict] = {}
    for file, backward in write_files(pair, folder).items():
        ends = (pair.fixed_labels, pair.moving_labels) if backward else (pair.moving_labels, pair.fixed_labels)
        there = sitk.GetArrayFromImage(sitk.ReadImage(str(ends[1])))
        labels = sorted(set(np.unique(there).tolist()) - {0})
        expected = exchange_peers.resampled("SimpleITK", folder / file, *ends, folder / "SimpleITK.nii.gz")
        table[file] = {}
        for peer in exchange_peers.installed():
            found = exchange_peers.resampled(peer, folder / file, *ends, folder / f"{peer}.nii.gz")
            if isinstance(found, str):
                table[file][peer] = found
            else:
                table[file][peer] = [dice(found, expected, labels)] + [dice(found, there, labels)] * pair.known
            print(pair.name, file, peer, table[file][peer])
    return table


def as_markdown(results: dict[str, dict]) -> str:
    """The tables of all pairs, and the versions."""
    lines = []
    for name, table in results.items():
        peers = list(next(iter(table.values())))
        lines += [f"**{name}**", "", "| file | " + " | ".join(peers) + " |", "|---" * (len(peers) + 1) + "|"]
        lines += [f"| `{file}` | " + " | ".join(_cell(row[p]) for p in peers) + " |" for file, row in table.items()]
        lines.append("")
    versions = [f"{name} {metadata.version(PACKAGES[name])}" for name in exchange_peers.installed()]
    return "\n".join([*lines, "Versions: " + ", ".join(versions) + "."])


def _cell(score: list[float] | str) -> str:
    if isinstance(score, str):
        return "refused"
    text = " / ".join(f"{value:.3f}" for value in score)
    return text if score[0] > 0.99 else f"**wrong**: {text}"


def main() -> None:
    """Check all pairs, write results.json into the work folder and the tables into the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="folder for transforms and label maps")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    results = {pair.name: scores(pair, args.work / pair.name.replace(" ", "_")) for pair in pairs(args.work)}
    (args.work / "results.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    marks = re.compile("(<!-- tables -->\n).*?(\n<!-- end -->)", re.DOTALL)
    text = PAGE.read_text(encoding="utf-8")
    page = marks.sub(lambda found: f"{found[1]}{as_markdown(results)}{found[2]}", text)
    PAGE.write_text(page, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
