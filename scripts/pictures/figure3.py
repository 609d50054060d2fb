"""Figure 3 of the paper: the ITN's map over the course of implicit training, for masks and for landmarks (synth2d).

python scripts/pictures/figure3.py        trains two ISTN-i models of 1000 steps, a few minutes each
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import DATA, ROOT

# isort: split
import matplotlib
import torch
from ISTNRegistrationLib.cli.train import read_config
from ISTNRegistrationLib.cli.training_data import ready_cache
from ISTNRegistrationLib.core.istn import ISTN
from ISTNRegistrationLib.core.train import Trainer
from ISTNRegistrationLib.data.pair_source import CachedPairs
from ISTNRegistrationLib.data.scans import DataConfig, PublishedConfig

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

STEPS = (0, 50, 200, 500, 1000)
LISTS = {"masks": "seg", "landmarks": "points"}


def snapshots(kind: str, folder: Path) -> tuple[dict, list[torch.Tensor]]:
    """The validation pair, and M' of its moving image after each of STEPS."""
    path = ROOT / "Resources" / "Configs" / "synth2d.toml"
    config = read_config(path)
    lists = {s: f"data/synth2d/{s}.csv" for s in ("train", "val")}
    maps = {f"{s}_seg": f"data/synth2d/{s}.{LISTS[kind]}.csv" for s in ("train", "val")}
    root = DATA.parent.as_posix()
    data = DataConfig(published=PublishedConfig(**lists, **maps, root=root))
    model_config = dataclasses.replace(config.model, method="istn-i", transforms=("affine",))
    cache = ready_cache(data, model_config, path.parent, folder / f"{kind}.h5")
    source = CachedPairs(cache, model_config, config.augment)
    training = dataclasses.replace(config.training, steps=STEPS[-1], itn_first_steps=0, validate_every=STEPS[-1])
    torch.manual_seed(0)
    model = ISTN(model_config)
    pair = next(iter(source.validation_pairs()))
    seen = [_map(model, pair)]

    def keep(trainer: Trainer, _values: dict) -> None:
        if trainer.step in STEPS:
            seen.append(_map(trainer.model, pair))

    Trainer(model, training).run(source, keep)
    return pair, seen


@torch.no_grad()
def _map(model: ISTN, pair: dict) -> torch.Tensor:
    return model.eval().maps(pair["moving"])[0, 0]


def main() -> None:
    """Train and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "figures" / "fig3.png")
    args = parser.parse_args()
    torch.set_num_threads(1)
    figure, axes = plt.subplots(2, 2 + len(STEPS), figsize=(11, 3.6))
    with tempfile.TemporaryDirectory() as folder:
        for row, kind in zip(axes, LISTS, strict=True):
            pair, seen = snapshots(kind, Path(folder))
            pictures = [pair["moving"][0, 0], *seen, pair["moving_soi"][0, 0]]
            titles = ["moving image M", *(f"M', step {step}" for step in STEPS), f"true {kind}"]
            for axis, picture, title in zip(row, pictures, titles, strict=True):
                axis.imshow(picture, cmap="gray" if title.startswith("moving") else "inferno", vmin=0, vmax=1)
                axis.set_title(title, fontsize=9)
                axis.set_xticks([])
                axis.set_yticks([])
    figure.tight_layout()
    figure.savefig(args.output, dpi=80)


if __name__ == "__main__":
    main()
