"""Write the file lists of ISTNRegistration/CMakeLists.txt from the tree.

Slicer installs only what these lists name: a file that is not listed is silently missing in the installed extension.

    python scripts/release/update_cmake_lists.py            # write
    python scripts/release/update_cmake_lists.py --check    # write nothing; say what differs and end with 1
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import ROOT

MODULE = ROOT / "ISTNRegistration"


def visible_files(module: Path, pattern: str) -> list[str]:
    """Return the files below a folder as CMake wants them; hidden files and Python's caches are left out."""
    relative = (path.relative_to(module) for path in module.rglob(pattern) if path.is_file())
    kept = (path for path in relative if not any(part.startswith((".", "__pycache__")) for part in path.parts))
    return sorted(path.as_posix() for path in kept)


def expected_lists(module: Path) -> dict[str, list[str]]:
    """Return what the two lists must hold."""
    return {
        "MODULE_PYTHON_SCRIPTS": [name for name in visible_files(module, "*.py") if not name.startswith("Resources/")],
        "MODULE_PYTHON_RESOURCES": [name for name in visible_files(module, "*") if name.startswith("Resources/")],
    }


def list_pattern(name: str) -> re.Pattern[str]:
    """Return what finds ``set(<name> ... )``."""
    return re.compile(rf"^set\({name}\n(.*?)^  \)$", re.MULTILINE | re.DOTALL)


def listed(text: str, name: str) -> list[str]:
    """Return the files that a CMakeLists.txt names in one list."""
    found = list_pattern(name).search(text)
    return found.group(1).split() if found else []


def differences(module: Path) -> list[str]:
    """Return one line for each file that is listed and absent, or present and not listed."""
    text = (module / "CMakeLists.txt").read_text(encoding="utf-8")
    lines = []
    for name, expected in expected_lists(module).items():
        found = listed(text, name)
        lines += [f"{name}: {file} is not listed" for file in expected if file not in found]
        lines += [f"{name}: {file} does not exist" for file in found if file not in expected]
        lines += [f"{name}: {file} is listed twice" for file in sorted(set(found)) if found.count(file) > 1]
    return lines


def update(module: Path) -> None:
    """Write both lists."""
    path = module / "CMakeLists.txt"
    text = path.read_text(encoding="utf-8")
    for name, files in expected_lists(module).items():
        block = f"set({name}\n" + "".join(f"  {file}\n" for file in files) + "  )"
        text = list_pattern(name).sub(lambda _, block=block: block, text)
    path.write_text(text, encoding="utf-8", newline="\n")


def main(arguments: list[str], module: Path = MODULE) -> int:
    """Write or check; return the exit code."""
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    if not arguments:
        update(module)
    lines = differences(module)
    advice = [*lines, f"Run scripts/release/{Path(__file__).name}."] if lines else ["The CMake lists match the tree."]
    print("\n".join(advice))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
