"""The files of ``istn register`` for other programs: displacement field, inverse, linear part; see docs/exchange.md."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..core.grid import Grid
    from ..core.transform import SpatialTransform

OUTPUTS = ("output_field", "output_inverse", "output_linear")


def add_exchange_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``OUTPUTS``."""
    field = "displacement field on the fixed grid, for programs that do not read ours (Greedy, transformix)"
    parser.add_argument("--output-field", type=Path, metavar="U.nii.gz", help=field)
    inverse = "moving to fixed, with its error: .h5, or a field on the moving grid (.nii.gz)"
    parser.add_argument("--output-inverse", type=Path, metavar="I.h5", help=inverse)
    linear = "the linear part alone, as ITK, ANTs (.mat) and Greedy (.txt) read it"
    parser.add_argument("--output-linear", type=Path, metavar="A.mat", help=linear)


def check_exchange(args: argparse.Namespace) -> None:
    """Raise InputError for an output that could not be written, before any work is done."""
    import numpy as np

    from ..core.grid import Grid
    from ..core.transform import SpatialTransform
    from ..data.outputs import check_writable

    probe = SpatialTransform(np.eye(4))
    grid = Grid.centered((0.0,) * 3, (4,) * 3, (1.0,) * 3)
    for key in OUTPUTS:
        path = getattr(args, key)
        if path:
            who = f"--{key.replace('_', '-')}"
            check_writable(path, who, lambda name, key=key: _write(key, name, probe, (grid, grid)))


def write_exchange(
    args: argparse.Namespace,
    temporary: Callable[[Path], Path],
    transform: SpatialTransform,
    grids: tuple[Grid, Grid],
) -> list[str]:
    """Write what was asked for under temporary names; lines that tell the user of it.

    Args:
        grids: of the fixed and the moving image.
    """
    asked = {key: getattr(args, key) for key in OUTPUTS if getattr(args, key)}
    lines = [_write(key, temporary(path), transform, grids) for key, path in asked.items()]
    return [line for line in lines if line]


def _write(key: str, path: Path, transform: SpatialTransform, grids: tuple[Grid, Grid]) -> str:
    """Write one file; what is to be said of it."""
    from ..data.exchange import write_field, write_inverse, write_linear

    if key == "output_field":
        write_field(path, transform, grids[0])
    elif key == "output_linear":
        write_linear(path, transform)
    else:
        found = write_inverse(path, transform, *grids)
        return f"inverse: error mean {found.mean:.4f} mm, largest {found.largest:.4f} mm"
    return ""
