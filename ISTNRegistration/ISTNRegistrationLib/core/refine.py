"""Test-time refinement of one pair: minimize MSE(M'∘T, F') with the ITN fixed (paper section 2.4).

What else may count is a term of its own: ``core/refine_terms.py``. M' and F' are computed once and given; nothing here
runs the ITN. The model that is handed in is never changed.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from .istn import ISTN
from .losses import weighted_mse
from .refine_terms import Bending, MapLoss

OnIteration = Callable[[int, float, torch.Tensor], "bool | None"]
LEARNING_RATES = {"weights": 1e-3, "theta": 0.06, "on": 0.03}
LONGER, SHORTER = 1.2, 0.4  # steps of refine_on after one that lowered the loss, and after one that did not
FLOOR = 1e-3  # of the largest gradient: what is far below, rounding among it, takes no full step
PATIENCE = 25  # iterations that together improve the loss by less than MIN_IMPROVEMENT; Adam may overshoot that long
MIN_IMPROVEMENT = 1e-3  # of the loss
Term = Callable[[torch.Tensor, "torch.Tensor | None"], torch.Tensor]  # of a linear part and free control points


@dataclass(frozen=True, eq=False)
class Pair:
    """One pair's maps (1, C, ...) and the linear part (1, n+1, n+1) from which a B-spline starts.

    ``extra``: what counts beside the maps, in units of ``energy``. ``counts`` (C,): how much each channel counts, 0 for
    one that does not; all 1 if None. ``share``: of the maps in what is minimized.
    """

    model: ISTN
    transform: str
    moving_map: torch.Tensor
    fixed_map: torch.Tensor
    linear: torch.Tensor
    extra: tuple[Term, ...] = ()
    counts: torch.Tensor | None = None
    share: float = 1.0

    def counted(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """M', F' (1, C', ...) of the channels that count, and their weights (C',)."""
        if self.counts is None:
            return self.moving_map, self.fixed_map, self.model.channel_weights
        on = self.counts > 0
        return self.moving_map[:, on], self.fixed_map[:, on], (self.model.channel_weights * self.counts)[on]

    @property
    def energy(self) -> float:
        """The loss if M' showed nothing at all."""
        _moving, fixed, weights = self.counted()
        return float(weighted_mse(torch.zeros_like(fixed), fixed, weights))

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
        """MSE(M'∘T, F') over the whole grid, and what counts beside it."""
        parts = self.parts(theta)
        moving, fixed, weights = self.counted()
        loss = self.share * float(weighted_mse(self.model.warp(moving, *parts), fixed, weights))
        return loss + self.energy * float(sum(term(*parts) for term in self.extra)) if self.extra else loss


