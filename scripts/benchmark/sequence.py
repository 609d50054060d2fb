"""Memory of a 4-D sequence while its frames are registered one after the other: ``sequence.py --frames 300``.

Prints one line of JSON: how much the process grows with each frame, and how much of that is the frame's own result.
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
import slicer
import torch
from headless.application import boot
from ISTNRegistrationLib.bridge.sequences import SequenceRequest, registerSequence
from ISTNRegistrationLib.bridge.volumes import nodeFromVolume, volumeFromNode

from benchmark.memory import synthetic_volume, untrained

FIRST = 10  # frames before the memory counts: caches fill
MOST_SHIFT_MM = 6.0


def measure(frames: int, size: int, threads: int) -> dict:
    """Run :func:`main` in a fresh process; returns what it prints."""
    options = ["--frames", frames, "--size", size, "--threads", threads]
    command = [sys.executable, __file__, *map(str, options)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])


def main() -> None:
    """Register ``frames`` volumes of ``size``³ to the first one, affine and refined."""
    args = _arguments()
    torch.set_num_threads(args.threads)
    boot()
    scene, resident = slicer.mrmlScene, []
    sequence = synthetic_sequence(scene, args.frames, args.size)
    request = SequenceRequest(untrained(32), {"transform": "affine", "device": "cpu", "initial": "center"})
    began = time.perf_counter()
    found = registerSequence(scene, sequence, 0, request, lambda *_: resident.append(resident_mb()))
    counted = args.frames - FIRST
    row = {"frames": args.frames, "size": args.size, "seconds": time.perf_counter() - began}
    row |= {"growth_mb": (resident[-1] - resident[FIRST - 1]) / counted, "peak_mb": max(resident)}
    print(json.dumps(row | {"result_mb": volumeFromNode(found.frames.GetNthDataNode(1)).array.nbytes / 1e6}))


def synthetic_sequence(scene, frames: int, size: int):
    """A sequence node of blobs that move to and fro."""
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "cine")
    for number in range(frames):
        shift = MOST_SHIFT_MM * (1 - abs(1 - 2 * number / frames))
        node = nodeFromVolume(scene, synthetic_volume(size, shift), "frame")
        sequence.SetDataNodeAtValue(node, str(number))
        scene.RemoveNode(node.GetDisplayNode())
        scene.RemoveNode(node)
    return sequence


def resident_mb() -> float:
    """Resident memory of this process now, in 10⁶ bytes (Linux)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024 / 1e6


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


if __name__ == "__main__":
    main()
