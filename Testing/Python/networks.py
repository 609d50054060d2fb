"""Small configurations and models for tests of the method, 2-D and 3-D."""

import torch
from ISTNRegistrationLib.core.config import BSplineConfig, Channel, GridConfig, ModelConfig, NetConfig
from ISTNRegistrationLib.core.istn import ISTN

SIZES = {2: (24, 20), 3: (20, 16, 18)}
PUBLISHED_SIZE = (44, 36, 40)


def config(ndim=3, preset="default", method="istn-e", transforms=("affine", "bspline"), channels=2, size=None):
    """A configuration whose networks run in milliseconds; the grid is anisotropic in size, so swapped axes show."""
    size = size or (PUBLISHED_SIZE[:ndim] if preset == "published" else SIZES[ndim])
    return ModelConfig(
        method=method,
        transforms=transforms,
        grid=GridConfig(size=size, spacing=(2.0, 2.5, 3.0)[:ndim], anchor="center"),
        channels=tuple(Channel(f"s{k}", (k + 1,)) for k in range(channels)),
        normalization="none",
        net=NetConfig(preset=preset, itn_widths=(4, 8), stn_width=8),
        bspline=BSplineConfig(spacing_mm=12.0, max_displacement_mm=8.0),
    )


def model(ndim=3, seed=0, **keys):
    """A model with seeded random weights."""
    torch.manual_seed(seed)
    return ISTN(config(ndim, **keys)).eval()


def blobs(net, shift=0.0, seed=0):
    """Smooth maps (1, C, *shape): one Gaussian blob a channel, moved by ``shift`` mm along every axis."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.as_tensor(net.grid.points(), dtype=torch.float32)
    middles = (torch.rand(net.config.map_channels, net.config.ndim, generator=generator) - 0.5) * 10 + shift
    return torch.stack([torch.exp(-((points - m) ** 2).sum(-1) / (2 * 6.0**2)) for m in middles])[None]
