"""Commands killed at random moments, once or twice, and started again: is the result that of an undisturbed run?

PYTHONPATH=ISTNRegistration:Testing/Python python -m fuzz.kills 60 --json work/reliability/kills.json
"""

import argparse
import csv
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
from command import checkpoint_file, small_config, subject
from ISTNRegistrationLib.cli.main import main as istn
from ISTNRegistrationLib.core.checkpoint import load_checkpoint
from ISTNRegistrationLib.core.files import write_text
from ISTNRegistrationLib.data.images import read_image
from ISTNRegistrationLib.data.transforms import read_transform
from study import write_study

COMMANDS = ("train", "prepare", "batch", "evaluate")
TIMES = ("seconds", "date", "created")  # what may differ
SAID, WORSE_THAN_NOTHING = "said.txt", 3  # a toy model may be
KILLED = 1 if sys.platform == "win32" else -9
LATEST = 0.95  # of an undisturbed run's time
PRELOADED = ["torch", *(f"ISTNRegistrationLib.cli.{name}" for name in COMMANDS)]


class Kills:
    """Runs of the four commands on toy data, in processes that can be killed.

    Args:
        folder: for the data and the results.
        steps, pairs: how much there is to do.
    """

    def __init__(self, folder: Path, steps: int = 30, pairs: int = 4) -> None:
        self.folder = folder
        self._processes = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
        self._processes.set_forkserver_preload(PRELOADED) if sys.platform != "win32" else None
        study = write_study(folder, 2, steps=steps)
        checkpoint_file(folder / "tiny.h5", small_config(2))
        files = [[path.name for path in subject(folder, f"p{k}", 2, 1.5 * k)] for k in range(pairs + 1)]
        rows = [",".join((files[0][0], image, files[0][1], labels)) for image, labels in files[1:]]
        (folder / "pairs.csv").write_text("fixed,moving,fixed_labels,moving_labels\n" + "\n".join(rows) + "\n")
        registering = ["--pairs", folder / "pairs.csv", "--checkpoint", folder / "tiny.h5", "--iterations", "4"]
        registering += ["--device", "cpu", "--threads", "1"]
        self._words = {
            "train": ["--config", study["config"], "--device", "cpu", "--threads", "1"],
            "prepare": ["--config", study["config"]],
            "batch": registering,
            "evaluate": registering,
        }
        self._known: dict[str, tuple[float, dict]] = {}

    def case(self, seed: int, command: str | None = None) -> dict:
        """Kill a run, go on to its end and compare: its command, kills that met a running process, what is wrong."""
        rng = np.random.default_rng([5, seed])
        command = command or COMMANDS[seed % len(COMMANDS)]
        lasts, wanted, ends = self._undisturbed(command)
        place = Path(tempfile.mkdtemp(dir=self.folder)) / "out"
        place.mkdir()
        delays = rng.uniform(0, LATEST * lasts, int(rng.integers(1, 3)))
        kills = sum(self._killed(command, place, delay) for delay in delays)
        code, found = self._wait(self._start(command, place)), contents(place)
        wrong = [f"exit code {code}"] * (code != ends)
        wrong += [f"left: {name}" for name in found if "/." in f"/{name}"]
        wrong += [f"differs: {name}" for name in sorted(wanted.keys() | found.keys()) if not _same(wanted, found, name)]
        return {"seed": seed, "command": command, "kills": kills, "wrong": wrong}

    def _undisturbed(self, command: str) -> tuple[float, dict, int]:
        """Seconds, contents and exit code of a run that nothing stopped."""
        if command not in self._known:
            self._ready()
            place, began = self.folder / f"whole {command}", time.perf_counter()
            place.mkdir()
            code = self._wait(self._start(command, place))
            if code not in (0, WORSE_THAN_NOTHING):
                raise RuntimeError((self.folder / SAID).read_text()[-1000:])
            self._known[command] = (time.perf_counter() - began, contents(place), code)
        return self._known[command]

    def _killed(self, command: str, place: Path, after: float) -> bool:
        """Whether the process was still running when it was killed."""
        process = self._start(command, place)
        process.join(after)
        process.kill()
        process.join()
        return process.exitcode == KILLED

    def _start(self, command: str, place: Path):
        words = [command, *map(str, self._words[command]), "--output", str(place / self._name(command))]
        words += ["--resume"] * (command == "train" and (place / "run" / "state.pt").is_file())
        process = self._processes.Process(target=_run, args=(words, str(self.folder / SAID)))
        process.start()
        return process

    def _wait(self, process) -> int:
        process.join()
        return process.exitcode

    def _name(self, command: str) -> str:
        return {"train": "run", "prepare": "cache.h5", "batch": "batch", "evaluate": "results.csv"}[command]

    def _ready(self) -> None:
        """Wait until the server of processes has imported what they need."""
        process = self._processes.Process(target=int)
        process.start()
        process.join()


def _run(words: list[str], said: str) -> None:
    """The process: ``istn`` with what it says in a file."""
    with Path(said).open("a") as file:
        os.dup2(file.fileno(), 1), os.dup2(file.fileno(), 2)
        sys.exit(istn(words))


def contents(folder: Path) -> dict:
    """What the files below a folder hold, without times and without the curves, of which every start has its own."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and "tensorboard" not in path.parts]
    return {path.relative_to(folder).as_posix(): _content(path) for path in files}


def _content(path: Path):
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return [{key: value for key, value in row.items() if key not in TIMES} for row in csv.DictReader(file)]
    if path.name == "transform.h5":
        return [read_transform(path).linear.tolist()]
    if path.name.endswith(".nii.gz"):
        return [read_image(path).array.tobytes()]
    if path.name in ("best.h5", "last.h5"):
        found = load_checkpoint(path)
        weights = {key: value.numpy().tobytes() for key, value in found.model.state_dict().items()}
        return [weights, {key: value for key, value in found.card.items() if key not in TIMES}]
    if path.name == "cache.h5":
        return _datasets(path)
    return None  # states, reports and pages hold times; that they are there is what counts


def _datasets(path: Path) -> dict:
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()].tobytes()}) if hasattr(item, "shape") else None)
    return found


def _same(wanted: dict, found: dict, name: str) -> bool:
    return name in wanted and name in found and wanted[name] == found[name]


def main() -> None:
    """Kill until ``count`` kills have met a running process; print, and write as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    kills, wrong, seed = Counter(), [], args.first
    with tempfile.TemporaryDirectory() as folder:
        runs = Kills(Path(folder))
        while kills.total() < args.count:
            case = runs.case(seed)
            kills[case["command"]] += case["kills"]
            wrong += [case] * bool(case["wrong"])
            seed += 1
            found = {
                "what": "kills",
                "cases": seed - args.first,
                "kills": dict(sorted(kills.items())),
                "failures": wrong,
            }
            print(case, flush=True)
            if args.json:
                write_text(args.json, json.dumps(found, indent=1) + "\n", "Numbers")


if __name__ == "__main__":
    main()
