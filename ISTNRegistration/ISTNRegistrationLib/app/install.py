"""The Python packages that a registration needs: what is missing, and how a user gets it. Nothing is imported here."""

from __future__ import annotations

import importlib.util
from importlib import metadata
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from .. import __version__
from ..core.errors import InputError

PIP_NAME = "istn-registration"
WHO = "ISTN Registration"
NEEDED = ("torch", "h5py", "SimpleITK")
TORCH = ">=2.2"
NEVER_REPLACED = ["torch", "SimpleITK", "numpy"]


def missingPackages() -> list[str]:
    """Names of the needed packages that are not installed."""
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


def checkInstalled() -> None:
    """Raise InputError when something is missing: before anything else happens."""
    missing = missingPackages()
    if missing:
        todo = "Press 'Install what is missing' in the panel of ISTN Registration"
        raise InputError(WHO, "Python packages are missing", "all of " + ", ".join(NEEDED), ", ".join(missing), todo)


def otherInstallation() -> str:
    """What to say when pip has put another version of this library into Slicer's Python; "" when it has not."""
    try:
        installed = metadata.version(PIP_NAME)
    except metadata.PackageNotFoundError:
        return ""
    if installed == __version__:
        return ""
    text = _(
        "Slicer's Python also has {name} {installed}. The panel uses its own {own}; the command istn does not, until "
        "the package is upgraded or uninstalled."
    )
    return text.format(name=PIP_NAME, installed=installed, own=__version__)


def installMissing() -> None:
    """Install what is missing, after asking: torch through the extension PyTorch, h5py by pip; nothing else ever.

    Raises:
        InputError: the extension PyTorch is not there, or Slicer's own SimpleITK is missing.
    """
    missing = missingPackages()
    if "SimpleITK" in missing:
        raise InputError(WHO, "SimpleITK is missing", "Slicer's own SimpleITK", "none", "Install Slicer again")
    if "torch" in missing:
        _installTorch()
    if "h5py" in missing and slicer.util.confirmOkCancelDisplay(_("Install the Python package h5py (5 MB)?")):
        _installH5py()
    importlib.invalidate_caches()


def requirementsFile() -> Path:
    """What pip is asked for."""
    return Path(__file__).resolve().parents[2] / "Resources" / "requirements.txt"


def _installTorch() -> None:
    try:
        import PyTorchUtils
    except ImportError as error:
        todo = "Install the extension PyTorch in the Extensions Manager and restart Slicer"
        raise InputError(WHO, "torch cannot be installed", "the extension PyTorch", "it is missing", todo) from error
    PyTorchUtils.PyTorchUtilsLogic().installTorch(askConfirmation=True, torchVersionRequirement=TORCH)


def _installH5py() -> None:
    """The user has agreed already."""
    try:
        from slicer import packaging  # of Slicer 5.12 and newer, which does not import it by itself
    except ImportError:
        slicer.util.pip_install("h5py")
        return
    wanted = packaging.load_requirements(str(requirementsFile()))
    packaging.pip_ensure(wanted, requester=WHO, skip_packages=NEVER_REPLACED, prompt_install=False)
