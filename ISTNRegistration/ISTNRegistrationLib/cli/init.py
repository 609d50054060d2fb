"""istn init: look at a folder of images and label maps, and write a configuration that works.

Folders: nnU-Net's and the Decathlon's, BIDS with derivatives, one folder per person, or files with names that match;
or a list of subjects or pairs. Written: the configuration with the reason for every number, the list of subjects,
a page with a picture of every person, and test_pairs.csv for istn evaluate where people are held out (imagesTs and
labelsTs, or --hold-out).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from ..core.errors import InputError
from ..core.files import is_file
from ..data.proposal import MINUTES, Proposal, Wishes, propose, subjects_csv, test_pairs_csv
from ..data.proposal_files import LIST, NAME, TEST_PAIRS, check_own, texts_of, write_texts
from ..data.proposal_text import findings
from ..data.survey import survey
from .numbers import whole


def add_parser(commands) -> None:
    """Add ``init`` to the ``istn`` command."""
    kind = argparse.RawDescriptionHelpFormatter
    parser = commands.add_parser("init", help="propose a configuration", description=__doc__, formatter_class=kind)
    parser.add_argument("folder", type=Path, help="folder of the study, or its subjects.csv or pairs.csv")
    parser.add_argument("--output", type=Path, help="where to write (default: in the folder)")
    parser.add_argument(
        "--minutes",
        type=float,
        default=MINUTES,
        help="how long training may take on two CPU cores (default: %(default)s)",
    )
    parser.add_argument("--spacing", type=float, default=0.0, help="of the grid, mm (default: chosen)")
    parser.add_argument(
        "--hold-out", type=whole(2, 10_000), default=0, metavar="N", help="people kept for the judgement"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Look, propose, write."""
    source = args.folder.parent if is_file(args.folder) else args.folder
    output = args.output or source
    if not 0 < args.minutes < float("inf") or not 0 <= args.spacing < float("inf"):
        got = f"{args.minutes}, {args.spacing}"
        raise InputError("--minutes or --spacing", "it cannot be used", "positive numbers", got)
    check_own(output / NAME)
    with tqdm(unit="scan", desc="looking", disable=None) as bar:
        found = survey(args.folder, lambda done, count: _show(bar, done, count))
    wishes = Wishes(minutes=args.minutes, spacing=args.spacing, hold_out=args.hold_out)
    proposal = propose(found, wishes)
    print(findings(proposal))
    for path in write_proposal(proposal, output):
        print(f"wrote {path}")
    print(
        f"next: istn prepare --config {output / NAME} --output {output / NAME.replace('.toml', '.h5')}", file=sys.stderr
    )


def _show(bar: tqdm, done: int, count: int) -> None:
    bar.total = count
    bar.update(done - bar.n)


def write_proposal(proposal: Proposal, output: Path) -> list[Path]:
    """Write all files of a proposal; their paths."""
    output.mkdir(parents=True, exist_ok=True)
    list_name = proposal.survey.source.name if proposal.survey.list_key else LIST
    texts = texts_of(proposal, list_name)
    if not proposal.survey.list_key:
        texts |= {LIST: subjects_csv(proposal, output), TEST_PAIRS: test_pairs_csv(proposal, output)}
    return write_texts(output, {name: text for name, text in texts.items() if text})
