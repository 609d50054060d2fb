"""What is published agrees with itself and with the tree: CMake lists, descriptions, license, sizes, package list."""

import ast
import gzip
import json
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULE = ROOT / "ISTNRegistration"
LIBRARY = MODULE / "ISTNRegistrationLib"
SAMPLE_DATA = MODULE / "Resources" / "SampleData"
SCHEMA_KEYS = {
    "$schema",
    "category",
    "scm_url",
    "scm_revision",
    "scm_type",
    "build_dependencies",
    "build_subdirectory",
    "enabled",
    "tier",
    "dicom_support_rule",
}


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def s4ext() -> dict[str, str]:
    lines = [line for line in read(ROOT / "ISTNRegistration.s4ext").splitlines() if line and not line.startswith("#")]
    return {key: value for key, _, value in (line.partition(" ") for line in lines)}


@pytest.fixture(scope="module")
def cmake() -> dict[str, str]:
    return dict(re.findall(r'^set\((EXTENSION_\w+) "(.*)"\)$', read(ROOT / "CMakeLists.txt"), re.MULTILINE))


@pytest.fixture(scope="module")
def catalogue() -> dict:
    return json.loads(read(ROOT / "ISTNRegistration.json"))


def in_repository(url: str, cmake: dict[str, str]) -> Path:
    """Return the file that a raw address on the repository's main branch stands for."""
    raw = cmake["EXTENSION_HOMEPAGE"].replace("https://github.com/", "https://raw.githubusercontent.com/") + "/main/"
    assert url.startswith(raw)
    return ROOT / url.removeprefix(raw)


def test_what_is_called_a_selector_chooses_nodes():
    for path in (MODULE / "Resources" / "UI").glob("*.ui"):
        widgets = re.findall(r'<widget class="(\w+)" name="(\w+Selector)">', read(path))
        assert all(re.fullmatch("qMRML(Checkable)?NodeComboBox", kind) for kind, _ in widgets), widgets


