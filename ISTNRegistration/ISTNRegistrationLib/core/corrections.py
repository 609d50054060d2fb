"""Channels of M' and F' that a user has drawn better than the ITN sees them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from .errors import InputError
from .grid import Grid
from .preprocess import resample
from .volume import Volume

LEAST = 0.5  # of a map's largest value in training: less, and the structure is not there


def corrected(maps: torch.Tensor, drawn: Mapping[int, Volume], grid: Grid, matrix: np.ndarray) -> torch.Tensor:
    """Maps (1, C, *grid.shape) with the drawn channels in the place of what the ITN saw; a copy.

    Args:
        drawn: structure maps, anywhere in the image's space, by number of channel.
        grid, matrix: the maps have the value at matrix(x) for every x of the networks' grid, LPS mm.

    Raises:
        InputError: a drawn structure does not lie where the networks look.
    """
    if not drawn:
        return maps
    maps = maps.clone()
    for number, volume in drawn.items():
        values = resample(volume, grid, matrix)[0, 0].clamp_(0, 1)
        if float(values.max()) < LEAST:
            todo = "Check that the segmentation belongs to this image, or choose another initial alignment"
            who, got = f"Corrected structure '{volume.name}'", "nothing of it"
            raise InputError(who, "it is not where the networks look", f"some of it on the {_mm(grid)}", got, todo)
        maps[0, number] = values.to(maps)
    return maps


def _mm(grid: Grid) -> str:
    size = " x ".join(f"{n * s:.0f}" for n, s in zip(grid.size, grid.spacing, strict=True))
    return f"{size} mm around {np.round(grid.center).tolist()} (LPS)"
