"""``pip install .`` gives a command that finds the shipped checkpoints, away from the source tree."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command import checkpoint_file, small_config, subject

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with the package in it, installed by pip from a copy that ships a tiny model as ``brain``."""
    if any(importlib.util.find_spec(name) is None for name in ("pip", "setuptools")):
        pytest.skip("pip and setuptools are needed to install without a network")
    source, site = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    library = ROOT / "ISTNRegistration" / "ISTNRegistrationLib"
    copy = source / "ISTNRegistration" / library.name
    shutil.copytree(library, copy, ignore=shutil.ignore_patterns("__pycache__"))
    models = source / "ISTNRegistration" / "Resources" / "Models"
    models.mkdir(parents=True)
    checkpoint_file(models / "brain.h5", small_config(2))
    shutil.copy(ROOT / "pyproject.toml", source)
    (source / "README.md").touch()
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--target", str(site), str(source)], check=True, capture_output=True)
    return site


@pytest.mark.slow
def test_the_installed_command_registers_with_a_shipped_model(site, tmp_path):
    fixed, moving = subject(tmp_path, "fixed", 2)[0], subject(tmp_path, "moving", 2, 3.0)[0]
    words = ["register", "--fixed", fixed, "--moving", moving, "--checkpoint", "brain", "--refine", "none"]
    words += ["--output-transform", "t.h5", "--json", "r.json"]
    command = next((site / "bin").glob("istn*"))
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, command, *map(str, words)], cwd=tmp_path, env=environment, check=True)
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["checkpoint"]["name"] == "brain" and report["versions"]["istn-registration"] != "source tree"
    assert (tmp_path / "t.h5").is_file()


@pytest.mark.slow
def test_all_but_the_panel_is_installed(site):
    parts = {path.name for path in (site / "ISTNRegistrationLib").iterdir() if path.is_dir()} - {"__pycache__"}
    assert parts == {"bridge", "core", "data", "cli", "Models"}
    assert {path.name for path in (site / "ISTNRegistrationLib").glob("*.py")} == {"__init__.py", "api.py", "mrml.py"}
