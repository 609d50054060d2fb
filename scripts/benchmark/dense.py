"""Time of 50 iterations of the dense stage beside its own warps, LNCC and smoothing called alone (issue 12).

    python scripts/benchmark/dense.py [--repeats 5]

One develop-val pair of brains, one thread, interleaved; prints the medians and their ratio (target: 3).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import paths  # noqa: F401

# isort: split
import torch
from ISTNRegistrationLib.core.checkpoint import load_checkpoint
from ISTNRegistrationLib.core.dense import DenseOptions, choose_terms, descend
from ISTNRegistrationLib.core.dense_box import Box
from ISTNRegistrationLib.core.diffeomorphism import compose, smooth
from paper.dense_choices import prepared, val_pairs

ITERATIONS = 50


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    torch.set_num_threads(1)
    case = prepared(load_checkpoint("brain"), val_pairs("brain")[0])
    print(
        "50 iterations {:.2f} s, their parts alone {:.2f} s, ratio {:.2f}".format(
            *measure(case, parser.parse_args().repeats)
        )
    )


@torch.no_grad()
def measure(case, repeats: int) -> tuple[float, float, float]:
    """Seconds of the iterations, of what they must do, and the ratio; CPU time, so that other processes count less."""
    options = DenseOptions("maps+image", iterations=ITERATIONS)
    box = Box(case.pair, case.placement.grid, case.placement.initial, case.start)
    terms = choose_terms(box, options)[0]
    whole, alone = [], []
    for _ in range(repeats):
        whole.append(_seconds(lambda: descend(box, terms, options, lambda *_: None)))
        alone.append(_seconds(lambda: _parts(box, *terms, options)))
    whole, alone = statistics.median(whole), statistics.median(alone)
    return whole, alone, whole / alone


def _parts(box: Box, maps, images, options: DenseOptions) -> None:
    """The warps (of maps, image and field), the LNCC with its derivative, and the two Gaussians, as often."""
    for _ in range(ITERATIONS):
        maps.warp(box.field)
        images.correlation(images.warped(box.field))
        compose(box.field, smooth(box.field, options.smooth_force))
        smooth(box.field, options.smooth_total)


def _seconds(function) -> float:
    began = time.process_time()
    function()
    return time.process_time() - began


if __name__ == "__main__":
    main()
