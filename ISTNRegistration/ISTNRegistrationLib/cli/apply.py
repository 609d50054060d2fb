"""istn apply: a transform file to images, label maps, points, curves and surfaces.

Everything given belongs to the moving image and is carried to the fixed one; with --inverse the other way round.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..core.errors import InputError
from ..data.apply_options import INTERPOLATIONS, LABEL_INTERPOLATIONS, SPACES, ApplyOptions, Item
from .talk import add_machine_arguments

DEFAULTS = ApplyOptions(())
OPTION_KINDS = {"images": "image", "labels": "labels", "points": "points", "surfaces": "surface"}


def add_parser(commands) -> None:
    """Add ``apply`` to the ``istn`` command."""
    about = {"help": "apply a transform to images, labels, points and surfaces", "description": __doc__}
    parser = commands.add_parser("apply", **about)
    chain = "fixed to moving; several as for antsApplyTransforms: WARP.nii.gz AFFINE.mat, or [AFFINE.mat,1]"
    parser.add_argument("--transform", required=True, nargs="+", metavar="FILE", help=chain)
    parser.add_argument("--inverse", action="store_true", help="from the fixed image to the moving one")
    given = {"nargs": "+", "type": Path, "default": [], "metavar": "FILE"}
    parser.add_argument("--images", **given, help="images, any pixel type, which is kept")
    parser.add_argument("--labels", **given, help="label maps")
    parser.add_argument("--points", **given, help="points and curves: .csv, Slicer's .mrk.json and .fcsv")
    parser.add_argument("--surfaces", **given, help=".vtk, .vtp or .ply")
    reference = "image whose grid the results get: the fixed one (--inverse: the moving one)"
    parser.add_argument("--reference", type=Path, metavar="IMAGE", help=reference)
    _add_method(parser)
    output = parser.add_mutually_exclusive_group(required=True)
    output.add_argument("--output", type=Path, metavar="FILE", help="for one file")
    output.add_argument("--output-folder", type=Path, metavar="DIR", help="for many: they keep their names")
    parser.add_argument("--quiet", action="store_true", help="say nothing but warnings and errors")
    add_machine_arguments(parser)
    parser.set_defaults(run=run)


def _add_method(parser: argparse.ArgumentParser) -> None:
    shown = "(default: %(default)s)"
    kinds = {"choices": INTERPOLATIONS, "default": DEFAULTS.interpolation}
    parser.add_argument("--interpolation", **kinds, help=f"of images {shown}")
    kinds = {"choices": LABEL_INTERPOLATIONS, "default": DEFAULTS.label_interpolation}
    parser.add_argument("--label-interpolation", **kinds, help=f"of labels; linear: of each by itself {shown}")
    darkest = "of images, where there is nothing (default: the image's darkest value; label maps get 0)"
    parser.add_argument("--background", type=float, metavar="VALUE", help=darkest)
    frame = "frame of CSV columns x, y, z and of surfaces that do not say it"
    parser.add_argument("--space", choices=SPACES, help=frame)


def run(args: argparse.Namespace) -> None:
    """Apply the transform; all outputs are written, or none."""
    import SimpleITK as sitk

    from ..data.apply_files import apply_files  # not above: --help shall not wait for SimpleITK

    options = ApplyOptions(
        tuple(args.transform),
        args.reference,
        args.inverse,
        args.interpolation,
        args.label_interpolation,
        args.background,
        args.space,
    )
    if args.threads:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(args.threads)
    for applied in apply_files(items(args), options):
        say([str(applied.item.target), *(f"  {note}" for note in applied.notes)], args.quiet)


def say(lines: list[str], quiet: bool) -> None:
    """Warnings to stderr; all else to stdout, unless ``quiet``."""
    for line in lines:
        warns = line.startswith("  warning")
        if warns or not quiet:
            print(line, file=sys.stderr if warns else sys.stdout)


def items(args: argparse.Namespace) -> list[Item]:
    """What is to be done, file by file."""
    sources = [(kind, path) for option, kind in OPTION_KINDS.items() for path in getattr(args, option)]
    if not sources:
        todo = "Give files with --images, --labels, --points or --surfaces"
        raise InputError("Input", "there is nothing to carry", "at least one file", "none", todo)
    if args.output:
        if len(sources) > 1:
            todo = "Use --output-folder"
            raise InputError("--output", "it is for one file", "one input", str(len(sources)), todo)
        return [Item(*sources[0], args.output)]
    return [Item(kind, path, args.output_folder / path.name) for kind, path in sources]
