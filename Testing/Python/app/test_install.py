"""What is missing, how it is installed, and that nothing else ever is."""

import importlib.util
import sys
import types
from pathlib import Path

import pytest
import slicer
from harness import scripted, slicer_source

scripted.install()
from ISTNRegistrationLib.app import install  # noqa: E402
from ISTNRegistrationLib.core.errors import InputError  # noqa: E402


@pytest.fixture
def without(monkeypatch):
    """Pretend that packages are missing."""
    find = importlib.util.find_spec

    def pretend(*names):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in names else find(name))

    return pretend


@pytest.fixture
def asked(monkeypatch):
    """What pip and the extension PyTorch were asked for."""
    calls = []
    utils = types.ModuleType("PyTorchUtils")
    utils.PyTorchUtilsLogic = lambda: types.SimpleNamespace(installTorch=lambda **how: calls.append(("torch", how)))
    monkeypatch.setitem(sys.modules, "PyTorchUtils", utils)
    monkeypatch.delattr(slicer, "packaging", raising=False)
    monkeypatch.setitem(sys.modules, "slicer.packaging", None)  # as in Slicer 5.10
    monkeypatch.setattr(slicer.util, "pip_install", lambda what: calls.append(("pip", what)))
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text: True)
    return calls


def test_nothing_is_missing_here():
    assert install.missingPackages() == []
    install.checkInstalled()


def test_what_is_missing_is_named_before_anything_happens(without):
    without("torch", "h5py")
    with pytest.raises(InputError, match="torch, h5py"):
        install.checkInstalled()


def test_torch_comes_through_its_extension_and_h5py_by_pip(without, asked):
    without("torch", "h5py")
    install.installMissing()
    assert asked == [("torch", {"askConfirmation": True, "torchVersionRequirement": ">=2.2"}), ("pip", "h5py")]


def test_a_newer_slicer_uses_its_own_packaging_and_replaces_nothing(without, asked, monkeypatch):
    packaging = types.ModuleType("slicer.packaging")  # on disk, and not imported: Slicer does not do so at its start
    packaging.load_requirements = lambda path: Path(path).read_text(encoding="utf-8").split()
    packaging.pip_ensure = lambda wanted, **how: asked.append((wanted, how["skip_packages"], how["prompt_install"]))
    monkeypatch.setitem(sys.modules, "slicer.packaging", packaging)
    without("h5py")
    install.installMissing()
    assert asked == [(["h5py>=3.8"], ["torch", "SimpleITK", "numpy"], False)]


@pytest.mark.skipif(slicer_source.SOURCE is None, reason=slicer_source.WHY_NOT)
def test_slicer_s_own_packaging_is_asked_in_its_own_words(without, asked, monkeypatch):
    if not (slicer_source.SOURCE / "Base" / "Python" / "slicer" / "packaging.py").is_file():
        pytest.skip("Slicer 5.10 has no packaging")
    monkeypatch.delitem(sys.modules, "slicer.packaging")
    packaging, said = importlib.import_module("slicer.packaging"), []
    monkeypatch.setattr(packaging, "pip_check", lambda wanted: False)
    monkeypatch.setattr(packaging, "pip_install", lambda wanted, **how: said.append((wanted, how["skip_packages"])))
    monkeypatch.setattr(slicer.app, "testingEnabled", lambda: False)
    monkeypatch.delattr(slicer, "packaging")
    without("h5py")
    install.installMissing()
    assert [(str(wanted), skipped) for (wanted, *_), skipped in said] == [("h5py>=3.8", install.NEVER_REPLACED)]


def test_an_older_installation_by_pip_is_noticed(monkeypatch):
    versions = {"istn-registration": "0.0.9"}
    monkeypatch.setattr(install.metadata, "version", lambda name: versions[name])
    assert "0.0.9" in install.otherInstallation() and install.__version__ in install.otherInstallation()
    versions["istn-registration"] = install.__version__
    assert install.otherInstallation() == ""


def test_nothing_is_installed_when_the_user_says_no(without, asked, monkeypatch):
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text: False)
    without("h5py")
    install.installMissing()
    assert asked == []


def test_without_the_extension_pytorch_the_user_is_told_what_to_do(without, monkeypatch):
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    without("torch")
    with pytest.raises(InputError, match="Extensions Manager"):
        install.installMissing()


def test_simpleitk_is_never_installed(without, asked):
    without("SimpleITK", "h5py")
    with pytest.raises(InputError, match="Install Slicer again"):
        install.installMissing()
    assert asked == []
