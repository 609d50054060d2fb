"""Masks that leave too little of the structures: named where a registration is in doubt.

The networks see masked images, so their maps cannot tell what a mask hides: they look at the whole image once more.
"""

from __future__ import annotations

import numpy as np

from ..core.checkpoint import Checkpoint
from ..core.errors import InputError
from ..core.locate import SURE, canonical_of, locate
from ..core.preprocess import Prepared
from ..core.quality import in_doubt
from ..core.register import RegistrationResult, on_device
from ..core.request import Request, Side
from ..core.transform import SpatialTransform
from ..core.warp import warp_volume

LEAST = 0.8  # of the map of each structure; less, where a registration is in doubt, is said
HIDES = "The mask of the {} image leaves {:.0f} % of the structures ({:.0f} % of {}): make it larger."


def hiding_masks(request: Request, checkpoint: Checkpoint, result: RegistrationResult) -> tuple[str, ...]:
    """A sentence for each mask that hides structures; none where the result is not in doubt."""
    kept = next(stage for stage in result.stages if stage.name == result.kept)
    if not checkpoint.config.uses_itn or not in_doubt(kept.agreement, kept.expected):
        return ()
    said = []
    for role, side in (("fixed", request.fixed), ("moving", request.moving)):
        left = None if side.mask is None else shares_left(side, checkpoint, result.options.device)
        if left is not None and left.min() < LEAST:
            name = checkpoint.config.channels[int(left.argmin())].name
            said.append(HIDES.format(role, 100 * left.mean(), 100 * left.min(), name))
    return tuple(said)


def shares_left(side: Side, checkpoint: Checkpoint, device: str) -> np.ndarray | None:
    """The share (C,) of each structure's map of the whole image that the mask leaves; None where it is not found."""
    model, canonical = on_device(checkpoint.model, device), canonical_of(checkpoint)
    try:
        found = locate(Prepared(side.image), model, canonical, lambda *_: False)  # upright or nearly so: a few looks
    except InputError:
        return None
    if canonical is not None and found.score < SURE:
        return None
    grid = model.grid.moved(found.view)
    inside = warp_volume(side.mask, SpatialTransform(np.eye(grid.ndim + 1)), grid, order="nearest").array > 0
    maps = found.maps[0].double().cpu().numpy().reshape(len(found.maps[0]), -1)
    return (maps * inside.ravel()).sum(axis=1) / np.maximum(maps.sum(axis=1), 1e-6)
