"""The tab Train: a real `istn train` in its own process, stopped, continued, and its checkpoint listed."""

import time

import pytest

pytest.importorskip("PySide6", reason="the panel needs PySide6-Essentials in place of Slicer's Qt")
import slicer  # noqa: E402
from builders import make_grid  # noqa: E402
from harness import panel as harness  # noqa: E402, F401  makes qt
from harness import pythonqt  # noqa: E402
from ISTNRegistrationLib.app import training_tab  # noqa: E402
from ISTNRegistrationLib.bridge.volumes import nodeFromVolume, segmentationFromVolume  # noqa: E402
from ISTNRegistrationLib.cli.train import read_config  # noqa: E402
from ISTNRegistrationLib.core.checkpoint import load_checkpoint  # noqa: E402
from ISTNRegistrationLib.core.volume import Volume  # noqa: E402
from study import write_study  # noqa: E402

import qt  # noqa: E402  isort: skip

PATIENCE_S = 120


def wait(tab, until):
    """Let Qt work until something holds."""
    began = time.monotonic()
    while not until():
        assert time.monotonic() - began < PATIENCE_S, tab.ui.trainingLog.toPlainText()
        slicer.app.processEvents()
        time.sleep(0.02)


def colors(pixmap):
    image = pixmap.toImage()
    return {image.pixelColor(x, y).name() for x in range(image.width()) for y in range(image.height())}


def choose(tab, folder, steps):
    """A tiny 3-D study and an output folder."""
    config = write_study(folder, ndim=3, steps=steps)["config"]
    tab.ui.configPathLineEdit.currentPath = str(config)
    tab.ui.trainingOutputPathLineEdit.currentPath = str(folder / "run")


@pytest.fixture
def tab(panel, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    panel.trainingTab._timer.setInterval(50)
    return panel.trainingTab


def test_start_says_what_is_missing(tab, tmp_path):
    assert not tab.ui.startTrainingButton.enabled
    assert tab.ui.startTrainingButton.text == "Choose or write a configuration"
    tab.ui.configPathLineEdit.currentPath = str(tmp_path / "config.toml")
    assert tab.ui.startTrainingButton.text == "Choose an output folder"
    tab.ui.trainingOutputPathLineEdit.currentPath = str(tmp_path / "run")
    assert tab.ui.startTrainingButton.enabled and tab.ui.startTrainingButton.text == "Start"
    assert not tab.ui.stopTrainingButton.enabled


def test_a_stopped_training_goes_on_and_ends_in_the_list_of_checkpoints(panel, tab, tmp_path):
    choose(tab, tmp_path, 30)
    tab.ui.startTrainingButton.click()
    assert tab.ui.stopTrainingButton.enabled and not tab.ui.startTrainingButton.enabled
    wait(tab, (tmp_path / "run" / "history.csv").is_file)  # the last file of a validation
    tab.ui.stopTrainingButton.click()
    wait(tab, lambda: tab._process is None)
    assert "Stopped" in tab.ui.trainingStatusLabel.text and tab.ui.startTrainingButton.text == "Go on"
    assert 3 <= load_checkpoint(tmp_path / "run" / "last.h5").card["steps"] < 30
    assert panel.parameters.checkpoint != str(tmp_path / "run" / "best.h5")
    tab.ui.startTrainingButton.click()
    wait(tab, lambda: tab._process is None)
    assert "Done" in tab.ui.trainingStatusLabel.text, tab.ui.trainingLog.toPlainText()
    best = tmp_path / "run" / "best.h5"
    assert load_checkpoint(best).card["steps"] == 30
    assert panel.parameters.checkpoint == str(best) and "outer, inner" in panel.ui.cardTextLabel.text
    assert {"#0072b2", "#d55e00"} <= colors(tab.ui.trainingPlotLabel.pixmap)
    lines = tab.ui.trainingLog.toPlainText().splitlines()
    assert any(line.startswith("step 30: ") for line in lines)
    assert sum("%|" in line for line in lines) <= 2  # of a bar only its last state


def test_closing_the_scene_leaves_the_training_alone_and_closing_the_module_ends_it(panel, tab, scene, tmp_path):
    choose(tab, tmp_path, 100000)
    tab.ui.startTrainingButton.click()
    process = tab._process
    scene.Clear(0)
    assert tab._process is process and process.running and not process.stopped
    panel.cleanup()
    assert not process.running and not tab._timer.active


def test_a_training_that_fails_says_why(tab, tmp_path):
    choose(tab, tmp_path, 9)
    (tmp_path / "config.toml").write_text("[data]\nmagic = 1\n")
    tab.ui.startTrainingButton.click()
    wait(tab, lambda: tab._process is None)
    assert (
        "failed" in tab.ui.trainingStatusLabel.text and "Configuration key 'model'" in tab.ui.trainingLog.toPlainText()
    )


def test_a_start_checkpoint_with_other_networks_is_refused_by_name(tab, checkpoint, tmp_path):
    choose(tab, tmp_path, 9)
    (tmp_path / "config.toml").write_text((tmp_path / "config.toml").read_text().replace("[4, 8]", "[4, 4]"))
    tab.ui.initPathLineEdit.currentPath = str(checkpoint)
    tab.ui.startTrainingButton.click()
    wait(tab, lambda: tab._process is None)
    assert "its networks are not those" in tab.ui.trainingLog.toPlainText()


def test_small_packages_are_installed_after_asking(tab, tmp_path, monkeypatch):
    choose(tab, tmp_path, 9)
    asked, installed = [], []
    monkeypatch.setattr(training_tab, "SMALL_PACKAGES", ("no_such_package",))
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text, *more: asked.append(text), raising=False)
    monkeypatch.setattr(slicer.util, "pip_install", installed.append, raising=False)
    monkeypatch.setattr(slicer.app, "testingEnabled", lambda: False)
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda *args, **more: None)
    tab.ui.startTrainingButton.click()
    assert "no_such_package" in asked[0] and not installed and tab._process is None
    assert "no_such_package" in str(pythonqt.slot_errors.pop())


