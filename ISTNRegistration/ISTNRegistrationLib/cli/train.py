"""istn train: from one configuration file to a checkpoint; interrupted runs go on with ``--resume``."""

from __future__ import annotations

import argparse
import pickle
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from ..core.augment import AugmentConfig
from ..core.checkpoint import save_checkpoint
from ..core.config import ModelConfig, from_dict
from ..core.errors import InputError
from ..core.istn import ISTN
from ..core.register import pick_device
from ..core.train import TrainConfig, Trainer
from ..data.files import read_text
from ..data.pair_source import CachedPairs
from ..data.scans import DataConfig
from .numbers import MOST_THREADS, whole
from .training_data import ready_cache

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class RunConfig:
    """The configuration file: [model], [data], [augment], [training], [card]."""

    model: ModelConfig
    data: DataConfig
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    training: TrainConfig = field(default_factory=TrainConfig)
    card: CardConfig = field(default_factory=lambda: CardConfig())


@dataclass(frozen=True)
class CardConfig:
    """What a user of the checkpoint must know about the data."""

    title: str = ""
    data: str = ""
    license: str = ""
    credits: str = ""


def add_parser(commands) -> None:
    """Add ``train`` to the ``istn`` command."""
    parser = commands.add_parser("train", help="train a model on your own data", description=__doc__)
    parser.add_argument("--config", required=True, type=Path, help="TOML file; see Resources/Configs")
    parser.add_argument("--output", required=True, type=Path, help="folder for cache, state and checkpoints")
    parser.add_argument("--resume", action="store_true", help="go on from the state in --output")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--threads", type=whole(1, MOST_THREADS), help="CPU threads (default: torch's choice)")
    parser.set_defaults(run=run)


def read_config(path: Path) -> RunConfig:
    """The configuration of a TOML file.

    Raises:
        InputError: no such file, not TOML, an unknown or missing key, a wrong type.
    """
    who = f"Configuration '{path.name}'"
    text = read_text(path, who, "a TOML file")
    try:
        return from_dict(RunConfig, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InputError(who, "it is not TOML", "key = value lines", str(error)) from error


def run(args: argparse.Namespace) -> None:
    """Train, and leave ``best.h5`` and ``last.h5`` in the output folder."""
    config = read_config(args.config)
    if args.threads:
        torch.set_num_threads(args.threads)
    state = args.output / "state.pt"
    _check_start(state, args.resume)
    saved = _read_state(state, config) if args.resume else None
    _make_folder(args.output)
    cache = ready_cache(config.data, config.model, args.config.parent, args.output / "cache.h5")
    source = CachedPairs(cache, config.model, config.augment)
    torch.manual_seed(config.training.seed)
    trainer = Trainer(ISTN(config.model).to(pick_device(args.device)), config.training)
    if saved:
        with _unusable_state(state):
            trainer.load_state(saved["trainer"])
    with tqdm(total=config.training.steps, initial=trainer.step, unit="step", mininterval=1.0) as bar:
        trainer.run(source, lambda trainer, values: _after_step(trainer, values, bar, config, args.output))


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        todo = "Give a folder that you may write to"
        raise InputError("Output folder", "it cannot be made", "a writable place", f"{path} ({error})", todo) from error


def _check_start(state: Path, resume: bool) -> None:
    """Raise InputError for a new run on top of another one, and for no run to go on with."""
    if state.is_file() and not resume:
        todo = "Go on with --resume, or give another --output"
        raise InputError("Output folder", "it holds another run", "a new folder", str(state.parent), todo)
    if resume and not state.is_file():
        todo = "Start without --resume, or give the folder of the run"
        raise InputError("Output folder", "there is no run to go on with", "a file state.pt", str(state.parent), todo)


def _read_state(path: Path, config: RunConfig) -> dict:
    """A state file of this configuration; what it holds is tensors and plain values, nothing that runs."""
    with _unusable_state(path):
        saved = torch.load(path, weights_only=True, map_location="cpu")
        before, now = _flat(saved["config"]), _flat(_what_decides(config))
    changed = [key for key in sorted(before | now) if before.get(key) != now.get(key)]
    if changed:
        expected, got = (", ".join(f"{key} = {values.get(key)}" for key in changed) for values in (before, now))
        todo = "Restore the configuration, or train anew in another --output"
        raise InputError("Configuration", "it is not that of the run to go on with", expected, got, todo)
    return saved


@contextmanager
def _unusable_state(path: Path) -> Iterator[None]:
    """What goes wrong with a state within this block becomes an InputError."""
    try:
        yield
    except (RuntimeError, KeyError, EOFError, TypeError, AttributeError, ValueError, pickle.UnpicklingError) as error:
        got, todo = str(error).split("\n")[0], "Start anew without --resume, or give another --output"
        who = f"State '{path}'"
        raise InputError(who, "training cannot go on from it", "a state of this model", got, todo) from error


def _what_decides(config: RunConfig) -> dict:
    """The parts of a configuration that a resumed run must not change."""
    return {"model": asdict(config.model), "augment": asdict(config.augment), "training": asdict(config.training)}


def _flat(config: dict, prefix: str = "") -> dict:
    """``{"a": {"b": 1}}`` as ``{"a.b": 1}``."""
    flat = {}
    for key, value in config.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def _after_step(trainer: Trainer, values: dict, bar: tqdm, config: RunConfig, output: Path) -> None:
    bar.update()
    bar.set_postfix(loss=f"{values['loss']:.5f}")
    if "val/identity" not in values:
        return
    bar.write(f"step {trainer.step}: " + " ".join(f"{k} {v:.4f}" for k, v in values.items()))
    partial = output / "state.pt.part"
    torch.save({"trainer": trainer.state(), "config": _what_decides(config)}, partial)
    partial.replace(output / "state.pt")
    card = model_card(trainer, config)
    save_checkpoint(output / "last.h5", trainer.model, card)
    best = ISTN(config.model)
    best.load_state_dict(trainer.best_weights)
    save_checkpoint(output / "best.h5", best, card)


def model_card(trainer: Trainer, config: RunConfig) -> dict:
    """Provenance that the checkpoint carries."""
    return {
        **asdict(config.card),
        "method": config.model.method,
        "steps": trainer.step,
        "seed": config.training.seed,
        "training": asdict(config.training),
        "augment": asdict(config.augment),
        "best": {"step": trainer.best_step, "validation_score": trainer.best_score},
        "history": trainer.history,
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
