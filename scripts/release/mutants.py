"""Mutation run: one small fault at a time in the files that decide geometry; does a mirrored test notice?

``python scripts/release/mutants.py --seconds 700`` writes docs/mutants.md. Faults are put into a temporary copy
of the tree.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import ROOT

LIBRARY = "ISTNRegistration/ISTNRegistrationLib"
TESTS = {  # file without ending: the test files that mirror it
    "core/grid": ("core/test_grid",),
    "core/affine": ("core/test_affine",),
    "core/bspline": ("core/test_bspline",),
    "core/warp": ("core/test_warp",),
    "core/transform": ("data/test_transforms", "data/test_mapping"),
    "core/placement": ("core/test_register", "data/test_initial"),
    "core/preprocess": ("core/test_preprocess",),
    "core/initial": ("data/test_initial",),
    "core/metrics": ("core/test_metrics",),
    "data/transforms": ("data/test_transforms",),
    "data/quality": ("data/test_run",),
    "data/initial": ("data/test_initial",),
    "data/exchange": ("data/test_exchange",),
    "data/pairs": ("data/test_lists",),
    "data/run": ("data/test_run",),
    "bridge/volumes": ("bridge/test_volumes",),
    "bridge/transforms": ("bridge/test_transforms",),
    "bridge/structures": ("bridge/test_structures",),
}
OTHER_OPERATOR = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
OTHER_COMPARISON = {ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE, ast.Eq: ast.NotEq}


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
    elif isinstance(node, ast.Call) and len(node.args) == 2 and not any(isinstance(a, ast.Starred) for a in node.args):
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


def sites(name: str) -> list[tuple[str, int, int]]:
    """Every fault of a file: (file, number of the node in ast.walk, number of the fault). Annotations have none."""
    tree = ast.parse((ROOT / LIBRARY / f"{name}.py").read_text("utf-8"))
    written = [n.annotation for n in ast.walk(tree) if getattr(n, "annotation", None)]
    written += [n.returns for n in ast.walk(tree) if getattr(n, "returns", None)]
    skipped = {id(inner) for outer in written for inner in ast.walk(outer)}
    nodes = enumerate(ast.walk(tree))
    return [(name, i, k) for i, node in nodes if id(node) not in skipped for k in range(len(faults(node)))]


def mutate(name: str, index: int, which: int) -> tuple[str, str]:
    """The file's text with one fault, and what the fault is."""
    tree = ast.parse((ROOT / LIBRARY / f"{name}.py").read_text("utf-8"))
    node = list(ast.walk(tree))[index]
    kind, new = faults(node)[which]
    told = f"`{name}.py:{node.lineno}` {kind}: `{ast.unparse(node)}` → `{ast.unparse(ast.fix_missing_locations(new))}`"
    return ast.unparse(ast.fix_missing_locations(Replace(node, new).visit(tree))), told


def passes(tree: Path, name: str, limit: float) -> bool:
    """Whether the mirrored tests pass in a copy of the tree; too slow counts as not."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not shared"]
    command += [f"Testing/Python/{test}.py" for test in TESTS[name]]
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        return (
            subprocess.run(command, cwd=tree, env=env, capture_output=True, timeout=limit, check=False).returncode == 0
        )
    except subprocess.TimeoutExpired:
        return False


def run(tree: Path, seconds: float, seed: int, files: list[str]) -> tuple[list[str], list[str], list[str]]:
    """Try faults in random order, file by file in turn, until the time is up: survivors, killed, files left out."""
    rng, end, killed, survived, out = random.Random(seed), time.monotonic() + seconds, [], [], []
    queues, clean = {name: rng.sample(all_sites := sites(name), len(all_sites)) for name in files}, set()
    while any(queues.values()):
        for name in [name for name in files if queues[name]]:
            if time.monotonic() > end:
                return survived, killed, [*out, *(f"{n} (no time)" for n in files if n not in clean and queues[n])]
            path = tree / LIBRARY / f"{name}.py"
            if name not in clean:
                if not passes(tree, name, 120):
                    out.append(f"{name} (its tests fail or take over 120 s without a fault)")
                    queues[name] = []
                    continue
                clean.add(name)
            text, told = mutate(*queues[name].pop())
            original = path.read_text("utf-8")
            path.write_text(text, "utf-8")
            (survived if passes(tree, name, 120) else killed).append(told)
            path.write_text(original, "utf-8")
            print(len(killed), len(killed) + len(survived), told, flush=True)
    return survived, killed, out


def page(survived: list[str], killed: list[str], out: list[str], seed: int) -> str:
    """What docs/mutants.md says."""
    tried = len(survived) + len(killed)
    lines = ["# Mutation run", ""]
    lines += [f"Written by `python scripts/release/mutants.py`, seed {seed}: {len(killed)} of {tried} faults killed by"]
    lines += ["the mirrored tests alone (a fault that makes them hang counts as killed). A small sample: read the"]
    lines += ["rate as rough. Some survivors may be equivalent to the original code.", "", "Survivors:", ""]
    lines += [f"- {told}" for told in survived] or ["- none"]
    return "\n".join([*lines, "", "Not tried: " + (", ".join(out) or "none") + ".", ""])


def main() -> None:
    """Run in a temporary copy and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=700)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--files", nargs="*", default=list(TESTS), choices=list(TESTS), metavar="FILE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", "shared", "__pycache__"))
        found = run(tree, options.seconds, options.seed, options.files)
    found[2].extend(f"{name} (not asked for)" for name in TESTS if name not in options.files)
    (ROOT / "docs" / "mutants.md").write_text(page(*found, options.seed), "utf-8")


if __name__ == "__main__":
    main()
