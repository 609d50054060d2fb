"""The section Adjust after a real registration: slider, weights, landmarks, variants, undo."""

import json

import numpy as np
import pytest

pytest.importorskip("PySide6", reason="the panel needs PySide6-Essentials in place of Slicer's Qt")
import slicer  # noqa: E402
from harness import panel as harness  # noqa: E402
from ISTNRegistrationLib.app.weighting import Weighting, save, saved  # noqa: E402
from ISTNRegistrationLib.bridge.provenance import provenance  # noqa: E402
from ISTNRegistrationLib.core.errors import InputError  # noqa: E402
from ISTNRegistrationLib.core.quality import Verdict  # noqa: E402

import qt  # noqa: E402  isort: skip  made by the harness

POINTS = "vtkMRMLMarkupsFiducialNode"


@pytest.fixture
def adjust(judged):
    return judged.judgeTab.adjust


def coefficients(nodes):
    return np.asarray(nodes.result.transform.residual.coefficients)


def wait(adjust):
    """What a user's pause does: the answer follows."""
    assert adjust._timer.isActive()
    adjust._timer.stop()
    adjust.onPause()


def tick(adjust, row, wanted):
    adjust.ui.structuresTable.item(row, 0).setCheckState(qt.Qt.Checked if wanted else qt.Qt.Unchecked)


def names(adjust):
    table = adjust.ui.variantsTable
    return [("*" if table.item(k, 0).font().bold() else "") + table.item(k, 0).text() for k in range(table.rowCount)]


def test_without_a_result_it_says_why_nothing_can_be_changed(panel, scene):
    ui = panel.judgeTab.adjust.ui
    assert "Register first" in ui.adjustReasonLabel.text and not ui.adjustReasonLabel.isHidden()
    off = (ui.imageShareSlider, ui.structuresTable, ui.variantsTable, ui.undoButton, ui.keepButton)
    assert not any(widget.isEnabled() for widget in off)


def test_after_a_registration_there_are_one_variant_and_the_checkpoint_s_structures(adjust):
    ui = adjust.ui
    assert [ui.structuresTable.item(k, 0).text() for k in range(ui.structuresTable.rowCount)] == ["putamen", "caudate"]
    assert names(adjust) == ["*First answer"] and not ui.undoButton.isEnabled() and ui.keepButton.isEnabled()
    assert ui.adjustReasonLabel.isHidden() and ui.imageShareSlider.value == 0


def test_unticking_a_structure_refines_on_and_nodes_table_and_status_follow(judged, adjust):
    nodes, shown = judged.judgeTab.nodes, slicer.util.arrayFromVolume(judged.judgeTab.nodes.volume).copy()
    tick(adjust, 1, False)
    wait(adjust)
    new, table = judged.judgeTab.nodes, judged.ui.qualityTable
    assert new.transform is nodes.transform and new.outcome.request.options.structure_weights == {"caudate": 0.0}
    assert not np.array_equal(coefficients(new), coefficients(nodes))
    assert not np.array_equal(slicer.util.arrayFromVolume(new.volume), shown)
    assert table.horizontalHeaderItem(table.columnCount - 1).text() == "adjusted"
    assert names(adjust) == ["First answer", "*caudate off"] and "caudate off: 0." in adjust.ui.adjustStatusLabel.text
    assert provenance(new.transform)["variant"]["changes"] == [
        {"image_share": None, "structure_weights": {"caudate": 0.0}, "landmark_weight": 0.0}
    ]


def test_undo_gives_bitwise_what_was_there_and_the_boxes_follow(judged, adjust):
    before = judged.judgeTab.nodes
    volume = slicer.util.arrayFromVolume(before.volume).copy()
    tick(adjust, 0, False)
    wait(adjust)
    adjust.ui.undoButton.click()
    after = judged.judgeTab.nodes
    np.testing.assert_array_equal(coefficients(after), coefficients(before))
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(after.volume), volume)
    assert names(adjust) == ["*First answer", "putamen off"] and not adjust.ui.undoButton.isEnabled()
    assert adjust.structures.weights() == {} and not adjust._timer.isActive()
    adjust.ui.variantsTable.cellClicked.emit(1, 0)
    assert names(adjust) == ["First answer", "*putamen off"] and adjust.structures.weights() == {"putamen": 0.0}
    assert adjust.ui.undoButton.isEnabled()


