"""istn evaluate: Dice, surface distances, folding and time of many pairs whose structures are known.

The pair list is that of istn batch, with the columns fixed, moving, fixed_labels, moving_labels: images and label maps,
paths relative to the CSV. Stages: before (the initial alignment), one-pass (the networks' answer), refined (the
transform that a user gets). The results are a CSV with a row per pair, stage and label, and one with label "mean";
distances are mm, seconds are those of the whole registration of two images in memory. A second run with the same
options goes on where the first one stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from ..core.checkpoint import load_checkpoint
from ..data.batch import BatchOptions
from ..data.evaluate import Evaluation, summary
from ..data.jobs import use_threads
from ..data.outputs import check_writable
from .method import add_method_arguments, register_options
from .numbers import LARGEST_LABEL, whole
from .talk import Talk, add_machine_arguments, add_talk_arguments

SOME_FAILED = 1


def add_parser(commands) -> None:
    """Add ``evaluate`` to the ``istn`` command."""
    kind = argparse.RawDescriptionHelpFormatter
    parser = commands.add_parser("evaluate", help="measure many pairs", description=__doc__, formatter_class=kind)
    parser.add_argument("--pairs", required=True, type=Path, metavar="P.csv", help="pair list")
    add_method_arguments(parser)
    label = whole(1, LARGEST_LABEL)
    parser.add_argument("--labels", type=label, nargs="+", default=[], help="which labels (default: all positive ones)")
    parser.add_argument("--output", required=True, type=Path, metavar="R.csv", help="results; grows pair by pair")
    add_machine_arguments(parser, jobs=True)
    add_talk_arguments(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure what is missing in the results, and print a summary of all pairs."""
    check_writable(args.output, "Results", lambda path: path.touch())
    options = BatchOptions(load_checkpoint(args.checkpoint), register_options(args))
    talk = Talk(args)
    use_threads(args.threads)
    talk.machine(args.device)
    with Evaluation(args.pairs, args.output, options, args.labels) as evaluation:
        todo, count = evaluation.todo(), evaluation.count
        talk.missing(evaluation.missing())
        bar = {"total": count, "initial": count - len(todo), "unit": "pair", "disable": talk.bars}
        for _ in tqdm(evaluation.measure_all(todo, args.jobs, args.threads), **bar):
            pass
    talk.result(summary(evaluation.means()))
    for failure in evaluation.failures:
        talk.warning(f"skipped {failure}")
    return SOME_FAILED if evaluation.failures else 0
