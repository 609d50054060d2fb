"""The paper's figures on open data, into docs/figures.

    python scripts/pictures/figures.py --runs work/runs                 all of them
    python scripts/pictures/figures.py --runs work/runs --only fig4     one
    fig1 toy: initial, intensity, ISTN      fig4 contours before and after each method
    fig5 heatmaps, explicit and implicit    curves training     kinds of structure map, on the toy

Figure 3 trains a model: scripts/pictures/figure3.py.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import ROOT

# isort: split
import matplotlib
import numpy as np
import torch
from ISTNRegistrationLib.core.checkpoint import load_checkpoint
from ISTNRegistrationLib.core.config import KINDS, LABEL_KINDS, Channel
from ISTNRegistrationLib.core.metrics import dice
from ISTNRegistrationLib.core.register import RegisterOptions, register_pair
from ISTNRegistrationLib.core.soi import Structures
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.core.warp import warp_volume
from ISTNRegistrationLib.data.structures import draw
from ISTNRegistrationLib.data.synthetic import synthetic_pair
from paper import datasets, methods

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

METHODS = {"stn-u": "STN-u", "stn-s": "STN-s", "istn-e": "ISTN-e", "istn-i": "ISTN-i"}
FIXED, WARPED = "#00c8ff", "#ffd000"


def figure1(runs: Path):
    """Vessel trees on a white box: initial, intensity, ISTN (paper, Fig. 1)."""
    dataset = datasets.datasets()["synth2d"]
    pairs = dataset.pairs("test")[:3]
    figure, axes = plt.subplots(len(pairs), 4, figsize=(9.2, 7.2))
    titles = ("initial", "SimpleITK affine", "refined on images (STN-u)", "ISTN-e refined")
    for row, pair in zip(axes, pairs, strict=True):
        start = SpatialTransform(methods.start(dataset, pair))
        peer = next(m for m in methods.columns(dataset, runs) if m.key == "simpleitk")
        warps = [methods.warp_with(start, pair), next(iter(peer.run(pair))).warp]
        for method in ("stn-u", "istn-e"):
            transform = _register(load_checkpoint(runs / f"synth2d-{method}" / "best.h5"), pair, "affine").transform
            warps.append(methods.warp_with(transform, pair))
        for axis, warp, title in zip(row, warps, titles, strict=True):
            fixed = pair[0].structures.array
            warped = warp(pair[1].structures, "linear")
            axis.imshow(warp(pair[1].image, "linear"), cmap="gray", vmin=0, vmax=255)
            axis.contour(fixed > fixed.max() / 2, [0.5], colors=FIXED, linewidths=1.0)
            score = dice(fixed > fixed.max() / 2, warped > fixed.max() / 2)
            axis.set_title(f"{title}\nDice {score:.2f}", fontsize=9)
    return _finish(figure, axes)


def figure4(runs: Path):
    """Contours of the fixed and the warped structures, each method before and after refinement (paper, Fig. 4)."""
    names = [name for name in ("hippocampus", "brain") if (runs / f"{name}-istn-i" / "best.h5").is_file()]
    figure, axes = plt.subplots(4 * len(names), 5, figsize=(11, 9.2 * len(names)))
    for number, name in enumerate(names):
        dataset = datasets.datasets()[name]
        pair = median_pair(dataset)
        start = SpatialTransform(methods.start(dataset, pair))
        for axis in axes[4 * number : 4 * number + 4, 0]:
            _contours(axis, pair, start, "Id")
        for column, (method, title) in enumerate(METHODS.items(), start=1):
            checkpoint = load_checkpoint(runs / f"{name}-{method}" / "best.h5")
            for row, (word, transform) in enumerate(_answers(checkpoint, pair)):
                _contours(axes[4 * number + row, column], pair, transform, f"{title}, {word}")
    return _finish(figure, axes)


def _answers(checkpoint, pair: datasets.Pair) -> list[tuple[str, SpatialTransform]]:
    """The rows of figure 4: affine and B-spline, in one pass and refined."""
    one_pass, refined = (
        {stage.name: stage.transform for stage in _register(checkpoint, pair, refine=refine).stages}
        for refine in ("none", "theta")
    )
    return [
        ("affine", one_pass["affine"]),
        ("affine refined", refined["affine refined"]),
        ("B-spline", one_pass["bspline"]),
        ("B-spline refined", refined["bspline refined"]),
    ]


def figure5(runs: Path):
    """F' and M'∘T of ISTN-e and ISTN-i with the true contours (paper, Fig. 5)."""
    names = [name for name in ("hippocampus", "brain") if (runs / f"{name}-istn-i" / "best.h5").is_file()]
    figure, axes = plt.subplots(len(names), 5, figsize=(11, 2.7 * len(names)), squeeze=False)
    for row, name in zip(axes, names, strict=True):
        pair = median_pair(datasets.datasets()[name])
        image, labels, box = _slice(pair)
        row[0].imshow(image.array[box], cmap="gray", origin="lower")
        row[0].set_title("fixed image", fontsize=9)
        for number, method in enumerate(("istn-e", "istn-i")):
            result = _register(load_checkpoint(runs / f"{name}-{method}" / "best.h5"), pair)
            for offset, (volume, title) in enumerate(((result.fixed_map, "F'"), (result.warped_map, "M'∘T"))):
                strongest = Volume(volume.channels.max(axis=0), volume.grid, title)
                here = warp_volume(strongest, SpatialTransform(np.eye(4)), labels.grid, order="linear").array
                axis = row[1 + 2 * number + offset]
                axis.imshow(here[box], cmap="inferno", vmin=0, vmax=1, origin="lower")
                axis.set_title(f"{title}, {METHODS[method]}", fontsize=9)
        for axis in row:
            axis.contour(labels.array[box] > 0, [0.5], colors=FIXED, linewidths=1.0)
    return _finish(figure, axes)


def training_curves(runs: Path):
    """Validation Dice on the networks' grid, one pass, over the steps."""
    names = ("synth2d", "hippocampus", "brain")
    figure, axes = plt.subplots(2, 3, figsize=(11, 5.6), sharex="col")
    for column, name in enumerate(names):
        for row, transform in enumerate(("affine", "bspline")):
            axis = axes[row, column]
            for method, title in METHODS.items():
                path = runs / f"{name}-{method}" / "best.h5"
                if path.is_file():
                    history = load_checkpoint(path).card["history"]
                    axis.plot([h["step"] for h in history], [h[f"val/{transform}"] for h in history], label=title)
                    axis.axhline(history[0]["val/identity"], color="gray", linewidth=0.8, linestyle=":")
            axis.set_title(f"{name}, {'B-spline' if transform == 'bspline' else transform}", fontsize=9)
            axis.set_ylabel("validation Dice" if column == 0 else "")
            axis.set_xlabel("step" if row == 1 else "")
    axes[0, 0].legend(fontsize=8)
    figure.tight_layout()
    return figure


