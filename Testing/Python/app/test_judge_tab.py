"""The tab Judge after a real registration: table, light, exports, copies of other nodes."""

import csv
import dataclasses

import pytest

pytest.importorskip("PySide6", reason="the panel needs PySide6-Essentials in place of Slicer's Qt")
import slicer  # noqa: E402
from harness import panel  # noqa: E402, F401  makes qt
from ISTNRegistrationLib.app.verdict import lightWord  # noqa: E402
from ISTNRegistrationLib.core.trust import Expectation, Expected  # noqa: E402

import qt  # noqa: E402  isort: skip  made by the harness


def test_the_table_shows_every_stage_and_the_kept_one_in_bold(judged):
    table, result = judged.ui.qualityTable, judged.judgeTab.nodes.result
    assert table.columnCount == len(result.stages)
    headings = [table.horizontalHeaderItem(k).text() for k in range(table.columnCount)]
    assert headings == ["initial", "affine", "affine,\nrefined", "B-spline", "B-spline,\nrefined"]
    bold = [table.item(0, column).font().bold() for column in range(table.columnCount)]
    assert bold == [s.name == result.kept for s in result.stages]


def test_only_what_was_measured_has_a_row_and_every_number_says_what_it_is(judged):
    table, quality = judged.ui.qualityTable, judged.judgeTab.nodes.quality
    rows = [table.verticalHeaderItem(k).text() for k in range(table.rowCount)]
    assert rows == ["Agreement", "Folded", "Moved (mm)", "Time (s)"]
    assert table.item(0, 2).text() == f"{quality[2].agreement:.2f}"
    assert f"{quality[2].agreement:.3f}" in table.item(0, 2).toolTip()
    tips = {table.item(row, column).toolTip() for row in range(4) for column in range(table.columnCount)}
    assert len(tips) == 4 * table.columnCount and all(tips)
    assert all("best" in table.verticalHeaderItem(k).toolTip() for k in range(2))


def test_the_table_ends_with_the_mm_of_each_structure_where_they_are_known(judged):
    table, tab = judged.ui.qualityTable, judged.judgeTab
    each = (Expected("amygdala", 0.7, 0.6, 0.8, 2.0), Expected("caudate", 0.9, 0.8, 1.0))
    told = Expectation(Expected("", 0.8, 0.7, 0.9, 4.0), each)
    tab._fillTable([dataclasses.replace(stage, expectation=told) for stage in tab.nodes.quality])
    names = [table.verticalHeaderItem(row).text() for row in range(table.rowCount)]
    assert names[-1] == "± amygdala" and "± caudate" not in names
    cell = table.item(table.rowCount - 1, 0)
    assert cell.text() == "0.60" and "between the surfaces of amygdala" in cell.toolTip()
    assert table.item(names.index("± (mm)"), 1).text() == "0.80"


def test_the_tab_register_says_how_good_the_result_is(judged):
    status = judged.ui.statusLabel.text
    assert "Done in" in status and judged.ui.reasonLabel.text in status


def test_warnings_and_notes_stand_below_the_light_unless_its_reason_has_them(judged):
    tab, told = judged.judgeTab, judged.judgeTab.nodes.outcome
    in_reason = told.verdict.reason.split(". ")[0]
    outcome = dataclasses.replace(told, warnings=("Landmark 'a' was left out.",), notes=("Looked 3 times.", in_reason))
    tab._tell(dataclasses.replace(tab.nodes, outcome=outcome))
    assert judged.ui.notesLabel.text == "\u26a0 Landmark 'a' was left out.\nLooked 3 times."
    tab.stop()
    assert judged.ui.notesLabel.text == ""


def test_the_light_is_told_in_words_too(judged):
    light = judged.judgeTab.light.light
    assert judged.ui.reasonLabel.text.startswith(lightWord(light) + ": ")
    assert judged.ui.lightLabel.toolTip == lightWord(light)


def test_the_table_and_the_report_are_saved(judged, tmp_path, monkeypatch):
    names = iter([str(tmp_path / "q.csv"), str(tmp_path / "r.html")])
    monkeypatch.setattr(qt.QFileDialog, "getSaveFileName", lambda *args: (next(names), ""))
    judged.ui.exportCsvButton.click()
    judged.ui.exportHtmlButton.click()
    rows = list(csv.DictReader((tmp_path / "q.csv").open(encoding="utf-8")))
    assert [row["stage"] for row in rows] == [s.name for s in judged.judgeTab.nodes.result.stages]
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 21 and "sha256" in page and "bspline refined" in page


def test_the_script_is_put_on_the_clipboard(judged, monkeypatch):
    monkeypatch.setattr(slicer.util, "showStatusMessage", lambda *args: None)
    judged.ui.copyPythonButton.click()
    assert "nodes = register(" in qt.QApplication.clipboard().text()


def test_ticked_nodes_are_brought_along(judged, scene):
    markups = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "points")
    markups.AddControlPoint((0.0, 0.0, 0.0))
    judged.ui.carrySelector.setCheckState(markups, qt.Qt.Checked)
    judged.ui.carryButton.click()
    assert scene.GetFirstNodeByName("points registered") is not None


def test_a_closed_scene_leaves_an_empty_tab(judged, scene):
    scene.Clear(0)
    assert judged.judgeTab.nodes is None and judged.ui.qualityTable.rowCount == 0
    assert not judged.ui.cockpitButton.enabled


def test_the_inverse_s_error_and_the_colors_of_the_cockpit_are_said(judged):
    assert "outline in fixed" in judged.ui.legendLabel.text and "#40f2ff" in judged.ui.legendLabel.text
    judged.parameters.makeInverse = True
    judged.ui.applyButton.click()
    error = float(judged.judgeTab.nodes.inverse.GetAttribute("ISTNRegistration.inverseErrorMaxMm"))
    assert f"{error:.4f} mm at most" in judged.ui.judgeTextLabel.text


def test_a_name_without_an_ending_gets_one(judged, tmp_path, monkeypatch):
    folder = tmp_path / "saved"
    folder.mkdir()
    names = iter([str(folder / "q"), str(folder / "r"), str(folder / "own.txt"), ""])
    monkeypatch.setattr(qt.QFileDialog, "getSaveFileName", lambda *args: next(names))
    for button in ("exportCsvButton", "exportHtmlButton", "exportCsvButton", "exportCsvButton"):
        getattr(judged.ui, button).click()
    assert sorted(path.name for path in folder.iterdir()) == ["own.txt", "q.csv", "r.html"]


@pytest.mark.parametrize("agreed", [True, False])
def test_a_file_that_the_added_ending_names_is_replaced_only_if_the_user_agrees(judged, tmp_path, monkeypatch, agreed):
    (tmp_path / "q.csv").write_text("mine", encoding="utf-8")
    monkeypatch.setattr(qt.QFileDialog, "getSaveFileName", lambda *args: str(tmp_path / "q"))
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *args, **kwargs: agreed)
    judged.ui.exportCsvButton.click()
    assert ((tmp_path / "q.csv").read_text(encoding="utf-8") != "mine") == agreed
