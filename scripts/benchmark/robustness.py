"""How a checkpoint holds when contrast, pose, quality or field of view of the moving image change: docs/robustness.md.

    python scripts/benchmark/robustness.py --checkpoint head                     a shipped name or a file
    python scripts/benchmark/robustness.py --peers simpleitk greedy              on the same pairs
    python scripts/benchmark/robustness.py --checkpoint head --heads FOLDER whole heads, robustness_heads.py
    python scripts/benchmark/robustness.py --page                                writes the page from what is measured

Develop-test brains (CSV docs/results_robustness.csv, appended to and gone on with), B-spline refined and the affine
stage on its way, initial alignment ``auto``. Pair by pair one case of each row, then the other directions and sides, so
that it can be stopped at any time. While building: --split val --journal work/robustness_val.csv --pairs 1 --only t1.
"""

from __future__ import annotations

import argparse
import functools
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import ROOT

# isort: split
import numpy as np
import torch
from ISTNRegistrationLib.core.checkpoint import Checkpoint, load_checkpoint
from ISTNRegistrationLib.core.metrics import label_dice
from ISTNRegistrationLib.data.run import Request, Runner, Side
from paper import measuring, methods, peers, peers_deformable
from paper.datasets import SEED, datasets
from paper.measuring import Method, Step, version, weights

from benchmark import robustness_heads, robustness_page
from benchmark.robustness_cases import STRUCTURES, Seen, brain_pair, cases, head_pairs, representative, scans

JOURNAL = ROOT / "docs" / "results_robustness.csv"
HEADS = ROOT / "docs" / "results_heads.json"
COLUMNS = ("stage", "seconds", "dice", "light", "said", "structures")
MUTUAL = (peers.AFFINE_CANDIDATES[0], peers.BSPLINE)  # both on mutual information
GREEDY = peers_deformable.GreedySettings(
    affine_iterations=(100, 50, 0), iterations=(100, 50, 0)
)  # not at 1 mm: minutes
Pair = tuple[Seen, Seen]


def main() -> None:
    """Measure what is asked for and not measured yet; write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", action="append", default=[])
    parser.add_argument("--peers", nargs="+", choices=("simpleitk", "greedy"), default=[])
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--split", choices=("val", "test"), default="test")
    parser.add_argument("--only", nargs="+", metavar="CASE", help="keys of cases (default: all)")
    parser.add_argument("--journal", type=Path, default=JOURNAL)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--heads", type=Path, metavar="FOLDER", help="with ch2.nii.gz and ch2bet.nii.gz; nothing else")
    parser.add_argument("--page", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.heads:
        for name in args.checkpoint:
            robustness_heads.measure(args.heads, name, HEADS)
        return
    wanted = [start(), *map(ours, args.checkpoint), *map(peer, args.peers)]
    if len(wanted) > 1:
        measuring.run(wanted, pairs(args.split, args.pairs, args.only), args.journal, COLUMNS, measure)
    if args.page:
        robustness_page.write(
            measuring.read(args.journal), ROOT / "docs" / "robustness.md", robustness_heads.table(HEADS)
        )


def pairs(split: str, count: int, only=None) -> list[Pair]:
    """One case of each row for every pair, then the other directions and sides."""
    found = scans(split)
    real = [(fixed, moving) for fixed in found for moving in found if fixed.person != moving.person]
    drawn = random.Random(SEED).sample(real, len(real))[:count]
    first, others = representative(cases())
    result = []
    for number, pair in enumerate(drawn):
        result += [*(brain_pair(case, *pair) for case in first), *head_pairs(number, pair[0])]
    result += [brain_pair(case, *pair) for pair in drawn for case in others]
    return [pair for pair in result if not only or pair[1].file.split("/")[0] in only]


def start() -> Method:
    """Centers of mass matched: from where everybody could start."""
    return methods.identity("start", datasets()["brain"])


def ours(name: str) -> Method:
    """One refined run at the library's door."""
    checkpoint, runner = load_checkpoint(name), Runner()
    return Method(checkpoint.name, version(weights(checkpoint)), functools.partial(_ours, runner, checkpoint))


def _ours(runner: Runner, checkpoint: Checkpoint, pair: Pair) -> Iterator[Step]:
    began = time.perf_counter()
    outcome = runner.run(Request(Side(pair[0].image), Side(pair[1].image), checkpoint, methods.BSPLINE))
    result, seconds = outcome.result, time.perf_counter() - began
    affine = next((stage for stage in result.stages if stage.name == "affine refined"), None)
    if affine:
        later = sum(stage.seconds for stage in result.stages[result.stages.index(affine) + 1 :])
        yield Step("affine", seconds - later, methods.warp_with(affine.transform, pair), affine.transform)
    said = " ".join(outcome.warnings)
    warp = methods.warp_with(result.transform, pair)
    yield Step("bspline", seconds, warp, result.transform, outcome.verdict.light, said)


def peer(name: str) -> Method:
    """Another tool, from matched centers of mass."""
    if name == "simpleitk":
        return Method(name, version(*MUTUAL), functools.partial(methods.simpleitk_steps, MUTUAL))
    tool = (datasets()["brain"], peers_deformable.register_greedy, GREEDY)
    return Method(name, version(GREEDY, "whole"), functools.partial(methods.tool_steps, *tool, whole=True))


def measure(pair: Pair, step: Step) -> dict:
    """Dice of the structures that may be measured, their mean, and what the verdict was."""
    fixed, moving = pair
    warped = step.warp(moving.structures, "nearest")
    whole = sorted(set(fixed.made.whole) & set(moving.made.whole))
    found = label_dice(fixed.structures.array, warped, whole)
    each = " ".join(f"{found.get(number, np.nan):.4f}" for number in STRUCTURES)
    mean = round(float(np.nanmean([*found.values()])), 5)
    return {"stage": step.stage, "dice": mean, "light": step.light, "said": step.said, "structures": each}


if __name__ == "__main__":
    main()
