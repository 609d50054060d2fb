"""Whole heads straight off the scanner beside their stripped twins, for docs/robustness.md: Colin27 to MNI152.

The images are not ours to ship: Debian's package mricron-data has them (apt-get download mricron-data; dpkg-deb -x).
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data.images import read_image
from ISTNRegistrationLib.data.run import Request, Runner, Side
from paper.measuring import markdown
from paper.methods import BSPLINE
from paths import SAMPLE

NECK_MM = 110.0
TWIN = "ch2bet"  # the stripped one, measured first
HEAD = ("checkpoint", "moving image", "from its stripped twin's result, mm", "light", "seconds")


def with_neck(head: Volume, neck_like: bool) -> Volume:
    """NECK_MM more below: empty, or the lowest slice again and again. The third axis must point up."""
    count = int(round(NECK_MM / head.grid.spacing[2]))
    below = np.repeat(head.array[:1], count, axis=0) * (1 if neck_like else 0)
    matrix = head.grid.matrix
    matrix[:3, 3] = head.grid.index_to_physical([0.0, 0.0, -count])
    array = np.concatenate([below, head.array])
    return Volume(array, Grid.from_matrix(array.shape[::-1], matrix), head.name)


def measure(folder: Path, checkpoint: str, path: Path) -> None:
    """Register them all; the rows of this checkpoint in the JSON file are replaced."""
    fixed, head = read_image(SAMPLE / "mni152.nii.gz"), read_image(folder / "ch2.nii.gz")
    images = {
        TWIN: read_image(folder / f"{TWIN}.nii.gz"),
        "ch2": head,
        "ch2, 110 mm of empty slices below": with_neck(head, neck_like=False),
        "ch2, 110 mm of neck-like slices below": with_neck(head, neck_like=True),
    }
    runner, rows, twin = Runner(), [], None
    for name, image in images.items():
        began = time.perf_counter()
        outcome = runner.run(Request(Side(fixed), Side(image), checkpoint, BSPLINE))
        seconds, found = time.perf_counter() - began, outcome.result
        grid = found.fixed_map.grid
        twin = twin or found.transform
        apart = np.linalg.norm(found.transform.displacement(grid) - twin.displacement(grid), axis=-1)
        values = (outcome.checkpoint.name, name, f"{apart.mean():.1f}", outcome.verdict.light, f"{seconds:.1f}")
        rows.append(dict(zip(HEAD, values, strict=True)))
    others = [row for row in read(path) if row[HEAD[0]] != rows[0][HEAD[0]]]
    path.write_text(json.dumps(others + rows, indent=1) + "\n", encoding="utf-8")


def read(path: Path) -> list[dict[str, str]]:
    """What was measured."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []


def table(path: Path) -> str:
    """For the page."""
    rows = [[row[key] for key in HEAD] for row in read(path)]
    if not rows:
        return "Not measured."
    about = (
        "Debian's `mricron-data` (Colin27, `ch2`; its stripped twin `ch2bet`) to the bundled stripped MNI152, B-spline"
    )
    return f"{about}; mean over the networks' grid.\n\n{markdown(HEAD, rows)}"
