"""istn register: two image files to a transform file, and on request the warped image, heatmaps and a report."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..core.checkpoint import Checkpoint, load_checkpoint
from ..core.errors import InputError
from ..core.grid import Grid
from ..core.quality import expected_text, table_text
from ..core.register import RegistrationResult
from ..core.transform import SpatialTransform
from ..core.volume import Volume
from ..data.images import write_image
from ..data.jobs import use_threads
from ..data.outputs import all_or_nothing, check_distinct, check_writable
from ..data.page import write_page
from ..data.pairs import PairFiles, PairReader
from ..data.report import write_report
from ..data.run import Outcome
from ..data.run import run as run_request
from ..data.sections import AXES, write_pictures
from ..data.transforms import write_transform
from .exchange import OUTPUTS, check_exchange, write_exchange
from .method import register_options
from .progress import StageBars
from .register_options import INPUTS, MAPS
from .talk import Talk


def run(args: argparse.Namespace) -> None:
    """Register one pair; all outputs are written, or none."""
    check_outputs(args)
    options, checkpoint = register_options(args), load_checkpoint(args.checkpoint)
    if args.output_heatmaps:
        checkpoint.check_maps("Leave out --output-heatmaps")
    if args.output_uncertainty:
        checkpoint.check_expects("Leave out --output-uncertainty")
    check_distinct(output_files(args, checkpoint), input_files(args))
    checkpoint.check_options(options)
    files = PairFiles(**{key: str(getattr(args, key) or "") for key in INPUTS})
    reader, talk = PairReader(Path()), Talk(args)
    use_threads(args.threads)
    talk.machine(args.device)
    with StageBars(talk.bars) as bars:
        outcome = run_request(reader.request(files, checkpoint, options), bars)
    say(outcome, talk)
    write_outputs(args, outcome, reader.described(files), talk)


def say(outcome: Outcome, talk: Talk) -> None:
    """The tables of the stages and of what is expected on stdout; warnings and the verdict on stderr."""
    talk.result(table_text(outcome.quality))
    if outcome.kept.expectation:
        talk.result(expected_text(outcome.kept.expectation))
    for stage in outcome.result.stages:
        talk.detail(f"{stage.name}: {len(stage.losses)} iterations, loss {stage.loss:.3e}")
    for warning in outcome.warnings:
        talk.warning(f"warning: {warning}")
    say_verdict = talk.note if outcome.verdict.light == "green" else talk.warning
    say_verdict(f"{outcome.verdict.light}: {outcome.verdict.reason}")


def check_outputs(args: argparse.Namespace) -> None:
    """Raise InputError for an output that could not be written, before any work is done."""
    identity = SpatialTransform(np.eye(4))
    check_writable(args.output_transform, "Output transform", lambda path: write_transform(path, identity))
    check_exchange(args)
    probe = Volume(np.zeros((4, 4, 4), np.float32), Grid.centered((0.0,) * 3, (4,) * 3, (1.0,) * 3))
    for path, who in ((args.output_volume, "Output volume"), (args.output_uncertainty, "Output uncertainty")):
        if path:
            check_writable(path, who, lambda path: write_image(path, probe))
    if args.json:
        check_writable(args.json, "Report", lambda path: write_report(path, {}))
    if args.report:
        check_writable(args.report, "Page", lambda path: path.touch())
    for folder, who in ((args.output_heatmaps, "Heatmap folder"), (args.pictures, "Picture folder")):
        if folder:
            check_folder(folder, who)


def check_folder(folder: Path, who: str) -> None:
    """Raise InputError for a folder that could not be made, or written into."""
    check_writable(folder / "map" if folder.is_dir() else folder, who, lambda path: path.mkdir())
    if folder.is_file():
        raise InputError(who, "it is a file", "a folder", str(folder), "Give the name of a folder")


def output_files(args: argparse.Namespace, checkpoint: Checkpoint) -> dict[str, Path]:
    """Every file (and the heatmaps' folder) that will be written, by what it is."""
    options = ("output_transform", *OUTPUTS, "output_volume", "output_uncertainty", "output_heatmaps", "json")
    options += ("report", "pictures")
    files = {_flag(key): getattr(args, key) for key in options if getattr(args, key)}
    if args.output_heatmaps:
        names = heatmap_names([c.name for c in checkpoint.config.channels])
        files |= {f"heatmap {name}": args.output_heatmaps / f"{name}.nii.gz" for name in names}
    if args.pictures:
        files |= {f"picture {axis}": args.pictures / f"{axis}.png" for axis in AXES}
    return files


def input_files(args: argparse.Namespace) -> dict[str, Path]:
    """Every file that is read, by its option."""
    paths = {_flag(key): Path(getattr(args, key) or "") for key in (*INPUTS, "checkpoint", "initial")}
    return {key: path for key, path in paths.items() if path.is_file()}


def _flag(key: str) -> str:
    return "--" + key.replace("_", "-")


def write_outputs(args: argparse.Namespace, outcome: Outcome, files: dict, talk: Talk) -> None:
    """Write what was asked for, all of it or nothing."""
    with all_or_nothing() as temporary:
        transform = outcome.result.transform
        write_transform(temporary(args.output_transform), transform)
        grids = outcome.request.fixed.image.grid, outcome.request.moving.image.grid
        for line in write_exchange(args, temporary, transform, grids):
            talk.result(line)
        for path, volume in volumes(args, outcome):
            write_image(temporary(path), volume)
        if args.report:
            write_page(temporary(args.report), outcome, outcome.report() | {"files": files})
        if args.pictures:
            write_pictures(args.pictures, outcome, temporary)
        if args.json:
            write_report(temporary(args.json), outcome.report() | {"files": files})


def volumes(args: argparse.Namespace, outcome: Outcome) -> Iterator[tuple[Path, Volume]]:
    """The volumes that were asked for, each with its path."""
    if args.output_volume:
        yield args.output_volume, outcome.warped()
    if args.output_uncertainty:
        yield args.output_uncertainty, outcome.uncertainty
    if args.output_heatmaps:
        channels = [channel.name for channel in outcome.checkpoint.config.channels]
        for name, volume in heatmaps(outcome.result, channels).items():
            yield args.output_heatmaps / f"{name}.nii.gz", volume


def heatmaps(result: RegistrationResult, channels: list[str]) -> dict[str, Volume]:
    """The three maps, the strongest structure at each voxel; with several channels also each of them, by name."""
    volumes = []
    for name in MAPS:
        maps = getattr(result, name)
        volumes.append(maps.strongest)
        if len(channels) > 1:
            each = zip(channels, maps.channels, strict=True)
            volumes += [Volume(values, maps.grid, channel) for channel, values in each]
    return dict(zip(heatmap_names(channels), volumes, strict=True))


def heatmap_names(channels: list[str]) -> list[str]:
    """Names of the heatmaps' files, all different: a map's own, then with several channels one for each of them."""
    parts = [re.sub(r"[^\w-]+", "-", channel) for channel in channels]
    if len(set(parts)) < len(parts):
        parts = [f"{part}-{n}" for n, part in enumerate(parts, start=1)]
    each = [f"_{part}" for part in parts] if len(channels) > 1 else []
    return [name + part for name in MAPS for part in ("", *each)]
