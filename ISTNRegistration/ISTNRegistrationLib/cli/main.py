"""The command ``istn``: picks the sub-command, and is the one place where errors become exit codes."""

from __future__ import annotations

import argparse
import importlib
import io
import sys

from ..core.errors import InputError
from ..core.files import one_line

COMMANDS = {
    "register": "register a moving image to a fixed one",
    "batch": "register every pair of a list",
    "apply": "apply a transform to images, labels, points and surfaces",
    "evaluate": "measure registrations of many pairs with known structures",
    "init": "look at a folder of images and labels, and propose a configuration",
    "prepare": "prepare the training data of a configuration",
    "synthesize": "make toy pairs with known answers",
    "train": "train a model on your own data",
    "info": "print a checkpoint's card",
    "convert": "import a checkpoint of the published code",
}
OPTIONS = {"register": "register_options"}  # modules of the options alone, which import nothing heavy
BAD_INPUT, INTERRUPTED = 2, 130
EXIT_CODES = """exit codes: 0 done; 1 some pairs of a batch or an evaluation failed; 2 input that cannot be used, with
one line on stderr; 3 trained, but worse than doing nothing; 130 interrupted (Ctrl-C)"""


class Parser(argparse.ArgumentParser):
    """An argument parser that complains in one line."""

    def error(self, message: str) -> None:
        """End with exit code 2."""
        self.exit(BAD_INPUT, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def main(argv: list[str] | None = None) -> int:
    """Run ``istn``; the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    _print_anything()
    args = _parser([_command(argv)]).parse_args(argv)
    try:
        _check_names(argv)
        return args.run(args) or 0
    except InputError as error:
        return _refused(args.command, error)
    except OSError as error:  # a name too long, a folder in the place of a file, a disk that is full
        return _refused(args.command, InputError("File", "it cannot be used", "a place for it", one_line(error)))
    except MemoryError:
        return _refused(args.command, InputError("Memory", "there is too little", "room for the images", "none left"))
    except KeyboardInterrupt:
        print(f"\nistn {args.command}: interrupted", file=sys.stderr)
        return INTERRUPTED


def _refused(command: str, error: InputError) -> int:
    print(f"istn {command}: error: {' '.join(str(error).split())}", file=sys.stderr)
    return BAD_INPUT


def whole_parser() -> argparse.ArgumentParser:
    """All commands with all options, for programs that want to know them: shell completion (shtab)."""
    return _parser(list(COMMANDS))


def _command(argv: list[str]) -> str:
    return next((word for word in argv if not word.startswith("-")), "")


def _print_anything() -> None:
    """A terminal that lacks a character gets an escape for it, and a long run does not end with an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _check_names(argv: list[str]) -> None:
    """Refuse names that are not text: ITK ends the whole process on them.

    Raises:
        InputError: a word that UTF-8 cannot hold (a file named in another encoding).
    """
    for word in argv:
        if not _is_text(word):
            who, todo = f"Name '{ascii(word)[1:-1]}'", "Rename the file"
            raise InputError(who, "it is in another encoding", "a name in UTF-8", "other bytes", todo)


def _is_text(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Version(argparse.Action):
    """Print the version and end; what it takes is imported only then."""

    def __call__(self, parser, *_) -> None:
        from importlib import metadata

        try:
            version = metadata.version("istn-registration")
        except metadata.PackageNotFoundError:  # Slicer's extension, or a source tree
            version = "(not installed by pip)"
        print(f"istn {version}")
        parser.exit()


def _parser(wanted: list[str]) -> argparse.ArgumentParser:
    """Only the modules of the commands in ``wanted`` are imported: torch takes seconds."""
    parser = Parser(prog="istn", description="Structure-guided image registration (ISTN).", epilog=EXIT_CODES)
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and end")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in COMMANDS.items():
        if name in wanted:
            importlib.import_module(f".{OPTIONS.get(name, name)}", __package__).add_parser(commands)
        else:
            commands.add_parser(name, help=text)
    return parser
