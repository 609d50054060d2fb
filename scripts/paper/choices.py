"""The choices made on develop-val of ../shared/data/brain, measured again with a checkpoint: docs/choices.md.

    python scripts/paper/choices.py --checkpoint brain

Each row changes one thing: how structures are spread over channels (both rows start from the identity, since STNs are
trained for their channels), the weight of the bending energy, the iterations, and how far active voxels reach.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import ROOT

# isort: split
import numpy as np
import torch
from ISTNRegistrationLib.core import refine_terms
from ISTNRegistrationLib.core.checkpoint import Checkpoint, load_checkpoint
from ISTNRegistrationLib.core.config import Channel
from ISTNRegistrationLib.core.istn import ISTN
from ISTNRegistrationLib.core.metrics import label_dice
from ISTNRegistrationLib.core.placement import seen
from ISTNRegistrationLib.core.preprocess import Prepared
from ISTNRegistrationLib.core.register import RegisterOptions, register_maps
from ISTNRegistrationLib.core.warp import warp_volume
from tqdm import tqdm

from paper.datasets import Scan, datasets
from paper.methods import placed

COLUMNS = ("Dice affine", "Dice B-spline", "folded voxels", "s affine", "s B-spline")


def main() -> None:
    """Measure every row and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="brain")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "choices.md")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    checkpoint = load_checkpoint(args.checkpoint)
    rows = [(name, run()) for name, run in tqdm(variants(checkpoint), unit="choice")]
    args.output.write_text(table(rows), encoding="utf-8", newline="\n")


def variants(checkpoint: Checkpoint):
    """Name and function of every row."""
    chosen, fresh = checkpoint.model, ISTN(checkpoint.config).eval()
    fresh.channel_weights.copy_(chosen.channel_weights)
    yield "one channel a structure, from the identity", lambda: measure(checkpoint, fresh)
    yield "all structures in one channel, from the identity", lambda: measure(checkpoint, one_channel(checkpoint))
    yield "as shipped", lambda: measure(checkpoint, chosen)
    for weight in (0.0, 0.01, 0.1):
        yield f"bending weight {weight:g}", lambda weight=weight: measure(checkpoint, bent(checkpoint, weight))
    for iterations in (25, 100):
        yield f"{iterations} iterations", lambda count=iterations: measure(checkpoint, chosen, count)
    yield "active voxels within 8 mm", lambda: reaching(8.0, checkpoint)


def one_channel(checkpoint: Checkpoint) -> ISTN:
    """An untrained model for the union of all structures."""
    labels = tuple(label for channel in checkpoint.config.channels for label in channel.labels)
    return ISTN(dataclasses.replace(checkpoint.config, channels=(Channel("union", labels),))).eval()


def bent(checkpoint: Checkpoint, weight: float) -> ISTN:
    """The model with another weight of the bending energy."""
    bspline = dataclasses.replace(checkpoint.config.bspline, bending_weight=weight)
    model = ISTN(dataclasses.replace(checkpoint.config, bspline=bspline)).eval()
    model.load_state_dict(checkpoint.model.state_dict())
    return model


def reaching(millimetres: float, checkpoint: Checkpoint) -> np.ndarray:
    """With another reach of the active voxels."""
    before, refine_terms.REACH_MM = refine_terms.REACH_MM, millimetres
    try:
        return measure(checkpoint, checkpoint.model)
    finally:
        refine_terms.REACH_MM = before


def measure(checkpoint: Checkpoint, model: ISTN, iterations: int = 50) -> np.ndarray:
    """Means of ``COLUMNS`` over the ordered pairs."""
    options = RegisterOptions("bspline", iterations=iterations)
    return np.mean([_one(checkpoint, model, options, *pair) for pair in datasets()["brain"].pairs("val")], axis=0)


def _one(checkpoint: Checkpoint, model: ISTN, options: RegisterOptions, fixed: Scan, moving: Scan) -> list[float]:
    config = checkpoint.config
    sides = Prepared(fixed.image), Prepared(moving.image)
    placement = placed(options, config, (fixed, moving))
    poses = placement.initial, np.eye(4)
    images = [seen(s, placement.grid, pose, config) for s, pose in zip(sides[::-1], poses, strict=True)]
    with torch.no_grad():
        maps = checkpoint.model.maps(torch.cat(images))
        maps = maps.amax(dim=1, keepdim=True) if model.config.map_channels == 1 else maps
        stages = {stage.name: stage for stage in register_maps(model, maps.split(1), placement, options).stages}
    affine, bspline = stages["affine refined"], stages["bspline refined"]
    scores = [_dice(stage.transform, fixed, moving) for stage in (affine, bspline)]
    return [*scores, bspline.folded, affine.seconds, bspline.seconds]


def _dice(transform, fixed: Scan, moving: Scan) -> float:
    warped = warp_volume(moving.labels, transform, fixed.labels.grid, order="nearest").array
    return float(np.mean(list(label_dice(fixed.labels.array, warped, range(1, 16)).values())))


def table(rows: list[tuple[str, np.ndarray]]) -> str:
    """The rows as Markdown."""
    lines = ["# Choices made on develop-val", ""]
    lines += ["Written by `scripts/paper/choices.py`: means over the 6 ordered pairs of"]
    lines += ["develop-val; Dice over the 15 structures at 1 mm, refined in `theta` mode; folded voxels of the"]
    lines += ["networks' grid; seconds of the two refinements on this machine, side by side in one run.", ""]
    lines += ["| | " + " | ".join(COLUMNS) + " |", "|---|" + "---|" * len(COLUMNS)]
    for name, values in rows:
        cells = [f"{values[0]:.3f}", f"{values[1]:.3f}", f"{values[2]:.0f}", f"{values[3]:.2f}", f"{values[4]:.2f}"]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