def test_the_tab_register_shows_the_light_of_the_answer_that_stands(judged, adjust, monkeypatch):
    from ISTNRegistrationLib.data.run import Outcome

    first, told = judged.ui.statusLabel.text, Outcome.verdict.fget
    assert first.startswith("Done in") and first.endswith(judged.ui.reasonLabel.text)
    poor = Verdict("red", "The structures do not agree")
    monkeypatch.setattr(Outcome, "verdict", property(lambda outcome: poor if outcome.changes else told(outcome)))
    tick(adjust, 0, False)
    wait(adjust)
    assert judged.ui.statusLabel.text == "Adjusted in the tab Judge. \u2715 Poor: The structures do not agree"
    adjust.ui.undoButton.click()
    assert judged.ui.statusLabel.text == first
    adjust.ui.variantsTable.cellClicked.emit(1, 0)
    assert judged.ui.statusLabel.text.startswith("Adjusted") and "Poor" in judged.ui.reasonLabel.text


def test_a_weight_is_typed_and_nonsense_becomes_1(adjust):
    adjust.ui.structuresTable.item(1, 1).setText("2,5")
    assert adjust.structures.weights() == {"caudate": 2.5}
    for nonsense in ("many", "-3", "0", "nan"):
        adjust.ui.structuresTable.item(1, 1).setText(nonsense)
        assert adjust.ui.structuresTable.item(1, 1).text() == "1" and adjust.structures.weights() == {}


def test_the_last_structure_cannot_be_switched_off(adjust):
    tick(adjust, 0, False)
    tick(adjust, 1, False)
    assert adjust.structures.weights() == {"putamen": 0.0}


def test_the_slider_asks_for_the_images(judged, adjust):
    adjust.ui.imageShareSlider.value = 0.4
    wait(adjust)
    assert judged.judgeTab.nodes.outcome.request.options.image_share == 0.4
    assert names(adjust)[-1] == "*images 40 %" and adjust.ui.imageShareSlider.value == pytest.approx(0.4)


def test_a_newer_change_takes_the_place_of_a_running_one(judged, adjust, monkeypatch):
    from ISTNRegistrationLib.app import adjust as module

    asked, plain = [], module.registerAgain

    def slow(nodes, **options):
        asked.append(options["structure_weights"])
        if len(asked) == 1:
            tick(adjust, 0, True)
            tick(adjust, 1, False)
            adjust._timer.stop()
            adjust.onPause()  # as the timer does while the first one is computed
        return plain(nodes, **options)

    monkeypatch.setattr(module, "registerAgain", slow)
    tick(adjust, 0, False)
    wait(adjust)
    assert asked == [{"putamen": 0.0}, {"caudate": 0.0}] and names(adjust) == ["First answer", "*caudate off"]
    assert [change["structure_weights"] for change in judged.judgeTab.nodes.outcome.changes] == [{"caudate": 0.0}]


def test_what_is_changed_just_before_an_answer_comes_is_not_lost(judged, adjust, monkeypatch):
    from ISTNRegistrationLib.app import adjust as module

    plain = module.registerAgain

    def moved(nodes, **options):
        made = plain(nodes, **options)
        if len(adjust.variants.all) == 1:
            adjust.ui.imageShareSlider.value = 0.6
            tick(adjust, 1, False)
            adjust.ui.pullSpinBox.value = 3.0
        return made

    monkeypatch.setattr(module, "registerAgain", moved)
    adjust.ui.imageShareSlider.value = 0.4
    wait(adjust)
    assert names(adjust) == ["First answer", "*images 40 %"]
    assert adjust.ui.imageShareSlider.value == 0.6 and adjust.structures.weights() == {"caudate": 0.0}
    assert adjust.ui.pullSpinBox.value == 3.0
    wait(adjust)
    assert names(adjust)[-1] == "*images 60 %, caudate off"


def test_apply_waits_meanwhile_and_can_be_pressed_again_afterwards(judged, adjust):
    seen = []
    judged.judgeTab.adjust._turn.onChange = lambda: (judged.link.update(), seen.append(judged.ui.applyButton.text))
    tick(adjust, 0, False)
    wait(adjust)
    assert seen == ["Wait: the result is being adjusted", "Apply"] and judged.ui.applyButton.enabled


def test_the_shown_variant_is_kept_as_a_node_of_its_own(judged, adjust, scene):
    tick(adjust, 0, False)
    wait(adjust)
    adjust.ui.keepButton.click()
    kept = scene.GetFirstNodeByName(f"{judged.judgeTab.nodes.transform.GetName()}, putamen off")
    assert kept is not None and provenance(kept)["options"]["structure_weights"] == {"putamen": 0.0}
    assert kept.GetName() in adjust.ui.adjustStatusLabel.text


def test_a_changed_image_is_said_and_the_answer_stays(judged, adjust):
    nodes = judged.judgeTab.nodes
    slicer.util.arrayFromVolume(nodes.request.fixed.image)[2] = 7
    slicer.util.arrayFromVolumeModified(nodes.request.fixed.image)
    tick(adjust, 0, False)
    with pytest.raises(InputError, match="it was changed after the registration"):
        wait(adjust)
    assert judged.judgeTab.nodes is nodes and names(adjust) == ["*First answer"]


