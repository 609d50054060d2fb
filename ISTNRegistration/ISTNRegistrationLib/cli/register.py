"""istn register: two image files to a transform file, and on request the warped image, heatmaps and a report."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np

from ..core.checkpoint import Checkpoint, load_checkpoint
from ..core.config import TRANSFORMS
from ..core.errors import InputError
from ..core.grid import Grid
from ..core.refine import MODES
from ..core.register import DEVICES, RegisterOptions, RegistrationResult, register_pair
from ..core.transform import SpatialTransform
from ..core.volume import Volume
from ..core.warp import masked
from ..data.images import read_image, read_labels, write_image
from ..data.initial import resolve_initial
from ..data.outputs import all_or_nothing, check_distinct, check_writable
from ..data.report import registration_report, stage_table, write_report
from ..data.results import check_has_maps, strongest, warped_moving
from ..data.transforms import write_transform
from .numbers import LARGEST_SEED, MOST_ITERATIONS, whole
from .progress import StageBars

MAPS = ("fixed_map", "moving_map", "warped_map")
DEFAULTS = RegisterOptions()


def add_parser(commands) -> None:
    """Add ``register`` to the ``istn`` command."""
    parser = commands.add_parser("register", help="register a moving image to a fixed one", description=__doc__)
    parser.add_argument("--fixed", required=True, type=Path, help="image that stays; any format SimpleITK reads")
    parser.add_argument("--moving", required=True, type=Path, help="image that is registered to it")
    for role in ("fixed", "moving"):
        parser.add_argument(
            f"--{role}-mask", type=Path, help=f"label map: only where it is above 0, the {role} image counts"
        )
    add_method_arguments(parser)
    parser.add_argument("--output-transform", required=True, type=Path, metavar="T.h5", help="fixed to moving, ITK")
    parser.add_argument("--output-volume", type=Path, metavar="W.nii.gz", help="moving image on the fixed one's grid")
    parser.add_argument("--output-heatmaps", type=Path, metavar="DIR", help=f"folder for {', '.join(MAPS)}")
    parser.add_argument("--json", type=Path, metavar="R.json", help="report")
    parser.set_defaults(run=run)


def add_method_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything that ``RegisterOptions`` and the checkpoint decide."""
    initial = "auto, none, center, center_of_mass, moments, rigid, or the file of a linear transform"
    parser.add_argument("--checkpoint", required=True, metavar="NAME_OR_PATH", help="shipped name or .h5 file")
    parser.add_argument("--transform", choices=TRANSFORMS, default=DEFAULTS.transform)
    parser.add_argument("--initial", default=DEFAULTS.initial, metavar="NAME_OR_FILE", help=initial)
    parser.add_argument("--refine", choices=MODES, default=DEFAULTS.refine, help="what is optimised for this pair")
    count = whole(0, MOST_ITERATIONS)
    parser.add_argument("--iterations", type=count, default=DEFAULTS.iterations, help="at most, per stage")
    parser.add_argument("--device", choices=DEVICES, default=DEFAULTS.device)
    parser.add_argument("--seed", type=whole(0, LARGEST_SEED), default=DEFAULTS.seed)


def run(args: argparse.Namespace) -> None:
    """Register one pair; all outputs are written, or none."""
    check_outputs(args)
    checkpoint = load_checkpoint(args.checkpoint)
    if args.output_heatmaps:
        check_has_maps(checkpoint, "Leave out --output-heatmaps")
    check_distinct(output_files(args, checkpoint), input_files(args))
    checkpoint.check_transform(args.transform)
    fixed, moving = read_image(args.fixed), read_image(args.moving)
    seen = [masked(i, read_labels(m)) if m else i for i, m in ((fixed, args.fixed_mask), (moving, args.moving_mask))]
    with StageBars() as bars:
        result = register_pair(*seen, checkpoint, options_for(args, *seen), bars)
    print(stage_table(result.stages))
    if result.fell_back:
        print("the graphics card ran out of memory; the CPU was used instead")
    if result.kept != result.stages[-1].name:
        print(f"kept: {result.kept}, because the structures agreed better there")
    write_outputs(args, (fixed, moving), checkpoint, result)


