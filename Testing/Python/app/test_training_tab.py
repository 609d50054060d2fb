"""The tab Train: a real `istn train` in its own process, stopped, continued, and its checkpoint listed."""

import time

import pytest

pytest.importorskip("PySide6", reason="the panel needs PySide6-Essentials in place of Slicer's Qt")
import numpy as np  # noqa: E402
import slicer  # noqa: E402
from builders import make_grid  # noqa: E402
from harness import panel as harness  # noqa: E402, F401  makes qt
from ISTNRegistrationLib.bridge.training import parseChannels, readHistory  # noqa: E402
from ISTNRegistrationLib.bridge.volumes import nodeFromVolume, segmentationFromVolume  # noqa: E402
from ISTNRegistrationLib.core.checkpoint import load_checkpoint  # noqa: E402
from ISTNRegistrationLib.core.errors import InputError  # noqa: E402
from ISTNRegistrationLib.core.volume import Volume  # noqa: E402
from ISTNRegistrationLib.data.images import read_image, read_labels  # noqa: E402
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


@pytest.fixture
def tab(panel, tmp_path):
    """The tab with a tiny 3-D study and an output folder."""
    tab = panel.trainingTab
    tab._timer.setInterval(50)
    assert not tab.ui.startTrainingButton.enabled and "Choose" in tab.ui.startTrainingButton.toolTip
    config = write_study(tmp_path, ndim=3, steps=9)["config"]
    tab.ui.configPathLineEdit.currentPath = str(config)
    tab.ui.trainingOutputPathLineEdit.currentPath = str(tmp_path / "run")
    assert tab.ui.startTrainingButton.enabled
    return tab


def test_a_training_is_stopped_and_can_go_on(panel, tab, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text(config.read_text().replace("steps = 9", "steps = 4000", 1))
    tab.ui.startTrainingButton.click()
    assert tab.ui.stopTrainingButton.enabled and not tab.ui.startTrainingButton.enabled
    wait(tab, (tmp_path / "run" / "history.csv").is_file)
    tab.ui.stopTrainingButton.click()
    wait(tab, lambda: tab._process is None)
    assert "Stopped" in tab.ui.trainingStatusLabel.text and tab.ui.startTrainingButton.text == "Go on"
    assert not tab.ui.trainingPlotLabel.pixmap.isNull() and tab.ui.trainingLog.toPlainText()
    tab.ui.startTrainingButton.click()
    wait(tab, lambda: "resum" in tab._process.lastLines() or "step" in tab._process.lastLines())
    slicer.mrmlScene.Clear(0)
    assert tab._process is not None and tab._process.running  # a training does not depend on the scene


def test_a_finished_training_puts_its_checkpoint_into_the_list(panel, tab, tmp_path):
    tab.ui.startTrainingButton.click()
    wait(tab, lambda: tab._process is None)
    assert "Done" in tab.ui.trainingStatusLabel.text, tab.ui.trainingLog.toPlainText()
    best = tmp_path / "run" / "best.h5"
    assert panel.parameters.checkpoint == str(best) and load_checkpoint(best).config.ndim == 3
    assert "outer, inner" in panel.ui.cardTextLabel.text
    assert len(readHistory(tmp_path / "run" / "history.csv")["loss"]) > 0


def test_a_training_that_fails_says_why(tab, tmp_path):
    (tmp_path / "config.toml").write_text("[data]\nsubject = 'magic'\n")
    tab.ui.startTrainingButton.click()
    wait(tab, lambda: tab._process is None)
    assert "failed" in tab.ui.trainingStatusLabel.text and "istn train: error" in tab.ui.trainingLog.toPlainText()


def test_the_scene_becomes_a_list_and_a_configuration_that_trains(panel, scene, tmp_path, monkeypatch):
    for number in range(3):
        array = np.zeros(make_grid(3).shape, np.float32)
        array[4:10, 4:9, 5:10] = number + 1
        volume = Volume(array, make_grid(3, "oblique"))
        node = nodeFromVolume(scene, volume, f"person {number}")
        labels = Volume((array > 0).astype(np.uint8), volume.grid)
        segmentation = segmentationFromVolume(scene, labels, f"structures {number}")
        segmentation.SetReferenceImageGeometryParameterFromVolumeNode(node)
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *args: str(tmp_path))
    ui = panel.trainingTab.ui
    ui.exportSceneButton.click()
    lines = (tmp_path / "subjects.csv").read_text().splitlines()
    assert lines[0] == "person,image,labels,split" and len(lines) == 4
    image, labels = lines[1].split(",")[1:3]
    np.testing.assert_array_equal(read_image(tmp_path / image).array > 0, read_labels(tmp_path / labels).array > 0)
    ui.channelsLineEdit.text = "box = 1"
    ui.gridSizeSpinBox.setValue(16)
    ui.writeConfigButton.click()
    from ISTNRegistrationLib.cli.train import read_config

    config = read_config(tmp_path / "training.toml")
    assert config.model.channels[0].name == "box" and config.model.grid.size == (16, 16, 16)
    assert panel.trainingTab.ui.startTrainingButton.enabled


@pytest.mark.parametrize("text", ["", "left", "left = x", "= 1"])
def test_structures_that_cannot_be_read_are_named(text):
    with pytest.raises(InputError, match="Structures"):
        parseChannels(text)


def test_structures_are_names_with_labels():
    assert parseChannels("left = 1; right putamen = 2, 3;") == [("left", [1]), ("right putamen", [2, 3])]
