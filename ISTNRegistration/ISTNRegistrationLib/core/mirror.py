"""Maps averaged over an image and its mirror image: better maps without training, for ITNs that know both."""

from __future__ import annotations

import torch

from .augment import mirrored_order
from .istn import ISTN


def trained_on_mirrors(card: dict) -> bool:
    """Whether a checkpoint's card says that the ITN saw mirror images (left-right) in training."""
    return bool(card.get("augment", {}).get("mirror", False))


@torch.no_grad()
def mirror_averaged(model: ISTN, images: torch.Tensor, maps: torch.Tensor | None = None) -> torch.Tensor:
    """Mean (N, C, ...) of the maps of images (N, 1, ...) and of those of their mirror images, mirrored back.

    The last array axis of the networks' grid is left-right, in the pose of the structures; channels ``left x`` and
    ``right x`` change places. Takes the ITN's time once more where the ``maps`` of the images are known, else twice.
    """
    back = model.maps(images.flip(-1)).flip(-1)[:, mirrored_order(model.config.channels)]
    return ((model.maps(images) if maps is None else maps) + back) / 2
