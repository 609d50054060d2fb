"""The candidate settings of scripts/paper/peers.py on develop-val's six ordered pairs, into docs/peers_validation.csv.

python scripts/paper/peers_validation.py            hours; what the file holds is not run again
"""

from __future__ import annotations

import argparse
import csv
import functools
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import ROOT

# isort: split
import numpy as np
import SimpleITK as sitk
from ISTNRegistrationLib.core.metrics import label_dice
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.core.warp import warp_volume
from tqdm import tqdm

from paper import peers
from paper.datasets import datasets


def validate(output: Path) -> None:
    """Mean Dice over the 15 structures of every candidate on develop-val's ordered pairs; adds the missing rows."""
    pairs = datasets()["brain"].pairs("val")
    tries = [(s, functools.partial(peers.register_affine, settings=s)) for s in peers.AFFINE_CANDIDATES]
    tries += [(s, functools.partial(_from_affine, s)) for s in peers.BSPLINE_CANDIDATES]
    done = output.read_text(encoding="utf-8") if output.is_file() else ""
    with output.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if not done:
            names = [f"{f.file[6:10]} from {m.file[6:10]}" for f, m in pairs]
            writer.writerow(["settings", "dice", *names, "seconds beside other jobs"])
        for settings, register in tqdm([t for t in tries if repr(t[0]) not in done], unit="candidate"):
            start = time.perf_counter()
            scores = [_dice(register(f.image, m.image, f.mask), f.labels, m.labels) for f, m in pairs]
            seconds = (time.perf_counter() - start) / len(pairs)
            writer.writerow([settings, f"{np.mean(scores):.4f}", *(f"{s:.3f}" for s in scores), f"{seconds:.1f}"])
            file.flush()


def _from_affine(settings: peers.BSplineSettings, fixed: Volume, moving: Volume, mask: Volume) -> SpatialTransform:
    return peers.register_bspline(fixed, moving, mask, peers.register_affine(fixed, moving, mask), settings)


def _dice(transform: SpatialTransform, fixed_labels: Volume, moving_labels: Volume) -> float:
    warped = warp_volume(moving_labels, transform, fixed_labels.grid, order="nearest")
    return float(np.mean(list(label_dice(fixed_labels.array, warped.array, range(1, 16)).values())))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "peers_validation.csv")
    arguments = parser.parse_args()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(arguments.threads)
    validate(arguments.output)
