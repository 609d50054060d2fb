"""What another answer from where the first one stands costs on the bundled brains. Prints a Markdown table.

    python scripts/benchmark/again.py [--repeat 3]

Seconds of the processor, one thread: they hardly depend on other jobs. *Again* is ``register_again`` with all that the
panel shows of it (quality, verdict, resampled volume); *anew* is a whole registration with the same options. *Reached*
is how much of the way from the first answer's loss to that of the registration anew, both as the options weight it,
the adjusted one has gone; 1 is as good, more is better.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import SAMPLE

# isort: split
import numpy as np
import torch
from ISTNRegistrationLib.core.options import RegisterOptions
from ISTNRegistrationLib.data.again import register_again
from ISTNRegistrationLib.data.pairs import PairFiles, PairReader
from ISTNRegistrationLib.data.run import Runner

FILES = PairFiles("mni152.nii.gz", "colin27.nii.gz")
CHANGES = {
    "thalamus off": {"structure_weights": {"thalamus": 0.0}},
    "hippocampus 5": {"structure_weights": {"hippocampus": 5.0}},
    "images 0.3": {"image_share": 0.3},
    "images 1": {"image_share": 1.0},
}


def main(arguments=None) -> None:
    """Measure every change of every transform and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3, help="times each is measured; the median counts (default: 3)")
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print("| transform | change | again, s | anew, s | reached | expected Dice, first | again | anew |")
    print("|---|---|---|---|---|---|---|---|")
    runner, reader = Runner(), PairReader(SAMPLE)
    for transform in ("affine", "bspline", "dense"):
        first = runner.run(reader.request(FILES, "brain", RegisterOptions(transform)))
        for name, change in CHANGES.items():
            print(f"| {transform} | {name} | {row(first, change, args.repeat)} |", flush=True)


def row(first, change: dict, repeat: int) -> str:
    """The cells of one change."""
    options = RegisterOptions(first.request.options.transform, keep_best=False, **change)
    request = PairReader(SAMPLE).request(FILES, first.checkpoint, options)
    again, again_s = measured(lambda: register_again(first, **change), repeat)
    anew, anew_s = measured(lambda: Runner().run(request), 1)
    dice = " | ".join(f"{outcome.kept.expected:.3f}" for outcome in (first, again, anew))
    return f"{again_s:.2f} | {anew_s:.2f} | {reached(first, again, anew)} | {dice}"


def measured(work, repeat: int):
    """What ``work`` returns, and the median of its processor seconds, shown results included."""
    times = []
    for _ in range(repeat):
        began = time.process_time()
        outcome = work()
        _ = outcome.verdict, outcome.warped()
        times.append(time.process_time() - began)
    return outcome, float(np.median(times))


def reached(first, again, anew) -> str:
    """Share of the way; a dash for a dense transform, whose loss depends on where it starts."""
    state = again.result.standing.state
    if state.theta is None:
        return "–"
    other = anew.result.standing.state
    losses = [state.pair.loss(outcome.result.standing.state.theta) for outcome in (first, again)]
    losses.append(other.pair.loss(other.theta))
    return f"{(losses[0] - losses[1]) / max(losses[0] - losses[2], 1e-12):.2f}"


if __name__ == "__main__":
    main()
