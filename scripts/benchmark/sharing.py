"""One fixed image, 20 moving ones: what one process that shares saves against 20 single runs. Prints a Markdown table.

    python scripts/benchmark/sharing.py [--moving 20]

Both ways register the same files in the same process, alternating moving image by moving image: a *single* run reads
both files and the checkpoint and lets the ITN see both images; a *shared* one is a `data.run.Runner` that goes on.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import SAMPLE

# isort: split
import numpy as np
from ISTNRegistrationLib.core.options import RegisterOptions
from ISTNRegistrationLib.data.pairs import PairFiles, PairReader
from ISTNRegistrationLib.data.run import Runner

FILES = PairFiles("mni152.nii.gz", "colin27.nii.gz")
CASES = (("affine", "none"), ("affine", "theta"), ("bspline", "none"), ("bspline", "theta"))


def main() -> None:
    """Measure every case and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moving", type=int, default=20, help="moving images (default: 20)")
    count = parser.parse_args().moving
    print("| transform | refine | single, s | shared, s | ratio of the sums |\n|---|---|---|---|---|")
    for transform, refine in CASES:
        single, shared = compare(RegisterOptions(transform, refine=refine), count)
        times = f"{np.median(single):.2f} | {np.median(shared):.2f} | {sum(shared) / sum(single):.2f}"
        print(f"| {transform} | {refine} | {times} |", flush=True)


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


if __name__ == "__main__":
    main()
