"""The panel offers the shipped checkpoint that fits what is loaded, where the chosen one does not."""

import pytest

pytest.importorskip("PySide6", reason="the panel needs PySide6-Essentials in place of Slicer's Qt")
from builders import brains  # noqa: E402
from ISTNRegistrationLib.bridge.volumes import nodeFromVolume  # noqa: E402


def test_a_click_takes_the_checkpoint_that_fits(panel, scene):
    fixed, moving = (nodeFromVolume(scene, volume, volume.name) for volume in brains())
    panel.ui.fixedSelector.setCurrentNode(fixed)
    panel.ui.movingSelector.setCurrentNode(moving)
    button, parameters = panel.ui.suggestionButton, panel.registerTab.parameters
    assert parameters.checkpoint == "brain" and button.isHidden()
    parameters.checkpoint = "hippocampus"
    assert not button.isHidden() and "'brain'" in button.text
    assert "fits these images better" in panel.ui.warningsLabel.text
    button.click()
    assert parameters.checkpoint == "brain" and button.isHidden() and panel.ui.warningsLabel.isHidden()
    assert panel.registerTab.models.card.name == "brain"
