"""Read many hostile files in a process of their own, which may crash or hang, and count what became of them.

PYTHONPATH=ISTNRegistration:Testing/Python python -m fuzz.run checkpoints 6000 --json work/reliability/checkpoints.json
PYTHONPATH=ISTNRegistration:Testing/Python python -m fuzz.run images 6000 --json work/reliability/images.json

The same for lists and transforms. The JSON is written after every ``CHUNK`` cases, and a run goes on from it.
"""

import argparse
import importlib
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from ISTNRegistrationLib.core.files import write_text

TESTS = Path(__file__).resolve().parents[1]
PATHS = [str(TESTS.parents[1] / "ISTNRegistration"), str(TESTS)]
LONGEST_MESSAGE = 1500
SLOW_S, HANG_S, CHUNK = 10.0, 30.0, 250
LARGEST_GROWTH = 4 << 30  # of memory: more than this is refused by the system, so that the machine lives on
BAD = ("wrong", "not one short line", "another error")
WORKERS = {"checkpoints": "Checkpoints", "images": "Images", "lists": "Lists", "transforms": "Transforms"}


def fuzz(what: str, count: int, first: int = 0, found: dict | None = None) -> dict:
    """What became of cases ``first`` to ``first + count``: outcomes by kind, crashes, the slowest, the memory.

    Args:
        found: of the cases before, to be counted with.
    """
    found = found or {"what": what, "cases": 0, "outcomes": {}, "failures": [], "slowest_s": 0.0, "growth_mb": 0.0}
    found |= {"cases": found["cases"] + count, "outcomes": Counter(found["outcomes"])}
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
    kind = "starting"
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
            for key, value in (("slowest_s", case["seconds"]), ("growth_mb", case["growth_mb"])):
                if value > found[key]:
                    found |= {key: value, f"{key} of": f"{seed}, {kind}"}
            if case["state"] in BAD or case["seconds"] > SLOW_S:
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

    cases = getattr(importlib.import_module(f"fuzz.{what}"), WORKERS[what])(Path(folder))
    said, sys.stdout = sys.stdout, sys.stderr
    before = _peak_mb()
    resource.setrlimit(resource.RLIMIT_DATA, (_data_bytes() + LARGEST_GROWTH, resource.RLIM_INFINITY))
    for seed in range(int(first), int(end)):
        kind = cases.write(seed)
        print(json.dumps({"state": "begins", "seed": seed, "kind": kind}), file=said, flush=True)
        began = time.perf_counter()
        state, message = _judged(cases, kind, InputError)
        ended = {"state": state, "seconds": round(time.perf_counter() - began, 3), "message": message[:300]}
        print(json.dumps(ended | {"growth_mb": round(_peak_mb() - before, 1)}), file=said, flush=True)


def _judged(cases, kind: str, refusal: type[Exception]) -> tuple[str, str]:
    """What became of the written case, and what was said."""
    try:
        return cases.judge(kind), ""
    except refusal as error:
        message = str(error)
        is_one_line = len(message) < LONGEST_MESSAGE and "\n" not in message
        return "refused" if is_one_line else "not one short line", message
    except Exception as error:  # this is what must not be
        return "another error", repr(error)


def _data_bytes() -> int:
    """Memory that counts for RLIMIT_DATA so far."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("VmData"))


def _peak_mb() -> float:
    """Peak memory of this process or of a process that it started."""
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024


def main() -> None:
    """Print, and write as JSON, chunk by chunk."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=WORKERS)
    parser.add_argument("count", type=int, help="cases in all, those of an earlier run counted")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    found = json.loads(args.json.read_text()) if args.json and args.json.exists() else None
    done = found["cases"] if found else 0
    while done < args.count:
        found = fuzz(args.what, min(CHUNK, args.count - done), args.first + done, found)
        done = found["cases"]
        if args.json:
            write_text(args.json, json.dumps(found, indent=1) + "\n", "Numbers")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
