"""What comes after the steps of a training: the page with the verdict, going on, and what is already done."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..core.card import read_card
from ..core.errors import InputError
from ..core.files import write_text
from ..core.istn import ISTN
from ..core.judgement import judge
from ..core.schedule import GOES_ON_AT
from ..core.train import Trainer
from ..data.pair_source import CachedPairs
from ..data.training_page import training_page, verdict

WORSE, PAGE, CHECKPOINTS = 3, "training.html", ("last.h5", "best.h5")


def finish(trainer: Trainer, source: CachedPairs, config, output: Path) -> int:
    """Judge the best weights, write the page and say whether they are of use; the exit code."""
    best = ISTN(config.model).to(trainer.model.cube.device)
    best.load_state_dict(trainer.best_weights)
    judgement = judge(best.requires_grad_(False), source.validation_pairs())
    minutes = trainer.seconds / 60
    how = f"{config.model.method}, {trainer.step} steps in {minutes:.1f} min, best at step {trainer.best_step}"
    names = tuple(channel.name for channel in config.model.channels)
    write_text(output / PAGE, training_page(judgement, names, trainer.history, how), f"'{PAGE}'")
    print(f"{verdict(judgement)}\n{output / PAGE}", file=sys.stderr if judgement.worse else sys.stdout)
    return WORSE if judgement.worse else 0


def extend(trainer: Trainer, steps: int) -> None:
    """Let a finished training go on, and say with which learning rate.

    Raises:
        InputError: it has not come to its end.
    """
    if trainer.step < trainer.last_step:
        expected, got = f"step {trainer.last_step}, the end", f"step {trainer.step}"
        todo = "Go on to its end with --resume first"
        raise InputError("--steps", "the run is not finished", expected, got, todo)
    trainer.go_on(steps)
    config = trainer.config
    then = {"cosine": "falls along half a cosine to 0", "constant": "stays there"}[config.schedule]
    print(
        f"steps {trainer.step} to {trainer.last_step}: the learning rate rises in {config.warmup_steps} steps to "
        f"{GOES_ON_AT * config.learning_rate:g} and {then}; the optimizer goes on as it was"
    )


def is_complete(output: Path, trainer: Trainer) -> bool:
    """Whether a run has come to its end and all of it is on disk."""
    if trainer.step < trainer.last_step or not (output / PAGE).is_file():
        return False
    try:
        return all(read_card(output / name).card.get("steps") == trainer.step for name in CHECKPOINTS)
    except InputError:
        return False


@contextmanager
def says_how_to_go_on(args) -> Iterator[None]:
    """After Ctrl-C: what is kept, and the command that goes on."""
    try:
        yield
    except KeyboardInterrupt:
        if (args.output / "state.pt").is_file():
            command = f"istn train --config {args.config} --output {args.output} --resume"
            print(f"\nkept up to the last validation; go on with: {command}", file=sys.stderr)
        else:
            print("\nnothing is kept: it was stopped before the first validation", file=sys.stderr)
        raise


def with_defaults(given: dict, defaults: dict) -> dict:
    """``given`` with what it does not say taken from ``defaults``, table by table."""
    both = {key: value for key, value in defaults.items() if value is not None} | given
    return {
        key: with_defaults(value, defaults[key])
        if isinstance(value, dict) and isinstance(defaults.get(key), dict)
        else value
        for key, value in both.items()
    }
