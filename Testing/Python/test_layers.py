"""The layer table of docs/architecture.md, kept by reading the imports; and the sizes that keep code readable."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULE = ROOT / "ISTNRegistration"
LIBRARY = "ISTNRegistrationLib"
LONGEST_FUNCTION = 31
LONGEST_FILE, LONGEST_TEST_FILE = 270, 290


class Rule(NamedTuple):
    """What a layer may import: anywhere, and in addition inside functions only. `x` allows `x` and `x.y`."""

    anywhere: frozenset[str]
    in_functions: frozenset[str] = frozenset()


class Import(NamedTuple):
    """One imported module, as `a.b.c`, and where it stands."""

    module: str
    line: int
    in_function: bool


def lib(*names: str) -> frozenset[str]:
    return frozenset(f"{LIBRARY}.{name}" for name in names)


TORCH_FREE_NAMES = ("card", "checks", "suitability", "colors", "config", "device", "errors", "files", "landmarks")
TORCH_FREE_NAMES += ("license", "options", "quality", "request", "roi", "trust")
TORCH_FREE = lib(*(f"core.{name}" for name in TORCH_FREE_NAMES))
STANDARD = frozenset(sys.stdlib_module_names) | {"tomllib"}  # new in 3.11
RULES = {
    "core": Rule(STANDARD | {"torch", "numpy"} | lib("core")),
    "data": Rule(STANDARD | {"torch", "numpy", "SimpleITK", "h5py", "filelock"} | lib("core", "data")),
    # tomli is the standard library's tomllib for Python 3.10
    "cli": Rule(STANDARD | {"torch", "numpy", "SimpleITK", "tqdm", "tomli"} | lib("core", "data", "cli")),
    "bridge": Rule(
        STANDARD
        | {"slicer", "vtk", "numpy"}
        | lib("core.grid", "core.volume", "core.transform", "bridge")
        | TORCH_FREE,
        lib("core", "data") | {"h5py"},
    ),
    "app": Rule(
        STANDARD | {"qt", "ctk", "slicer", "vtk", "numpy"} | lib("bridge", "app", "__version__") | TORCH_FREE,
        frozenset({"PyTorchUtils", "SampleData"}),  # other modules of Slicer
    ),
    # the errors cross all layers: the module is where the user sees them
    "ISTNRegistration.py": Rule(STANDARD | {"slicer", "vtk", "qt"} | lib("bridge", "app") | TORCH_FREE),
    # the stable names for scripts with nodes, in Slicer and headless
    "mrml.py": Rule(STANDARD | {"slicer"} | lib("bridge", "core.errors")),
    "run.py": Rule(STANDARD),
    # the stable names for scripts: imports nothing heavy until a function needs it
    "api.py": Rule(STANDARD | lib("core.errors"), lib("core", "data") | {"numpy"}),
}
H5PY_IN_CORE = {"container.py"}  # inside functions: a new Slicer has no h5py yet
# optional packages, imported when a file of their format comes: no lighter library reads polydata or .lta and .x5
OPTIONAL_IN_DATA = {"surface_files.py": "vtkmodules", "mapping.py": "nitransforms"}


def rule_for(path: Path) -> Rule:
    """Return the rule that holds for one file."""
    relative = path.relative_to(ROOT)
    layer = relative.parts[2] if LIBRARY in relative.parts else relative.name
    rule = RULES.get(layer, Rule(frozenset()))
    if layer == "core" and path.name in H5PY_IN_CORE:
        return Rule(rule.anywhere, frozenset({"h5py"}))
    if layer == "data" and path.name in OPTIONAL_IN_DATA:
        return Rule(rule.anywhere, rule.in_functions | {OPTIONAL_IN_DATA[path.name]})
    return rule


def absolute_names(node: ast.Import | ast.ImportFrom, package: list[str]) -> list[str]:
    """Return the full names that an import statement brings in; `from . import x` counts as `<package>.x`."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    above = package[: len(package) - node.level + 1] if node.level else []
    base = [*above, *([node.module] if node.module else [])]
    return [".".join([*base, alias.name]) for alias in node.names]


