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
    maps = np.stack([np.isin(labels.array, channel.labels) for channel in channels])
    if not maps.any():
        wanted = ", ".join(str(v) for c in channels for v in c.labels)
        got = f"values {labels.array.min()} to {labels.array.max()}"
        raise InputError(f"Label map '{labels.name}'", "it has none of the structures", f"labels {wanted}", got)
    return Volume(maps.astype(np.float32), labels.grid, labels.name)


def soft_dice(a: torch.Tensor, b: torch.Tensor, threshold: float = 0.5) -> torch.Tensor:
    """Dice per channel of two maps (1, C, ...) cut at ``threshold``, (C,); NaN where both are empty."""
    a, b = a > threshold, b > threshold
    axes = tuple(range(2, a.ndim))
    both, total = (a & b).sum(axes)[0].float(), (a.sum(axes) + b.sum(axes))[0].float()
    return 2 * both / total
