"""Train every model of docs/results.md, one after another or two at a time; what is done is not done again.

    python scripts/paper/experiments.py --list
    python scripts/paper/experiments.py --only 'hippocampus-*' --jobs 2      into work/runs/NAME/best.h5
    python scripts/paper/experiments.py --only 'brain-istn-e*'

All methods and subsets of a data set share one configuration (Resources/Configs): method and subjects alone differ.
A run that was interrupted goes on where its last validation left it.
"""

from __future__ import annotations

import argparse
import csv
import fnmatch
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import DATA, ROOT

# isort: split
from paper import corrupted, subjects

CONFIGS = {"synth2d": "synth2d", "hippocampus": "hippocampus", "brain": "brain-quick"}
COARSE = "hippocampus-coarse"  # many models are compared on it: minutes each, not a quarter of an hour
METHODS = ("stn-u", "stn-s", "istn-e", "istn-i")
# ISTN-i: steps of the ITN alone, by training loss and develop-val. At the toy's large shifts an ITN that is taught with
# the identity learns a blur (final loss 0.35 against 0.08); on brains the STNs make the structures vanish without.
IMPLICIT_FIRST = {"synth2d": 0, "hippocampus": 0, COARSE: 0, "brain": 300}
PEOPLE = {"brain": (3, 6), COARSE: (10, 30)}


@dataclass(frozen=True)
class Experiment:
    """One training: ``people`` of the training split (0: all), its labels corrupted by ``corruption`` (or not)."""

    dataset: str
    method: str
    people: int = 0
    corruption: str = ""

    @property
    def name(self) -> str:
        """Folder of the run, as the scripts that measure expect it."""
        parts = [self.dataset, self.method, str(self.people or ""), self.corruption]
        return "-".join(part for part in parts if part)


def experiments() -> list[Experiment]:
    """Table 1, then data efficiency, then corrupted structures."""
    table = [Experiment(dataset, method) for dataset in CONFIGS for method in METHODS]
    efficiency = [Experiment(d, m, n) for d, counts in PEOPLE.items() for m in ("stn-s", "istn-e") for n in counts]
    efficiency += [Experiment(COARSE, "stn-s")]
    worse = [Experiment(COARSE, m, 0, c) for c in ("", *corrupted.KINDS) for m in ("istn-e", "istn-i")]
    return table + efficiency + worse


def configuration(experiment: Experiment, folder: Path) -> str:
    """The data set's configuration with this experiment's method and subjects (as text: comments stay)."""
    text = (ROOT / "Resources" / "Configs" / f"{CONFIGS.get(experiment.dataset, experiment.dataset)}.toml").read_text(
        encoding="utf-8"
    )
    text = _replaced(text, r'^method = ".*?"', f'method = "{experiment.method}"')
    if experiment.method == "istn-i":
        text = re.sub(r"^itn_first_steps = .*\n", "", text, flags=re.MULTILINE)
        text = text.replace("[training]\n", f"[training]\nitn_first_steps = {IMPLICIT_FIRST[experiment.dataset]}\n")
    if experiment.dataset == "synth2d":
        root = DATA.parent.as_posix()
        return _replaced(text, r'^root = ".*?"', f'root = "{root}"')
    if experiment.corruption:
        rows = corrupted.corrupted_rows(experiment.corruption, folder / "labels")
    else:
        rows = subjects.subject_rows(experiment.dataset.removesuffix("-coarse"), experiment.people)
    subjects.write_subjects(rows, folder / "subjects.csv")
    return _replaced(text, r'^subjects = ".*?"', 'subjects = "subjects.csv"')


def _replaced(text: str, pattern: str, line: str) -> str:
    text, count = re.subn(pattern, lambda _: line, text, flags=re.MULTILINE)
    if count != 1:
        raise SystemExit(f"the configuration has {count} lines like {pattern}, not one")
    return text


def train(experiment: Experiment, output: Path, threads: int) -> str:
    """Run `istn train` in its own process; returns what became of it."""
    folder = output / experiment.name
    if (folder / "seconds.csv").is_file():
        return f"{experiment.name}: done before"
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "config.toml"
    if not config.is_file():
        config.write_text(configuration(experiment, folder), encoding="utf-8")
    command = [sys.executable, "-m", "ISTNRegistrationLib.cli", "train", "--config", str(config)]
    command += ["--output", str(folder), "--threads", str(threads)]
    command += ["--resume"] if (folder / "state.pt").is_file() else []
    started = time.time()
    environment = os.environ | {"PYTHONPATH": str(ROOT / "ISTNRegistration"), "OMP_NUM_THREADS": str(threads)}
    with (folder / "log.txt").open("a", encoding="utf-8") as log:
        code = subprocess.run(command, stdout=log, stderr=log, env=environment, check=False).returncode
    if code:
        return f"{experiment.name}: failed, see {folder / 'log.txt'}"
    with (folder / "seconds.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["seconds", "threads"], [round(time.time() - started), threads]])
    return f"{experiment.name}: {time.time() - started:.0f} s"


def main() -> None:
    """List or train the experiments whose names match."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=["*"], metavar="PATTERN", help="names, with * and ?")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    parser.add_argument("--output", type=Path, default=ROOT / "work" / "runs")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of each")
    args = parser.parse_args()
    chosen = [e for e in experiments() if any(fnmatch.fnmatch(e.name, pattern) for pattern in args.only)]
    if args.list:
        print("\n".join(e.name for e in chosen))
        return
    with ThreadPoolExecutor(args.jobs) as pool:
        for message in pool.map(lambda e: train(e, args.output, args.threads), chosen):
            print(message, flush=True)


if __name__ == "__main__":
    main()
