"""istn train: from one configuration file to a checkpoint; interrupted runs go on with ``--resume``."""

from __future__ import annotations

import argparse
import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ..core.augment import AugmentConfig
from ..core.checkpoint import Checkpoint, load_checkpoint
from ..core.config import ModelConfig, from_dict
from ..core.errors import InputError
from ..core.istn import ISTN
from ..core.synthesis import SynthesisConfig
from ..core.train import TrainConfig, Trainer, rank
from ..data.files import read_text
from ..data.pair_source import CachedPairs
from ..data.scans import DataConfig
from ..data.surface import surface_distance
from .numbers import MOST_THREADS, whole
from .processes import training_device
from .training_data import ready_cache
from .training_end import extend, finish, is_complete, says_how_to_go_on, with_defaults
from .training_outputs import TrainingOutputs, what_decided, what_decides

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


MOST_STEPS = 10_000_000


@dataclass(frozen=True)
class RunConfig:
    """The configuration file: [model], [data], [augment], [synthesis], [training], [card]."""

    model: ModelConfig
    data: DataConfig
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    synthesis: SynthesisConfig | None = None
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
    parser.add_argument("--resume", action="store_true", help="go on from the state in --output, to the run's end")
    more = "N more steps on the finished run in --output; the learning rate rises to half its height once more"
    parser.add_argument("--steps", type=whole(1, MOST_STEPS), default=0, metavar="N", help=more)
    parser.add_argument("--init", metavar="CHECKPOINT", help="fine-tune this one: a shipped name or a file")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--threads", type=whole(1, MOST_THREADS), help="CPU threads (default: torch's choice)")
    parser.set_defaults(run=run)


def read_config(path: Path, start: Checkpoint | None = None) -> RunConfig:
    """The configuration of a TOML file; what its [model] does not say is that of the checkpoint ``start``, if any.

    Raises:
        InputError: no such file, not TOML, an unknown or missing key, a wrong type.
    """
    who = f"Configuration '{path.name}'"
    text = read_text(path, who, "a TOML file")
    try:
        tables = tomllib.loads(text)
        if start and isinstance(tables.get("model", {}), dict):
            tables["model"] = with_defaults(tables.get("model", {}), asdict(start.config))
        return from_dict(RunConfig, tables)
    except tomllib.TOMLDecodeError as error:
        raise InputError(who, "it is not TOML", "key = value lines", str(error)) from error


def run(args: argparse.Namespace) -> int:
    """Train, and leave ``best.h5``, ``last.h5`` and ``training.html`` in the output folder; the exit code."""
    start = load_checkpoint(args.init) if args.init else None
    config = read_config(args.config, start)
    if args.threads:
        torch.set_num_threads(args.threads)
    state = args.output / "state.pt"
    _check_start(state, args.resume or args.steps)
    saved = _read_state(state, config) if args.resume or args.steps else None
    if start and not saved:
        check_start_networks(start, config.model)
    _make_folder(args.output)
    cache = config_cache(config, args.config.parent, args.output / "cache.h5")
    with training_device(args.device) as device:
        source = CachedPairs(cache, config.model, config.augment, config.synthesis)
        trainer = _trainer(config, device, None if saved else start)
        if saved:
            with _unusable_state(state):
                trainer.load_state(saved["trainer"])
        if args.steps:
            extend(trainer, args.steps)
        elif is_complete(args.output, trainer):
            print(f"{args.output}: finished at step {trainer.step}, nothing to do; --steps N trains on")
            return 0
        started_from = saved["init"] if saved else _name(start)
        with says_how_to_go_on(args):
            _train(trainer, source, config, args.output, started_from)
        return finish(trainer, source, config, args.output) if rank() == 0 else 0


def config_cache(config: RunConfig, folder: Path, default: Path) -> Path:
    """The cache of a configuration that lies in ``folder``, made or brought up to date."""
    return ready_cache(config.data, config.model, folder, default, config.synthesis is not None)


def _trainer(config: RunConfig, device: torch.device, start: Checkpoint | None) -> Trainer:
    torch.manual_seed(config.training.seed)
    model = ISTN(config.model)
    if start:
        model.load_state_dict(start.model.state_dict())
    return Trainer(model.to(device), config.training)


def _train(trainer: Trainer, source: CachedPairs, config: RunConfig, output: Path, started_from: dict) -> None:
    """Run the trainer; of several processes the first writes."""
    distance = partial(_surface_distance, spacing=config.model.grid.spacing)
    if rank() > 0:
        trainer.run(source, lambda _trainer, _values: None, distance)
        return
    outputs = TrainingOutputs(output, config, trainer, source, started_from)
    try:
        trainer.run(source, outputs, distance)
    finally:
        outputs.close()


def _surface_distance(first: np.ndarray, second: np.ndarray, spacing) -> float:
    return surface_distance(first, second, spacing).average


def check_start_networks(start: Checkpoint, config: ModelConfig) -> None:
    """Raise InputError for a checkpoint to fine-tune from whose networks are others; names what differs."""
    wanted, given = ISTN(config).state_dict(), start.model.state_dict()
    shapes = [{key: tuple(value.shape) for key, value in weights.items()} for weights in (wanted, given)]
    differing = [key for key in sorted(shapes[0] | shapes[1]) if shapes[0].get(key) != shapes[1].get(key)]
    if differing:
        key, todo = differing[0], "Leave [model] out, or take its keys from the checkpoint (istn info)"
        expected, got = f"{key} {shapes[0].get(key)}", f"{shapes[1].get(key)}, {len(differing)} tensors differ"
        who = f"Start '{start.name}'"
        raise InputError(who, "its networks are not those of the configuration", expected, got, todo)


def _name(start: Checkpoint | None) -> dict:
    return {"name": start.name, "sha256": start.sha256} if start else {}


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
        before, now = _flat(what_decided(saved["config"], config)), _flat(what_decides(config))
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


def _flat(config: dict, prefix: str = "") -> dict:
    """``{"a": {"b": 1}}`` as ``{"a.b": 1}``."""
    flat = {}
    for key, value in config.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat
