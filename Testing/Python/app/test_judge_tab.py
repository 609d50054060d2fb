"""The tab Judge after a real registration: table, light, cockpit, exports, nodes brought along."""

import csv

import pytest

pytest.importorskip("PySide6", reason="the panel needs PySide6-Essentials in place of Slicer's Qt")
import slicer  # noqa: E402
from harness.panel import open_panel  # noqa: E402
from harness.scene import node_ids  # noqa: E402
from ISTNRegistrationLib.bridge.cockpit import LAYOUT_ID, VIEWS, compositeNode  # noqa: E402

import qt  # noqa: E402  isort: skip  made by the harness


@pytest.fixture
def judged(scene, pair, checkpoint, tmp_path):
    """The panel after a B-spline registration of the pair."""
    with open_panel(scene, tmp_path / "settings.ini", (64, 64)) as panel:
        panel.parameters.fixedVolume, panel.parameters.movingVolume = pair
        panel.registerTab.models.add(checkpoint)
        panel.parameters.transform = "bspline"
        panel.parameters.iterations, panel.parameters.preview = 3, False
        panel.ui.applyButton.click()
        yield panel


def shown(scene, view):
    composite = compositeNode(scene, view)
    ids = (composite.GetBackgroundVolumeID(), composite.GetForegroundVolumeID(), composite.GetLabelVolumeID())
    return [scene.GetNodeByID(i) if i else None for i in ids]


def test_the_table_shows_every_stage_and_the_kept_one_in_bold(judged):
    table, result = judged.ui.qualityTable, judged.judgeTab.nodes.result
    assert [table.item(row, 0).text() for row in range(table.rowCount)] == [s.name for s in result.stages]
    bold = [table.item(row, 0).font().bold() for row in range(table.rowCount)]
    assert bold == [s.name == result.kept for s in result.stages]
    assert judged.ui.reasonLabel.text == judged.judgeTab.light.reason


def test_one_click_opens_four_views_and_a_second_one_gives_the_layout_back(judged, scene, pair):
    before = node_ids(scene)
    judged.ui.cockpitButton.click()
    assert slicer.app.layoutManager().layout == LAYOUT_ID
    nodes = judged.judgeTab.nodes
    assert shown(scene, "ISTNFixed")[0] is pair[0]
    assert shown(scene, "ISTNAfter")[:2] == [pair[0], nodes.volume]
    assert shown(scene, "ISTNHeat")[1] is nodes.heatmaps["warped"]
    lines = shown(scene, "ISTNAfter")[2]
    assert lines is not None and slicer.util.arrayFromVolume(lines).any()
    start = shown(scene, "ISTNBefore")[1].GetParentTransformNode()
    matrix = slicer.util.arrayFromTransformMatrix(start)
    assert abs(matrix[:3, 3]).max() > 0 or (nodes.result.initial == matrix).all()
    judged.ui.cockpitButton.click()
    assert slicer.app.layoutManager().layout == 1
    made = [scene.GetNodeByID(i) for i in set(node_ids(scene)) - set(before)]
    assert {n.GetClassName() for n in made} <= VIEW_NODES, [n.GetName() for n in made]


VIEW_NODES = {
    "vtkMRMLSliceNode", "vtkMRMLSliceCompositeNode", "vtkMRMLSliceDisplayNode", "vtkMRMLLinearTransformNode",
    "vtkMRMLModelNode", "vtkMRMLSubjectHierarchyNode", "vtkMRMLColorTableNode", "vtkMRMLProceduralColorNode",
}  # fmt: skip


def after(number):
    """Node in a layer (0 background, 1 foreground, 2 label) of the view of the result."""
    return lambda scene, tab: shown(scene, "ISTNAfter")[number]


def named(layer, start):
    return lambda scene, tab: layer(scene, tab).GetName().startswith(start)


def heat_opacity(scene, tab):
    return compositeNode(scene, "ISTNHeat").GetForegroundOpacity() == pytest.approx(0.2)


def heat_difference(scene, tab):
    return shown(scene, "ISTNHeat")[1] is tab.nodes.heatmaps["difference"]