def kinds(_runs: Path):
    """Every kind of structure map, on one synthetic scan."""
    scan = synthetic_pair(3).fixed
    structures = Structures(
        "tree", scan.labels, Volume(scan.labels.array * 0.8, scan.labels.grid), scan.landmarks, scan.centerlines
    )
    figure, axes = plt.subplots(1, 7, figsize=(13, 2.4))
    axes[0].imshow(scan.image.array, cmap="gray")
    axes[0].set_title("image", fontsize=9)
    for axis, kind in zip(axes[1:], KINDS, strict=True):
        labels = (1,) if kind in LABEL_KINDS else ()
        values = draw(structures, (Channel("tree", labels, kind),), scan.image.grid)[0, 0]
        axis.imshow(values, cmap="inferno", vmin=0, vmax=1)
        axis.set_title(kind, fontsize=9)
    return _finish(figure, axes)


def median_pair(dataset: datasets.Dataset) -> datasets.Pair:
    """Of the first 20 test pairs, the one whose start has the median Dice."""
    pairs = dataset.pairs("test")[:20]
    scores = []
    for pair in pairs:
        start = SpatialTransform(methods.start(dataset, pair))
        warped = methods.warp_with(start, pair)(pair[1].structures, "nearest")
        scores.append(dice(pair[0].structures.array > 0, warped > 0))
    return pairs[int(np.argsort(scores)[len(scores) // 2])]


def _register(checkpoint, pair: datasets.Pair, transform: str = "bspline", refine: str = "theta"):
    checkpoint = checkpoint if checkpoint.config.uses_itn else methods.stiffer(checkpoint)
    return register_pair(pair[0].image, pair[1].image, checkpoint, RegisterOptions(transform=transform, refine=refine))


def _slice(pair: datasets.Pair) -> tuple[Volume, Volume, tuple]:
    """The fixed image on the grid of its structures, these, and the slice with most of them (z, around them)."""
    labels = pair[0].structures
    image = warp_volume(pair[0].image, SpatialTransform(np.eye(4)), labels.grid, order="linear")
    z = int((labels.array > 0).sum(axis=(1, 2)).argmax())
    return image, labels, (z,)


def _contours(axis, pair: datasets.Pair, transform: SpatialTransform, title: str) -> None:
    image, labels, box = _slice(pair)
    warped = warp_volume(pair[1].structures, transform, labels.grid, order="nearest").array
    axis.imshow(image.array[box], cmap="gray", origin="lower")
    axis.contour(labels.array[box] > 0, [0.5], colors=FIXED, linewidths=1.0)
    axis.contour(warped[box] > 0, [0.5], colors=WARPED, linewidths=1.0)
    axis.set_title(f"{title}\nDice {dice(labels.array > 0, warped > 0):.2f}", fontsize=9)


def _finish(figure, axes):
    for axis in np.ravel(axes):
        axis.set_xticks([])
        axis.set_yticks([])
    figure.tight_layout()
    return figure


FIGURES = {"fig1": figure1, "fig4": figure4, "fig5": figure5, "curves": training_curves, "kinds": kinds}


def main() -> None:
    """Draw what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=ROOT / "work" / "runs")
    parser.add_argument("--only", nargs="+", choices=FIGURES, default=list(FIGURES))
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "figures")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.output.mkdir(parents=True, exist_ok=True)
    for name in args.only:
        figure = FIGURES[name](args.runs)
        figure.savefig(args.output / f"{name}.png", dpi=80)
        plt.close(figure)


if __name__ == "__main__":
    main()
