"""``istn train`` in a process of its own: started, watched through its files, stopped; Slicer stays free."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from pathlib import Path

import qt

from ..core.errors import InputError
from ..core.files import is_file

START_MS, GRACE_MS = 10_000, 5_000
LOG = "log.txt"
WORSE = 3  # exit code of istn train
TAIL_BYTES = 20_000
# The process ends as by Ctrl-C when its input does: on every system when asked to, and when Slicer has gone. Where the
# interrupt gets lost in a library, it ends seconds later; files are written whole or not at all.
# One line without double quotes, so that no launcher changes it.
TRAIN = (
    "import _thread, os, signal, sys, threading, time; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "end = lambda: (os.read(0, 1), _thread.interrupt_main(), time.sleep(4), os._exit(130)); "
    "threading.Thread(target=end, daemon=True).start(); "
    "from ISTNRegistrationLib.cli.main import main; sys.exit(main())"
)


class TrainingProcess:
    """One run of ``istn train``; its output goes to ``log.txt`` in the folder of the run.

    Attributes:
        stopped: whether it was ended by ``stop``.

    Args:
        config: TOML file.
        output: folder of the run; a run that is there goes on.
        init: checkpoint to fine-tune from, "" for none.

    Raises:
        InputError: the folder cannot be written to, or Python cannot be started.
    """

    def __init__(self, config: Path, output: Path, init: str = "") -> None:
        self.output, self._stopTime = output, None
        self._process = qt.QProcess()
        self._process.setProcessEnvironment(_environment())
        self._process.setProcessChannelMode(qt.QProcess.MergedChannels)
        self._process.setStandardOutputFile(str(_newLog(output)))
        words = ["-c", TRAIN, "train", "--config", str(config), "--output", str(output)]
        words += ["--resume"] if canResume(output) else ["--init", init] if init else []
        self._process.start(pythonProgram(), words)
        if not self._process.waitForStarted(START_MS):
            got, todo = f"{pythonProgram()} does not start", "Install Slicer again, or run istn train in a shell"
            raise InputError("Training", "it cannot be started", "Slicer's Python", got, todo)

    @property
    def stopped(self) -> bool:
        return self._stopTime is not None

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self._process.state() != qt.QProcess.NotRunning

    @property
    def succeeded(self) -> bool:
        """Whether it has ended, by itself, well."""
        return self._endedWith(0)

    @property
    def worse(self) -> bool:
        """Whether it has ended by itself with a checkpoint that is worse than doing nothing."""
        return self._endedWith(WORSE)

    def _endedWith(self, code: int) -> bool:
        normal = self._process.exitStatus() == qt.QProcess.NormalExit
        return not (self.running or self.stopped) and normal and self._process.exitCode() == code

    def stop(self) -> None:
        """Ask it to end, and return at once. The state of its last validation stays."""
        if not self.stopped:
            self._stopTime = time.monotonic()
            self._process.closeWriteChannel()

    def killIfLate(self) -> None:
        """Kill it when it was asked to end long ago."""
        if self.stopped and self.running and (time.monotonic() - self._stopTime) * 1000 > GRACE_MS:
            self._process.kill()

    def end(self) -> None:
        """Stop it and wait for that, at most twice ``GRACE_MS``."""
        self.stop()
        if self.running and not self._process.waitForFinished(GRACE_MS):
            self._process.kill()
            self._process.waitForFinished(GRACE_MS)

    def lastLines(self, count: int = 12) -> str:
        """The end of what it printed; of a progress bar only its last state."""
        lines = [line.rstrip("\r").rsplit("\r", 1)[-1].strip() for line in _tail(self.output / LOG).split("\n")]
        return "\n".join([line for line in lines if line][-count:])

    def progress(self) -> tuple[int, int, str] | None:
        """Steps done, steps in all, and time left as text (``03:25``); None before the first step."""
        found = re.findall(r"(\d+)/(\d+) \[[^<\]]*<([\d:?]+),[^\]]*step", _tail(self.output / LOG))
        return (int(found[-1][0]), int(found[-1][1]), found[-1][2]) if found else None


def canResume(output: Path) -> bool:
    """Whether there is a run in this folder to go on with."""
    return is_file(output / "state.pt")


def pythonProgram() -> str:
    """Slicer's Python, which is not ``sys.executable`` in Slicer itself; else this one."""
    beside = shutil.which("PythonSlicer", path=str(Path(sys.executable).parent))
    return shutil.which("PythonSlicer") or beside or sys.executable


def _newLog(output: Path) -> Path:
    try:
        output.mkdir(parents=True, exist_ok=True)
        (output / LOG).write_bytes(b"")
    except OSError as error:
        todo = "Choose a folder that you may write to"
        raise InputError("Output folder", "it cannot be used", "a writable folder", str(error), todo) from error
    return output / LOG


def _tail(path: Path) -> str:
    if not is_file(path):
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        return file.read().decode("utf-8", errors="replace").replace("\r\n", "\n")


def _environment():
    environment = qt.QProcessEnvironment.systemEnvironment()
    library, others = str(Path(__file__).resolve().parents[2]), environment.value("PYTHONPATH")
    environment.insert("PYTHONPATH", f"{library}{os.pathsep}{others}" if others else library)
    environment.insert("PYTHONIOENCODING", "utf-8")
    environment.insert("PYTHONUNBUFFERED", "1")
    return environment
