"""How good a model is on a validation pair: Dice and surface distance before and after each transform, one pass."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from .istn import ISTN
from .metrics import finite_mean
from .soi import soft_dice

Distance = Callable[[np.ndarray, np.ndarray], float]  # of two masks of one shape on the networks' grid, mm


@torch.no_grad()
def validation_scores(model: ISTN, pair: dict[str, torch.Tensor], distance: Distance | None = None) -> dict[str, float]:
    """Mean Dice over the channels on the networks' grid: before, after each transform (one pass), and of the maps.

    With ``distance`` also the mean surface distance (mm) before and after; NaN where a structure has left the grid.
    """
    model.eval()
    pair = {key: value.to(model.cube.device) for key, value in pair.items()}
    moving_map, fixed_map = model.maps(pair["moving"]), model.maps(pair["fixed"])
    warped = {"identity": pair["moving_soi"]}
    for name, linear, coefficients in model.predictions(moving_map, fixed_map):
        warped[name] = model.warp(pair["moving_soi"], linear, coefficients)
    scores = {f"val/{name}": soft_dice(soi, pair["fixed_soi"]) for name, soi in warped.items()}
    if model.itn is not None:
        scores["val/itn"] = soft_dice(fixed_map, pair["fixed_soi"])
    scores = {key: float(value.nan_to_num(1.0).mean()) for key, value in scores.items()}
    if distance:
        scores |= {f"val/{name}_asd": _mean_distance(soi, pair["fixed_soi"], distance) for name, soi in warped.items()}
    return scores


def _mean_distance(first: torch.Tensor, second: torch.Tensor, distance: Distance) -> float:
    """Mean over the channels of maps (1, C, ...) cut at 0.5."""
    masks = ((maps[0] > 0.5).cpu().numpy() for maps in (first, second))
    return finite_mean(distance(*channel) for channel in zip(*masks, strict=True))
