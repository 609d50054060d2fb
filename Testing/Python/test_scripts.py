"""The scripts that are started on their own find the library and each other, whatever the environment says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.mark.parametrize(
    "name",
    ["results", "benchmark", "benchmark_memory", "peers", "choices", "demo", "benchmark_synthesis", "figure_synthesis"],
)
def test_a_script_starts_without_help_from_the_environment(name, tmp_path):
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(SCRIPTS / f"{name}.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage:")
