"""Structure maps: structures of interest as float images in [0, 1] (paper section 2.2)."""

from __future__ import annotations

import numpy as np
import torch

from .config import Channel
from .errors import InputError
from .volume import Volume


def structure_map(labels: Volume, channels: tuple[Channel, ...]) -> Volume:
    """Binary map with one channel per group of labels, (C, [D, ]H, W) float32.

    Raises:
        InputError: when none of the labels occurs.
    """
    lookup = np.zeros((len(channels), int(max(labels.array.max(), 0)) + 1), dtype=np.float32)
    for row, channel in enumerate(channels):
        lookup[row, [v for v in channel.labels if v < lookup.shape[1]]] = 1.0
    if not lookup.any():
        wanted = ", ".join(str(v) for c in channels for v in c.labels)
        got = f"values 0 to {labels.array.max()}"
        raise InputError(f"Label map '{labels.name}'", "it has none of the structures", f"labels {wanted}", got)
    return Volume(lookup[:, labels.array.astype(np.int64)], labels.grid, labels.name)


def soft_dice(a: torch.Tensor, b: torch.Tensor, threshold: float = 0.5) -> torch.Tensor:
    """Dice per channel of two maps (1, C, ...) cut at ``threshold``, (C,); 1 where both are empty."""
    a, b = a > threshold, b > threshold
    axes = tuple(range(2, a.ndim))
    both, total = (a & b).sum(axes)[0].float(), (a.sum(axes) + b.sum(axes))[0].float()
    return torch.where(total > 0, 2 * both / total.clamp(min=1), torch.ones_like(total))
