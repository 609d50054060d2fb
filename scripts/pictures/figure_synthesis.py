"""Images painted from one label map, early, half-way and at the end of a training, into docs/figures/synthesis.png.

python scripts/pictures/figure_synthesis.py --labels ../shared/data/head/labels/head_05.nii.gz
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import ROOT

# isort: split
import torch
from ISTNRegistrationLib.cli.train import read_config
from ISTNRegistrationLib.core.config import GridConfig
from ISTNRegistrationLib.core.synthesis import Synthesizer
from ISTNRegistrationLib.data.label_maps import read_paintable
from PIL import Image

SIZE, SPACING = (92, 112, 128), (2.0, 2.0, 2.0)  # all of a head
COLUMNS, GAP, SCALE, COLORS, SEED = 7, 4, 1.5, 64, 11
EDGE = (1.0, 0.3, 0.1)


def tile(image: torch.Tensor, soi: torch.Tensor, outlined: bool) -> np.ndarray:
    """Coronal slice through the middle, head up, RGB in [0, 1]; with the structures' outlines or without."""
    gray, inside = (maps[::-1, maps.shape[1] // 2] for maps in (image[0, 0].numpy(), soi[0].sum(0).numpy() > 0.5))
    edges = (inside ^ np.roll(inside, 1, 0)) | (inside ^ np.roll(inside, 1, 1))
    rgb = np.repeat(gray[..., None], 3, axis=-1)
    return np.where(edges[..., None], EDGE, rgb) if outlined else rgb


def montage(rows: list[list[np.ndarray]]) -> np.ndarray:
    """Tiles of one size side by side, with dark gaps."""
    height, width = rows[0][0].shape[:2]
    sheet = np.zeros((len(rows) * (height + GAP), len(rows[0]) * (width + GAP), 3))
    for r, row in enumerate(rows):
        for c, picture in enumerate(row):
            sheet[r * (height + GAP) :, c * (width + GAP) :][:height, :width] = picture
    return sheet


def main() -> None:
    """Paint, arrange, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=ROOT / "Resources" / "Configs" / "head.toml")
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "figures" / "synthesis.png")
    args = parser.parse_args()
    config = read_config(args.config)
    array, source, _ = read_paintable(args.labels, config.model)
    labels = torch.from_numpy(array.astype(np.float32))[None, None]
    synthesizer = Synthesizer(config.synthesis, config.augment, replace(config.model, grid=GridConfig(SIZE, SPACING)))
    rows = []
    for step in (0, config.synthesis.harsh_from // 2, config.synthesis.harsh_from):
        drawn = (synthesizer(labels, source, np.random.default_rng([SEED, step, k]), step) for k in range(COLUMNS))
        rows.append([tile(*pair, outlined=number % 2 == 1) for number, pair in enumerate(drawn)])
    sheet = Image.fromarray((montage(rows) * 255).astype(np.uint8))
    sheet = sheet.resize([round(n * SCALE) for n in sheet.size], Image.Resampling.LANCZOS)
    sheet.quantize(COLORS).save(args.output, optimize=True)


if __name__ == "__main__":
    main()
