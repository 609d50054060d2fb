"""The images as a term of the refinement: what the ITN saw of both, compared locally near the structures."""

from __future__ import annotations

import torch

from .dense import DenseOptions
from .istn import ISTN
from .layers import dilated
from .lncc import LocalCorrelation
from .refine_terms import ACTIVE_LEVEL, Positions
from .warp import sample


class ImageLoss:
    """share · (1 - LNCC) of M and F on the networks' grid, near what F' shows; the dense stage's image term.

    Args:
        seen: what the ITN saw of the moving and of the fixed image, (1, 1, *shape); the moving one through the initial
            alignment, as M'.
        fixed_map: F' of the structures that count, (1, C, *shape).
        share: of the images in what is minimized.
    """

    def __init__(self, model: ISTN, seen: tuple[torch.Tensor, torch.Tensor], fixed_map: torch.Tensor, share: float):
        options, self.share = DenseOptions(), share
        strongest = fixed_map.amax(dim=1, keepdim=True)
        shown = (strongest > ACTIVE_LEVEL * strongest.max()).float()
        shown = shown if shown.any() else torch.ones_like(shown)
        near = dilated(shown, [round(options.reach_mm / size) for size in reversed(model.grid.spacing)])
        needed = dilated(near, [options.window] * model.config.ndim).flatten().nonzero()[:, 0]
        self.moving, fixed = seen
        self.positions, self.shape = Positions(model, needed), fixed.shape
        self.correlation = LocalCorrelation(fixed, near, options.window)

    def __call__(self, linear: torch.Tensor, coefficients: torch.Tensor | None) -> torch.Tensor:
        positions = self.positions(linear, coefficients)
        warped = sample(self.moving, positions.reshape(1, -1, *[1] * (positions.shape[1] - 1), positions.shape[1]))
        warped, index = warped.flatten(), self.positions.index
        with torch.no_grad():
            everywhere = warped.new_zeros(self.shape.numel()).index_copy_(0, index, warped)
            value, derivative = self.correlation(everywhere.reshape(self.shape))
            slope = derivative.flatten()[index]
        change = (slope * (warped - warped.detach())).sum()  # zero; its derivative is that of the correlation
        return self.share * (1 - value - change)
