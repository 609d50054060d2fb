"""The training's process: its Python, its log, how it ends, and that it does not outlive Slicer."""

import os
import subprocess
import sys
import time

import pytest

pytest.importorskip("PySide6", reason="the panel needs PySide6-Essentials in place of Slicer's Qt")
from harness import panel  # noqa: E402, F401  makes qt
from ISTNRegistrationLib.app import process  # noqa: E402
from ISTNRegistrationLib.app.process import LOG, TRAIN, TrainingProcess, canResume, pythonProgram  # noqa: E402
from ISTNRegistrationLib.core.errors import InputError  # noqa: E402
from study import write_study  # noqa: E402


def test_slicers_python_is_taken_where_there_is_one(tmp_path, monkeypatch):
    assert pythonProgram() == sys.executable
    program = tmp_path / ("PythonSlicer.exe" if sys.platform == "win32" else "PythonSlicer")
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(tmp_path / "SlicerApp-real"))
        assert pythonProgram() == str(program)
    monkeypatch.setenv("PATH", str(tmp_path) + os.pathsep + os.environ["PATH"])
    assert pythonProgram() == str(program)


def test_a_python_that_does_not_start_is_an_error_and_no_success(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "pythonProgram", lambda: str(tmp_path / "none"))
    with pytest.raises(InputError, match="cannot be started"):
        TrainingProcess(tmp_path / "config.toml", tmp_path / "run")


def test_an_output_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(InputError, match="Output folder"):
        TrainingProcess(tmp_path / "config.toml", tmp_path / "run")


def test_of_a_progress_bar_the_last_state_is_shown(tmp_path):
    run = TrainingProcess.__new__(TrainingProcess)
    run.output = tmp_path
    bars = "\r  0%|     | 0/40 [00:00<?, ?step/s]\r 50%|██   | 20/40 [00:10<00:11,  2.0step/s, loss=0.1]"
    (tmp_path / LOG).write_bytes(f"preparing\r\n\r  \rstep 3: loss 1\r\n{bars}".encode())
    assert run.lastLines().splitlines() == ["preparing", "step 3: loss 1", bars.rsplit("\r", 1)[1].strip()]
    assert run.lastLines(1).startswith("50%") and run.progress() == (20, 40, "00:11")
    (tmp_path / LOG).write_text("preparing:  50%|██ | 2/4 [00:01<00:01, 2.0scan/s]")
    assert run.progress() is None


def test_a_process_that_does_not_listen_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "TRAIN", "import time; print('deaf', flush=True); time.sleep(600)")
    monkeypatch.setattr(process, "GRACE_MS", 200)
    run = TrainingProcess(tmp_path / "config.toml", tmp_path / "run")
    began = time.monotonic()
    while "deaf" not in run.lastLines():
        assert time.monotonic() - began < 30
        time.sleep(0.02)
    run.end()
    assert not run.running and run.stopped and not run.succeeded


def test_a_training_ends_when_slicer_is_gone(tmp_path):
    study = write_study(tmp_path, steps=100000)
    words = [sys.executable, "-c", TRAIN, "train", "--config", str(study["config"]), "--output", str(tmp_path / "run")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    log = (tmp_path / "log.txt").open("wb")
    child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment)
    began = time.monotonic()
    while not canResume(tmp_path / "run"):
        assert child.poll() is None and time.monotonic() - began < 60, (tmp_path / "log.txt").read_text()
        time.sleep(0.05)
    child.stdin.close()  # as the system does when a process ends
    assert child.wait(30) == 130
    log.close()
