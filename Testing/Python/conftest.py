"""Fixtures of several tests. They import Slicer when they are used, so that other tests run without it."""

import pytest


@pytest.fixture
def disk(tmp_path):
    """A folder on a disk of 3 MB; skipped where none can be mounted."""
    from disks import small_disk

    with small_disk(tmp_path / "disk") as folder:
        yield folder


@pytest.fixture
def scene():
    """An empty MRML scene."""
    from harness.scene import empty_scene

    with empty_scene() as scene:
        yield scene


@pytest.fixture
def pair(scene):
    """Fixed and moving volume nodes of different geometry that show the same blobs."""
    from harness.models import tiny_pair
    from ISTNRegistrationLib.bridge.volumes import nodeFromVolume

    return tuple(nodeFromVolume(scene, volume, volume.name) for volume in tiny_pair())


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """Path of a tiny untrained 3-D checkpoint with both transforms."""
    from harness.models import tiny_checkpoint

    return tiny_checkpoint(tmp_path_factory.mktemp("models"))


@pytest.fixture
def panel(scene, tmp_path):
    """The module's panel in an empty scene."""
    from harness.panel import open_panel

    with open_panel(scene, tmp_path / "settings.ini") as panel:
        yield panel


@pytest.fixture
def ready(panel, pair, checkpoint):
    """The panel with a pair and the tiny checkpoint chosen, a few iterations, no preview."""
    panel.ui.fixedSelector.setCurrentNode(pair[0])
    panel.ui.movingSelector.setCurrentNode(pair[1])
    panel.registerTab.models.add(checkpoint)
    panel.ui.iterationsSpinBox.setValue(4)
    panel.ui.previewCheckBox.setChecked(False)
    return panel


@pytest.fixture
def judged(scene, pair, checkpoint, tmp_path):
    """The panel after a B-spline registration of the pair."""
    from harness.panel import open_panel

    with open_panel(scene, tmp_path / "settings.ini", (64, 64)) as panel:
        panel.parameters.fixedVolume, panel.parameters.movingVolume = pair
        panel.registerTab.models.add(checkpoint)
        panel.parameters.transform = "bspline"
        panel.parameters.iterations, panel.parameters.preview = 3, False
        panel.ui.applyButton.click()
        yield panel
