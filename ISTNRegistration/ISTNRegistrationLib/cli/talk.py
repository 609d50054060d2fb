"""How much a command says, and how much of the machine it takes: --quiet, --verbose, --threads, --jobs."""

from __future__ import annotations

import argparse
import sys

from .numbers import MOST_THREADS, whole

NAMED = 5  # missing files that one line names


def add_talk_arguments(parser: argparse.ArgumentParser) -> None:
    """--quiet or --verbose."""
    loud = parser.add_mutually_exclusive_group()
    loud.add_argument("--quiet", action="store_true", help="say nothing but warnings and errors")
    loud.add_argument("--verbose", action="store_true", help="say more: versions, device, threads, every pair or stage")


def add_machine_arguments(parser: argparse.ArgumentParser, jobs: bool = False) -> None:
    """--threads, and --jobs where there are many pairs."""
    count = whole(1, MOST_THREADS)
    parser.add_argument("--threads", type=count, help="CPU threads in all (default: the libraries' choice)")
    if jobs:
        several = "pairs at the same time, each in a process of its own; they share the threads (default: %(default)s)"
        parser.add_argument("--jobs", type=count, default=1, metavar="N", help=several)


class Talk:
    """What a command says: results on stdout, warnings on stderr, details on stderr if asked for."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._command, self._quiet, self._verbose = args.command, args.quiet, args.verbose

    @property
    def bars(self) -> bool | None:
        """What tqdm takes as ``disable``: None is a bar on a terminal only."""
        return True if self._quiet else None

    def result(self, text: str) -> None:
        """What the command was called for."""
        if not self._quiet:
            print(text)

    def note(self, text: str) -> None:
        """What is good to know."""
        if not self._quiet:
            self.warning(text)

    def warning(self, text: str) -> None:
        """What is always said."""
        print(f"istn {self._command}: {text}", file=sys.stderr)

    def detail(self, text: str) -> None:
        """What only those who asked for it want to know."""
        if self._verbose:
            self.warning(text)

    def machine(self, device: str) -> None:
        """Details: versions, device and threads."""
        if self._verbose:
            import torch

            from ..core.register import pick_device
            from ..data.report import versions

            self.detail(", ".join(f"{name} {version}" for name, version in versions().items()))
            self.detail(f"device {pick_device(device)}, {torch.get_num_threads()} threads")

    def missing(self, paths: list) -> None:
        """Warn at once of all files of a list that are not there: the pairs that need them will fail."""
        if paths:
            named = ", ".join(map(str, paths[:NAMED])) + (f" and {len(paths) - NAMED} more" if paths[NAMED:] else "")
            self.warning(f"warning: {len(paths)} files of the list are missing: {named}")
