"""istn evaluate: Dice, surface distances, folding and time of many pairs whose structures are known.

The pair list is a CSV with the columns fixed, moving, fixed_soi, moving_soi: images and label maps, paths relative to
the CSV. Stages: before (the initial alignment), one-pass (the networks' answer), refined. The results are a CSV with a
row per pair, stage and label, and one with label "mean"; distances are mm, seconds are those of the whole registration
of two images in memory. A second run with the same options goes on where the first one stopped.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import sys
import time
from pathlib import Path

from tqdm import tqdm

from ..core.checkpoint import Checkpoint, load_checkpoint
from ..core.errors import InputError
from ..core.register import RegisterOptions, register_pair
from ..core.volume import Volume
from ..data.evaluate import PairFiles, ResultsFile, limit_threads, read_pairs, stage_rows, summary
from ..data.images import read_image, read_labels
from ..data.outputs import check_writable
from .numbers import LARGEST_LABEL, MOST_THREADS, whole
from .register import add_method_arguments, options_for

SOME_FAILED = 1
ONE_PASS, REFINED = "one-pass", "refined"


def add_parser(commands) -> None:
    """Add ``evaluate`` to the ``istn`` command."""
    kind = argparse.RawDescriptionHelpFormatter
    parser = commands.add_parser("evaluate", help="measure many pairs", description=__doc__, formatter_class=kind)
    parser.add_argument("--pairs", required=True, type=Path, metavar="P.csv", help="pair list")
    add_method_arguments(parser)
    label = whole(1, LARGEST_LABEL)
    parser.add_argument("--labels", type=label, nargs="+", default=[], help="which labels (default: all positive ones)")
    count = whole(1, MOST_THREADS)
    parser.add_argument("--threads", type=count, help="CPU threads (default: the libraries' choice)")
    parser.add_argument("--output", required=True, type=Path, metavar="R.csv", help="results; grows pair by pair")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure what is missing in the results, and print a summary of all pairs."""
    check_writable(args.output, "Results", lambda path: path.touch())
    pairs = read_pairs(args.pairs)
    checkpoint = load_checkpoint(args.checkpoint)
    checkpoint.check_transform(args.transform)
    if args.threads:
        limit_threads(args.threads)
    refines = args.refine != "none" and args.iterations > 0
    results = ResultsFile(args.output, version(args, checkpoint), REFINED if refines else ONE_PASS)
    failures = measure_all(args, checkpoint, pairs, results)
    print(summary(results.means(pairs)))
    for failure in failures:
        print(f"istn evaluate: skipped {failure}", file=sys.stderr)
    return SOME_FAILED if failures else 0


def version(args: argparse.Namespace, checkpoint: Checkpoint) -> str:
    """Changes when the same pair would get other numbers."""
    start = Path(args.initial).read_bytes() if Path(args.initial).is_file() else args.initial
    decides = (checkpoint.sha256, args.transform, start, args.refine, args.iterations, args.seed, sorted(args.labels))
    return hashlib.sha256(repr(decides).encode()).hexdigest()[:8]


def measure_all(args, checkpoint: Checkpoint, pairs: list[PairFiles], results: ResultsFile) -> list[str]:
    """Append the rows of every pair that is not done yet; what went wrong, a line per pair."""
    failures = []
    todo = [pair for pair in pairs if dataclasses.astuple(pair) not in results.done]
    for pair in tqdm(todo, total=len(pairs), initial=len(pairs) - len(todo), unit="pair", disable=None):
        try:
            results.append(pair, measure_pair(args, checkpoint, pair))
        except InputError as error:
            failures.append(f"{pair.fixed} with {pair.moving}: {' '.join(str(error).split())}")
    return failures


def measure_pair(args, checkpoint: Checkpoint, pair: PairFiles) -> list[dict]:
    """Rows of one pair: before, one-pass and, unless it is switched off, refined."""
    folder = args.pairs.parent
    fixed, moving = read_image(folder / pair.fixed), read_image(folder / pair.moving)
    soi = (read_labels(folder / pair.fixed_soi), read_labels(folder / pair.moving_soi))
    check_dimensions(fixed, soi)
    began = time.perf_counter()
    options = options_for(args, fixed, moving)
    before = time.perf_counter() - began
    one_pass, seconds = timed(fixed, moving, checkpoint, dataclasses.replace(options, refine="none"))
    rows = stage_rows("before", one_pass.stages[0].transform, soi, args.labels, before)
    rows += stage_rows(ONE_PASS, one_pass.transform, soi, args.labels, before + seconds)
    if options.refine != "none" and options.iterations > 0:
        refined, seconds = timed(fixed, moving, checkpoint, options)
        rows += stage_rows(REFINED, refined.transform, soi, args.labels, before + seconds)
    return rows


def check_dimensions(fixed: Volume, soi: tuple[Volume, Volume]) -> None:
    """Raise InputError for a label map of another dimension than its image."""
    for labels in soi:
        if labels.grid.ndim != fixed.grid.ndim:
            expected, got = f"{fixed.grid.ndim}-D, as '{fixed.name}'", f"{labels.grid.ndim}-D"
            who, todo = f"Labels '{labels.name}'", "Give the label map of this image"
            raise InputError(who, "wrong dimension", expected, got, todo)


def timed(fixed: Volume, moving: Volume, checkpoint: Checkpoint, options: RegisterOptions):
    """A registration and its seconds."""
    began = time.perf_counter()
    result = register_pair(fixed, moving, checkpoint, options)
    return result, time.perf_counter() - began
