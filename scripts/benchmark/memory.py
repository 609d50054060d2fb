"""Peak memory of one registration, measured in a process of its own: ``memory.py --grid 64``.

Prints one line of JSON. The peak is the kernel's high-water mark of this process (VmHWM); where there is no /proc it is
``ru_maxrss``, which on Linux would also count the parent's memory at the time of the fork.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import paths  # noqa: F401

# isort: split
import numpy as np
from ISTNRegistrationLib.core.checkpoint import Checkpoint
from ISTNRegistrationLib.core.config import Channel, GridConfig, ModelConfig
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.istn import ISTN
from ISTNRegistrationLib.core.register import RegisterOptions, register_pair
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.core.warp import warp_volume

STRUCTURES = 8
HEAD_MM = 200.0


def measure(grid: int, size: int, mode: str, threads: int) -> dict:
    """Run :func:`main` in a fresh process; returns what it prints."""
    options = ["--grid", grid, "--size", size, "--mode", mode, "--threads", threads]
    command = [sys.executable, __file__, *map(str, options)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main() -> None:
    """Register two synthetic int16 volumes of ``size``³ on a grid of ``grid``³, then warp the moving one whole."""
    import torch

    args = _arguments()
    torch.set_num_threads(args.threads)
    imported = peak_mb()
    fixed, moving = synthetic_volume(args.size, 0.0), synthetic_volume(args.size, 4.0)
    began = time.perf_counter()
    options = RegisterOptions(transform="bspline", refine=args.mode)
    result = register_pair(fixed, moving, untrained(args.grid), options)
    registered, seconds = peak_mb(), time.perf_counter() - began
    warp_volume(moving, result.transform, fixed.grid)
    inputs = 2 * fixed.array.nbytes / 1e6
    answer = {"imported_mb": imported, "inputs_mb": inputs, "registered_mb": registered, "peak_mb": peak_mb()}
    print(json.dumps(answer | {"seconds": seconds, "seconds_with_warp": time.perf_counter() - began}))


def untrained(grid: int) -> Checkpoint:
    """The default networks on ``grid``³ voxels that span a head; memory does not depend on the weights."""
    config = ModelConfig(
        method="istn-e",
        transforms=("affine", "bspline"),
        grid=GridConfig((grid,) * 3, (HEAD_MM / grid,) * 3),
        channels=tuple(Channel(f"structure {i}", (i,)) for i in range(1, STRUCTURES + 1)),
    )
    return Checkpoint(ISTN(config).eval().requires_grad_(False), config, {}, "untrained", "")


def synthetic_volume(size: int, shift_mm: float) -> Volume:
    """An int16 blob in ``HEAD_MM``, made slice by slice so that making it needs no more memory than keeping it."""
    spacing = HEAD_MM / size
    positions = (np.arange(size) - (size - 1) / 2) * spacing - shift_mm
    profile = np.exp(-((positions / 45.0) ** 2)).astype(np.float32)
    array = np.empty((size,) * 3, np.int16)
    for row, weight in zip(array, profile, strict=True):
        row[:] = 1000 * weight * np.outer(profile, profile)
    return Volume(array, Grid.centered((0.0,) * 3, (size,) * 3, (spacing,) * 3), f"blob {size}")


def peak_mb() -> float:
    """Largest resident memory of this process so far, in 10⁶ bytes."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / 1e6


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grid", type=int, default=64)
    parser.add_argument("--size", type=int, default=182)
    parser.add_argument("--mode", default="theta", choices=("theta", "weights"))
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
