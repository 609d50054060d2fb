"""Read many hostile files in a process of their own, which may crash or hang, and count what became of them.

PYTHONPATH=ISTNRegistration:Testing/Python python -m fuzz.run checkpoints 6000 --json work/fuzz_checkpoints.json
PYTHONPATH=ISTNRegistration:Testing/Python python -m fuzz.run images 6000 --json work/fuzz_images.json
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
PATHS = [str(TESTS.parents[1] / "ISTNRegistration"), str(TESTS)]
LONGEST_MESSAGE = 1500
SLOW_S, HANG_S = 2.0, 30.0


def fuzz(what: str, count: int, first: int = 0) -> dict:
    """What became of cases ``first`` to ``first + count``: outcomes by kind, crashes, the slowest, the memory."""
    found = {"what": what, "cases": count, "first": first, "outcomes": Counter(), "failures": []}
    found |= {"slowest_s": 0.0, "growth_mb": 0.0}
    with tempfile.TemporaryDirectory() as folder:
        seed = first
        while seed < first + count:
            seed = _one_process(what, seed, first + count, Path(folder), found)
    found["outcomes"] = dict(sorted(found["outcomes"].items()))
    return found


def _one_process(what: str, seed: int, end: int, folder: Path, found: dict) -> int:
    """Run cases until the process ends, by itself or not; the next seed."""
    place = tempfile.mkdtemp(dir=folder)
    code = f"import sys; sys.path[:0] = {PATHS!r}; from fuzz.run import worker; worker(*sys.argv[1:])"
    command = [sys.executable, "-c", code, what, str(seed), str(end), place]
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "encoding": "utf-8", "errors": "replace"}
    with subprocess.Popen(command, **how) as process:
        for line in process.stdout:
            if not line.startswith('{"state"'):
                continue  # what ITK and HDF5 print
            case = json.loads(line)
            if case["state"] == "begins":
                timer = threading.Timer(HANG_S, process.kill)
                timer.start()
                kind, seed = case["kind"], case["seed"]
                continue
            timer.cancel()
            found["outcomes"][f"{kind}: {case['state']}"] += 1
            found["slowest_s"] = max(found["slowest_s"], case["seconds"])
            found["growth_mb"] = max(found["growth_mb"], case["growth_mb"])
            if case["state"] in ("wrong", "not one short line", "another error") or case["seconds"] > 10:
                found["failures"].append({"seed": seed, "kind": kind, **case})
            seed += 1
        process.wait()
    if seed < end:
        found["outcomes"][f"{kind}: crash or hang"] += 1
        found["failures"].append({"seed": seed, "kind": kind, "state": f"ended with {process.returncode}"})
        seed += 1
    return seed


def worker(what: str, first: str, end: str, folder: str) -> None:
    """The process: a line of JSON when a case begins and one when it ends."""
    from ISTNRegistrationLib.core.errors import InputError

    from .checkpoints import Checkpoints
    from .images import Images

    cases = {"checkpoints": Checkpoints, "images": Images}[what](Path(folder))
    said, sys.stdout = sys.stdout, sys.stderr
    before = _peak_mb()
    for seed in range(int(first), int(end)):
        kind = cases.write(seed)
        print(json.dumps({"state": "begins", "seed": seed, "kind": kind}), file=said, flush=True)
        began, message = time.perf_counter(), ""
        try:
            state = cases.judge(kind)
        except InputError as error:
            message = str(error)
            state = "refused" if len(message) < LONGEST_MESSAGE and "\n" not in message else "not one short line"
        except Exception as error:  # this is what must not be
            state, message = "another error", repr(error)
        seconds = round(time.perf_counter() - began, 3)
        ended = {
            "state": state,
            "seconds": seconds,
            "growth_mb": round(_peak_mb() - before, 1),
            "message": message[:300],
        }
        print(json.dumps(ended), file=said, flush=True)


def _peak_mb() -> float:
    """Peak memory of this process or of a process that it started."""
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024


def main() -> None:
    """Print, and write as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("checkpoints", "images"))
    parser.add_argument("count", type=int)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    text = json.dumps(fuzz(args.what, args.count, args.first), indent=1)
    print(text)
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
