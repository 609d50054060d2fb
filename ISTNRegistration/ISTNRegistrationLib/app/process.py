"""``istn train`` in a process of its own: started, watched through its files, stopped; Slicer stays free."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import qt

GRACE_MS = 3000  # then it is killed: on Windows a console process cannot be asked
LOG = "log.txt"


class TrainingProcess:
    """One run of ``istn train``; its output goes to ``log.txt`` in the folder of the run.

    Attributes:
        stopped: whether it was ended by ``stop``.
    """

    def __init__(self, config: Path, output: Path) -> None:
        output.mkdir(parents=True, exist_ok=True)
        self.output, self.stopped = output, False
        self._process = qt.QProcess()
        self._process.setProcessEnvironment(_environment())
        self._process.setStandardOutputFile(str(output / LOG))
        self._process.setStandardErrorFile(str(output / LOG), qt.QIODevice.Append)
        words = ["-m", "ISTNRegistrationLib.cli", "train", "--config", str(config), "--output", str(output)]
        words += ["--resume"] if (output / "state.pt").is_file() else []
        self._process.start(pythonProgram(), words)

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self._process.state() != qt.QProcess.NotRunning

    @property
    def succeeded(self) -> bool:
        """Whether it has ended, by itself, well."""
        normal = self._process.exitStatus() == qt.QProcess.NormalExit
        return not (self.running or self.stopped) and normal and self._process.exitCode() == 0

    def stop(self) -> None:
        """End it: asked first, then killed. The state of its last validation stays."""
        self.stopped = True
        self._process.terminate()
        if not self._process.waitForFinished(GRACE_MS):
            self._process.kill()
            self._process.waitForFinished(GRACE_MS)

    def lastLines(self, count: int = 12) -> str:
        """The end of what it printed; of a progress bar only its last state."""
        path = self.output / LOG
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        lines = [line.rsplit("\r", 1)[-1] for line in text.splitlines(keepends=False) if line.strip()]
        return "\n".join(lines[-count:])


def pythonProgram() -> str:
    """Slicer's Python, which is not ``sys.executable`` in Slicer itself; else this one."""
    return shutil.which("PythonSlicer") or sys.executable


def _environment():
    environment = qt.QProcessEnvironment.systemEnvironment()
    library = str(Path(__file__).resolve().parents[2])
    others = environment.value("PYTHONPATH")
    separator = ";" if sys.platform == "win32" else ":"
    environment.insert("PYTHONPATH", f"{library}{separator}{others}" if others else library)
    environment.insert("PYTHONIOENCODING", "utf-8")
    return environment
