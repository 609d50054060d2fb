"""What painting a training pair costs beside the step that trains on it: medians and their ratio, from one run.

python scripts/paper/subjects.py head --output work/head/subjects.csv
python scripts/benchmark/synthesis.py --config Resources/Configs/head.toml --threads 1

The step is that of the ITN alone, the cheapest there is: with the STNs it is longer and the ratio smaller.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import paths  # noqa: F401

# isort: split
import torch
from ISTNRegistrationLib.cli.train import config_cache, read_config
from ISTNRegistrationLib.core.istn import ISTN
from ISTNRegistrationLib.core.train import Trainer
from ISTNRegistrationLib.data.pair_source import CachedPairs

TARGET = 1 / 3  # of a step's time, at most


class Timed:
    """A source of pairs that notes how long it takes to draw each, all as harsh as from step ``harsh_from``."""

    def __init__(self, source: CachedPairs, harsh_from: int) -> None:
        self.source, self.harsh_from, self.seconds = source, harsh_from, []

    def random_pair(self, rng: np.random.Generator, step: int) -> dict[str, torch.Tensor]:
        """As of the source at this step."""
        began = time.perf_counter()
        pair = self.source.random_pair(rng, max(step, self.harsh_from))
        self.seconds.append(time.perf_counter() - began)
        return pair


def compare(config_path: Path, repeats: int, cache: Path) -> dict[str, float]:
    """Median seconds of painting a pair, of the rest of a step, and the first over the whole."""
    config = read_config(config_path)
    path = config_cache(config, config_path.parent, cache)
    source = Timed(CachedPairs(path, config.model, config.augment, config.synthesis), config.synthesis.harsh_from)
    trainer = Trainer(ISTN(config.model), config.training)
    whole = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        trainer._one_step(source)
        whole.append(time.perf_counter() - began)
    paint, step = statistics.median(source.seconds[1:]), statistics.median(whole[1:])
    return {"paint_s": paint, "step_s": step, "ratio": paint / step, "bfloat16": trainer.bfloat16}


def main(arguments=None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, help="TOML file with a table [synthesis]")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        found = compare(args.config, args.repeats, Path(folder) / "cache.h5")
    print(
        f"painting a pair {found['paint_s']:.3f} s of a step of {found['step_s']:.3f} s: {found['ratio']:.2f}", end=""
    )
    print(f" (target: below {TARGET:.2f}; {args.threads} thread(s), bfloat16 {found['bfloat16']})")


if __name__ == "__main__":
    main()
