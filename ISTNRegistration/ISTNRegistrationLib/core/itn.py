"""Image transformer network: an image to a map of the structures of interest, same size (paper section 2.2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from .config import ModelConfig
from .layers import conv, conv_transpose, crop_like

UNTRAINED_BIAS = -4.0


def build_itn(config: ModelConfig) -> nn.Module:
    """The ITN of the preset: images (N, 1, [D, ]H, W) to maps (N, channels, [D, ]H, W)."""
    if config.net.preset == "published":
        return PublishedITN(config.ndim, len(config.channels))
    return UNet(config.ndim, len(config.channels), config.net.itn_widths)


class PublishedITN(nn.Module):
    """Layer for layer the published ITN (biomedia-mira/istn, pymira/nets/itn.py); same state dict for one channel."""

    def __init__(self, ndim: int, channels: int) -> None:
        super().__init__()
        self.conv11, self.conv12 = conv(ndim, 1, 2), conv(ndim, 2, 4)
        self.down1, self.conv21 = conv(ndim, 4, 8, kernel=2, stride=2, padding=0), conv(ndim, 8, 8)
        self.down2, self.conv31 = conv(ndim, 8, 16, kernel=2, stride=2, padding=0), conv(ndim, 16, 16)
        self.up2, self.conv22 = conv_transpose(ndim, 16, 8), conv(ndim, 8, 8)
        self.up1, self.conv13 = conv_transpose(ndim, 8, 4), conv(ndim, 4, 2)
        self.conv14, self.conv15 = conv(ndim, 2, 2), conv(ndim, 2, channels)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Image (N, 1, ...) to map; every size must be divisible by 4."""
        full = F.relu(self.conv12(F.relu(self.conv11(image))))
        half = self.down1(full)
        half = F.relu(self.conv21(half))
        quarter = F.relu(self.conv31(self.down2(half)))
        half = F.relu(self.conv22(self.up2(quarter) + half))
        full = F.relu(self.conv13(self.up1(half) + full))
        return self.conv15(F.relu(self.conv14(full)))


class UNet(nn.Module):
    """A small U-Net (Ronneberger 2015) with instance normalization, sigmoid output and the position as input.

    The grid is anchored to the anatomy, so where a voxel lies says much about what it shows
    (CoordConv, Liu 2018).
    """

    def __init__(self, ndim: int, channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        inputs = (1 + ndim, *widths[:-1])
        strides = (1,) + (2,) * (len(widths) - 1)
        self.down = nn.ModuleList(Block(ndim, *sizes) for sizes in zip(inputs, widths, strides, strict=True))
        pairs = list(zip(widths[:0:-1], widths[-2::-1], strict=True))  # (deeper, shallower), deepest first
        self.grow = nn.ModuleList(conv_transpose(ndim, deep, skip) for deep, skip in pairs)
        self.up = nn.ModuleList(Block(ndim, 2 * skip, skip, 1) for _, skip in pairs)
        self.out = conv(ndim, widths[0], channels, kernel=1)
        nn.init.constant_(self.out.bias, UNTRAINED_BIAS)  # structures are rare: start near their frequency

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Image (N, 1, ...) to map (N, channels, ...) in [0, 1]."""
        features = []
        x = with_position(image)
        for block in self.down:
            x = block(x)
            features.append(x)
        for grow, block, skip in zip(self.grow, self.up, features[-2::-1], strict=True):
            x = block(torch.cat([crop_like(grow(x), skip), skip], dim=1))
        return torch.sigmoid(self.out(x).float())

    def start_at(self, frequencies: torch.Tensor) -> None:
        """Begin with maps that show each channel's mean value (C,) everywhere; weights that were trained stay."""
        with torch.no_grad():
            if (self.out.bias == UNTRAINED_BIAS).all():
                self.out.bias.copy_(torch.logit(frequencies, eps=1e-6))


def with_position(image: torch.Tensor) -> torch.Tensor:
    """Image (N, 1, ...) with one more channel an axis: the voxel's position in the grid, -1 to 1."""
    axes = [torch.linspace(-1, 1, size, device=image.device, dtype=image.dtype) for size in image.shape[2:]]
    position = torch.stack(torch.meshgrid(axes, indexing="ij")).expand(len(image), -1, *image.shape[2:])
    return torch.cat([image, position], dim=1)


class Block(nn.Module):
    """Two convolutions, each with instance normalization and ReLU; the first may halve the size."""

    def __init__(self, ndim: int, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = conv(ndim, inputs, outputs, stride=stride), InstanceNorm(outputs)
        self.conv2, self.norm2 = conv(ndim, outputs, outputs), InstanceNorm(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features (N, inputs, ...) to (N, outputs, ...)."""
        x = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(x)))


class InstanceNorm(nn.Module):
    """Instance normalization that keeps the channels-last layout; torch's own reorders memory, which costs more."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features (N, channels, ...), each sample by its own mean and variance."""
        samples = [F.batch_norm(s, None, None, self.weight, self.bias, training=True) for s in x.split(1)]
        return samples[0] if len(samples) == 1 else torch.cat(samples)
