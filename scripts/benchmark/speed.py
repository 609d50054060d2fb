"""Times and memory, ours beside the published way of refining, from one run: docs/benchmark.md and docs/benchmark.json.

python scripts/benchmark/speed.py            on an idle machine with 2 cores, some ten minutes
python scripts/benchmark/speed.py --quick    tiny sizes, to see that it runs; the numbers mean nothing
python scripts/benchmark/speed.py --memory   only the memory anew; the rest of the page stays as it is
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import DATA, ROOT, SAMPLE

# isort: split
import numpy as np
import SimpleITK as sitk
import torch
from ISTNRegistrationLib.cli.train import read_config
from ISTNRegistrationLib.core.card import models_folder
from ISTNRegistrationLib.core.checkpoint import Checkpoint, load_checkpoint
from ISTNRegistrationLib.core.istn import ISTN
from ISTNRegistrationLib.core.register import RegisterOptions, register_pair
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data.images import read_image
from paper.datasets import datasets
from tqdm import tqdm

from benchmark import memory, report, sequence
from benchmark.refinement import compare

TRANSFORMS = ("affine", "bspline")
SECONDS = {"affine": 1.0, "bspline": 3.0}  # targets for one registration
CASES = {  # name: (networks' grid, input, refinement, target in MB)
    "64³ grid, theta": (64, 182, "theta", 1000),
    "64³ grid, weights": (64, 182, "weights", 1000),
    "512³ input, warped to 512³": (64, 512, "theta", 4000),
}
QUICK_CASES = {"16³ grid, theta": (16, 24, "theta", 1000)}


@dataclass(frozen=True)
class Plan:
    """How much is run: refinements (grid, iterations, repeats), registrations (repeats), memory (cases)."""

    size: tuple[int, ...]
    iterations: int
    repeats: int
    registrations: int
    cases: dict
    frames: int


FULL = Plan((48, 64, 48), iterations=50, repeats=3, registrations=7, cases=CASES, frames=300)
QUICK = Plan((36, 36, 36), iterations=2, repeats=1, registrations=1, cases=QUICK_CASES, frames=12)


def main(arguments=None) -> None:
    """Measure everything, print it, write it."""
    args = _arguments(arguments)
    plan = QUICK if args.quick else FULL
    torch.set_num_threads(args.threads)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(args.threads)
    if args.memory:
        remembered = json.loads((ROOT / "docs" / "benchmark.json").read_text(encoding="utf-8"))
        report.write(args.output or ROOT / "docs", remembered | _memory(plan, args.threads))
        return
    measured = {
        "quick": args.quick,
        "size": plan.size,
        "machine": machine(args.threads),
        "refinement": {name: compare(name, plan.size, plan.iterations, plan.repeats) for name in TRANSFORMS},
        "registration": registrations(plan),
        **_memory(plan, args.threads),
    }
    print(report.as_markdown(measured))
    output = args.output or (None if args.quick else ROOT / "docs")
    if output:
        report.write(output, measured)


def _memory(plan: Plan, threads: int) -> dict:
    cine = sequence.measure(plan.frames, 24 if plan is QUICK else 96, threads)
    return {"memory": peaks(plan, threads), "sequence": cine, "memory_on": f"{datetime.date.today()}"}


def machine(threads: int) -> dict:
    """What the numbers depend on."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "SimpleITK": sitk.Version.VersionString(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "date": datetime.date.today().isoformat(),
    }


def registrations(plan: Plan) -> dict:
    """Whole registrations of one pair of brains after loading, interleaved: medians of the parts and of the total."""
    fixed, moving, checkpoint = _tiny() if plan is QUICK else (*_brains(), _checkpoint())
    modes = ("theta", "weights")
    chosen = [RegisterOptions(t, refine=mode, iterations=plan.iterations) for t in TRANSFORMS for mode in modes]
    runs = {(options.transform, options.refine): [] for options in chosen}
    for repeat in tqdm(range(plan.registrations + 1), desc="registration", unit="round"):
        for options in chosen:
            seconds = register_timed(fixed, moving, checkpoint, options)
            if repeat:  # the first is the warm-up
                runs[options.transform, options.refine].append(seconds)
    rows = [
        {"transform": transform, "refine": mode, "target": SECONDS[transform]}
        | {part: statistics.median(run[part] for run in of_one) for part in of_one[0]}
        for (transform, mode), of_one in runs.items()
    ]
    return {"fixed": fixed.name, "moving": moving.name, "checkpoint": checkpoint.name, "rows": rows}


def register_timed(fixed: Volume, moving: Volume, checkpoint: Checkpoint, options: RegisterOptions) -> dict[str, float]:
    """Seconds of each part of ``register_pair`` and ``total``; ``rest``: measuring the stages and making the result."""
    marks, itn = [], checkpoint.model.itn
    hooks = (itn.register_forward_pre_hook, itn.register_forward_hook)
    handles = [hook(lambda *_: marks.append(time.perf_counter())) for hook in hooks]
    began = time.perf_counter()
    result = register_pair(fixed, moving, checkpoint, options)
    total = time.perf_counter() - began
    for handle in handles:
        handle.remove()
    parts = {"preprocessing": marks[0] - began, "ITN": marks[-1] - marks[0]}
    parts |= {stage.name: stage.seconds for stage in result.stages[1:]}
    return parts | {"rest": total - sum(parts.values()), "total": total}


def _tiny() -> tuple[Volume, Volume, Checkpoint]:
    volumes = (memory.synthetic_volume(24, shift) for shift in (0.0, 4.0))
    return (*volumes, memory.untrained(16))


def _brains() -> tuple[Volume, Volume]:
    """Two people of develop-val where the data are, else the bundled pair."""
    if (DATA / "brain" / "splits.csv").is_file():
        fixed, moving = datasets()["brain"].pairs("val")[0]
        return fixed.image, moving.image
    return read_image(SAMPLE / "mni152.nii.gz"), read_image(SAMPLE / "colin27.nii.gz")


def _checkpoint() -> Checkpoint:
    """The shipped one, or untrained networks of its configuration."""
    if (models_folder() / "brain.h5").is_file():
        return load_checkpoint("brain")
    config = read_config(ROOT / "Resources" / "Configs" / "brain.toml").model
    torch.manual_seed(0)
    return Checkpoint(ISTN(config).eval().requires_grad_(False), config, {}, "brain, untrained", "")


def peaks(plan: Plan, threads: int) -> list[dict]:
    """Peak memory of each case, each in a fresh process."""
    rows = []
    for name, (grid, size, mode, target) in tqdm(plan.cases.items(), desc="memory", unit="case"):
        rows.append({"case": name, "target_mb": target} | memory.measure(grid, size, mode, threads))
    return rows


def _arguments(arguments) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny sizes; writes nothing unless --output is given")
    parser.add_argument("--memory", action="store_true", help="only the memory, the rest as it is in docs")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, help="folder for benchmark.md and benchmark.json (default: docs)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
