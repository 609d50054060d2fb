"""What command line, module and demo all make of a registration."""

from __future__ import annotations

import numpy as np

from ..core.checkpoint import Checkpoint
from ..core.errors import InputError
from ..core.grid import Grid
from ..core.transform import SpatialTransform
from ..core.volume import Volume
from ..core.warp import warp_volume


def warped_moving(moving: Volume, transform: SpatialTransform, grid: Grid, order: str = "linear") -> Volume:
    """The moving volume on ``grid``; its darkest value where it shows nothing, since air in CT is not 0."""
    return warp_volume(moving, transform, grid, order=order, fill=float(np.min(moving.array)))


def strongest(maps: Volume) -> Volume:
    """One channel: the strongest structure at each voxel, the map to look at."""
    return Volume(maps.channels.max(axis=0), maps.grid, maps.name)


def check_has_maps(checkpoint: Checkpoint, todo: str) -> None:
    """Raise InputError for a checkpoint without an ITN: there would be no heatmaps to show."""
    if not checkpoint.config.uses_itn:
        who, got = f"Checkpoint '{checkpoint.name}'", checkpoint.config.method
        raise InputError(who, "it makes no structure maps", "istn-e or istn-i", got, todo)
