"""The five losses of the paper, all mean squared errors (section 2.3, equations 1 and 2; section 2.4 for refinement).

Names: M, F images; M', F' maps; S_M, S_F structure maps; ∘T warped. All are (N, C, [D, ]H, W). With several channels
the MSE is the weighted mean of the channels' (``ISTN.channel_weights``; 1 for one channel, as in the paper).
Not of the paper: cross-entropy instead of MSE for the ITN of ISTN-e. Where a sigmoid is near 0, the MSE has no slope,
so that small structures are long unseen; the cross-entropy has.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from .bspline import bending_energy
from .istn import ISTN
from .layers import average_pool
from .warp import sample

_SMALLEST = 1e-6  # probability that the cross-entropy tells from 0


class TrainingLosses(nn.Module):
    """:func:`training_losses` as a module: what DistributedDataParallel wraps. Each term is a mean over the samples."""

    def __init__(self, model: ISTN, pyramid=(), itn_loss: str = "mse") -> None:
        super().__init__()
        self.model, self.pyramid, self.itn_loss = model, pyramid, itn_loss

    def forward(self, batch: dict[str, torch.Tensor], with_stn: bool) -> dict[str, torch.Tensor]:
        """The loss terms of a batch."""
        return training_losses(self.model, batch, with_stn, self.pyramid, self.itn_loss)


def weighted_mse(first: torch.Tensor, second: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Mean over samples, voxels and channels of weight (C,) or (N, C) times squared difference (N, C, ...)."""
    return ((first - second).square().flatten(2).mean(dim=2) * weights).mean()


def cross_entropy(maps: torch.Tensor, soi: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Mean over samples, voxels and channels of weight (C,) times the binary cross-entropy of maps in [0, 1]."""
    p = maps.clamp(_SMALLEST, 1 - _SMALLEST)
    terms = -(soi * p.log() + (1 - soi) * (1 - p).log())
    return (terms.flatten(2).mean(dim=2) * weights).mean()


def pyramid_mse(warped: torch.Tensor, fixed: torch.Tensor, weights: torch.Tensor, pyramid=()) -> torch.Tensor:
    """Mean of :func:`weighted_mse` on the maps and on their means over blocks of each factor in ``pyramid``.

    The MSE of two structures that overlap by less than half is smaller when the moving one vanishes than when it comes
    nearer. Block means overlap more and point the right way. Each level counts as much as the finest.
    """
    total, energy = weighted_mse(warped, fixed, weights), _energy(fixed)
    for factor in pyramid:
        coarse = average_pool(fixed, factor)
        gain = energy / _energy(coarse).clamp(min=1e-12)
        total = total + weighted_mse(average_pool(warped, factor), coarse, weights * gain)
    return total / (1 + len(pyramid))


def _energy(maps: torch.Tensor) -> torch.Tensor:
    """Mean square of each channel of each sample, (N, C)."""
    return maps.square().flatten(2).mean(dim=2)


def training_losses(
    model: ISTN, batch: dict, with_stn: bool = True, pyramid=(), itn_loss: str = "mse"
) -> dict[str, torch.Tensor]:
    """Loss terms of the model's method on a batch; their sum is what training minimizes.

    ``batch`` has ``moving``, ``fixed`` (N, 1, ...) and ``moving_soi``, ``fixed_soi`` (N, channels, ...).
    STN-u: MSE(M∘T, F). STN-s: MSE(S_M∘T, S_F). ISTN-e: STN-s + MSE(M', S_M) + MSE(F', S_F) (1).
    ISTN-i: STN-s + MSE(M'∘T, S_F) + MSE(S_M∘T, F') (2). One sum of these per transform type of the model.
    ``with_stn=False`` trains the ITN alone: ISTN-e by its own terms, ISTN-i by (2) with T the identity.
    ``pyramid``: see :func:`pyramid_mse`; empty is the paper. ``itn_loss``: of ``ITN_LOSSES``, for ISTN-e.
    """
    maps = model.maps(torch.cat([batch["moving"], batch["fixed"]])).float()
    terms = {}
    if model.config.method == "istn-e":
        soi = torch.cat([batch["moving_soi"], batch["fixed_soi"]])
        terms["itn"] = 2 * ITN_LOSSES[itn_loss](maps, soi, model.channel_weights)
        if not with_stn:
            return terms
    moving_map, fixed_map = maps.chunk(2)
    if model.config.method == "istn-i" and not with_stn:
        return {"i": _across(moving_map, batch["fixed_soi"], batch["moving_soi"], fixed_map, model.channel_weights)}
    for name, linear, coefficients in model.predictions(moving_map, fixed_map):
        positions = model.positions(linear, coefficients)
        warps = _warp_terms(model, batch, (moving_map, fixed_map), positions, pyramid)
        terms.update({f"{name}/{term}": value for term, value in warps.items()})
        if coefficients is not None and model.config.bspline.bending_weight:
            bending = bending_energy(coefficients, model.config.bspline.spacing_mm)
            terms["bspline/bending"] = model.config.bspline.bending_weight * bending
    return terms


ITN_LOSSES = {"mse": weighted_mse, "cross_entropy": cross_entropy}


def _warp_terms(model: ISTN, batch: dict, maps: tuple, positions: torch.Tensor, pyramid) -> dict[str, torch.Tensor]:
    """The terms of one transform type."""
    if model.config.method == "stn-u":
        return {"u": F.mse_loss(sample(batch["moving"], positions), batch["fixed"])}
    warped_soi, fixed_soi = sample(batch["moving_soi"], positions), batch["fixed_soi"]
    weights = model.channel_weights
    terms = {"s": pyramid_mse(warped_soi, fixed_soi, weights, pyramid)}
    if model.config.method == "istn-i":
        terms["i"] = _across(sample(maps[0], positions), fixed_soi, warped_soi, maps[1], weights)
    return terms


def _across(moving_map, fixed_soi, moving_soi, fixed_map, weights: torch.Tensor) -> torch.Tensor:
    """MSE(M'∘T, S_F) + MSE(S_M∘T, F') (equation 2), of what is warped already."""
    return weighted_mse(moving_map, fixed_soi, weights) + weighted_mse(moving_soi, fixed_map, weights)
