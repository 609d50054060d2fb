"""ISTNRegistration.py without a panel: what the module list shows, and the logic that scripts use."""

import importlib.util
import inspect
import os
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest
import slicer
from harness import scripted
from harness.scene import node_ids
from ISTNRegistrationLib.bridge.outputs import OutputOptions
from ISTNRegistrationLib.core.card import models_folder
from ISTNRegistrationLib.core.errors import InputError, RegistrationCancelled

scripted.install()
from ISTNRegistrationLib.app.parameter_node import ISTNRegistrationParameterNode  # noqa: E402

import ISTNRegistration as module  # noqa: E402


def test_the_module_describes_itself(scene, monkeypatch):
    parent, connected = types.SimpleNamespace(path=module.__file__), []
    monkeypatch.setattr(slicer.app, "connect", lambda signal, slot: connected.append((signal, slot)), raising=False)
    module.ISTNRegistration(parent)
    assert connected == [("startupCompleted()", module.registerSampleData)]
    assert parent.title == "ISTN Registration" and parent.categories == ["Registration"]
    assert "heatmaps" in parent.helpText and "MICCAI" in parent.acknowledgementText


def test_the_module_file_is_glue():
    assert len(Path(module.__file__).read_text().splitlines()) < 240


OLDER = """
import importlib.util, sys
sys.path.insert(0, sys.argv[1])  # what pip has installed comes before the module's folder
import ISTNRegistrationLib
assert ISTNRegistrationLib.__version__ == "0.0.9"
sys.path.append(sys.argv[2])
from harness import scripted
scripted.install()
spec = importlib.util.spec_from_file_location("ISTNRegistration", sys.argv[3])
module = sys.modules["ISTNRegistration"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
import ISTNRegistrationLib
assert ISTNRegistrationLib.__file__.startswith(sys.argv[3].removesuffix(".py").rpartition("ISTN")[0])
print(module.otherInstallation())
"""


def _standIns():
    """The environment, without Slicer's own Python: that needs the module to be installed in the usual way."""
    return {name: value for name, value in os.environ.items() if name != "ISTN_SLICER_SOURCE"}


def test_the_module_s_own_library_is_used_beside_an_older_one_of_pip_which_is_noticed(tmp_path):
    site, library = tmp_path / "site-packages", Path(module.__file__).parent / "ISTNRegistrationLib"
    for part in ("core", "data", "cli"):  # as pip installs it: no panel, no bridge
        shutil.copytree(library / part, site / "ISTNRegistrationLib" / part)
    (site / "ISTNRegistrationLib" / "__init__.py").write_text('__version__ = "0.0.9"\n')
    (site / "istn_registration-0.0.9.dist-info").mkdir()
    metadata = "Metadata-Version: 2.1\nName: istn-registration\nVersion: 0.0.9\n"
    (site / "istn_registration-0.0.9.dist-info" / "METADATA").write_text(metadata)
    command = [sys.executable, "-c", OLDER, str(site), str(Path(__file__).parent), module.__file__]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=_standIns())
    assert done.returncode == 0, done.stderr
    assert "istn-registration 0.0.9" in done.stdout


def test_the_logic_registers_two_nodes_without_a_panel(scene, pair, checkpoint):
    seen = []
    nodes = module.ISTNRegistrationLogic().register(
        *pair, checkpoint, onProgress=lambda progress: seen.append(progress.stage), transform="affine", iterations=3
    )
    assert nodes.transform.IsA("vtkMRMLLinearTransformNode") and nodes.volume is not None
    assert "affine refined" in seen


def test_a_cancelled_registration_leaves_no_trace(scene, pair, checkpoint):
    def cancel(progress):
        raise RegistrationCancelled("enough")

    before = node_ids(scene)
    with pytest.raises(RegistrationCancelled):
        module.ISTNRegistrationLogic().register(*pair, checkpoint, onProgress=cancel)
    assert node_ids(scene) == before


def test_a_checkpoint_that_is_not_there_is_a_clear_error(scene, pair):
    before = node_ids(scene)
    with pytest.raises(InputError, match="no such name or file"):
        module.ISTNRegistrationLogic().register(*pair, "liver")
    assert node_ids(scene) == before


def test_missing_packages_are_named_before_anything_happens(scene, pair, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="torch"):
        module.ISTNRegistrationLogic().register(*pair)


def test_the_settings_live_in_the_scene(scene):
    settings = module.ISTNRegistrationLogic().getParameterNode()
    assert (settings.checkpoint, settings.transform, settings.refine) == ("brain", "affine", "theta")
    settings.transform = "bspline"
    assert module.ISTNRegistrationLogic().getParameterNode().transform == "bspline"
    with pytest.raises(ValueError):
        settings.refine = "magic"


def test_every_setting_of_the_panel_is_one_that_the_core_knows(scene):
    from ISTNRegistrationLib.core import options

    hints = inspect.get_annotations(ISTNRegistrationParameterNode)
    assert set(hints["refine"].__metadata__[0].choices) == set(options.REFINEMENTS)
    assert set(hints["device"].__metadata__[0].choices) == set(options.DEVICES)
    assert set(hints["initial"].__metadata__[0].choices) == {*options.INITIALS, "transform"}
    default, settings = options.RegisterOptions(), module.ISTNRegistrationLogic().getParameterNode()
    for key in ("transform", "refine", "iterations", "device", "initial"):
        assert getattr(settings, key) == getattr(default, key)
    assert settings.keepBest == default.keep_best and settings.landmarkWeight == default.landmark_weight


def test_outputs_are_passed_on(scene, pair, checkpoint):
    outputs = OutputOptions(volume=False, heatmaps=False)
    nodes = module.ISTNRegistrationLogic().register(*pair, checkpoint, outputs, iterations=2)
    assert nodes.volume is None and nodes.heatmaps == {}


@pytest.mark.skipif(not (models_folder() / "brain.h5").is_file(), reason="the shipped checkpoint is not there")
def test_the_module_s_own_test_passes(scene):
    module.ISTNRegistrationTest().runTest()
