"""Test-time refinement of one pair: minimise MSE(M'∘T, F') with the ITN fixed (paper section 2.4).

M' and F' are computed once and given; nothing here runs the ITN. The model that is handed in is never changed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch

from .bspline import bending_energy
from .istn import ISTN
from .losses import weighted_mse
from .warp import affine_positions, sample

OnIteration = Callable[[int, float], "bool | None"]
MODES = ("none", "weights", "theta")
LEARNING_RATES = {"weights": 1e-3, "theta": 0.06}
PATIENCE = 25  # iterations that together improve the loss by less than MIN_IMPROVEMENT; Adam may overshoot that long
MIN_IMPROVEMENT = 1e-3  # of the loss
ACTIVE_LEVEL = 0.05  # of the largest map value: fainter voxels, farther than REACH_MM from a structure, hardly matter
REACH_MM = 8.0


@dataclass(frozen=True, eq=False)
class Pair:
    """One pair's maps (1, C, ...) and the linear part (1, n+1, n+1) from which a B-spline starts."""

    model: ISTN
    transform: str
    moving_map: torch.Tensor
    fixed_map: torch.Tensor
    linear: torch.Tensor

    def parts(self, theta: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Linear matrix and free control points (None for linear transforms) of theta."""
        if self.transform == "bspline":
            return self.linear, self.model.coefficients(theta)
        return self.model.linear(theta), None

    def stn_input(self) -> torch.Tensor:
        """The moving map that the STN sees: a B-spline's sees M' already under the linear part."""
        return self.model.warp(self.moving_map, self.linear) if self.transform == "bspline" else self.moving_map

    @torch.no_grad()
    def predict(self) -> torch.Tensor:
        """The STN's theta."""
        return self.model.theta(self.transform, self.stn_input(), self.fixed_map)

    @torch.no_grad()
    def loss(self, theta: torch.Tensor) -> float:
        """MSE(M'∘T, F') over the whole grid."""
        warped = self.model.warp(self.moving_map, *self.parts(theta))
        return float(weighted_mse(warped, self.fixed_map, self.model.channel_weights))


@dataclass(frozen=True, eq=False)
class Refined:
    """Best theta found, and the loss of every iteration (the start first)."""

    theta: torch.Tensor
    losses: tuple[float, ...]


def refine(pair: Pair, start: torch.Tensor, mode: str, iterations: int, on_iteration: OnIteration) -> Refined:
    """Refine the STN's answer ``start``; never ends with a larger loss than that, or than without this transform.

    Where the identity is better than the STN's answer, ``theta`` starts there: a saturated tanh has no gradient.

    Args:
        mode: ``weights`` updates a copy of the STN, as in the paper; ``theta`` updates the parameters themselves.
        on_iteration: called with the iteration and its loss; False stops and keeps the best so far.
    """
    start = min((start, torch.zeros_like(start)), key=pair.loss)
    with torch.enable_grad():
        predict, optimizer = _by_weights(pair) if mode == "weights" else _by_theta(start)
        best, losses = _minimise(predict, Objective(pair), optimizer, iterations, on_iteration)
    return Refined(min((best, start), key=pair.loss), tuple(losses))


def _by_weights(pair: Pair):
    """theta as a function of a copy of the STN's weights."""
    stn = copy.deepcopy(pair.model.stns[pair.transform]).requires_grad_(True)
    moving = pair.stn_input()
    return lambda: stn(moving, pair.fixed_map), torch.optim.Adam(stn.parameters(), lr=LEARNING_RATES["weights"])


def _by_theta(start: torch.Tensor):
    """theta itself."""
    theta = start.clone().requires_grad_(True)
    return lambda: theta, torch.optim.Adam([theta], lr=LEARNING_RATES["theta"], betas=(0.9, 0.99))


def _minimise(predict, objective, optimizer, iterations: int, on_iteration) -> tuple[torch.Tensor, list[float]]:
    """Iterate, the step length falling along half a cosine; returns the theta with the smallest loss.

    The last iteration only evaluates.
    """
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, iterations + 1)
    best_loss, best, mark, marked_at, losses = float("inf"), None, float("inf"), 0, []
    for iteration in range(iterations + 1):
        theta = predict()
        loss = objective(theta)
        losses.append(float(loss.detach()))
        if losses[-1] < best_loss:
            best_loss, best = losses[-1], theta.detach().clone()
        if losses[-1] < mark * (1 - MIN_IMPROVEMENT):
            mark, marked_at = losses[-1], iteration
        stop = on_iteration(iteration, losses[-1]) is False
        if stop or iteration == iterations or iteration - marked_at >= PATIENCE:
            break
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
    return best, losses


class Objective:
    """Refinement loss (plus the weighted bending energy) as a function of theta, summed over the active voxels only.

    Active are the voxels within ``REACH_MM`` of where F' or M' (as it lies at the start) shows anything: a quarter of
    the brain's grid. The rest of the squared difference hardly changes; without it an iteration is much cheaper.
    """

    def __init__(self, pair: Pair) -> None:
        self.pair, self.model = pair, pair.model
        with torch.no_grad():
            moving = self.model.warp(pair.moving_map, pair.linear)
            self.index = active_voxels(torch.cat([moving, pair.fixed_map], dim=1), self.model.grid.spacing)
            identity = torch.eye(self.model.config.ndim + 1, device=pair.linear.device)[None]
            base = affine_positions(identity, self.model.grid.shape)[0].reshape(-1, self.model.config.ndim)[self.index]
        self.base = torch.cat([base, torch.ones_like(base[:, :1])], dim=1)  # (P, n+1)
        self.fixed = pair.fixed_map[0].flatten(1)[:, self.index]  # (C, P)
        self.weights = self.model.channel_weights[:, None] / pair.fixed_map.numel()

    def __call__(self, theta: torch.Tensor) -> torch.Tensor:
        """Loss of theta; gradients flow to it."""
        linear, coefficients = self.pair.parts(theta)
        matrix = (self.model.cube_inverse @ linear @ self.model.cube)[0]
        positions = self.base @ matrix[:-1].T
        if coefficients is not None:
            positions = positions + self.model.cube_field(linear, coefficients)[0].flatten(0, -2)[self.index]
        shape = (1, 2) + (1,) * (self.model.config.ndim - 2) + (-1, self.model.config.ndim)
        warped = sample(self.pair.moving_map, positions.reshape(shape))
        loss = ((warped.reshape(self.fixed.shape) - self.fixed).square() * self.weights).sum()
        weight = self.model.config.bspline.bending_weight
        if coefficients is not None and weight:
            loss = loss + weight * bending_energy(coefficients, self.model.config.bspline.spacing_mm)
        return loss


def active_voxels(maps: torch.Tensor, spacing: tuple[float, ...]) -> torch.Tensor:
    """Flat indices (P,), P even, of the voxels within ``REACH_MM`` of a map value above ``ACTIVE_LEVEL``."""
    strongest = maps.amax(dim=1, keepdim=True)
    mask = (strongest > ACTIVE_LEVEL * strongest.max()).float()
    pool = torch.nn.functional.max_pool2d if mask.ndim == 4 else torch.nn.functional.max_pool3d
    kernel = [2 * round(REACH_MM / s) + 1 for s in reversed(spacing)]
    mask = pool(mask, kernel, stride=1, padding=[k // 2 for k in kernel])
    index = mask.flatten().nonzero()[:, 0]
    return index[: len(index) // 2 * 2]
