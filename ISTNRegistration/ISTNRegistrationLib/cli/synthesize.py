"""istn synthesize: pairs of the toy (vessel trees on a box), or, with --from, images painted from your label maps.

Toy: labels, landmarks, center lines, known transforms. Painted: what `istn train` makes of label maps with the table
[synthesis], an image and the labels of its structures each, to look at and to test with.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from ..core.config import MOST_VOXELS, GridConfig
from ..core.errors import InputError
from ..core.files import write_text
from ..core.grid import Grid
from ..core.synthesis import Synthesizer
from ..core.volume import Volume
from ..data.images import write_image
from ..data.label_maps import read_paintable
from ..data.markups import write_markups
from ..data.outputs import make_folder
from ..data.synthetic import SyntheticPair, SyntheticScan, synthetic_pair
from ..data.transforms import write_transform
from .numbers import whole
from .train import RunConfig, read_config

COLUMNS = ("fixed", "moving", "fixed_soi", "moving_soi", "split")
VALIDATION_SHARE = 5  # every fifth pair
MOST = 1_000_000


def add_parser(commands) -> None:
    """Add ``synthesize`` to the ``istn`` command."""
    text = "make toy pairs, or images from label maps"
    parser = commands.add_parser("synthesize", help=text, description=__doc__)
    parser.add_argument("--output", required=True, type=Path, help="folder; of toy pairs also for pairs.csv")
    parser.add_argument("--count", type=whole(1, MOST), default=50, help="pairs of the toy, images of each label map")
    parser.add_argument("--dimension", type=int, choices=(2, 3), default=2, help="of the toy")
    parser.add_argument("--size", type=whole(1, MOST), default=128, help="of the toy: voxels a side, 1 mm each")
    parser.add_argument("--seed", type=whole(0, MOST), default=0)
    painted = parser.add_argument_group("images painted from label maps")
    painted.add_argument("--from", dest="label_maps", nargs="+", type=Path, metavar="LABELMAP", help="label maps")
    painted.add_argument("--config", type=Path, help="TOML file with a table [synthesis]")
    painted.add_argument("--step", type=whole(0, MOST), help="of training: how harsh (default: the last)")
    painted.add_argument("--whole", action="store_true", help="all of the label map, not only what the networks see")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Write the pairs and their list, or the images and their labels."""
    if args.label_maps or args.config:
        paint(args)
        return
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


def paint(args: argparse.Namespace) -> None:
    """Write ``--count`` images of each label map, and the labels of their structures.

    Raises:
        InputError: no label maps, no configuration with a table [synthesis], or a label map cannot be painted.
    """
    if not (args.label_maps and args.config):
        expected, got = "--from and --config together", "one of them"
        raise InputError("Synthesis", "something is missing", expected, got, "Give the label maps and a TOML file")
    config = read_config(args.config)
    if config.synthesis is None:
        expected, got = "a table [synthesis]", f"none in {args.config.name}"
        raise InputError("Configuration", "it does not say how to paint", expected, got)
    make_folder(args.output, "Output folder")
    for path in tqdm(args.label_maps, unit="map"):
        _paint_map(path, config, args)


def _paint_map(path: Path, config: RunConfig, args: argparse.Namespace) -> None:
    step = config.synthesis.harsh_from if args.step is None else args.step
    seeds = [(args.seed, step, number) for number in range(args.count)]
    for image, labels in painted(path, config, seeds, args.whole):
        write_image(args.output / f"{image.name}.nii.gz", image)
        write_image(args.output / f"{image.name}_labels.nii.gz", labels)


def painted(path: Path, config: RunConfig, seeds, whole: bool = False) -> Iterator[tuple[Volume, Volume]]:
    """An image of a label map and the labels of its structures, for each of ``seeds``: (seed, step, number).

    Args:
        whole: all of the label map, not only what the networks see.

    Raises:
        InputError: the label map cannot be painted.
    """
    array, source, middle = read_paintable(path, config.model)
    model = replace(config.model, grid=_around(source)) if whole else config.model
    synthesizer = Synthesizer(config.synthesis, config.augment, model)
    labels = torch.from_numpy(array.astype(np.float32))[None, None]
    grid = Grid.centered(middle, model.grid.size, model.grid.spacing)
    for seed, step, number in seeds:
        image, soi = synthesizer(labels, source, np.random.default_rng([seed, step, number]), step)
        name = f"{path.name.split('.')[0]}_{number:04d}"
        yield Volume(image[0, 0].numpy(), grid, name), Volume(_labels(soi[0].numpy(), model.channels), grid, name)


def _around(source: Grid) -> GridConfig:
    """A grid over all of the source, its zero in the middle; voxels of the source, or wider where they are too many."""
    ends = np.abs([source.origin, source.index_to_physical(np.asarray(source.size) - 1)]).max(axis=0)
    half = np.ceil(ends / source.spacing)
    wider = max(1.0, float(np.prod(2 * half + 3) / MOST_VOXELS) ** (1 / source.ndim))
    size = 2 * np.ceil(half / wider).astype(int) + 1
    return GridConfig(size=tuple(size.tolist()), spacing=tuple(wider * step for step in source.spacing))


def _labels(soi: np.ndarray, channels) -> np.ndarray:
    """Label map of the maps (C, ...): in each channel's structure the channel's first label."""
    result = np.zeros(soi.shape[1:], np.uint16)
    for channel, found in zip(channels, soi, strict=True):
        result[found > 0.5] = channel.labels[0]
    return result
