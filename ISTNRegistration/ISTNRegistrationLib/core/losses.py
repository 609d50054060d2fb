"""The five losses of the paper, all mean squared errors (section 2.3, equations 1 and 2; section 2.4 for refinement).

Names: M, F images; M', F' maps; S_M, S_F structure maps; ∘T warped. All are (N, C, [D, ]H, W).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from .istn import ISTN, identity


def refinement_loss(warped_map: torch.Tensor, fixed_map: torch.Tensor) -> torch.Tensor:
    """MSE(M'∘T, F'), the loss that needs no annotation."""
    return F.mse_loss(warped_map, fixed_map)


def training_losses(model: ISTN, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Loss terms of the model's method on a batch; their sum is what training minimises.

    ``batch`` has ``moving``, ``fixed`` (N, 1, ...) and ``moving_soi``, ``fixed_soi`` (N, channels, ...).
    STN-u: MSE(M∘T, F). STN-s: MSE(S_M∘T, S_F). ISTN-e: STN-s + MSE(M', S_M) + MSE(F', S_F) (1).
    ISTN-i: STN-s + MSE(M'∘T, S_F) + MSE(S_M∘T, F') (2). One sum of these per transform type of the model.
    """
    maps = model.maps(torch.cat([batch["moving"], batch["fixed"]])).float()
    moving_map, fixed_map = maps.chunk(2)
    terms = {}
    if model.config.method == "istn-e":
        terms["itn"] = F.mse_loss(moving_map, batch["moving_soi"]) + F.mse_loss(fixed_map, batch["fixed_soi"])
    linear = identity(model, len(moving_map))
    for name in model.stns:
        warped = moving_map if name != "bspline" else model.warp(moving_map, linear)
        theta = model.theta(name, warped, fixed_map).float()
        coefficients = None
        if name == "bspline":
            coefficients = model.coefficients(theta)
        else:
            linear = model.linear(theta)
        positions = model.positions(linear, coefficients)
        terms.update(_warp_terms(model, batch, maps, positions, name))
        linear = linear.detach()
    return terms


def _warp_terms(model: ISTN, batch: dict, maps: torch.Tensor, positions: torch.Tensor, name: str) -> dict:
    """The terms of one transform type."""
    from .warp import sample

    moving_map, fixed_map = maps.chunk(2)
    if model.config.method == "stn-u":
        return {f"{name}/u": F.mse_loss(sample(batch["moving"], positions), batch["fixed"])}
    warped_soi = sample(batch["moving_soi"], positions)
    terms = {f"{name}/s": F.mse_loss(warped_soi, batch["fixed_soi"])}
    if model.config.method == "istn-i":
        across = F.mse_loss(sample(moving_map, positions), batch["fixed_soi"])
        terms[f"{name}/i"] = across + F.mse_loss(warped_soi, fixed_map)
    return terms
