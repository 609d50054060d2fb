"""Record what the published networks themselves compute, for the test of `istn convert`.

    git clone https://github.com/biomedia-mira/istn && git -C istn checkout 6bbf6eb
    python scripts/paper/published_fixtures.py istn

Writes Testing/Python/data/published.npz. The published code was written for torch 1.1, whose grids align corners and
whose layers took tensors as sizes: that is put back here.
"""

from __future__ import annotations

import argparse
import functools
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import ROOT

sys.path.insert(0, str(ROOT / "Testing" / "Python"))

from published_weights import SIZES, images, random_weights

STEP = 3  # every third voxel of maps and warped maps is kept
SEEDS = (1, 2)


def as_torch_1_1() -> None:
    """Corners aligned; sizes of layers may be tensors."""
    F.affine_grid = functools.partial(F.affine_grid, align_corners=True)
    F.grid_sample = functools.partial(F.grid_sample, align_corners=True)
    linear = nn.Linear
    nn.Linear = lambda inputs, outputs, **keys: linear(int(inputs), int(outputs), **keys)


def record(itn: nn.Module, stn: nn.Module, ndim: int, seed: int) -> dict[str, np.ndarray]:
    """Maps, theta (matrix or control points, in the cube) and the warped map of one random pair."""
    for number, network in enumerate((itn, stn)):
        shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
        weights = random_weights(shapes, [seed, number])
        network.load_state_dict({key: torch.from_numpy(value) for key, value in weights.items()})
    captured = {}
    if hasattr(stn, "compute_displacement"):
        compute = stn.compute_displacement
        stn.compute_displacement = lambda params: compute(captured.setdefault("theta", params))
    with torch.no_grad():
        moving, fixed = (itn(torch.from_numpy(image)) for image in images(ndim, seed))
        warped = stn(torch.cat([moving, fixed], dim=1))
    theta = captured["theta"] if captured else stn.theta
    thin = (..., *[slice(None, None, STEP)] * ndim)
    arrays = {"moving_map": moving[thin], "fixed_map": fixed[thin], "warped": warped[thin], "theta": theta}
    return {key: value.numpy().astype(np.float32) for key, value in arrays.items()}


def main() -> None:
    """Record every kind of network with every seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    args = parser.parse_args()
    sys.path.insert(0, str(args.checkout))
    as_torch_1_1()
    from pymira.nets import itn, stn

    rows = {}
    for ndim in (2, 3):
        for kind in ("STN", "BSplineSTN"):
            for seed in SEEDS:
                spatial = getattr(stn, f"{kind}{ndim}D")([SIZES[ndim]] * ndim, 2, "cpu")
                transformer = getattr(itn, f"ITN{ndim}D")(1)
                name = f"{ndim}/{'affine' if kind == 'STN' else 'bspline'}/{seed}"
                rows |= {f"{name}/{k}": v for k, v in record(transformer, spatial, ndim, seed).items()}
    np.savez_compressed(ROOT / "Testing" / "Python" / "data" / "published.npz", **rows)


if __name__ == "__main__":
    main()
