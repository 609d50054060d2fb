"""The options of ``istn register``; the work is in ``register.py``, which takes seconds to import (torch)."""

from __future__ import annotations

import argparse
from pathlib import Path

from .exchange import add_exchange_arguments
from .method import add_method_arguments
from .talk import add_machine_arguments, add_talk_arguments

ABOUT = """istn register: two image files to a transform file, and on request the warped image, heatmaps, a report and
files for other programs."""
MAPS = ("fixed_map", "moving_map", "warped_map")
INPUTS = ("fixed", "moving", "fixed_mask", "moving_mask", "fixed_labels", "moving_labels", "fixed_landmarks",
          "moving_landmarks", "fixed_corrected", "moving_corrected", "rigid")  # fmt: skip


def add_parser(commands) -> None:
    """Add ``register`` to the ``istn`` command."""
    parser = commands.add_parser("register", help="register a moving image to a fixed one", description=ABOUT)
    parser.add_argument("--fixed", required=True, type=Path, help="image that stays; any format SimpleITK reads")
    parser.add_argument("--moving", required=True, type=Path, help="image that is registered to it")
    _add_known(parser)
    add_method_arguments(parser)
    parser.add_argument("--output-transform", required=True, type=Path, metavar="T.h5", help="fixed to moving, ITK")
    add_exchange_arguments(parser)
    parser.add_argument("--output-volume", type=Path, metavar="W.nii.gz", help="moving image on the fixed one's grid")
    uncertainty = "expected distance of the structures' surfaces in mm, in fixed space"
    parser.add_argument("--output-uncertainty", type=Path, metavar="U.nii.gz", help=uncertainty)
    parser.add_argument("--output-heatmaps", type=Path, metavar="DIR", help=f"folder for {', '.join(MAPS)}")
    parser.add_argument("--report", type=Path, metavar="R.html", help="page: pictures, numbers, verdict and license")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="folder for PNG files: axial, coronal, sagittal")
    parser.add_argument("--json", type=Path, metavar="R.json", help="report for programs")
    add_machine_arguments(parser)
    add_talk_arguments(parser)
    parser.set_defaults(run=run)


def _add_known(parser: argparse.ArgumentParser) -> None:
    """What is known of the two images."""
    for role in ("fixed", "moving"):
        mask = f"label map, or ROI of Slicer (.mrk.json): only where it is above 0, the {role} image counts"
        parser.add_argument(f"--{role}-mask", type=Path, help=mask)
    for role in ("fixed", "moving"):
        labels = f"reference label map of the {role} image, to measure the result with"
        parser.add_argument(f"--{role}-labels", type=Path, help=labels)
        landmarks = f"points of the {role} image (Slicer markups) to measure with, for --initial landmarks and "
        landmarks += "--landmark-weight"
        parser.add_argument(f"--{role}-landmarks", type=Path, help=landmarks)
    for role in ("fixed", "moving"):
        corrected = f"structures of the {role} image as you corrected them (label map, the checkpoint's labels): they "
        corrected += "take the place of what the network sees of them"
        parser.add_argument(f"--{role}-corrected", type=Path, help=corrected)
    rigid = "label map of the fixed image: each value is a body (bone) that a bspline or dense transform keeps rigid"
    parser.add_argument("--rigid", type=Path, help=rigid)


def run(args: argparse.Namespace) -> int | None:
    """Register; imports what it takes."""
    from .register import run as register

    return register(args)
