"""docs/reliability.md and .json from what the fuzzers of Testing/Python/fuzz have counted.

python scripts/release/reliability.py work/reliability      a folder of their --json files, those of parts are added up
python scripts/release/reliability.py                       the page again, from docs/reliability.json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import ROOT

NAMES = ("checkpoints", "images", "lists", "transforms", "kills")
OUTCOMES = {"refused": ("refused",), "read": ("read", "loaded", "changed")}
FINE = ("refused", "read", "loaded", "changed")
TEXT = """# Reliability

Written by `python scripts/release/reliability.py` from what the fuzzers of `Testing/Python/fuzz` count; the numbers
are in [reliability.json](reliability.json).

## Hostile files

Seeded, read in a process of its own that may crash or hang. A case is a good file whose bytes are damaged (most often
in its header: bits, words, zeros, pieces cut out, doubled or cut off; packed files also inside, with a right checksum),
a header in which a field is another (impossible sizes, NaN, two positions, shear, swapped bytes), a file named as of
another format, links and storage in other files, a right digest around wrong content, or no plain file (pipe, device,
folder, link to itself).

{files}

*Wrong*: read as something else than what the file holds (for images: more voxels than there are, an impossible grid, a
cut or renamed file that gives another image, a second position without a warning; for checkpoints and transforms:
values that are not finite, or others where a digest or a whole file promises the same ones), an error that is not one
line. A changed voxel is not noticed where the format has no checksum. What loads of a checkpoint with
another card or configuration is also registered with, shown by `istn info` and by the panel's text, and reported.
*Slowest* is wall time on a busy machine (load 8 to 15 on 2 cores); *memory* is how much the reading process grew.
{slow}
## Kills

`kill -9` at a random moment of a run on toy data, once or twice, then the same command again to its end: checkpoints,
cache, tables, transforms and images are those of an undisturbed run, bit by bit, and no temporary file is left.

{kills}

## Disks

Full and read-only disks, files in the place of folders and names of 300 characters: `Testing/Python/test_disks.py`, for
`register` (with every output), `batch`, `evaluate`, `prepare`, `train` (and `--steps`), `synthesize`, `apply` and
`init`: one line, exit code 2, the older file intact. *Save all* of the panel: `Testing/Python/app/test_save_all.py`.

A short run of everything is in the suite (`test_fuzz.py`, `test_kills.py`).
"""


def main() -> None:
    """Add up, write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    args = parser.parse_args()
    kept = ROOT / "docs" / "reliability.json"
    if args.folder:
        found = added_up([json.loads(path.read_text(encoding="utf-8")) for path in sorted(args.folder.glob("*.json"))])
        kept.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    page = as_markdown(json.loads(kept.read_text(encoding="utf-8")))
    (ROOT / "docs" / "reliability.md").write_text(page, encoding="utf-8")


def added_up(parts: list[dict]) -> dict:
    """One entry per fuzzer: counts are sums, times and memory the largest."""
    found: dict[str, dict] = {}
    for part in parts:
        whole = found.setdefault(part["what"], {"cases": 0, "outcomes": Counter(), "kills": Counter(), "failures": []})
        whole["cases"] += part["cases"]
        whole["failures"] += part["failures"]
        for key in ("outcomes", "kills"):
            whole[key].update(part.get(key, {}))
        for key in ("slowest_s", "growth_mb"):
            whole[key] = max(whole.get(key, 0.0), part.get(key, 0.0))
    return {name: found[name] for name in NAMES if name in found}


def as_markdown(found: dict) -> str:
    """The page."""
    slow = [case for row in found.values() for case in row["failures"] if case.get("state") in FINE]
    said = f"{len(slow)} cases took more than 10 s there and ended in one line; alone on the machine they took 0.8 s"
    said += " each.\n"
    return TEXT.format(files=_files(found), kills=_kills(found["kills"]), slow=said if slow else "")


def _files(found: dict) -> str:
    rows = [["", "cases", "crash or hang", "wrong", "refused in one line", "read", "slowest", "memory"], ["---"] * 8]
    for name, row in found.items():
        if name == "kills":
            continue
        count = Counter()
        for key, number in row["outcomes"].items():
            count[key.rpartition(": ")[2]] += number
        wrong = sum(number for state, number in count.items() if state not in (*FINE, "crash or hang"))
        parts = [sum(count[state] for state in states) for states in OUTCOMES.values()]
        cells = [row["cases"], count["crash or hang"], wrong, *parts]
        rows.append([name, *map(str, cells), f"{row['slowest_s']:.1f} s", f"{row['growth_mb']:.0f} MB"])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _kills(row: dict) -> str:
    each = ", ".join(f"`{name}` {count}" for name, count in row["kills"].items())
    wrong = f"{len(row['failures'])} results were wrong or left something behind"
    return f"{sum(row['kills'].values())} kills in {row['cases']} runs ({each}): {wrong}."


if __name__ == "__main__":
    main()
