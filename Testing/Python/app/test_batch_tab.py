"""The tab Batch: files, volumes of the scene and sequences, with real registrations."""

from types import SimpleNamespace

import pytest

pytest.importorskip("PySide6", reason="the panel needs PySide6-Essentials in place of Slicer's Qt")
import slicer  # noqa: E402
from command import subject  # noqa: E402
from harness import panel as harness  # noqa: E402
from ISTNRegistrationLib.app.batch_tab import _line  # noqa: E402
from ISTNRegistrationLib.bridge.volumes import nodeFromVolume, volumeFromNode  # noqa: E402
from ISTNRegistrationLib.data.batch import Row  # noqa: E402

import qt  # noqa: E402  isort: skip


def column(panel, number):
    table = panel.batchTab.ui.batchTable
    return [table.item(row, number).text() for row in range(table.rowCount)]


def said(panel, row):
    """What a row that has no numbers says in their place, and the label below when it is chosen."""
    ui = panel.batchTab.ui
    assert ui.batchTable.columnSpan(row, 2) == 4
    ui.batchTable.selectRow(row)
    assert ui.batchMessageLabel.text == ui.batchTable.item(row, 2).text() == ui.batchTable.item(row, 1).toolTip()
    return ui.batchMessageLabel.text


@pytest.fixture
def files(ready, tmp_path):
    """The panel with a list of two good pairs and a bad one."""
    for number, name in enumerate("ab"):
        subject(tmp_path, name, 3, 3.0 * number)
    lines = ["fixed,moving", "a.nii.gz,b.nii.gz", "a.nii.gz,none.nii.gz", "b.nii.gz,a.nii.gz"]
    (tmp_path / "pairs.csv").write_text("\n".join(lines) + "\n")
    ui = ready.batchTab.ui
    assert not ui.runFilesButton.enabled and "Choose" in ui.runFilesButton.toolTip
    ui.pairsPathLineEdit.currentPath = str(tmp_path / "pairs.csv")
    ui.outputPathLineEdit.currentPath = str(tmp_path / "out")
    assert ui.runFilesButton.enabled
    return ready


def test_files_are_registered_row_by_row_and_failures_skipped(files, tmp_path):
    files.batchTab.ui.runFilesButton.click()
    assert column(files, 1) == ["done", "failed", "done"]
    assert "none.nii.gz" in said(files, 1) and files.batchTab.ui.batchStatusLabel.text == "Done"
    table = files.batchTab.ui.batchTable
    before, after = table.item(0, 2).text().split(" → ")
    assert 0 < float(before) <= 1 and 0 < float(after) <= 1 and float(table.item(0, 5).text()) >= 0
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*/transform.h5")}
    assert len(made) == 2
    files.batchTab.ui.runFilesButton.click()
    assert {path: path.stat().st_mtime_ns for path in made} == made


def test_each_number_stands_below_its_heading(ready):
    """The mm of files (rows of batch.csv) and of volumes (outcomes); nothing where the checkpoint cannot tell."""
    tab = ready.batchTab
    tab.table.fill(["files", "volumes", "untold"])
    row = Row("i", "f", "a", "b", "done", "green", 0.11, 0.22, uncertainty_mm="3.34", dice=0.55, folded=6, seconds=77)
    tab._showRow(0, row)
    kept = SimpleNamespace(agreement=0.22, uncertainty_mm=4.44, dice=float("nan"), folded=0)
    first, verdict = SimpleNamespace(agreement=0.11), SimpleNamespace(light="red")
    outcome = {"kept": kept, "verdict": verdict, "seconds": 8.0, "warnings": (), "notes": ("said",)}
    tab.table.show(1, _line(SimpleNamespace(**outcome, result=SimpleNamespace(stages=[first]))))
    kept.uncertainty_mm = float("nan")
    tab.table.show(2, _line(SimpleNamespace(**outcome, result=SimpleNamespace(stages=[first]))))
    table = tab.ui.batchTable
    headings = [table.horizontalHeaderItem(number).text() for number in range(2, table.columnCount)]
    assert headings == ["Agreement", "± mm", "Dice", "s"]
    shown = [[table.item(number, k).text() for k in range(2, table.columnCount)] for number in range(3)]
    assert shown == [
        ["0.11 → 0.22", "3.3", "0.55", "77"],
        ["0.11 → 0.22", "4.4", "", "8"],
        ["0.11 → 0.22", "", "", "8"],
    ]
    assert table.item(0, 1).toolTip() == "Good. Folded voxels: 6." and "said" in table.item(1, 1).toolTip()