def test_closing_the_scene_empties_the_section_also_in_the_middle(judged, adjust, scene, monkeypatch):
    from ISTNRegistrationLib.app import adjust as module

    plain = module.registerAgain

    def closing(nodes, inBackground, **options):
        def closed(work):
            scene.Clear(0)
            return inBackground(work)

        return plain(nodes, inBackground=closed, **options)

    monkeypatch.setattr(module, "registerAgain", closing)
    tick(adjust, 0, False)
    wait(adjust)
    assert adjust.variants is None and adjust.ui.variantsTable.rowCount == 0
    assert (
        "Register first" in adjust.ui.adjustReasonLabel.text and judged.ui.applyButton.text == "Select a fixed volume"
    )


def test_open_views_follow_and_stay_where_they_are(judged, adjust, scene):
    judged.ui.cockpitButton.checked = True
    before = judged.judgeTab.comparison.cockpit
    view = scene.GetSingletonNode("ISTNAfter", "vtkMRMLSliceNode")
    view.JumpSlice(3.0, -2.0, 1.0)
    place = [view.GetSliceToRAS().GetElement(k, 3) for k in range(3)]
    count = scene.GetNumberOfNodes()
    tick(adjust, 0, False)
    wait(adjust)
    cockpit = judged.judgeTab.comparison.cockpit
    assert cockpit is not before and cockpit.nodes is judged.judgeTab.nodes and judged.ui.cockpitButton.checked
    assert [view.GetSliceToRAS().GetElement(k, 3) for k in range(3)] == place
    assert scene.GetNumberOfNodes() == count
    judged.ui.cockpitButton.checked = False


def test_register_with_these_too_hands_them_to_the_next_registration_and_to_the_scene(judged, adjust):
    tick(adjust, 0, False)
    assert "structure_weights" not in harness.asked(judged)[1]
    adjust.ui.adjustNextCheckBox.checked = True
    adjust.ui.imageShareSlider.value = 0.25
    options = harness.asked(judged)[1]
    assert options["structure_weights"] == {"putamen": 0.0} and options["image_share"] == 0.25
    assert json.loads(judged.parameters.structureWeights) == {"putamen": 0.0} and judged.parameters.imageShare == 0.25
    judged.ui.applyButton.click()
    assert adjust.structures.weights() == {"putamen": 0.0} and adjust.ui.imageShareSlider.value == 0.25
    adjust.ui.adjustNextCheckBox.checked = False
    assert "image_share" not in harness.asked(judged)[1]


def test_what_a_scene_says_and_cannot_be_used_is_left_out(panel):
    p = panel.parameters
    save(p, Weighting(0.5, {"caudate": 2.0, "left foot": 1.0}))
    assert saved(p, ("caudate", "putamen")) == Weighting(0.5, {"caudate": 2.0})
    for text in ("no JSON", "[1, 2]", '{"caudate": "much"}', '{"caudate": NaN}', '{"caudate": -1}', "null"):
        p.structureWeights = text
        assert saved(p, ("caudate",)).weights == {}


def test_a_dragged_landmark_counts_once_landmarks_pull(judged, adjust, scene):
    lists = []
    assert not adjust.ui.pullSpinBox.isEnabled()
    for side in ("fixed", "moving"):
        points = scene.AddNewNodeByClass(POINTS, f"{side} points")
        points.AddControlPoint((1.0, 2.0, 3.0), "A")
        setattr(judged.parameters, f"{side}Landmarks", points)
        lists.append(points)
    lists[1].SetNthControlPointPosition(0, (4.0, 2.0, 3.0))
    assert not adjust._timer.isActive() and adjust.ui.pullSpinBox.isEnabled()  # they only measure
    adjust.ui.pullSpinBox.value = 20.0
    wait(adjust)
    assert judged.parameters.landmarkWeight == 20.0 and names(adjust)[-1] == "*landmarks 20"
    lists[1].SetNthControlPointPosition(0, (1.0, -3.0, 3.0))
    wait(adjust)
    nodes = judged.judgeTab.nodes
    np.testing.assert_allclose(nodes.outcome.request.moving.landmarks.points, [[-1.0, 3.0, 3.0]])
    carried = nodes.result.transform.map_points(np.array([[-1.0, -2.0, 3.0]]))
    assert nodes.request.moving.landmarks is lists[1] and nodes.quality[-1].tre_mm < 3 and carried[0, 1] > 0
    table = adjust.ui.variantsTable
    assert "TRE" in table.horizontalHeaderItem(table.columnCount - 2).text()
    adjust.ui.undoButton.click()
    adjust.ui.undoButton.click()
    assert adjust.ui.pullSpinBox.value == judged.parameters.landmarkWeight == 0 and names(adjust)[0] == "*First answer"
