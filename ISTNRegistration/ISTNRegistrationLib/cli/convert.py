"""istn convert: a checkpoint of the published code (biomedia-mira/istn) as one of ours; see docs/published.md."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..core.checkpoint import save_checkpoint
from ..core.config import METHODS
from ..data.published import PublishedOptions, read_published
from .numbers import whole

MOST_VOXELS = 1000


def add_parser(commands) -> None:
    """Add ``convert`` to the ``istn`` command."""
    parser = commands.add_parser("convert", help="import itn.pt and stn.pt of the published code", description=__doc__)
    parser.add_argument("--itn", type=Path, help="itn.pt (leave out for STN-u and STN-s)")
    parser.add_argument("--stn", required=True, type=Path, help="stn.pt")
    parser.add_argument("--config", required=True, type=Path, help="the JSON file of the training")
    parser.add_argument("--output", required=True, type=Path, help="the checkpoint to write (.h5)")
    parser.add_argument("--method", choices=METHODS, help="default: istn-e with an ITN, else stn-s")
    parser.add_argument("--structure", default="structure", help="name of what the ITN shows")
    parser.add_argument("--control-point-voxels", type=whole(1, MOST_VOXELS), default=10, help="of a B-spline")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Write the checkpoint."""
    method = args.method or ("istn-e" if args.itn else "stn-s")
    options = PublishedOptions(method, args.structure, args.control_point_voxels)
    model, card = read_published(args.itn, args.stn, args.config, options)
    save_checkpoint(args.output, model, card)
    print(f"{args.output}: {method}, {', '.join(model.stns)}; {card['note']}")
