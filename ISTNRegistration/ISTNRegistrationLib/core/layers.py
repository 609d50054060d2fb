"""The few layers that come in a 2-D and a 3-D form, chosen by the number of dimensions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn


def conv(ndim: int, inputs: int, outputs: int, kernel=3, stride=1, padding: int | None = None) -> nn.Module:
    """Convolution; padded to keep the size unless ``padding`` is given."""
    layer = nn.Conv2d if ndim == 2 else nn.Conv3d
    return layer(inputs, outputs, kernel, stride=stride, padding=kernel // 2 if padding is None else padding)


def conv_transpose(ndim: int, inputs: int, outputs: int) -> nn.Module:
    """Transposed convolution that doubles the size."""
    layer = nn.ConvTranspose2d if ndim == 2 else nn.ConvTranspose3d
    return layer(inputs, outputs, kernel_size=2, stride=2)


def average_pool(x: torch.Tensor, factor: int | tuple[int, ...]) -> torch.Tensor:
    """Mean over blocks of ``factor`` voxels (array order if a tuple); an incomplete last block is dropped."""
    return F.avg_pool2d(x, factor) if x.ndim == 4 else F.avg_pool3d(x, factor)


def moving_means(x: torch.Tensor, widths: tuple[int, ...]) -> torch.Tensor:
    """Means over every ``widths`` (array order) neighboring voxels, with zeros beyond the border: width - 1 more."""
    for axis, width in enumerate(widths, start=2):
        if width > 1:
            size = x.shape[axis]
            sums = x.new_zeros((*x.shape[:axis], size + width - 1, *x.shape[axis + 1 :]))
            for offset in range(width):
                sums.narrow(axis, offset, size).add_(x)
            x = sums.div_(width)
    return x


def dilated(x: torch.Tensor, reach: Sequence[int]) -> torch.Tensor:
    """Largest value of (N, C, ...) within ``reach`` voxels along each array axis (a box).

    One axis after the other, as lines: ten times faster than torch's pooling over a cube.
    """
    for axis, steps in enumerate(reach, start=2):
        lines = x.movedim(axis, -1)
        pooled = F.max_pool1d(lines.flatten(0, -2), 2 * steps + 1, stride=1, padding=steps)
        x = pooled.reshape(lines.shape).movedim(-1, axis)
    return x


def crop_like(x: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """The first voxels of ``x`` along each axis, as many as ``other`` has (a doubled odd size is one too large)."""
    return x[(..., *(slice(0, size) for size in other.shape[2:]))]


def memory_format(ndim: int) -> torch.memory_format:
    """Channels last: several times faster for these convolutions on CPUs."""
    return torch.channels_last if ndim == 2 else torch.channels_last_3d


def zero(layer: nn.Module) -> nn.Module:
    """Weights and bias set to zero: the head that ends in this layer starts at the identity transform."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
