"""Run ISTNRegistration on a machine with nothing but Python (standard library only).

    python3 run.py demo [--fixed F --moving M ...]   register two brains and leave the results in demo-output/
    python3 run.py test [pytest arguments]           run the whole test suite

The first run makes the environment .venv (ISTN_VENV names another place); a later run starts in seconds.
Everything after `demo` and `test` is handed on; `python3 run.py demo --help` lists what the demo takes.
"""

# Annotations that old Pythons cannot evaluate are quoted: they shall reach check_python and say what is wrong.
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
REQUIREMENTS = ROOT / "requirements-run.txt"
MARKER = "istn-run.json"
OLDEST, NEWEST = (3, 10), (3, 13)  # slicer-core has wheels for these
PLATFORMS = {("Linux", "x86_64"), ("Windows", "AMD64"), ("Darwin", "arm64")}
NEEDED_GB = 3.0
NEEDED_CUDA_GB = 9.0
CPU_TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
COMMANDS = ("demo", "test")


class SetupError(Exception):
    """The environment cannot be made; the message says what to do."""


def say(text: str) -> None:
    """Print one line at once, also when the output goes to a file."""
    print(f"[run.py] {text}", flush=True)


# --- can it work here? ------------------------------------------------------------------------------------------


def check_python(version: "tuple[int, int]", system: str, machine: str) -> None:
    """Raise SetupError unless slicer-core has wheels for this Python on this machine."""
    names = f"Python {OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}"
    if not OLDEST <= version <= NEWEST:
        raise SetupError(
            f"this Python is too {'old' if version < OLDEST else 'new'}. Expected {names}; got "
            f"{version[0]}.{version[1]}. Start run.py with another one, for example `python3.12 run.py demo`."
        )
    if (system, machine) not in PLATFORMS:
        raise SetupError(
            "slicer-core has no package for this machine. Expected Linux x86_64, Windows AMD64 or macOS arm64; got "
            f"{system} {machine}. Use one of those, or `pip install .` for the command `istn`, which needs no Slicer."
        )


def check_venv_module() -> None:
    """Raise SetupError where Debian and Ubuntu split pip's installer from Python."""
    if importlib.util.find_spec("ensurepip") is None:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise SetupError(
            "this Python cannot make environments: its module `ensurepip` is missing. "
            f"On Debian or Ubuntu run `apt-get install python{version}-venv`, then start again."
        )


def check_disk(folder: Path, needed_gb: float) -> None:
    """Raise SetupError unless the disk that will hold ``folder`` has room for the packages."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free_gb = shutil.disk_usage(existing).free / 1e9
    if free_gb < needed_gb:
        raise SetupError(
            f"not enough disk space at {existing}. Expected {needed_gb:.0f} GB free; got {free_gb:.1f} GB. "
            "Free some, or let the environment variable ISTN_VENV name a folder on another disk."
        )


# --- the environment --------------------------------------------------------------------------------------------


def venv_folder(environ: "dict[str, str]") -> Path:
    """Return where the environment lives: ISTN_VENV, else .venv beside this file."""
    return Path(environ.get("ISTN_VENV") or ROOT / ".venv").expanduser().absolute()


def venv_python(folder: Path, system: str) -> Path:
    """Return the environment's interpreter."""
    return folder / ("Scripts/python.exe" if system == "Windows" else "bin/python")


def requirements_hash() -> str:
    """Return what identifies the requirements, the same for LF and CRLF checkouts."""
    return hashlib.sha256(REQUIREMENTS.read_text(encoding="utf-8").encode()).hexdigest()


def read_marker(folder: Path) -> "dict[str, str] | None":
    """Return what an earlier run noted in the environment: {} if unreadable, None if it is not ours."""
    try:
        noted = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def write_marker(folder: Path, state: str) -> None:
    """Note ``state`` ("building" or "ready") in the environment, in one step."""
    temporary = folder / (MARKER + ".part")
    temporary.write_text(json.dumps({"state": state, "requirements": requirements_hash()}), encoding="utf-8")
    temporary.replace(folder / MARKER)


def plan(folder: Path, python: Path) -> str:
    """Say what the environment needs: "use", "update" (other requirements), "build" or "rebuild" (interrupted)."""
    noted = read_marker(folder)
    if noted is None:
        if folder.exists() and any(folder.iterdir()):
            raise SetupError(
                f"{folder} exists, but run.py did not make it, so it is left alone. "
                "Rename it, or let the environment variable ISTN_VENV name another folder."
            )
        return "build"
    if noted.get("state") != "ready" or not python.exists():
        return "rebuild"
    return "use" if noted.get("requirements") == requirements_hash() else "update"


