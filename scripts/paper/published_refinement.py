"""The published way of refining one pair (biomedia-mira/istn, `istn-reg.py`, `test`), rewritten for benchmarks.

Every iteration runs the ITN on both images with gradients through it, the STN on both maps, warps image, map and
segmentation, computes all five losses and, for background and structure, Dice, Hausdorff and average Hausdorff distance
(SimpleITK), precision and recall; then Adam steps the STN's weights along the gradient of MSE(M'∘T, F').

Two things are kinder than the original, so ratios against this are lower bounds: T comes from our parametrisation
(the separable B-spline; theirs is a transposed convolution, kernel 37³), and the STN does not warp its map once more.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
import torch
import torch.nn.functional as F
from ISTNRegistrationLib.core.istn import ISTN, identity

LEARNING_RATE = 1e-3


@dataclass(frozen=True, eq=False)
class Images:
    """One pair, (1, 1, D, H, W) each: images and segmentations."""

    moving: torch.Tensor
    fixed: torch.Tensor
    moving_soi: torch.Tensor
    fixed_soi: torch.Tensor


def refine_published(model: ISTN, transform: str, images: Images, iterations: int, channels_last: bool = False):
    """Losses and measures (a dict) of every iteration, then those of the result: ``iterations`` + 1 in all.

    Args:
        channels_last: our memory layout of the weights instead of the published one (torch's default).
    """
    layout = torch.channels_last_3d if channels_last else torch.contiguous_format
    model = copy.deepcopy(model).to(memory_format=layout).requires_grad_(True)
    stn = model.stns[transform]
    optimizer = torch.optim.Adam(stn.parameters(), lr=LEARNING_RATE)
    values = []
    for _ in range(iterations):
        optimizer.zero_grad()
        losses, measures = process(model, transform, images)
        losses["stn_r"].backward()
        optimizer.step()
        values.append({key: loss.item() for key, loss in losses.items()} | measures)
    with torch.no_grad():
        losses, measures = process(model, transform, images)
    return [*values, {key: loss.item() for key, loss in losses.items()} | measures]


def process(model: ISTN, transform: str, images: Images) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
    """One pass over the pair: all losses, and the measures of the warped segmentation."""
    moving_map, fixed_map = model.itn(images.moving), model.itn(images.fixed)
    theta = model.stns[transform](moving_map, fixed_map)
    if transform == "bspline":
        positions = model.positions(identity(model), model.coefficients(theta))
    else:
        positions = model.positions(model.linear(theta))
    warped, warped_map, warped_soi = (_warp(x, positions) for x in (images.moving, moving_map, images.moving_soi))
    losses = {
        "itn": F.mse_loss(moving_map, images.moving_soi) + F.mse_loss(fixed_map, images.fixed_soi),
        "stn_u": F.mse_loss(warped, images.fixed),
        "stn_s": F.mse_loss(warped_soi, images.fixed_soi),
        "stn_i": F.mse_loss(warped_map, images.fixed_soi) + F.mse_loss(warped_soi, fixed_map),
        "stn_r": F.mse_loss(warped_map, fixed_map),
    }
    return losses, measure(warped_soi > 0.5, images.fixed_soi > 0.5, model.grid.spacing)


def _warp(image: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    return F.grid_sample(image, positions, align_corners=True)


def measure(warped: torch.Tensor, fixed: torch.Tensor, spacing: tuple[float, ...]) -> dict[str, float]:
    """The five measures of background (0) and structure (1); each distance runs its own filter, as published."""
    values = {}
    for label in (0, 1):
        mine, theirs = warped.eq(label).float(), fixed.eq(label).float()
        both = (mine * theirs).sum()
        values[f"dice_{label}"] = float(2 * both / (mine.sum() + theirs.sum()))
        values[f"hausdorff_{label}"] = _hausdorff(mine, theirs, spacing).GetHausdorffDistance()
        values[f"average_hausdorff_{label}"] = _hausdorff(mine, theirs, spacing).GetAverageHausdorffDistance()
        values[f"precision_{label}"] = float(both / mine.sum())
        values[f"recall_{label}"] = float(both / (both + ((1 - mine) * theirs).sum()))
    return values


def _hausdorff(mine: torch.Tensor, theirs: torch.Tensor, spacing) -> sitk.HausdorffDistanceImageFilter:
    images = [sitk.GetImageFromArray(np.ascontiguousarray(mask[0, 0].numpy())) for mask in (mine, theirs)]
    for image in images:
        image.SetSpacing(spacing)
    distances = sitk.HausdorffDistanceImageFilter()
    distances.Execute(*images)
    return distances
