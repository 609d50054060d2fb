"""Mutation run: one small fault at a time in the files that decide geometry; do the related tests notice?

    python scripts/release/mutants.py --each 20 --seconds 3000      goes on where the last run stopped
    python scripts/release/mutants.py --survivors                   tries the survivors again, after new tests

Each fault's outcome is a row of docs/mutants.csv, and docs/mutants.md is written from it. In the CSV's column ``why`` a
survivor that is equivalent to the original gets its reason, by hand. Faults are put into a temporary copy of the tree.
"""

from __future__ import annotations

import argparse
import ast
import copy
import csv
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import ROOT

LIBRARY = "ISTNRegistration/ISTNRegistrationLib"
ROWS, PAGE = ROOT / "docs" / "mutants.csv", ROOT / "docs" / "mutants.md"
LIMIT_S = 600  # a fault that makes the tests hang is noticed; generous, for busy machines
TESTS = {  # file without ending: the test files that are about it
    "core/grid": ("core/test_grid",),
    "core/affine": ("core/test_affine", "core/test_signs"),
    "core/bspline": ("core/test_bspline", "core/test_signs"),
    "core/warp": ("core/test_warp",),
    "core/transform": ("core/test_transform", "data/test_signs", "core/test_dense_field"),
    "core/placement": ("core/test_initial", "core/test_register", "core/test_signs"),
    "core/preprocess": ("core/test_preprocess", "core/test_initial"),
    "core/initial": ("core/test_initial", "data/test_initial"),
    "core/metrics": ("core/test_metrics",),
    "data/transforms": ("data/test_transforms", "data/test_signs"),
    "data/quality": ("data/test_run", "core/test_signs"),
    "data/initial": ("data/test_signs", "data/test_initial"),
    "data/exchange": ("data/test_exchange",),
    "data/pairs": ("data/test_lists", "data/test_batch"),
    "data/run": ("data/test_signs", "data/test_run"),
    "bridge/volumes": ("bridge/test_volumes", "bridge/test_signs"),
    "bridge/transforms": ("bridge/test_transforms",),
    "bridge/structures": ("bridge/test_signs", "bridge/test_structures", "bridge/test_quality"),
    "bridge/carry": ("bridge/test_carry",),
    "bridge/cockpit": ("bridge/test_cockpit", "bridge/test_signs"),
    "bridge/heatmaps": ("bridge/test_heatmaps", "bridge/test_signs", "bridge/test_cockpit"),
    "bridge/surfaces": ("bridge/test_surfaces",),
}
OTHER_OPERATOR = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
OTHER_COMPARISON = {ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE, ast.Eq: ast.NotEq}
SYMMETRIC = {"min", "max", "minimum", "maximum", "array_equal", "allclose", "isclose", "logical_and", "union1d"}


def _ordered(call: ast.Call) -> bool:
    """Whether the order of the arguments can matter."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    return name not in SYMMETRIC and not any(isinstance(argument, ast.Starred) for argument in call.args)


def faults(node: ast.AST) -> list[tuple[str, ast.AST]]:
    """What may stand in the place of ``node``: (kind, node)."""
    found = []
    if isinstance(node, ast.BinOp) and type(node.op) in OTHER_OPERATOR:
        found.append(("operator", ast.BinOp(node.left, OTHER_OPERATOR[type(node.op)](), node.right)))
        if isinstance(node.op, ast.Add | ast.Sub):
            found.append(("dropped term", node.left))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        found.append(("sign", node.operand))
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in OTHER_COMPARISON:
        ops = [OTHER_COMPARISON[type(node.ops[0])](), *node.ops[1:]]
        found.append(("comparison", ast.Compare(node.left, ops, node.comparators)))
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        found.append(("off by one", ast.Constant(node.value + 1)))
    elif isinstance(node, ast.Call) and len(node.args) == 2 and _ordered(node):
        found.append(("swapped arguments", ast.Call(node.func, node.args[::-1], node.keywords)))
    elif isinstance(node, ast.Attribute) and node.attr in ("shape", "size"):
        found.append(("swapped axes", ast.Subscript(node, ast.Slice(step=ast.Constant(-1)), ast.Load())))
    return found


class Replace(ast.NodeTransformer):
    """Puts ``new`` in the place of the node ``old``."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        """The new node in the old one's place."""
        return copy.deepcopy(self.new) if node is self.old else super().generic_visit(node)


@dataclass(frozen=True)
class Fault:
    """One change of one node: the ``index``-th of ast.walk gets the ``which``-th of its faults."""

    key: tuple[str, ...]  # file, kind, before, after, statement: what stays the same when lines move
    line: int
    index: int
    which: int

    def text(self) -> str:
        """The whole file with the fault."""
        tree = _parsed(self.key[0])
        node = list(ast.walk(tree))[self.index]
        return ast.unparse(ast.fix_missing_locations(Replace(node, faults(node)[self.which][1]).visit(tree)))


def _parsed(name: str) -> ast.AST:
    return ast.parse((ROOT / LIBRARY / f"{name}.py").read_text("utf-8"))


def sites(name: str) -> list[Fault]:
    """Every fault of a file; annotations have none."""
    tree = _parsed(name)
    written = [n.annotation for n in ast.walk(tree) if getattr(n, "annotation", None)]
    written += [n.returns for n in ast.walk(tree) if getattr(n, "returns", None)]
    skipped = {id(inner) for outer in written for inner in ast.walk(outer)}
    statements = {id(inner): s for s in ast.walk(tree) if isinstance(s, ast.stmt) for inner in ast.walk(s)}  # innermost
    found = []
    for index, node in enumerate(ast.walk(tree)):
        for which, (kind, new) in enumerate(faults(node) if id(node) not in skipped else ()):
            statement = ast.unparse(statements[id(node)]).split("\n")[0]
            key = name, kind, ast.unparse(node), ast.unparse(ast.fix_missing_locations(new)), statement
            found.append(Fault(key, node.lineno, index, which))
    return found


