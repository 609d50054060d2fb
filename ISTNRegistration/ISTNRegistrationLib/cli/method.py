"""The arguments that decide how to register, the same for every command."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..core.errors import InputError
from ..core.options import (
    DEVICES,
    INITIALS,
    LARGEST_WEIGHT,
    MOST_ITERATIONS,
    PRESETS,
    REFINEMENTS,
    TRANSFORMS,
    RegisterOptions,
    options_from,
)
from .numbers import decimal, named_number, whole

DEFAULTS = RegisterOptions()


def add_method_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything that ``RegisterOptions`` and the checkpoint decide."""
    initial = f"initial alignment: {', '.join(INITIALS)}, or the file of a linear transform (default: auto)"
    parser.add_argument("--checkpoint", required=True, metavar="NAME_OR_PATH", help="shipped name or .h5 file")
    preset = "fast: one pass; standard: refined; accurate: a dense transform; the options below count more"
    parser.add_argument("--preset", choices=PRESETS, help=preset)
    parser.add_argument("--transform", choices=TRANSFORMS, help=f"default: {DEFAULTS.transform}")
    parser.add_argument("--initial", default=DEFAULTS.initial, metavar="NAME_OR_FILE", help=initial)
    refine = "what is optimized for this pair: theta, the network's weights (as published) or none (default: theta)"
    parser.add_argument("--refine", choices=REFINEMENTS, help=refine)
    count = "maximum iterations per stage; stops early when the loss no longer improves"
    count += f" (default: {DEFAULTS.iterations})"
    parser.add_argument("--iterations", type=whole(0, MOST_ITERATIONS), help=count)
    keep = "return the last stage, even where an earlier one agreed better"
    parser.add_argument("--no-keep-best", dest="keep_best", action="store_false", help=keep)
    pull = "how much landmarks of both images count while refining; 1: a mean distance of 10 mm costs as much as "
    pull += "structures that are not found (default: 0, they only measure)"
    parser.add_argument("--landmark-weight", type=decimal(0, LARGEST_WEIGHT), default=0.0, metavar="W", help=pull)
    weight = "how much a structure's maps count while refining, 0 for not at all (once for each; default: 1)"
    parser.add_argument("--structure-weight", type=named_number, action="append", metavar="NAME=W", help=weight)
    share = "of the images in what refinement minimizes, the structures have the rest; 0 to 1"
    share += " (default: 0; dense: what the images allow)"
    parser.add_argument("--image-share", type=decimal(0, 1), metavar="S", help=share)
    parser.add_argument("--device", choices=DEVICES, default=DEFAULTS.device, help="default: %(default)s")


def register_options(args: argparse.Namespace) -> RegisterOptions:
    """The options of a command line.

    Raises:
        InputError: options that contradict each other.
    """
    keys = ("preset", "transform", "refine", "iterations", "device", "keep_best", "landmark_weight", "image_share")
    given = {key: getattr(args, key) for key in keys if getattr(args, key) is not None}
    if args.structure_weight:
        given["structure_weights"] = dict(args.structure_weight)
    initial = args.initial if args.initial in INITIALS else Path(args.initial)
    options = options_from({**given, "initial": initial})
    if options.refine == "none" and args.iterations:
        todo = "Leave one of them out"
        got = f"--iterations {args.iterations}"
        raise InputError("--refine none", "nothing is refined", "no --iterations", got, todo)
    return options
