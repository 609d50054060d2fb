"""One fixed image, 20 moving ones: what is shared saves against 20 single runs. Prints two Markdown tables.

    python scripts/benchmark/sharing.py [--moving 20] [--only commands] [--kinds affine-none bspline-theta]

*In one process* both ways register the same files, alternating moving image by moving image: a *single* run reads both
files and the checkpoint and lets the ITN see both images; a *shared* one is a `data.run.Runner` that goes on.

*Commands* is what users meet: that many single `istn register` against one `istn batch` with as many lines, the same
files written, each command with its imports and one thread. The processor's seconds hardly depend on other jobs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import ROOT, SAMPLE

# isort: split
import numpy as np
import SimpleITK as sitk
from ISTNRegistrationLib.core.options import RegisterOptions
from ISTNRegistrationLib.data.pairs import PairFiles, PairReader
from ISTNRegistrationLib.data.run import Runner

FILES = PairFiles("mni152.nii.gz", "colin27.nii.gz")
KINDS = ("affine-none", "affine-theta", "bspline-none", "bspline-theta")
HEADS = "| transform | refine | single, s | shared, s | ratio of the sums |\n|---|---|---|---|---|"
COMMANDS = "| transform | refine | moving | single, s | batch, s | ratio | processor: single, s | batch, s | ratio |"


def main(arguments=None) -> None:
    """Measure every kind and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moving", type=int, default=20, help="moving images (default: 20)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--only", choices=("process", "commands"))
    args = parser.parse_args(arguments)
    kinds = [kind.split("-") for kind in args.kinds]
    if args.only != "commands":
        print(HEADS)
        for transform, refine in kinds:
            single, shared = compare(RegisterOptions(transform, refine=refine), args.moving)
            times = f"{np.median(single):.2f} | {np.median(shared):.2f} | {sum(shared) / sum(single):.2f}"
            print(f"| {transform} | {refine} | {times} |", flush=True)
    if args.only != "process":
        print("\n" + COMMANDS + "\n" + "|---" * 9 + "|")
        for transform, refine in kinds:
            (one, one_cpu), (many, many_cpu) = commands(["--transform", transform, "--refine", refine], args.moving)
            wall, processor = f"{one:.1f} | {many:.1f} | {many / one:.2f}", f"{one_cpu:.1f} | {many_cpu:.1f}"
            print(
                f"| {transform} | {refine} | {args.moving} | {wall} | {processor} | {many_cpu / one_cpu:.2f} |",
                flush=True,
            )


def compare(options: RegisterOptions, count: int) -> tuple[list[float], list[float]]:
    """Seconds of each single and of each shared run; the first shared one includes what is shared."""
    runner, reader, single, shared = Runner(), PairReader(SAMPLE), [], []
    seconds(Runner(), PairReader(SAMPLE), options)  # imports and first calls
    for _ in range(count):
        single.append(seconds(Runner(), PairReader(SAMPLE), options))
        shared.append(seconds(runner, reader, options))
    return single, shared


def seconds(runner: Runner, reader: PairReader, options: RegisterOptions) -> float:
    """Time from files to the transform."""
    began = time.perf_counter()
    runner.run(reader.request(FILES, "brain", options))
    return time.perf_counter() - began


def commands(options: list[str], count: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """(seconds, processor's seconds) of ``count`` single commands, and of one batch of as many lines."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = [f"{SAMPLE / FILES.fixed},{moving}" for moving in moved(folder, count)]
        (folder / "pairs.csv").write_text("\n".join(["fixed,moving", *lines]) + "\n", encoding="utf-8")
        singles = []
        for number, line in enumerate(lines):
            fixed, moving = line.split(",")
            out = folder / f"single{number}"
            out.mkdir()
            files = {"transform": "transform.h5", "volume": "warped.nii.gz"}
            asked = [part for key, file in files.items() for part in (f"--output-{key}", out / file)]
            singles.append(["register", "--fixed", fixed, "--moving", moving, *asked, "--json", out / "report.json"])
        batch = ["batch", "--pairs", folder / "pairs.csv", "--output", folder / "batch"]
        return timed([[*single, *options] for single in singles]), timed([[*batch, *options]])


def moved(folder: Path, count: int) -> list[Path]:
    """The moving image, each copy a millimeter further: pairs with the same contents would be registered once."""
    image = sitk.ReadImage(str(SAMPLE / FILES.moving))
    origin, paths = np.array(image.GetOrigin()), [folder / f"moving{number:02d}.nii.gz" for number in range(count)]
    for number, path in enumerate(paths):
        image.SetOrigin((origin + [number, 0.0, 0.0]).tolist())
        sitk.WriteImage(image, str(path))
    return paths


def timed(lists: list[list]) -> tuple[float, float]:
    """Seconds, and the processor's (0 on Windows), of `istn` with each list of arguments, one after the other."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "ISTNRegistration"), "OMP_NUM_THREADS": "1"}
    began, before = time.perf_counter(), os.times()
    for arguments in lists:
        command = [sys.executable, "-m", "ISTNRegistrationLib.cli", *arguments]
        command += ["--checkpoint", "brain", "--threads", "1", "--quiet"]
        subprocess.run(list(map(str, command)), check=True, env=environment, stdout=subprocess.DEVNULL)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - began, used or float("nan")


if __name__ == "__main__":
    main()