def heat_range(scene, tab):
    return tab.nodes.heatmaps["fixed"].GetDisplayNode().GetWindowLevelMax() == pytest.approx(0.5)


def no_grid(scene, tab):
    return after(2)(scene, tab) is None


def no_outlines(scene, tab):
    return not tab._cockpit.outlines.GetDisplayNode().GetVisibility()


def coronal(scene, tab):
    return scene.GetSingletonNode("ISTNFixed", "vtkMRMLSliceNode").GetOrientation() == "Coronal"


@pytest.mark.parametrize(
    "change, check",
    [
        (lambda ui: ui.heatmapComboBox.setCurrentIndex(3), heat_difference),
        (lambda ui: ui.opacitySlider.setValue(0.2), heat_opacity),
        (lambda ui: ui.comparisonComboBox.setCurrentIndex(1), named(after(0), "ISTN checkerboard")),
        (lambda ui: ui.comparisonComboBox.setCurrentIndex(2), named(after(1), "ISTN before")),
        (lambda ui: ui.showGridCheckBox.setChecked(False), no_grid),
        (lambda ui: ui.showOutlinesCheckBox.setChecked(False), no_outlines),
        (lambda ui: ui.heatHighSpinBox.setValue(0.5), heat_range),
        (lambda ui: ui.orientationComboBox.setCurrentIndex(1), coronal),
    ],
)
def test_each_control_of_the_cockpit_changes_the_views(judged, scene, change, check):
    judged.ui.cockpitButton.click()
    assert set(VIEWS) <= set(slicer.app.layoutManager().views)
    assert not check(scene, judged.judgeTab)
    change(judged.ui)
    assert check(scene, judged.judgeTab)


def test_without_heatmaps_or_volume_the_cockpit_says_what_it_needs(judged):
    judged.parameters.makeHeatmaps = False
    judged.ui.applyButton.click()
    assert not judged.ui.cockpitButton.enabled and "Heatmaps" in judged.ui.cockpitButton.toolTip


def test_the_table_and_the_report_are_saved(judged, tmp_path, monkeypatch):
    names = iter([str(tmp_path / "q.csv"), str(tmp_path / "r.html")])
    monkeypatch.setattr(qt.QFileDialog, "getSaveFileName", lambda *args: (next(names), ""))
    judged.ui.exportCsvButton.click()
    judged.ui.exportHtmlButton.click()
    rows = list(csv.DictReader((tmp_path / "q.csv").open(encoding="utf-8")))
    assert [row["stage"] for row in rows] == [s.name for s in judged.judgeTab.nodes.result.stages]
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 15 and "sha256" in page and "bspline refined" in page


def test_the_script_is_put_on_the_clipboard(judged, monkeypatch):
    monkeypatch.setattr(slicer.util, "showStatusMessage", lambda *args: None)
    judged.ui.copyPythonButton.click()
    assert "ISTNRegistrationLogic().register(" in qt.QApplication.clipboard().text()


def test_ticked_nodes_are_brought_along(judged, scene):
    markups = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "points")
    markups.AddControlPoint((0.0, 0.0, 0.0))
    judged.ui.carrySelector.setCheckState(markups, qt.Qt.Checked)
    judged.ui.carryButton.click()
    assert scene.GetFirstNodeByName("points registered") is not None


def test_a_closed_scene_leaves_an_empty_tab(judged, scene):
    judged.ui.cockpitButton.click()
    scene.Clear(0)
    assert judged.judgeTab.nodes is None and judged.ui.qualityTable.rowCount == 0
    assert not judged.ui.cockpitButton.enabled


def test_the_inverse_s_error_and_the_colours_of_the_structures_are_said(judged):
    assert "putamen" in judged.ui.legendLabel.text and "#e69e00" in judged.ui.legendLabel.text
    judged.parameters.makeInverse = True
    judged.ui.applyButton.click()
    error = float(judged.judgeTab.nodes.inverse.GetAttribute("ISTNRegistration.inverseErrorMaxMm"))
    assert f"{error:.4f} mm at most" in judged.ui.judgeTextLabel.text