def test_the_scene_becomes_a_list_and_a_configuration_that_trains(tab, scene, tmp_path, monkeypatch):
    for number in range(4):
        grid = make_grid(3, "oblique")
        labels = Volume(grid_box(grid, number), grid)
        node = nodeFromVolume(scene, Volume(labels.array * 50.0, grid), f"person {number}")
        segmentation = segmentationFromVolume(scene, labels, f"structures {number}")
        segmentation.GetSegmentation().GetNthSegment(0).SetName("box")
        segmentation.SetReferenceImageGeometryParameterFromVolumeNode(node)
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *args: str(tmp_path))
    ui = tab.ui
    assert not ui.writeConfigButton.enabled
    ui.exportSceneButton.click()
    assert ui.channelsLineEdit.text == "box = 1" and "structure 'box' = [1]: in 4 scans" in ui.trainingLog.toPlainText()
    assert ui.gridSpacingSpinBox.value == 1.5  # that of the images
    ui.stepsSpinBox.setValue(3)
    ui.rigidCheckBox.setChecked(True)
    ui.bsplineCheckBox.setChecked(False)
    ui.writeConfigButton.click()
    config = read_config(tmp_path / "training.toml")
    assert config.model.transforms == ("rigid", "affine") and config.training.steps == 3
    assert (tmp_path / "training-data.html").is_file()
    ui.startTrainingButton.click()
    wait(tab, lambda: tab._process is None)
    assert "Done" in ui.trainingStatusLabel.text, ui.trainingLog.toPlainText()
    assert load_checkpoint(tmp_path / "training" / "best.h5").config.channels[0].name == "box"


def grid_box(grid, number):
    import numpy as np

    array = np.zeros(grid.shape, np.uint8)
    array[4 + number : 12 + number, 4:14, 5:15] = 1
    return array