@dataclass(frozen=True, eq=False)
class State:
    """Where a registration stands after a stage, for what goes on from there (core/again.py); M' and F' are in it.

    ``pair.transform`` is rigid, affine, bspline or dense, or empty before all of them; ``theta`` None for the last two.
    """

    pair: Pair
    theta: torch.Tensor | None = None

    def parts(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Linear matrix and control points (or None)."""
        return (self.pair.linear, None) if self.theta is None else self.pair.parts(self.theta)


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
        on_iteration: called with the iteration, its loss and its theta; False stops and keeps the best so far.
    """
    objective, given = Objective(pair), start
    with torch.no_grad():
        start = min((start, torch.zeros_like(start)), key=objective)
    with torch.enable_grad():
        predict, update = _by_weights(pair) if mode == "weights" else _by_theta(start, iterations)
        best, losses = _minimize(predict, update, objective, iterations, on_iteration)
    return Refined(min((given, start, best), key=pair.loss), tuple(losses))


def refine_on(pair: Pair, start: torch.Tensor, iterations: int, on_iteration: OnIteration) -> Refined:
    """Refine ``start``, which is nearly right already, a little on; never ends with a larger loss than that.

    The steps of :func:`refine` are too long there: first they lead away, and back only after many iterations.
    """
    with torch.enable_grad():
        best, losses = _minimize(*_carefully(start), Objective(pair), iterations, on_iteration)
    return Refined(min((start, best), key=pair.loss), tuple(losses))


def _by_weights(pair: Pair):
    """theta as a function of a copy of the STN's weights, and Adam's step on these (the paper's way)."""
    stn = copy.deepcopy(pair.model.stns[pair.transform]).requires_grad_(True)
    with torch.no_grad():
        seen = stn.see(pair.stn_input(), pair.fixed_map)
    optimizer = torch.optim.Adam(stn.parameters(), lr=LEARNING_RATES["weights"])

    def update(loss: torch.Tensor, _iteration: int) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return lambda: stn.decide(seen), update


def _by_theta(start: torch.Tensor, iterations: int):
    """theta itself, and Adam's step on it (Kingma and Ba 2015), its length falling along half a cosine.

    Written out: torch's first optimizer in a process imports its compiler, 2 s that a single registration would pay.
    """
    theta = start.clone().requires_grad_(True)
    mean, square = torch.zeros_like(theta), torch.zeros_like(theta)
    decay_mean, decay_square = 0.9, 0.99

    def update(loss: torch.Tensor, iteration: int) -> None:
        (gradient,) = torch.autograd.grad(loss, theta)
        mean.lerp_(gradient, 1 - decay_mean)
        square.lerp_(gradient.square(), 1 - decay_square)
        rate = LEARNING_RATES["theta"] * 0.5 * (1 + math.cos(math.pi * iteration / (iterations + 1)))
        step = mean / (1 - decay_mean ** (iteration + 1))
        spread = (square / (1 - decay_square ** (iteration + 1))).sqrt()
        with torch.no_grad():
            theta.sub_(rate * step / (spread + FLOOR * spread.max()).clamp_(min=1e-30))

    return lambda: theta, update


def _carefully(start: torch.Tensor):
    """theta itself, and Adam's step on it from the best so far: longer while it helps, shorter where it does not."""
    theta, at = start.clone().requires_grad_(True), start.clone()
    mean, square = torch.zeros_like(theta), torch.zeros_like(theta)
    decay_mean, decay_square = 0.9, 0.99
    lowest, rate, count = math.inf, LEARNING_RATES["on"] / LONGER, 0

    def update(loss: torch.Tensor, _iteration: int) -> None:
        nonlocal lowest, rate, count
        better = float(loss.detach()) < lowest
        rate *= LONGER if better else SHORTER
        if better:
            lowest, count = float(loss.detach()), count + 1
            at.copy_(theta.detach())
            (gradient,) = torch.autograd.grad(loss, theta)
            mean.lerp_(gradient, 1 - decay_mean)
            square.lerp_(gradient.square(), 1 - decay_square)
        step = mean / (1 - decay_mean**count)
        spread = (square / (1 - decay_square**count)).sqrt()
        with torch.no_grad():
            theta.copy_(at - rate * step / (spread + FLOOR * spread.max()).clamp_(min=1e-30))

    return lambda: theta, update


def _minimize(predict, update, objective, iterations: int, on_iteration) -> tuple[torch.Tensor, list[float]]:
    """Iterate; returns the theta with the smallest loss. The last iteration only evaluates."""
    best_loss, best, mark, marked_at, losses = math.inf, None, math.inf, 0, []
    for iteration in range(iterations + 1):
        theta = predict()
        loss = objective(theta)
        losses.append(float(loss.detach()))
        if best is None or losses[-1] < best_loss:
            best_loss, best = losses[-1], theta.detach().clone()
        if losses[-1] < mark * (1 - MIN_IMPROVEMENT):
            mark, marked_at = losses[-1], iteration
        stop = on_iteration(iteration, losses[-1], theta.detach()) is False
        if stop or iteration == iterations or iteration - marked_at >= PATIENCE:
            break
        update(loss, iteration)
    return best, losses


class Objective:
    """What refinement minimizes as a function of theta: the maps' loss on the active voxels and all other terms."""

    def __init__(self, pair: Pair) -> None:
        self.pair, self.energy = pair, pair.energy if pair.extra else 0.0
        moving, fixed, weights = pair.counted()
        weights = weights if pair.share == 1 else weights * pair.share
        self.terms = (MapLoss(pair.model, moving, fixed, pair.linear, weights), Bending(pair.model))

    def __call__(self, theta: torch.Tensor) -> torch.Tensor:
        """Loss of theta; gradients flow to it."""
        parts = self.pair.parts(theta)
        loss = sum(term(*parts) for term in self.terms)
        return loss + self.energy * sum(term(*parts) for term in self.pair.extra) if self.pair.extra else loss
