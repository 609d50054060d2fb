"""Numbers on the command line, refused before any work is done."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

MOST_THREADS = 1024
LARGEST_LABEL = 2**31 - 1


def whole(least: int, most: int) -> Callable[[str], int]:
    """What argparse takes as ``type``: whole numbers from ``least`` to ``most``."""
    return _within(least, most, int, "a whole number")


def decimal(least: float, most: float) -> Callable[[str], float]:
    """The same for numbers with a fraction."""
    return _within(least, most, float, "a number")


def _within(least, most, convert: Callable, kind: str) -> Callable:
    low, high = (str(bound) if isinstance(bound, int) else f"{bound:g}" for bound in (least, most))

    def read(text: str):
        expected = f"expected {kind} from {low} to {high}; got {text!r}"
        try:
            number = convert(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(expected) from error
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(expected)
        return number

    return read


def named_number(text: str) -> tuple[str, float]:
    """What argparse takes as ``type``: a name and a number, ``left thalamus=0.5``."""
    name, _equals, number = (part.strip() for part in text.rpartition("="))
    try:
        weight = float(number)
    except ValueError:
        weight = math.nan
    if not name or math.isnan(weight):
        raise argparse.ArgumentTypeError(f"expected a name, = and a number; got {text!r}")
    return name, weight