def find_imports(node: ast.AST, package: list[str], in_function: bool = False) -> list[Import]:
    """Return all imports below a node; imports only for type checkers are none."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [Import(name, node.lineno, in_function) for name in absolute_names(node, package)]
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        return [found for child in node.orelse for found in find_imports(child, package, in_function)]
    inside = in_function or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    return [found for child in ast.iter_child_nodes(node) for found in find_imports(child, package, inside)]


def allowed(module: str, names: frozenset[str]) -> bool:
    return any(module == name or module.startswith(name + ".") for name in names)


def broken_rules(text: str, package: list[str], rule: Rule) -> list[str]:
    """Return the lines of a source text that import what its layer must not."""
    return [
        f"line {found.line} imports {found.module}" + (" in a function" if found.in_function else "")
        for found in find_imports(ast.parse(text), package)
        if not allowed(found.module, rule.anywhere | rule.in_functions if found.in_function else rule.anywhere)
    ]


def package_of(path: Path) -> list[str]:
    return list(path.relative_to(MODULE).parts[:-1]) if path.is_relative_to(MODULE) else []


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", [*sources("ISTNRegistration"), ROOT / "run.py"], ids=name)
def test_a_file_imports_only_what_its_layer_may(path):
    assert broken_rules(path.read_text(encoding="utf-8"), package_of(path), rule_for(path)) == []


@pytest.mark.parametrize(
    "place, text, fault",
    [
        ("core/x.py", "import SimpleITK as sitk", "SimpleITK"),
        ("core/x.py", "def f():\n    import slicer", "slicer in a function"),
        ("core/x.py", "from ISTNRegistrationLib.data import images", "ISTNRegistrationLib.data.images"),
        ("core/x.py", "from ..data.images import read_image", "ISTNRegistrationLib.data.images.read_image"),
        ("core/x.py", "from .. import data", "ISTNRegistrationLib.data"),
        ("core/x.py", "import h5py", "h5py"),
        ("core/container.py", "def f():\n    import h5py", None),
        ("core/container.py", "import h5py", "h5py"),
        ("core/cache.py", "import h5py", "h5py"),
        ("core/x.py", "from .grid import Grid\nimport torch.nn.functional as F", None),
        ("data/x.py", "import vtk", "vtk"),
        ("data/x.py", "def f():\n    from vtkmodules.vtkIOPLY import vtkPLYReader", "vtkPLYReader in a function"),
        ("data/surface_files.py", "from vtkmodules.vtkIOPLY import vtkPLYReader", "vtkPLYReader"),
        ("data/surface_files.py", "def f():\n    from vtkmodules.vtkIOPLY import vtkPLYReader", None),
        ("data/x.py", "from ..core.grid import Grid\nimport SimpleITK", None),
        ("cli/x.py", "import slicer", "slicer"),
        ("cli/x.py", "import h5py", "h5py"),
        ("cli/x.py", "from ..bridge import volumes", "ISTNRegistrationLib.bridge.volumes"),
        ("bridge/x.py", "from ..core.register import register_pair", "core.register.register_pair"),
        ("bridge/x.py", "def f():\n    from ..core.register import register_pair", None),
        ("bridge/x.py", "from ..core.grid import Grid\nimport vtk.util.numpy_support", None),
        ("bridge/x.py", "def f():\n    from ..data.results import strongest", None),
        ("bridge/x.py", "class C:\n    from ..core import register", "core.register"),
        ("bridge/x.py", "import qt", "qt"),
        ("bridge/x.py", "try:\n    import torch\nexcept ImportError:\n    pass", "torch"),
        ("bridge/x.py", "if TYPE_CHECKING:\n    from ..core.register import Stage", None),
    ],
)
def test_the_reader_of_imports_sees_what_it_must(place, text, fault):
    path = MODULE / LIBRARY / place
    found = broken_rules(text, package_of(path), rule_for(path))
    assert bool(found) == (fault is not None)
    assert fault is None or found[0].endswith(fault)


@pytest.mark.parametrize("module", sorted(name.removeprefix(f"{LIBRARY}.") for name in TORCH_FREE))
def test_what_the_panel_imports_at_once_imports_neither_torch_nor_h5py(module):
    if not (MODULE / LIBRARY / f"{module.replace('.', '/')}.py").is_file():
        pytest.skip(f"there is no {module}")
    code = f"import sys; import {LIBRARY}.{module}; assert not {{'torch', 'h5py'}} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=MODULE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_bridge_is_handed_its_scene():
    for path in sources(f"ISTNRegistration/{LIBRARY}/bridge"):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        used = [node.lineno for node in nodes if isinstance(node, ast.Attribute) and node.attr == "mrmlScene"]
        assert used == [], f"{name(path)} uses the global scene"


def code_names(path: Path) -> set[str]:
    """Return every name that code (not comments or docstrings) uses."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    imported = {alias.name for node in nodes if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names}
    return attributes | imported | {node.id for node in nodes if isinstance(node, ast.Name)}


def test_grid_sample_is_called_in_one_place():
    using = [path.name for path in sources("ISTNRegistration") if code_names(path) & {"grid_sample", "affine_grid"}]
    assert using == ["warp.py"]


SIZED = [*sources("ISTNRegistration", "Testing", "scripts"), ROOT / "run.py"]


@pytest.mark.parametrize("path", SIZED, ids=name)
def test_files_and_functions_stay_short(path):
    text = path.read_text(encoding="utf-8")
    longest = LONGEST_TEST_FILE if "Testing" in path.relative_to(ROOT).parts else LONGEST_FILE
    assert len(text.splitlines()) <= longest
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    lengths = {function.name: function.end_lineno - function.lineno + 1 for function in functions}
    assert {key: value for key, value in lengths.items() if value > LONGEST_FUNCTION} == {}


@pytest.mark.parametrize("path", SIZED, ids=name)
def test_nothing_is_hidden_from_the_reader(path):
    text = path.read_text(encoding="utf-8")
    assert "\r" not in text and "\t" not in text
    handlers = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ExceptHandler)]
    assert all(handler.type is not None for handler in handlers), "bare except"
