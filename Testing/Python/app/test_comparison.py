"""The controls of the cockpit in the panel: each changes the views, on Slicer's own layout logic."""

import numpy as np
import pytest

pytest.importorskip("PySide6", reason="the panel needs PySide6-Essentials in place of Slicer's Qt")
import slicer  # noqa: E402
from harness import panel  # noqa: E402, F401  makes qt
from harness.shown import composite, shown  # noqa: E402
from ISTNRegistrationLib.app.parameters import COMPARISONS  # noqa: E402
from ISTNRegistrationLib.bridge.layout import VIEWS  # noqa: E402


def color(node):
    return node.GetDisplayNode().GetColorNodeID()


def test_it_opens_with_both_volumes_in_two_colors_and_the_heatmap(judged, scene, pair):
    judged.ui.cockpitButton.click()
    nodes = judged.judgeTab.nodes
    assert shown(scene, "ISTNFixed") == [pair[0], None]
    assert shown(scene, "ISTNHeat") == [pair[0], nodes.heatmaps["warped"]]
    for view in ("ISTNBefore", "ISTNAfter"):
        green, magenta = shown(scene, view)
        assert green.GetImageData() is pair[0].GetImageData() and color(green) == "vtkMRMLColorTableNodeGreen"
        assert color(magenta) == "vtkMRMLColorTableNodeMagenta"
        assert composite(view).GetCompositing() == slicer.vtkMRMLSliceCompositeNode.Add
    assert shown(scene, "ISTNBefore")[1].GetImageData() is pair[1].GetImageData()
    assert shown(scene, "ISTNAfter")[1].GetImageData() is nodes.volume.GetImageData()
    assert color(pair[0]) == color(nodes.volume) == "vtkMRMLColorTableNodeGrey"


def after(name):
    return lambda scene, tab: shown(scene, "ISTNAfter")[0].GetName().startswith(name)


def over_the_fixed_volume(scene, tab):
    return shown(scene, "ISTNAfter") == [tab.pair[0], tab.nodes.volume]


def moving_over_the_fixed_volume(scene, tab):
    return shown(scene, "ISTNAfter")[1] is tab.comparison.cockpit.before


def heat_opacity(scene, tab):
    return composite("ISTNHeat").GetForegroundOpacity() == pytest.approx(0.2)


def heat_difference(scene, tab):
    return shown(scene, "ISTNHeat")[1] is tab.nodes.heatmaps["difference"]


def heat_range(scene, tab):
    return tab.nodes.heatmaps["fixed"].GetDisplayNode().GetWindowLevelMax() == pytest.approx(0.5)


def no_grid(scene, tab):
    return not scene.GetFirstNodeByName("Warped grid").GetDisplayNode().GetVisibility2D()


def no_outlines(scene, tab):
    return not any(node.GetDisplayNode().GetVisibility2D() for node in tab.comparison.cockpit.outlines)


def coronal(scene, tab):
    return scene.GetSingletonNode("ISTNFixed", "vtkMRMLSliceNode").GetOrientation() == "Coronal"


def pick(name):
    return lambda ui: ui.comparisonComboBox.setCurrentIndex(COMPARISONS.index(name))


@pytest.mark.parametrize(
    "change, check",
    [
        (lambda ui: ui.heatmapComboBox.setCurrentIndex(3), heat_difference),
        (lambda ui: ui.opacitySlider.setValue(0.2), heat_opacity),
        (pick("overlay"), over_the_fixed_volume),
        (pick("flicker"), over_the_fixed_volume),
        (pick("wipe"), after("Fixed and registered (wipe)")),
        (pick("checkerboard"), after("Fixed and registered (checkerboard)")),
        (pick("moving"), moving_over_the_fixed_volume),
        (pick("registered"), over_the_fixed_volume),
        (lambda ui: ui.showGridCheckBox.setChecked(False), no_grid),
        (lambda ui: ui.showOutlinesCheckBox.setChecked(False), no_outlines),
        (lambda ui: ui.heatHighSpinBox.setValue(0.5), heat_range),
        (lambda ui: ui.orientationComboBox.setCurrentIndex(1), coronal),
    ],
)
def test_each_control_changes_the_views(judged, scene, change, check):
    judged.ui.cockpitButton.click()
    assert not check(scene, judged.judgeTab)
    change(judged.ui)
    assert check(scene, judged.judgeTab)


def test_flicker_changes_sides_by_itself_and_ends_with_the_comparison(judged):
    judged.ui.cockpitButton.click()
    pick("flicker")(judged.ui)
    flicker = judged.judgeTab.comparison._flicker
    assert flicker.isActive()
    opacities = []
    for _ in range(4):
        flicker.timeout.emit()
        opacities.append([composite(view).GetForegroundOpacity() for view in ("ISTNBefore", "ISTNAfter")])
    assert opacities == [[1.0, 1.0], [0.0, 0.0]] * 2
    pick("overlay")(judged.ui)
    assert not flicker.isActive()
    pick("flicker")(judged.ui)
    judged.ui.cockpitButton.click()
    assert not flicker.isActive()


def test_play_moves_the_structures_into_place_and_stops_there(judged):
    judged.ui.cockpitButton.click()
    moving = judged.judgeTab.comparison.cockpit.moving.node
    place = slicer.util.arrayFromModelPoints(moving).copy()
    judged.ui.playButton.click()
    assert judged.ui.waySlider.value == 0.0
    start = slicer.util.arrayFromModelPoints(moving).copy()
    assert np.abs(start - place).max() > 0
    play = judged.judgeTab.comparison._play
    for _ in range(25):
        play.timeout.emit()
    assert judged.ui.waySlider.value == 1.0 and not judged.ui.playButton.checked and not play.isActive()
    np.testing.assert_allclose(slicer.util.arrayFromModelPoints(moving), place)


def test_the_worst_place_is_where_all_slices_go(judged, scene):
    judged.ui.cockpitButton.click()
    tab, before = judged.judgeTab, slicer.app.layoutManager().views["ISTNHeat"].node.GetSliceOffset()
    judged.ui.worstButton.click()
    point = tab.comparison.cockpit.lookAtWorst()
    offsets = [slicer.app.layoutManager().views[view].node.GetSliceOffset() for view in VIEWS]
    assert offsets == pytest.approx([point[2]] * 4) and before != pytest.approx(point[2])


def test_its_buttons_work_only_while_it_is_open(judged):
    buttons = (judged.ui.worstButton, judged.ui.playButton, judged.ui.waySlider)
    assert not any(button.enabled for button in buttons)
    judged.ui.cockpitButton.click()
    assert all(button.enabled for button in buttons)
    judged.ui.cockpitButton.click()
    assert not any(button.enabled for button in buttons)


def test_without_heatmaps_or_volume_it_says_what_it_needs(judged):
    judged.parameters.makeHeatmaps = False
    judged.ui.applyButton.click()
    assert not judged.ui.cockpitButton.enabled and "Heatmaps" in judged.ui.cockpitButton.toolTip