def answers(url: str) -> bool:
    """Return whether a web page can be reached within a few seconds."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=5):
            return True
    except (OSError, ValueError):
        return False


def has_own_wheels(python: Path) -> bool:
    """Return whether pip is configured with a folder of wheels (find-links), as on machines without a network."""
    listed = subprocess.run([str(python), "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    return "find-links" in listed.stdout


def choose_index(python: Path, system: str) -> "tuple[list[str], float]":
    """Return pip's extra options for torch, and the disk space needed (GB).

    On Linux, PyPI's torch brings gigabytes of CUDA packages, which this project's demo and tests do not need. The same
    version from PyTorch's CPU index (2.13.0+cpu) satisfies ``torch==2.13.0`` and sorts above PyPI's, so pip takes it
    where the index is named. It is named only when it answers: pip would otherwise retry it for every package. If pip
    has its own folder of wheels, the owner of the machine has already chosen.
    """
    if system != "Linux" or has_own_wheels(python):
        return [], NEEDED_GB
    if answers(CPU_TORCH_INDEX + "/torch/"):
        return ["--extra-index-url", CPU_TORCH_INDEX], NEEDED_GB
    say(f"{CPU_TORCH_INDEX} does not answer: torch comes from PyPI with its CUDA packages (several GB)")
    return [], NEEDED_CUDA_GB


def pip_command(python: Path, index_options: "list[str]") -> "list[str]":
    """Return the command that installs the requirements; wheels only, so that nothing is ever compiled."""
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check"]
    return [*pip, "--only-binary", ":all:", *index_options, "-r", str(REQUIREMENTS)]


def create(folder: Path) -> None:
    """Make an empty environment. The marker comes first, so an interrupted one is known to be ours."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    write_marker(folder, "building")
    try:
        venv.create(folder, with_pip=True, symlinks=os.name != "nt")  # a copied Python does not start everywhere
    except subprocess.CalledProcessError as error:
        raise SetupError(f"Python could not make the environment {folder}: {error}.") from error


def install(folder: Path, python: Path, system: str) -> None:
    """Install the requirements; the environment counts as ready only after pip has ended well."""
    index_options, needed_gb = choose_index(python, system)
    check_disk(folder, needed_gb)
    code = subprocess.call(pip_command(python, index_options))
    if code == 0:
        return
    try:
        socket.create_connection(("pypi.org", 443), timeout=5).close()
        reason = "pip's message is above"
    except OSError:
        reason = "pypi.org cannot be reached from here. Check the network; behind a proxy, set HTTPS_PROXY"
    raise SetupError(f"installing the packages failed: {reason}. Then start again: it goes on by itself.")


def set_up(folder: Path, python: Path, system: str) -> None:
    """Bring the environment to the state that requirements-run.txt asks for; at once if it is there already."""
    todo = plan(folder, python)
    if todo == "use":
        return
    started = time.monotonic()
    if todo != "update":
        check_python(sys.version_info[:2], system, platform.machine())
        check_venv_module()
        check_disk(folder, NEEDED_GB)
        say(f"step 1 of 2: making the environment {folder}" + (" again" if todo == "rebuild" else ""))
        create(folder)
    write_marker(folder, "building")
    say("step 2 of 2: installing torch, slicer-core and others (about 1 GB to download; some minutes, once)")
    install(folder, python, system)
    write_marker(folder, "ready")
    say(f"environment ready after {time.monotonic() - started:.0f} s; the next run starts at once")


# --- the commands -----------------------------------------------------------------------------------------------


def command_line(command: str, python: Path, arguments: "list[str]") -> "list[str]":
    """Return the process that ``run.py <command> <arguments>`` stands for."""
    if command == "test":
        return [str(python), "-m", "pytest", *arguments]
    return [str(python), str(ROOT / "scripts" / "pictures" / "demo.py"), *arguments]


def child_environment(environ: "dict[str, str]", system: str) -> "dict[str, str]":
    """Return the environment variables of the process: VTK renders without a display where there is none.

    An empty VTK_DEFAULT_OPENGL_WINDOW makes VTK crash, so it counts as not set.
    """
    child = dict(environ)
    if system == "Linux" and not child.get("DISPLAY") and not child.get("VTK_DEFAULT_OPENGL_WINDOW"):
        child["VTK_DEFAULT_OPENGL_WINDOW"] = "vtkEGLRenderWindow"
    return child


def run(command: str, python: Path, arguments: "list[str]", system: str) -> int:
    """Run the command and return its exit code; tests run in the repository, the demo where the user stands."""
    environment = child_environment(dict(os.environ), system)
    code = subprocess.call(
        command_line(command, python, arguments), env=environment, cwd=ROOT if command == "test" else None
    )
    return code if code >= 0 else 128 - code  # a signal, as shells report it


def main(arguments: "list[str]") -> int:
    """Set up if needed, run the command, return its exit code; 2 if the command or the machine is not right."""
    if not arguments or arguments[0] not in COMMANDS:
        asked_for_help = arguments[:1] in (["-h"], ["--help"])
        print(__doc__.strip(), file=sys.stdout if asked_for_help else sys.stderr)
        return 0 if asked_for_help else 2
    system = platform.system()
    folder = venv_folder(dict(os.environ))
    python = venv_python(folder, system)
    try:
        set_up(folder, python, system)
        return run(arguments[0], python, arguments[1:], system)
    except (SetupError, OSError) as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("run.py: interrupted; the same command goes on from here", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
