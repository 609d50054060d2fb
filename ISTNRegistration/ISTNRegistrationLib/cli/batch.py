"""istn batch: registers every pair of a list; resumes, lists failures, writes a folder per pair and one table.

The list is a CSV with the columns fixed, moving and, to measure the results, fixed_soi, moving_soi: files relative to
the CSV. OUTPUT/batch.csv has a line per pair (state, agreement, Dice, folded voxels, seconds, message); the folder of a
pair holds transform.h5, warped.nii.gz, report.json and, with --heatmaps, the three maps. A second run with the same
options does what is missing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from ..core.checkpoint import load_checkpoint
from ..core.register import RegisterOptions
from ..data.batch import DONE, FAILED, BatchOptions, read_batch, run_batch
from ..data.results import check_has_maps
from .register import add_method_arguments

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
    checkpoint = load_checkpoint(args.checkpoint)
    checkpoint.check_transform(args.transform)
    if args.heatmaps:
        check_has_maps(checkpoint, "Leave out --heatmaps")
    register = RegisterOptions(args.transform, args.initial, args.refine, args.iterations, args.device, args.seed)
    options = BatchOptions(checkpoint, register, args.heatmaps)
    rows = read_batch(args.pairs, args.output, options.version)
    todo = sum(row.state != DONE for row in rows)
    failed = []
    with tqdm(total=len(rows), initial=len(rows) - todo, unit="pair", disable=None) as bar:
        for row in run_batch(rows, args.pairs, args.output, options):
            failed += [row] if row.state == FAILED else []
            bar.update()
    for row in failed:
        print(f"istn batch: skipped {row.name}: {row.message}", file=sys.stderr)
    print(f"{len(rows) - len(failed)} of {len(rows)} pairs are registered, see {args.output / 'batch.csv'}")
    return SOME_FAILED if failed else 0
