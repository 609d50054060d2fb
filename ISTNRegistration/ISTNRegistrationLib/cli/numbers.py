"""Whole numbers on the command line, refused before any work is done."""

from __future__ import annotations

import argparse
from collections.abc import Callable

MOST_THREADS = 1024
LARGEST_LABEL = 2**31 - 1


def whole(least: int, most: int) -> Callable[[str], int]:
    """What argparse takes as ``type``: whole numbers from ``least`` to ``most``."""

    def read(text: str) -> int:
        expected = f"expected a whole number from {least} to {most}; got {text!r}"
        try:
            number = int(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(expected) from error
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(expected)
        return number

    return read