def options_for(args: argparse.Namespace, fixed: Volume, moving: Volume) -> RegisterOptions:
    """The options of the command line, with the initial alignment resolved for this pair."""
    initial = resolve_initial(args.initial, fixed, moving)
    return RegisterOptions(args.transform, initial, args.refine, args.iterations, args.device, args.seed)


def check_outputs(args: argparse.Namespace) -> None:
    """Raise InputError for an output that could not be written, before any work is done."""
    identity = SpatialTransform(np.eye(4))
    check_writable(args.output_transform, "Output transform", lambda path: write_transform(path, identity))
    if args.output_volume:
        probe = Volume(np.zeros((4, 4, 4), np.float32), Grid.centered((0.0,) * 3, (4,) * 3, (1.0,) * 3))
        check_writable(args.output_volume, "Output volume", lambda path: write_image(path, probe))
    if args.json:
        check_writable(args.json, "Report", lambda path: write_report(path, {}))
    if args.output_heatmaps:
        folder = args.output_heatmaps
        inside = folder / "map" if folder.is_dir() else folder
        check_writable(inside, "Heatmap folder", lambda path: path.mkdir())
        if folder.is_file():
            raise InputError("Heatmap folder", "it is a file", "a folder", str(folder), "Give the name of a folder")


def output_files(args: argparse.Namespace, checkpoint: Checkpoint) -> dict[str, Path]:
    """Every file (and the heatmaps' folder) that will be written, by what it is."""
    options = ("output_transform", "output_volume", "output_heatmaps", "json")
    files = {f"--{key.replace('_', '-')}": getattr(args, key) for key in options if getattr(args, key)}
    if args.output_heatmaps:
        names = heatmap_names([c.name for c in checkpoint.config.channels])
        files |= {f"heatmap {name}": args.output_heatmaps / f"{name}.nii.gz" for name in names}
    return files


def input_files(args: argparse.Namespace) -> dict[str, Path]:
    """Every file that is read, by its option."""
    options = ("fixed", "moving", "fixed_mask", "moving_mask", "checkpoint", "initial")
    paths = {f"--{key.replace('_', '-')}": Path(getattr(args, key) or "") for key in options}
    return {key: path for key, path in paths.items() if path.is_file()}


def write_outputs(args, images: tuple[Volume, Volume], checkpoint: Checkpoint, result: RegistrationResult) -> None:
    """Write what was asked for, all of it or nothing."""
    fixed, moving = images
    with all_or_nothing() as temporary:
        write_transform(temporary(args.output_transform), result.transform)
        if args.output_volume:
            write_image(temporary(args.output_volume), warped_moving(moving, result.transform, fixed.grid))
        if args.output_heatmaps:
            for name, volume in heatmaps(result, [c.name for c in checkpoint.config.channels]).items():
                write_image(temporary(args.output_heatmaps / f"{name}.nii.gz"), volume)
        if args.json:
            report = registration_report(fixed, moving, checkpoint, result)
            report["files"] = {"fixed": str(args.fixed), "moving": str(args.moving)}
            report["options"]["initial"] = args.initial
            write_report(temporary(args.json), report)


def heatmaps(result: RegistrationResult, channels: list[str]) -> dict[str, Volume]:
    """The three maps, the strongest structure at each voxel; with several channels also each of them, by name."""
    volumes = []
    for name in MAPS:
        maps = getattr(result, name)
        volumes.append(strongest(maps))
        if len(channels) > 1:
            each = zip(channels, maps.channels, strict=True)
            volumes += [Volume(values, maps.grid, channel) for channel, values in each]
    return dict(zip(heatmap_names(channels), volumes, strict=True))


def heatmap_names(channels: list[str]) -> list[str]:
    """Names of the heatmaps' files, all different: a map's own, then with several channels one for each of them."""
    parts = [file_name(channel) for channel in channels]
    if len(set(parts)) < len(parts):
        parts = [f"{part}-{n}" for n, part in enumerate(parts, start=1)]
    each = [f"_{part}" for part in parts] if len(channels) > 1 else []
    return [name + part for name in MAPS for part in ("", *each)]


def file_name(channel: str) -> str:
    """A channel's name without what does not belong in a file's name."""
    return re.sub(r"[^\w-]+", "-", channel)
