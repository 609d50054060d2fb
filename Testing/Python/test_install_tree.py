"""CMake installs every file, where Slicer looks for it; and what is installed imports and registers."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STAND_IN = ROOT / "Testing" / "CMake"
MODULES = Path("lib/Slicer-5.12/qt-scripted-modules")
pytestmark = pytest.mark.skipif(shutil.which("cmake") is None, reason="CMake is not installed")
CHECK = """
import importlib, sys
from pathlib import Path
root = Path(sys.argv[1])
sys.path.insert(0, str(root))
for path in sorted((root / "ISTNRegistrationLib").rglob("*.py")):
    layer = path.relative_to(root).parts[1]
    if layer in ("core", "data", "cli") and path.name != "__main__.py":
        importlib.import_module(".".join(path.relative_to(root).with_suffix("").parts))
from ISTNRegistrationLib.core.card import shipped
from ISTNRegistrationLib.core.checkpoint import load_checkpoint
assert {load_checkpoint(name).name for name in shipped()} >= {"brain", "hippocampus"}
import ISTNRegistrationLib
assert Path(ISTNRegistrationLib.__file__).is_relative_to(root)
"""


def install(source: Path, build: Path, prefix: Path) -> subprocess.CompletedProcess:
    """Configure, build and install as Slicer's extension build does."""
    steps = (
        ["cmake", "-S", source, "-B", build, f"-DSlicer_DIR={STAND_IN}", f"-DCMAKE_INSTALL_PREFIX={prefix}"],
        ["cmake", "--build", build],
        ["cmake", "--install", build],
    )
    for step in steps:
        done = subprocess.run([str(word) for word in step], capture_output=True, text=True, check=False)
        if done.returncode:
            break
    return done


def wanted() -> set[str]:
    """Every file of the module but what Python and editors leave behind."""
    module = ROOT / "ISTNRegistration"
    files = (path.relative_to(module) for path in module.rglob("*") if path.is_file())
    kept = (f for f in files if "__pycache__" not in f.parts and f.name != "CMakeLists.txt" and f.suffix != ".egg-info")
    return {f.as_posix() for f in kept if not any(part.endswith(".egg-info") for part in f.parts)}


def test_the_installed_tree_holds_every_file_and_works(tmp_path):
    done = install(ROOT, tmp_path / "build", tmp_path / "installed")
    assert done.returncode == 0, done.stdout + done.stderr
    tree = tmp_path / "installed" / MODULES
    assert {p.relative_to(tree).as_posix() for p in tree.rglob("*") if p.is_file()} == wanted()
    command = [sys.executable, "-c", CHECK, str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_file_that_is_not_listed_is_missing_and_noticed(tmp_path):
    source = tmp_path / "source"
    ignore = shutil.ignore_patterns(".git", "work", "docs", "Testing", "__pycache__", ".*_cache", "Resources")
    shutil.copytree(ROOT, source, ignore=ignore)
    shutil.copytree(ROOT / "ISTNRegistration" / "Resources", source / "ISTNRegistration" / "Resources")
    lists = source / "ISTNRegistration" / "CMakeLists.txt"
    lists.write_text(lists.read_text().replace("  ISTNRegistrationLib/core/warp.py\n", ""))
    assert install(source, tmp_path / "build", tmp_path / "installed").returncode == 0
    tree = tmp_path / "installed" / MODULES
    assert wanted() - {p.relative_to(tree).as_posix() for p in tree.rglob("*") if p.is_file()} == {
        "ISTNRegistrationLib/core/warp.py"
    }
    lists.write_text(lists.read_text().replace("core/volume.py", "core/gone.py"))
    said = install(source, tmp_path / "b", tmp_path / "i").stderr
    assert "gone.py is listed but does not exist" in " ".join(said.split())
