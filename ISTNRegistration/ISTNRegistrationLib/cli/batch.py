"""istn batch: registers every pair of a list; resumes, lists failures, writes a folder per pair and one table.

The list is a CSV with the columns fixed and moving and, if wanted, for both sides a mask, labels, landmarks and
corrected structures (fixed_mask, moving_labels, ...), rigid bodies of the fixed image (rigid), an initial alignment
(initial) and the name of the result's folder (id); files are relative to the CSV.

OUTPUT/batch.csv has a line per pair (state, light, agreement, Dice, folded voxels, seconds,
message); the folder of a pair holds transform.h5, warped.nii.gz, report.json and, with --heatmaps, the three maps and
(where the checkpoint can tell) uncertainty.nii.gz, mm. A pair is known by the contents of its files, the options and
the checkpoint: a second run does what is missing or has changed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from ..core.checkpoint import load_checkpoint
from ..data.batch import FAILED, TABLE, Batch, BatchOptions
from ..data.jobs import use_threads
from .method import add_method_arguments, register_options
from .talk import Talk, add_machine_arguments, add_talk_arguments

SOME_FAILED = 1


def add_parser(commands) -> None:
    """Add ``batch`` to the ``istn`` command."""
    kind = argparse.RawDescriptionHelpFormatter
    parser = commands.add_parser(
        "batch", help="register every pair of a list", description=__doc__, formatter_class=kind
    )
    parser.add_argument("--pairs", required=True, type=Path, metavar="P.csv", help="pair list")
    add_method_arguments(parser)
    parser.add_argument("--heatmaps", action="store_true", help="write the maps and the uncertainty, too")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="folder of the results")
    add_machine_arguments(parser, jobs=True)
    add_talk_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Register what is missing; 1 when some pairs failed."""
    talk = Talk(args)
    use_threads(args.threads)
    talk.machine(args.device)
    options = BatchOptions(load_checkpoint(args.checkpoint), register_options(args), args.heatmaps)
    with Batch(args.pairs, args.output, options) as batch:
        todo, count = batch.todo(), len(batch.rows)
        talk.missing(batch.missing())
        bar = {"total": count, "initial": count - len(todo), "unit": "pair", "disable": talk.bars}
        for row in tqdm(batch.register_all(todo, args.jobs, args.threads), **bar):
            say = talk.warning if row.message or row.light in ("yellow", "red") else talk.detail
            say(f"{row.folder}: {row.state} {row.light} {row.message}")
    failed = sum(row.state == FAILED for row in batch.rows)
    talk.result(f"{count - failed} of {count} pairs are registered, see {args.output / TABLE}")
    return SOME_FAILED if failed else 0