def passes(tree: Path, name: str) -> bool:
    """Whether the related tests pass in a copy of the tree; too slow counts as not."""
    process = multiprocessing.get_context("forkserver").Process(target=_tests, args=(tree, TESTS[name]))
    process.start()
    process.join(LIMIT_S)
    if process.is_alive():
        process.kill()
        return False
    return process.exitcode == 0


def _tests(tree: Path, tests: tuple[str, ...]) -> None:
    """In a process of its own, which has torch already; of the library, only the copy's files can be imported."""
    import pytest

    os.chdir(tree)
    sys.path[:] = [path for path in sys.path if not path.startswith(str(ROOT))]
    silent = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silent, stream)
    options = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not shared", f"--basetemp={tree.parent / 'tmp'}"]
    sys.exit(int(pytest.main([*options, *(f"Testing/Python/{test}.py" for test in tests)])))


def run(tree: Path, todo: dict[str, list[Fault]], seconds: float, rows: dict) -> None:
    """Try the faults, file by file in turn, until the time is up; every outcome is kept at once."""
    end, clean = time.monotonic() + seconds, set()
    while any(todo.values()) and time.monotonic() < end:
        for name in [name for name in todo if todo[name]]:
            if name not in clean and not passes(tree, name):
                print(f"{name}: its tests fail or take over {LIMIT_S} s without a fault", flush=True)
                todo[name] = []
                continue
            clean.add(name)
            fault, path = todo[name].pop(), tree / LIBRARY / f"{name}.py"
            original = path.read_text("utf-8")
            path.write_text(fault.text(), "utf-8")
            outcome = "survived" if passes(tree, name) else "killed"
            path.write_text(original, "utf-8")
            rows[fault.key] = {"line": fault.line, "outcome": outcome, "why": ""}
            write(rows)
            print(outcome, *fault.key[:4], sep=" | ", flush=True)


COLUMNS = ("file", "kind", "before", "after", "statement", "line", "outcome", "why")


def read() -> dict[tuple[str, ...], dict]:
    """The rows of docs/mutants.csv by fault."""
    if not ROWS.is_file():
        return {}
    with ROWS.open(newline="", encoding="utf-8") as file:
        return {tuple(row.pop(column) for column in COLUMNS[:5]): row for row in csv.DictReader(file)}


def write(rows: dict[tuple[str, ...], dict]) -> None:
    """The CSV, sorted, and the page."""
    with ROWS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([*key, *(row[column] for column in COLUMNS[5:])] for key, row in sorted(rows.items()))
    PAGE.write_text(page(rows), "utf-8")


HEAD = """# Mutation run

Written by `python scripts/release/mutants.py` from [mutants.csv](mutants.csv): small faults in the files that decide
geometry, drawn at random in each file; do the tests that are about the file fail? A fault that makes them raise or
hang counts as killed, so the rate flatters them.

{counts} that change nothing that can be seen.
"""


def page(rows: dict[tuple[str, ...], dict]) -> str:
    """What docs/mutants.md says."""
    equivalent = {key for key, row in rows.items() if row["why"]}
    alive = {key for key, row in rows.items() if row["outcome"] == "survived"}
    real, killed = len(rows) - len(equivalent), len(rows) - len(alive | equivalent)
    counts = f"**{killed} of {real} faults killed ({killed / max(real, 1):.0%})**, beside {len(equivalent)}"
    lines = [HEAD.format(counts=counts), "| file | killed | of |", "|---|---|---|"]
    for name in TESTS:
        there = [key for key in rows if key[0] == name and key not in equivalent]
        lines.append(f"| {name} | {sum(key not in alive for key in there)} | {len(there)} |")
    for title, keys in (("Survivors", alive - equivalent), ("Equivalent to the original", equivalent)):
        lines += ["", f"## {title}", ""] + [_told(key, rows[key]) for key in sorted(keys)]
    return "\n".join([*lines, ""])


def _told(key: tuple[str, ...], row: dict) -> str:
    name, kind, before, after, statement = key
    told = f"- `{name}.py:{row['line']}` {kind}: `{before}` → `{after}` in `{statement}`"
    return f"{told}: {row['why']}" if row["why"] else told


def choose(there: list[Fault], rows: dict[tuple[str, ...], dict], options) -> list[Fault]:
    """What is to be tried of a file: what was drawn and has no row yet, or what survived without a reason."""
    if options.survivors:
        alive = {key for key, row in rows.items() if row["outcome"] == "survived" and not row["why"]}
        return [fault for fault in there if fault.key in alive]
    drawn = random.Random(options.seed).sample(there, min(options.each, len(there)))
    return [fault for fault in drawn if fault.key not in rows]


def main() -> None:
    """Run in a temporary copy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=700)
    parser.add_argument("--each", type=int, default=20, help="faults of a file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--survivors", action="store_true", help="only those that survived, again")
    parser.add_argument("--files", nargs="*", default=list(TESTS), choices=list(TESTS), metavar="FILE")
    options = parser.parse_args()
    there = {name: sites(name) for name in TESTS}
    current = {fault.key for found in there.values() for fault in found}
    rows = {key: row for key, row in read().items() if key in current}  # of code that has changed nothing is known
    todo = {name: choose(there[name], rows, options) for name in options.files}
    multiprocessing.get_context("forkserver").set_forkserver_preload(["pytest", "torch", "SimpleITK", "vtk", "scipy"])
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", "shared", "__pycache__", "work"))
        run(tree, todo, options.seconds, rows)
    write(rows)


if __name__ == "__main__":
    main()