def test_stop_ends_the_batch_and_a_second_run_goes_on(files, monkeypatch):
    show = files.batchTab._showRow

    def stop_after_first(index, row):
        show(index, row)
        if row.state == "done":
            files.batchTab.ui.batchStopButton.click()

    monkeypatch.setattr(files.batchTab, "_showRow", stop_after_first)
    files.batchTab.ui.runFilesButton.click()
    assert column(files, 1) == ["done", "waiting", "waiting"] and files.batchTab.ui.batchStatusLabel.text == "Stopped"
    monkeypatch.undo()
    files.batchTab.ui.runFilesButton.click()
    assert column(files, 1) == ["done", "failed", "done"]


def test_ticked_volumes_are_registered_to_the_fixed_one(ready, scene, pair):
    constant = volumeFromNode(pair[1])
    constant.array[:] = 1.0
    bad = nodeFromVolume(scene, constant, "constant")
    for node in (pair[1], bad):
        ready.batchTab.ui.movingVolumesSelector.setCheckState(node, qt.Qt.Checked)
    ready.batchTab.ui.runVolumesButton.click()
    assert column(ready, 1) == ["done", "failed"] and "constant" in said(ready, 1)
    assert slicer.util.getNode("moving to fixed").IsLinear()


def test_a_sequence_is_registered(ready, scene, pair):
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "cine")
    for value, node in zip("01", pair, strict=True):
        sequence.SetDataNodeAtValue(node, value)
    ui = ready.batchTab.ui
    assert not ui.runSequenceButton.enabled
    ui.sequenceSelector.setCurrentNode(sequence)
    ui.runSequenceButton.click()
    assert column(ready, 1) == ["done", "done"]
    assert scene.GetFirstNodeByName("cine registered").GetNumberOfDataNodes() == 2


def test_what_belongs_to_one_moving_volume_is_not_used_for_the_others(ready, scene, pair, monkeypatch):
    chosen = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "chosen")
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "of one volume")
    parameters, asked = ready.parameters, []
    parameters.outputTransform, parameters.landmarkWeight = chosen, 2.0
    parameters.fixedMask = parameters.movingMask = parameters.movingStructures = segmentation

    def register(runner, _scene, request, outputs, **_how):
        asked.append((request, outputs))
        raise RuntimeError("only asked")

    monkeypatch.setattr("ISTNRegistrationLib.bridge.registration.NodeRunner.register", register)
    ready.batchTab.ui.movingVolumesSelector.setCheckState(pair[1], qt.Qt.Checked)
    ready.batchTab.ui.runVolumesButton.click()
    assert column(ready, 1) == ["failed"] and said(ready, 0) == "only asked"
    request, outputs = asked[0]
    assert outputs.transformNode is None and request.checkpoint == parameters.checkpoint
    assert request.moving.image is pair[1] and (request.moving.mask, request.moving.structures) == (None, None)
    assert request.fixed.mask is segmentation and request.options["landmark_weight"] == 0


def test_a_sequence_that_fails_says_at_which_frame_and_keeps_nothing(ready, scene, pair):
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "cine")
    for value, node in zip("01", pair, strict=True):
        sequence.SetDataNodeAtValue(node, value)
    sequence.GetNthDataNode(1).GetImageData().GetPointData().GetScalars().Fill(1.0)
    ready.batchTab.ui.sequenceSelector.setCurrentNode(sequence)
    ready.batchTab.ui.runSequenceButton.click()
    assert column(ready, 1) == ["not kept", "failed"] and said(ready, 1)
    assert scene.GetFirstNodeByName("cine registered") is None


@pytest.mark.parametrize("way", ["the last window", "slicer.util.exit"])
def test_closing_slicer_during_a_batch_ends_it_and_no_other_pair_begins(files, way, monkeypatch):
    assert harness.closing_during(files, files.batchTab.ui.runFilesButton, way, monkeypatch) < 2
    assert column(files, 1) == ["waiting", "waiting", "waiting"]
    assert files.batchTab.ui.batchStatusLabel.text == "Stopped"


def test_while_a_batch_runs_the_tab_register_waits_and_the_other_way_round(files):
    seen = []
    show = files.batchTab._showRow

    def watching(index, row):
        show(index, row)
        seen.append((files.ui.applyButton.enabled, files.ui.applyButton.text))

    files.batchTab._showRow = watching
    files.batchTab.ui.runFilesButton.click()
    assert seen[-1] == (False, "Wait: the tab Batch is registering")
    assert files.ui.applyButton.enabled and files.ui.applyButton.text == "Apply"
    harness.on_report(files, "affine refined", lambda: seen.append(files.batchTab.ui.runFilesButton.enabled))
    files.ui.applyButton.click()
    assert seen[-1] is False and files.batchTab.ui.runFilesButton.enabled
