"""Public functions say what they take and give."""

import ast
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[2] / "ISTNRegistration" / "ISTNRegistrationLib"


def public_functions(layer):
    for path in sorted((LIBRARY / layer).glob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        owners = [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name[0] != "_")]
        for function in (node for owner in owners for node in owner.body if isinstance(node, ast.FunctionDef)):
            if function.name[0] != "_" or function.name == "__init__":
                yield f"{path.name}: {function.name}", function


def says_all(function):
    given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return function.returns is not None and all(a.annotation for a in given if a.arg not in ("self", "cls"))


@pytest.mark.parametrize(("layer", "share"), [("core", 0.8), ("data", 0.75), ("bridge", 0.97)])
def test_public_functions_are_annotated(layer, share):
    found = {name: says_all(function) for name, function in public_functions(layer)}
    assert sum(found.values()) >= share * len(found), [name for name, good in found.items() if not good]
