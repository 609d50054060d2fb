"""What a training leaves in its folder: state, checkpoints, curves; and the progress bar."""

from __future__ import annotations

import csv
import io
import platform
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from ..core.checkpoint import save_checkpoint
from ..core.config import from_dict
from ..core.files import write_bytes, write_text
from ..core.istn import ISTN
from ..core.pose import to_card
from ..core.train import Trainer
from ..data.pair_source import CachedPairs
from .curves import MISSING, Curves

SMOOTHING = 0.95  # of the losses in the progress bar


class TrainingOutputs:
    """Called after every step; every file appears whole or not at all, so that a killed run can go on."""

    def __init__(self, folder: Path, config, trainer: Trainer, source: CachedPairs, started_from: dict) -> None:
        self.folder, self.config, self.started_from = folder, config, started_from
        self.picture_pair = next(iter(source.validation_pairs()))
        self.constellation = to_card(source.constellations())
        self.running: dict[str, float] = {}
        if trainer.best_weights:  # the kill may have come between the state and the checkpoints
            write_checkpoints(folder, trainer, config, self.constellation, started_from)
        self.curves = Curves(folder / "tensorboard", trainer.step)
        self.bar = tqdm(total=trainer.last_step, initial=trainer.step, unit="step", mininterval=1.0)
        if not self.curves.writer:
            self.bar.write(MISSING)

    def __call__(self, trainer: Trainer, values: dict[str, float]) -> None:
        """Show the running losses; after a validation write everything."""
        for name, value in values.items():
            self.running[name] = SMOOTHING * self.running.get(name, value) + (1 - SMOOTHING) * value
        self.bar.update()
        self.bar.set_postfix({name: f"{self.running[name]:.5f}" for name in values if not name.startswith("val/")})
        self.curves.values(trainer.step, values | {"learning rate": trainer.optimizer.param_groups[0]["lr"]})
        if "val/identity" not in values:
            return
        self.bar.write(f"step {trainer.step}: " + " ".join(f"{k} {v:.4f}" for k, v in values.items()))
        self.curves.pictures(trainer.step, trainer.result, self.picture_pair)
        state = {"trainer": trainer.state(), "config": what_decides(self.config), "init": self.started_from}
        packed = io.BytesIO()  # torch ends the process when it closes a file on a full disk
        torch.save(state, packed)
        write_bytes(self.folder / "state.pt", packed.getvalue(), "Training state")
        write_checkpoints(self.folder, trainer, self.config, self.constellation, self.started_from)

    def close(self) -> None:
        """End the bar and the curves."""
        self.bar.close()
        self.curves.close()


def write_checkpoints(folder: Path, trainer: Trainer, config, constellation: dict, started_from: dict) -> None:
    """last.h5, best.h5 and history.csv of what the trainer holds."""
    started = {"init": started_from} if started_from else {}
    card = model_card(trainer, config) | constellation | started
    save_checkpoint(folder / "last.h5", trainer.result, card)
    best = ISTN(config.model)
    best.load_state_dict(trainer.best_weights)
    save_checkpoint(folder / "best.h5", best, card)
    write_text(folder / "history.csv", _history(trainer.history), "History")


def what_decides(config) -> dict:
    """The parts of a configuration that a resumed run must not change."""
    parts = {name: getattr(config, name) for name in ("model", "augment", "synthesis", "training")}
    return {name: asdict(part) for name, part in parts.items() if part}


def what_decided(saved: dict, config) -> dict:
    """The same of a saved run; keys that it does not know yet have their defaults."""
    known = {name: from_dict(type(part), saved[name]) for name in saved if (part := getattr(config, name))}
    return saved | {name: asdict(part) for name, part in known.items()}


def model_card(trainer: Trainer, config) -> dict:
    """Provenance that the checkpoint carries."""
    return {
        **asdict(config.card),
        "method": config.model.method,
        "steps": trainer.step,
        "seconds": round(trainer.seconds),
        "seed": config.training.seed,
        "training": asdict(config.training),
        "augment": asdict(config.augment),
        **({"synthesis": asdict(config.synthesis)} if config.synthesis else {}),
        "best": {"step": trainer.best_step, "validation_score": trainer.best_score},
        "history": trainer.history,
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def _history(history: list[dict[str, float]]) -> str:
    """A CSV with a row per validation: its scores and that step's losses."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(key for row in history for key in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue()
