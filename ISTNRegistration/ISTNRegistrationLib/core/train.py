"""Training of all four methods (paper section 2.3): random pairs, Adam, validation, exact resume.

In processes that torchrun has started, each draws its share of every batch, torch's DistributedDataParallel averages
the gradients, and the first process alone validates and reports.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import distributed, nn
from torch.optim.swa_utils import AveragedModel

from .errors import InputError
from .istn import ISTN
from .itn import UNet
from .losses import ITN_LOSSES, TrainingLosses
from .metrics import finite_mean
from .schedule import SCHEDULES, learning_rate
from .validation import Distance, validation_scores


@dataclass(frozen=True)
class TrainConfig:
    """How long and how fast.

    ``batch_size`` is that of one process. ``precision`` is float32, bfloat16, or auto: bfloat16 where the processor
    multiplies it itself (see :func:`native_bfloat16`). During the first ``itn_first_steps`` an ISTN
    trains its ITN only: an STN that sees noise learns to shrink structures away. ``balance_channels`` weights the
    channels so that small structures count as much as large ones. ``pyramid``: see ``losses.pyramid_mse``.
    ``itn_loss``: of ISTN-e's own terms, mse (the paper) or cross_entropy, which learns small structures sooner.
    ``average``: the weights that are validated and kept are a moving average, each step counting 1 - ``average``
    (less in the beginning; Polyak and Juditsky 1992); 0 keeps those of the last step.
    ``schedule``: of the learning rate after its warm-up, half a cosine to zero or constant (the published code).
    """

    steps: int = 2000
    batch_size: int = 1
    learning_rate: float = 1e-3
    warmup_steps: int = 50
    schedule: str = "cosine"
    itn_first_steps: int = 200
    balance_channels: bool = True
    pyramid: tuple[int, ...] = (4, 8)
    validate_every: int = 250
    precision: str = "auto"
    itn_loss: str = "mse"
    average: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for key in ("steps", "batch_size", "validate_every"):
            value = getattr(self, key)
            if value < 1:
                raise InputError(f"Configuration key 'training.{key}'", "too small", "1 or more", str(value))
        if self.seed < 0 or min(self.pyramid, default=2) < 2:
            expected, got = "a seed from 0, pyramid factors from 2", f"seed {self.seed}, pyramid {self.pyramid}"
            raise InputError("Configuration table 'training'", "too small", expected, got)
        if not 0 <= self.average < 1:
            who = "Configuration key 'training.average'"
            raise InputError(who, "it cannot be used", "0 to less than 1", str(self.average))
        choices = {"precision": PRECISIONS, "itn_loss": tuple(ITN_LOSSES), "schedule": SCHEDULES}
        for key, allowed in choices.items():
            if getattr(self, key) not in allowed:
                who = f"Configuration key 'training.{key}'"
                raise InputError(who, "unknown value", ", ".join(allowed), getattr(self, key))


PRECISIONS = ("auto", "bfloat16", "float32")
_KEPT = ("step", "seconds", "best_score", "best_step", "best_weights", "history", "phases")


class PairSource(Protocol):
    """Where training gets its pairs: batches of (N, 1, ...) images and (N, C, ...) structure maps."""

    def random_pair(self, rng: np.random.Generator, step: int) -> dict[str, torch.Tensor]:
        """A random, augmented pair of different people, each tensor with N = 1; all draws come from ``rng``.

        ``step`` of the training: synthesized images grow harsher with it.
        """

    def describe(self, rng: np.random.Generator) -> str:
        """Names of the two scans that :meth:`random_pair` would draw with this generator."""

    def channel_energies(self) -> torch.Tensor:
        """Mean square of each channel of the training structure maps, (C,)."""

    def validation_pairs(self) -> Iterable[dict[str, torch.Tensor]]:
        """Every pair that decides which weights are best, not augmented."""


class Trainer:
    """Holds what changes during training; ``state`` / ``load_state`` make a run resumable to the same result."""

    def __init__(self, model: ISTN, config: TrainConfig) -> None:
        self.model, self.config, self.step, self.seconds = model, config, 0, 0.0
        self.optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
        self.best_score, self.best_step, self.best_weights, self.history = -1.0, 0, None, []
        self.phases = [[0, config.steps]]  # first step and number of steps
        device = model.cube.device.type
        self.bfloat16 = config.precision == "bfloat16" or (config.precision == "auto" and native_bfloat16(device))
        self.losses = _distributed(TrainingLosses(model, config.pyramid, config.itn_loss))
        self.averaged = AveragedModel(model, multi_avg_fn=self._average) if config.average else None

    def run(
        self, source: PairSource, on_step: Callable[[Trainer, dict], None], distance: Distance | None = None
    ) -> None:
        """Train to the last step; ``on_step(trainer, values)`` after every step and may save the state.

        Args:
            distance: of structures' surfaces, for validation; left out if None.

        Raises:
            InputError: the grid is too small for the pyramid, a structure is in no scan, or a loss is not finite
                (names the step and the pairs).
        """
        self._check_losses()
        from_frequencies = self.config.balance_channels or self.config.itn_loss == "cross_entropy"
        if self.step == 0 and self.model.config.uses_itn and from_frequencies:
            self._know_channels(source.channel_energies())
        while self.step < self.last_step:
            began = time.perf_counter()
            values = self._one_step(source)
            self.step += 1
            self.seconds += time.perf_counter() - began
            last = self.step == self.last_step
            if rank() == 0 and (last or self.step % self.config.validate_every == 0):
                values |= self._validate(source, distance)
                self.history.append({"step": self.step, **values})
            on_step(self, values)

    def _check_losses(self) -> None:
        if self.config.itn_loss == "cross_entropy" and not isinstance(self.model.itn, UNet):
            expected, got = "maps in [0, 1]: an ISTN of the preset default", "other networks"
            raise InputError("Configuration key 'training.itn_loss'", "it does not fit the networks", expected, got)
        largest, size = max(self.config.pyramid, default=1), min(self.model.config.grid.size)
        if largest > size:
            todo = "Leave out the largest factors"
            expected, got = f"factors up to {size}, the grid's shortest side", str(largest)
            raise InputError("Configuration key 'training.pyramid'", "the grid is too small", expected, got, todo)

    def _know_channels(self, energies: torch.Tensor) -> None:
        """Weights of the channels and, for the cross-entropy, maps that begin with the structures' frequencies."""
        absent = [c.name for c, energy in zip(self.model.config.channels, energies, strict=True) if energy == 0]
        if absent:
            todo = "Take the channel out of the configuration, or check the label values"
            raise InputError("Training", "a structure is in no training scan", "at least one", ", ".join(absent), todo)
        if self.config.balance_channels:
            self.model.balance_channels(energies)
        if self.config.itn_loss == "cross_entropy":
            self.model.itn.start_at(energies)

    def _one_step(self, source: PairSource) -> dict[str, float]:
        pairs = [source.random_pair(rng, self.step) for rng in self._generators()]
        device = self.model.cube.device
        batch = {key: torch.cat([p[key] for p in pairs]).to(device) for key in pairs[0]}
        self._set_learning_rate()
        self.model.train()
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=self.bfloat16):
            terms = self.losses(batch, self.step >= self.config.itn_first_steps)
        loss = sum(terms.values())
        values = _mean_of_processes({**terms, "loss": loss})
        if not np.isfinite(values["loss"]):
            who, got = f"Training step {self.step}", f"{values['loss']} for " + self._names(source)
            todo = "Lower training.learning_rate or check the data of these pairs"
            raise InputError(who, "the loss is not finite", "a number", got, todo)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        if self.averaged:
            self.averaged.update_parameters(self.model)
        return values

    def _average(self, averages: list[torch.Tensor], weights: list[torch.Tensor], count: torch.Tensor) -> None:
        """Move the averages towards the weights: by a tenth at first, by 1 - ``average`` in the end."""
        kept = min(self.config.average, (1 + int(count)) / (10 + int(count)))
        torch._foreach_lerp_(averages, weights, 1 - kept)

    @property
    def result(self) -> ISTN:
        """The model to validate and to keep: the averaged one if there is one."""
        return self.averaged.module if self.averaged else self.model

    def _generators(self) -> list[np.random.Generator]:
        """One per sample of this process: the same numbers whichever process draws the sample."""
        first = rank() * self.config.batch_size
        samples = range(first, first + self.config.batch_size)
        return [np.random.default_rng([self.config.seed, self.step, sample]) for sample in samples]

    def _names(self, source: PairSource) -> str:
        return "; ".join(source.describe(rng) for rng in self._generators())

    @property
    def last_step(self) -> int:
        """Where the training ends."""
        return sum(self.phases[-1])

    def go_on(self, steps: int) -> None:
        """Train ``steps`` more after the end: the learning rate rises once more (core/schedule.py)."""
        self.phases = [*self.phases, [self.last_step, steps]]

    def _set_learning_rate(self) -> None:
        config = self.config
        rate = learning_rate(self.step, self.phases, config.learning_rate, config.warmup_steps, config.schedule)
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def _validate(self, source: PairSource, distance: Distance | None) -> dict[str, float]:
        scores = [validation_scores(self.result, pair, distance) for pair in source.validation_pairs()]
        means = {key: finite_mean(score[key] for score in scores) for key in scores[0]}
        means = {key: value for key, value in means.items() if np.isfinite(value)}  # a distance may be known of no pair
        score = means[f"val/{list(self.model.stns)[-1]}"] + means.get("val/itn", 0.0)
        if score > self.best_score:
            self.best_score, self.best_step = score, self.step
            self.best_weights = {k: v.detach().clone() for k, v in self.result.state_dict().items()}
        return means

    def state(self) -> dict:
        """Everything a resumed run needs, as plain tensors and numbers."""
        plain = {key: getattr(self, key) for key in _KEPT}
        averaged = {"averaged": self.averaged.state_dict()} if self.averaged else {}
        return plain | {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()} | averaged

    def load_state(self, state: dict) -> None:
        """Continue from :meth:`state`."""
        for key in _KEPT:
            setattr(self, key, state.get("phases", self.phases) if key == "phases" else state[key])
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.averaged:
            self.averaged.load_state_dict(state["averaged"])


def native_bfloat16(device: str) -> bool:
    """Whether the device multiplies bfloat16 itself; a CPU without it imitates it, fifty times slower than float32."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported()
    checks = (getattr(torch.cpu, f"_is_{name}_supported", None) for name in ("avx512_bf16", "amx_tile"))
    return device == "cpu" and any(check() for check in checks if check)


def rank() -> int:
    """Number of this process among those that torchrun has started; 0 when it is alone."""
    return distributed.get_rank() if _is_distributed() else 0


def _is_distributed() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def _distributed(losses: TrainingLosses) -> nn.Module:
    """The module itself when alone, else with gradients averaged over the processes."""
    if not _is_distributed():
        return losses
    return nn.parallel.DistributedDataParallel(losses, find_unused_parameters=True)


def _mean_of_processes(terms: dict[str, torch.Tensor]) -> dict[str, float]:
    """Loss terms as numbers, the same in every process."""
    values = torch.stack([term.detach().float() for term in terms.values()])
    if _is_distributed():
        distributed.all_reduce(values)
        values = values / distributed.get_world_size()
    return dict(zip(terms, values.tolist(), strict=True))
