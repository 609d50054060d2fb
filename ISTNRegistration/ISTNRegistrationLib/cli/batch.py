"""istn batch: registers every pair of a list; resumes, lists failures, writes a folder per pair and one table.

The list is a CSV with the columns fixed and moving and, if wanted, for both sides a mask, labels and landmarks
(fixed_mask, moving_labels, ...), an initial alignment (initial) and the name of the result's folder (id); files are
relative to the CSV. OUTPUT/batch.csv has a line per pair (state, light, agreement, Dice, folded voxels, seconds,
message); the folder of a pair holds transform.h5, warped.nii.gz, report.json and, with --heatmaps, the three maps. A
pair is known by the contents of its files, the options and the checkpoint: a second run does what is missing or has
changed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from ..core.checkpoint import load_checkpoint
from ..data.batch import FAILED, TABLE, Batch, BatchOptions
from .method import add_method_arguments, register_options

SOME_FAILED = 1


def add_parser(commands) -> None:
    """Add ``batch`` to the ``istn`` command."""
    kind = argparse.RawDescriptionHelpFormatter
    parser = commands.add_parser(
        "batch", help="register every pair of a list", description=__doc__, formatter_class=kind
    )
    parser.add_argument("--pairs", required=True, type=Path, metavar="P.csv", help="pair list")
    add_method_arguments(parser)
    parser.add_argument("--heatmaps", action="store_true", help="write the maps, too")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="folder of the results")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Register what is missing; 1 when some pairs failed."""
    options = BatchOptions(load_checkpoint(args.checkpoint), register_options(args), args.heatmaps)
    with Batch(args.pairs, args.output, options) as batch:
        todo, count = batch.todo(), len(batch.rows)
        for index in tqdm(todo, total=count, initial=count - len(todo), unit="pair", disable=None):
            row = batch.register(index)
            if row.message or row.light in ("yellow", "red"):
                print(f"istn batch: {row.folder}: {row.state} {row.light} {row.message}", file=sys.stderr)
    failed = sum(row.state == FAILED for row in batch.rows)
    print(f"{count - failed} of {count} pairs are registered, see {args.output / TABLE}")
    return SOME_FAILED if failed else 0
