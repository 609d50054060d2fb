"""The command ``istn``: picks the sub-command, and is the one place where errors become exit codes.

Exit codes: 0 done; 1 some pairs of ``istn batch`` or ``istn evaluate`` failed; 2 input that cannot be used, with one
line on stderr; 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import importlib
import sys

from ..core.errors import InputError

COMMANDS = {
    "register": "register a moving image to a fixed one",
    "batch": "register every pair of a list",
    "apply": "apply a transform to images, labels, points and surfaces",
    "evaluate": "measure registrations of many pairs with known structures",
    "prepare": "prepare the training data of a configuration",
    "synthesize": "make toy pairs with known answers",
    "train": "train a model on your own data",
    "info": "print a checkpoint's card",
    "convert": "import a checkpoint of the published code",
}
BAD_INPUT, INTERRUPTED = 2, 130


class Parser(argparse.ArgumentParser):
    """An argument parser that complains in one line."""

    def error(self, message: str) -> None:
        """End with exit code 2."""
        self.exit(BAD_INPUT, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def main(argv: list[str] | None = None) -> int:
    """Run ``istn``; the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    args = _parser(argv).parse_args(argv)
    try:
        return args.run(args) or 0
    except InputError as error:
        print(f"istn {args.command}: error: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print(f"\nistn {args.command}: interrupted", file=sys.stderr)
        return INTERRUPTED


def _parser(argv: list[str]) -> argparse.ArgumentParser:
    """Only the module of the command that is asked for is imported: torch takes seconds."""
    parser = Parser(prog="istn", description="Structure-guided image registration (ISTN).")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in COMMANDS.items():
        if name == next((word for word in argv if not word.startswith("-")), ""):
            importlib.import_module(f".{name}", __package__).add_parser(commands)
        else:
            commands.add_parser(name, help=text)
    return parser
