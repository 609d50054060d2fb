"""istn synthesize: pairs of the toy (vessel trees on a box): labels, landmarks, centre lines, known transforms."""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from ..core.files import write_text
from ..data.images import write_image
from ..data.markups import write_markups
from ..data.outputs import make_folder
from ..data.synthetic import SyntheticPair, SyntheticScan, synthetic_pair
from ..data.transforms import write_transform
from .numbers import whole

COLUMNS = ("fixed", "moving", "fixed_soi", "moving_soi", "split")
VALIDATION_SHARE = 5  # every fifth pair
MOST = 1_000_000


def add_parser(commands) -> None:
    """Add ``synthesize`` to the ``istn`` command."""
    parser = commands.add_parser("synthesize", help="make toy pairs to train and test on", description=__doc__)
    parser.add_argument("--output", required=True, type=Path, help="folder; pairs.csv in it is what istn train reads")
    parser.add_argument("--count", type=whole(1, MOST), default=50, help="pairs")
    parser.add_argument("--dimension", type=int, choices=(2, 3), default=2)
    parser.add_argument("--size", type=whole(1, MOST), default=128, help="voxels a side, 1 mm each")
    parser.add_argument("--seed", type=whole(0, MOST), default=0)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Write the pairs and their list."""
    synthetic_pair(args.seed, args.dimension, args.size)  # bad numbers are an error before anything is written
    make_folder(args.output, "Output folder")
    rows = []
    for number in tqdm(range(args.count), unit="pair"):
        pair = synthetic_pair(args.seed + number, args.dimension, args.size)
        split = "val" if number % VALIDATION_SHARE == VALIDATION_SHARE - 1 else "train"
        rows.append([*write_pair(args.output, f"{number:04d}", pair), split])
    lines = [",".join(map(str, row)) + "\n" for row in (COLUMNS, *rows)]
    write_text(args.output / "pairs.csv", "".join(lines), f"List '{args.output / 'pairs.csv'}'")


def write_pair(folder: Path, name: str, pair: SyntheticPair) -> list[str]:
    """Write one pair; the names of its images and labels in the order of ``COLUMNS``."""
    names = [_write_scan(folder, f"{name}_{role}", getattr(pair, role)) for role in ("fixed", "moving")]
    write_transform(folder / f"{name}_transform.tfm", pair.transform)
    return [*(image for image, _ in names), *(labels for _, labels in names)]


def _write_scan(folder: Path, name: str, scan: SyntheticScan) -> tuple[str, str]:
    image, labels = f"{name}.nii.gz", f"{name}_labels.nii.gz"
    write_image(folder / image, scan.image)
    write_image(folder / labels, scan.labels)
    write_markups(folder / f"{name}_landmarks.mrk.json", [("Fiducial", scan.landmarks)])
    write_markups(folder / f"{name}_centerlines.mrk.json", [("Curve", path) for path in scan.centerlines])
    return image, labels