def test_cmake_lists_every_script_and_resource_of_the_module():
    command = [sys.executable, str(ROOT / "scripts" / "release" / "update_cmake_lists.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_missing_a_surplus_and_a_doubled_file_are_noticed_and_mended(tmp_path):
    from release import update_cmake_lists as script

    module = tmp_path / "ISTNRegistration"
    shutil.copytree(LIBRARY, module / "ISTNRegistrationLib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(MODULE / "CMakeLists.txt", module)
    script.update(module)
    assert script.differences(module) == []
    (module / "ISTNRegistrationLib" / "core" / "new.py").touch()
    (module / "ISTNRegistrationLib" / "core" / "grid.py").unlink()
    (module / "Resources").mkdir()
    (module / "Resources" / "new.txt").touch()
    assert script.main(["--check"], module) == 1
    assert script.differences(module) == [
        "MODULE_PYTHON_SCRIPTS: ISTNRegistrationLib/core/new.py is not listed",
        "MODULE_PYTHON_SCRIPTS: ISTNRegistrationLib/core/grid.py does not exist",
        "MODULE_PYTHON_RESOURCES: Resources/new.txt is not listed",
    ]
    assert script.main([], module) == 0
    doubled = read(module / "CMakeLists.txt").replace("  Resources/new.txt\n", "  Resources/new.txt\n" * 2)
    (module / "CMakeLists.txt").write_text(doubled)
    assert script.differences(module) == ["MODULE_PYTHON_RESOURCES: Resources/new.txt is listed twice"]


def test_the_only_top_level_script_is_the_module_because_slicer_takes_each_for_one():
    assert {path.name for path in MODULE.glob("*.py")} <= {"ISTNRegistration.py"}


def test_the_three_descriptions_of_the_extension_agree(s4ext, cmake, catalogue):
    assert "project(ISTNRegistration)" in read(ROOT / "CMakeLists.txt")
    assert s4ext["homepage"] == cmake["EXTENSION_HOMEPAGE"]
    assert s4ext["scmurl"] == catalogue["scm_url"] == cmake["EXTENSION_HOMEPAGE"] + ".git"
    assert s4ext["scmrevision"] == catalogue["scm_revision"]
    assert s4ext["depends"].split() == catalogue["build_dependencies"] == cmake["EXTENSION_DEPENDS"].split()
    assert s4ext["build_subdirectory"] == catalogue["build_subdirectory"]
    assert s4ext["category"] == catalogue["category"] == "Registration"
    for key in ("contributors", "description", "iconurl", "screenshoturls"):
        assert s4ext[key] == cmake[f"EXTENSION_{key.upper()}"]


def test_the_catalogue_entry_keeps_the_schema_of_slicers_index(catalogue):
    assert {"$schema", "category", "scm_url"} <= set(catalogue) <= SCHEMA_KEYS
    assert catalogue["$schema"].endswith("slicer-extension-catalog-entry-schema-v1.0.2.json#")
    assert catalogue["scm_url"].startswith("https://")
    assert Path(catalogue["scm_url"]).stem == "SlicerISTNRegistration"
    assert 1 <= catalogue["tier"] <= 5


def test_cmake_serves_slicer_5_10_and_5_12():
    assert read(ROOT / "CMakeLists.txt").count("cmake_minimum_required(VERSION 3.20...3.28)") == 1


def test_icon_and_screenshots_are_pngs_in_the_repository(cmake):
    urls = [cmake["EXTENSION_ICONURL"], *cmake["EXTENSION_SCREENSHOTURLS"].split()]
    headers = [in_repository(url, cmake).read_bytes()[:24] for url in urls]
    assert all(header.startswith(b"\x89PNG") for header in headers)
    assert struct.unpack(">II", headers[0][16:]) == (128, 128)


def test_the_licence_is_apache_2_everywhere():
    assert "Apache License" in read(ROOT / "LICENSE.txt") and "Version 2.0" in read(ROOT / "LICENSE.txt")
    assert "license: Apache-2.0" in read(ROOT / "CITATION.cff")
    assert "Apache-2.0" in read(ROOT / "pyproject.toml")


def test_the_paper_can_be_cited_and_the_version_is_one():
    citation = read(ROOT / "CITATION.cff")
    assert "10.1007/978-3-030-32245-8_38" in citation and "1907.09200" in citation
    version = re.search(r'^version = "(.+)"$', read(ROOT / "pyproject.toml"), re.MULTILINE).group(1)
    assert f"\nversion: {version}\n" in citation
    assert f'__version__ = "{version}"' in read(LIBRARY / "__init__.py")


def test_the_sample_pair_is_small_whole_and_licensed():
    images = sorted(SAMPLE_DATA.glob("*.nii.gz"))
    assert [path.name for path in images] == ["colin27.nii.gz", "mni152.nii.gz"]
    assert sum(path.stat().st_size for path in images) < 1.5e6
    licenses = read(SAMPLE_DATA / "LICENSES.md")
    for path in images:
        assert struct.unpack("<i", gzip.decompress(path.read_bytes())[:4]) == (348,)
        assert path.name in licenses
    for holder in ("McConnell Brain Imaging Centre", "Chris Rorden", "The nilearn developers"):
        assert holder in licenses


def test_the_repository_stays_far_below_what_slicers_index_accepts():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert sum(path.stat().st_size for path in files if path.is_file()) < 60e6


def test_the_pip_package_holds_every_part_but_the_panel():
    text = read(ROOT / "pyproject.toml")
    packages = re.findall(r'"([\w.]+)"', re.search(r"^packages = \[(.*?)\]", text, re.MULTILINE | re.DOTALL).group(1))
    parts = {path.parent.name for path in LIBRARY.glob("*/__init__.py")} - {"app"}
    assert sorted(packages) == sorted(
        ["ISTNRegistrationLib", "ISTNRegistrationLib.Models", *(f"ISTNRegistrationLib.{part}" for part in parts)]
    )


def test_the_pip_package_declares_what_it_imports():
    imported = set()
    for path in (path for part in ("core", "data", "cli") for path in (LIBRARY / part).rglob("*.py")):
        for node in ast.walk(ast.parse(read(path))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.partition(".")[0])
    text = re.search(r"^dependencies = \[(.*?)\]$", read(ROOT / "pyproject.toml"), re.MULTILINE | re.DOTALL).group(1)
    declared = {re.match(r"[\w-]+", requirement).group() for requirement in re.findall(r'"([^"]+)"', text)}
    optional = {"vtkmodules", "nitransforms"}  # extras: surfaces, .lta and .x5 files
    assert re.search(r'^mrml = \["slicer-core', read(ROOT / "pyproject.toml"), re.MULTILINE)  # for bridge and mrml.py
    assert imported - sys.stdlib_module_names - {"tomllib", "ISTNRegistrationLib"} - optional <= declared


def test_every_folder_of_the_library_is_a_package_that_imports_nothing():
    for folder in {path.parent for path in LIBRARY.rglob("*.py")}:
        assert (folder / "__init__.py").is_file()
        tree = ast.parse(read(folder / "__init__.py"))
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


def test_the_contributors_are_the_same_in_module_and_extension():
    in_module = re.search(r'parent\.contributors = \["(.+)"\]', read(MODULE / "ISTNRegistration.py")).group(1)
    in_cmake = re.search(r'EXTENSION_CONTRIBUTORS "(.+)"', read(ROOT / "CMakeLists.txt")).group(1)
    assert in_module == in_cmake and f"contributors {in_cmake}\n" in read(ROOT / "ISTNRegistration.s4ext")
