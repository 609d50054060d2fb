"""An expected Dice in mm: how far apart, on average, two surfaces lie that overlap so; per structure and as a volume.

To first order the volume that only one of two structures has is S d, their surface times its mean distance, so
Dice = 1 - S d / (2 V) and d = 2 V / S (1 - Dice). V and S are those of the structure in F' cut at 0.5; S is the
integral of its gradient's length (coarea formula; Federer, 1959). Free of torch.
"""

from __future__ import annotations

import numpy as np

from .grid import Grid
from .trust import Expectation
from .volume import Volume

CUT = 0.5  # of a map; below it the soft edges of small structures make them seem twice as thick
_LEAST = 1e-6  # of surface, so that nothing is divided by zero


def thickness_mm(maps: np.ndarray, grid: Grid) -> np.ndarray:
    """2 V / S in mm, (C,), of structures in maps (C, *grid.shape): 2/3 of a ball's radius; NaN of an empty one."""
    inside = (maps > CUT).astype(np.float32)
    axes, steps = range(1, maps.ndim), grid.spacing[::-1]
    squares = sum(np.gradient(inside, step, axis=axis) ** 2 for axis, step in zip(axes, steps, strict=True))
    volume, surface = (values.reshape(len(maps), -1).sum(axis=1) for values in (inside, np.sqrt(squares)))
    return np.where(surface > 0, 2 * volume / np.maximum(surface, _LEAST), np.nan)


def uncertainty_volume(maps: Volume, expectation: Expectation) -> Volume:
    """Expected distance of the surfaces in mm at each voxel of the fixed image's maps (C, *shape), ([D, ]H, W).

    Within a structure (F' of 0.5 and more) its own value, the largest where several are; outside it fades with F'.
    """
    share = np.clip(2 * maps.channels, 0, 1)
    each = np.nan_to_num([structure.mm for structure in expectation.structures])
    values = [weight * mm for weight, mm in zip(share, each, strict=True)]
    return Volume(np.max(values, axis=0).astype(np.float32), maps.grid, "uncertainty mm")
