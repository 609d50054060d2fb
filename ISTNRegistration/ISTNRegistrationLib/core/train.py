"""Training of all four methods (paper section 2.3): random pairs, Adam, validation, exact resume."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from .errors import InputError
from .istn import ISTN
from .losses import training_losses
from .soi import soft_dice


@dataclass(frozen=True)
class TrainConfig:
    """How long and how fast.

    ``precision`` is bfloat16 (fast on recent CPUs and GPUs) or float32. During the first ``itn_first_steps`` an ISTN
    trains its ITN only: an STN that sees noise learns to shrink structures away. ``balance_channels`` weights the
    channels so that small structures count as much as large ones. ``pyramid``: see ``losses.pyramid_mse``.
    """

    steps: int = 2000
    batch_size: int = 1
    learning_rate: float = 1e-3
    warmup_steps: int = 50
    itn_first_steps: int = 200
    balance_channels: bool = True
    pyramid: tuple[int, ...] = (4, 8)
    validate_every: int = 250
    precision: str = "bfloat16"
    seed: int = 0

    def __post_init__(self) -> None:
        for key in ("steps", "batch_size", "validate_every"):
            value = getattr(self, key)
            if value < 1:
                raise InputError(f"Configuration key 'training.{key}'", "too small", "1 or more", str(value))
        if self.seed < 0 or min(self.pyramid, default=2) < 2:
            expected, got = "a seed from 0, pyramid factors from 2", f"seed {self.seed}, pyramid {self.pyramid}"
            raise InputError("Configuration table 'training'", "too small", expected, got)
        if self.precision not in ("bfloat16", "float32"):
            who = "Configuration key 'training.precision'"
            raise InputError(who, "unknown value", "bfloat16 or float32", self.precision)


_KEPT = ("step", "best_score", "best_step", "best_weights", "history")


class PairSource(Protocol):
    """Where training gets its pairs: batches of (N, 1, ...) images and (N, C, ...) structure maps."""

    def random_pair(self, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        """A random, augmented pair of different people, each tensor with N = 1."""

    def channel_energies(self) -> torch.Tensor:
        """Mean square of each channel of the training structure maps, (C,)."""

    def validation_pairs(self) -> Iterable[dict[str, torch.Tensor]]:
        """Every pair that decides which weights are best, not augmented."""


class Trainer:
    """Holds what changes during training; ``state`` / ``load_state`` make a run resumable to the same result."""

    def __init__(self, model: ISTN, config: TrainConfig) -> None:
        self.model, self.config, self.step = model, config, 0
        self.optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
        self.best_score, self.best_step, self.best_weights, self.history = -1.0, 0, None, []

    def run(self, source: PairSource, on_step: Callable[[Trainer, dict], None]) -> None:
        """Train to the last step; ``on_step(trainer, values)`` after every step and may save the state.

        Raises:
            InputError: a loss is not finite; names the step.
        """
        if self.step == 0 and self.config.balance_channels and self.model.config.uses_itn:
            self._balance_channels(source.channel_energies())
        while self.step < self.config.steps:
            values = self._one_step(source)
            self.step += 1
            if self.step % self.config.validate_every == 0 or self.step == self.config.steps:
                values |= self._validate(source)
                self.history.append({"step": self.step, **values})
            on_step(self, values)

    def _balance_channels(self, energies: torch.Tensor) -> None:
        absent = [c.name for c, energy in zip(self.model.config.channels, energies, strict=True) if energy == 0]
        if absent:
            todo = "Take the channel out of the configuration, or check the label values"
            raise InputError("Training", "a structure is in no training scan", "at least one", ", ".join(absent), todo)
        self.model.balance_channels(energies)

    def _one_step(self, source: PairSource) -> dict[str, float]:
        rng = np.random.default_rng([self.config.seed, self.step])
        pairs = [source.random_pair(rng) for _ in range(self.config.batch_size)]
        device = self.model.cube.device
        batch = {key: torch.cat([p[key] for p in pairs]).to(device) for key in pairs[0]}
        self._set_learning_rate()
        self.model.train()
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.config.precision == "bfloat16"):
            with_stn = self.step >= self.config.itn_first_steps
            terms = training_losses(self.model, batch, with_stn, self.config.pyramid)
        loss = sum(terms.values())
        if not torch.isfinite(loss):
            todo = "Lower training.learning_rate or check the data of this pair"
            raise InputError(f"Training step {self.step}", "the loss is not finite", "a number", f"{loss.item()}", todo)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return {name: float(value.detach()) for name, value in terms.items()} | {"loss": float(loss.detach())}

    def _set_learning_rate(self) -> None:
        """Linear warm-up, then half a cosine to zero."""
        c = self.config
        warm = min(1.0, (self.step + 1) / max(1, c.warmup_steps))
        rate = c.learning_rate * warm * 0.5 * (1 + np.cos(np.pi * self.step / c.steps))
        for group in self.optimizer.param_groups:
            group["lr"] = float(rate)

    def _validate(self, source: PairSource) -> dict[str, float]:
        scores = [validation_dice(self.model, pair) for pair in source.validation_pairs()]
        mean = {key: float(np.mean([s[key] for s in scores])) for key in scores[0]}
        score = mean[f"val/{list(self.model.stns)[-1]}"] + mean.get("val/itn", 0.0)
        if score > self.best_score:
            self.best_score, self.best_step = score, self.step
            self.best_weights = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        return mean

    def state(self) -> dict:
        """Everything a resumed run needs, as plain tensors and numbers."""
        plain = {key: getattr(self, key) for key in _KEPT}
        return plain | {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state(self, state: dict) -> None:
        """Continue from :meth:`state`."""
        for key in _KEPT:
            setattr(self, key, state[key])
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])


@torch.no_grad()
def validation_dice(model: ISTN, pair: dict[str, torch.Tensor]) -> dict[str, float]:
    """Mean Dice over the channels on the networks' grid: before, after each transform (one pass), and of the maps."""
    model.eval()
    pair = {key: value.to(model.cube.device) for key, value in pair.items()}
    moving_map, fixed_map = model.maps(pair["moving"]), model.maps(pair["fixed"])
    scores = {"val/identity": soft_dice(pair["moving_soi"], pair["fixed_soi"])}
    if model.itn is not None:
        scores["val/itn"] = soft_dice(fixed_map, pair["fixed_soi"])
    for name, linear, coefficients in model.predictions(moving_map, fixed_map):
        warped = model.warp(pair["moving_soi"], linear, coefficients)
        scores[f"val/{name}"] = soft_dice(warped, pair["fixed_soi"])
    return {key: float(value.nan_to_num(1.0).mean()) for key, value in scores.items()}
