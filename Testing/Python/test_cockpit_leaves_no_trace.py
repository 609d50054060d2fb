"""The cockpit under Slicer's own layout and link logic and strict controllers: other views stay as they were."""

import pytest

pytest.importorskip("PySide6", reason="the panel needs PySide6-Essentials in place of Slicer's Qt")
import slicer  # noqa: E402
from bridge.test_views import layers, volume  # noqa: E402
from harness import panel  # noqa: E402, F401  makes qt
from harness.scene import all_nodes, node_ids  # noqa: E402
from harness.shown import composite, shown  # noqa: E402
from ISTNRegistrationLib.app.parameters import COMPARISONS, ORIENTATIONS  # noqa: E402
from ISTNRegistrationLib.bridge.layout import VIEW_3D, VIEWS  # noqa: E402

FOUR_UP = 3


@pytest.fixture
def used(judged, scene):
    """... whose user has arranged the own views: each with layers and opacities of its own, linked, Four-Up."""
    manager = slicer.app.layoutManager()
    manager.setLayout(FOUR_UP)
    for number, name in enumerate(("Red", "Green", "Yellow")):
        composite = manager.views[name].composite
        composite.SetBackgroundVolumeID(volume(scene, f"mine {number}").GetID())
        composite.SetForegroundVolumeID(volume(scene, f"over {number}").GetID())
        composite.SetForegroundOpacity(0.2 + 0.1 * number)
        composite.SetLabelOpacity(0.3 + 0.1 * number)
        manager.views[name].node.SetFieldOfView(50.0 + number, 40.0, 1.0)
    for name in ("Red", "Green", "Yellow"):
        manager.views[name].composite.SetLinkedControl(True)
        manager.views[name].composite.SetHotLinkedControl(True)
    return judged


def users(scene):
    """What the user's own views show and how large."""
    own = layers(scene)
    views = slicer.app.layoutManager().views
    return own, {name: views[name].node.GetFieldOfView() for name in own}, slicer.app.layoutManager().layout


def by_button(opened):
    opened.ui.cockpitButton.click()


def by_next_apply(opened):
    opened.ui.applyButton.click()


def by_new_result(opened):
    opened.judgeTab.show(opened.judgeTab.pair, opened.judgeTab.nodes)


def by_clean_up(opened):
    opened.judgeTab.stop()


@pytest.mark.parametrize("close", [by_button, by_next_apply, by_new_result, by_clean_up])
def test_the_user_s_views_and_layout_are_untouched_while_it_is_open_and_after(used, scene, close):
    before = users(scene)
    used.ui.cockpitButton.click()
    assert {name for _, name in slicer.app.layoutManager().shown()} == {*VIEWS, VIEW_3D}
    for comparison in COMPARISONS:
        for orientation in ORIENTATIONS:
            used.parameters.comparison, used.parameters.orientation = comparison, orientation
            used.parameters.opacity = 0.15 if used.parameters.opacity > 0.5 else 0.85
            assert users(scene) == before, (comparison, orientation)
    close(used)
    assert users(scene) == before
    assert {name for _, name in slicer.app.layoutManager().shown()} == {"Red", "Green", "Yellow", "1"}
    assert used.judgeTab.comparison.cockpit is None


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_closing_leaves_no_node_behind_but_the_views(used, scene, comparison):
    before = set(node_ids(scene))
    used.ui.cockpitButton.click()
    used.ui.cockpitButton.click()
    views = [node for node in all_nodes(scene) if node.GetID() not in before]
    assert {node.GetClassName() for node in views} <= VIEW_NODES and not any(n.GetSaveWithScene() for n in views)
    after = set(node_ids(scene))
    used.parameters.comparison, used.parameters.showGrid = comparison, True
    used.ui.cockpitButton.click()
    used.parameters.orientation = "Sagittal"
    assert set(node_ids(scene)) > after
    used.ui.cockpitButton.click()
    assert set(node_ids(scene)) == after


VIEW_NODES = {
    "vtkMRMLSliceNode",
    "vtkMRMLSliceCompositeNode",
    "vtkMRMLSliceDisplayNode",
    "vtkMRMLLinearTransformNode",
    "vtkMRMLModelNode",
    "vtkMRMLViewNode",
    "vtkMRMLCameraNode",
}  # fmt: skip  a slice view has a model of its own, and a 3-D view a camera


def test_a_scene_that_closes_while_it_is_open_gives_the_layout_back(used, scene):
    used.ui.cockpitButton.click()
    scene.Clear(0)
    assert used.judgeTab.comparison.cockpit is None and slicer.app.layoutManager().layout == FOUR_UP
    assert {name for _, name in slicer.app.layoutManager().shown()} == {"Red", "Green", "Yellow", "1"}


def test_what_is_picked_or_slid_in_a_linked_view_of_it_stays_among_its_views(used, scene):
    before, other = users(scene), volume(scene, "other")
    used.ui.cockpitButton.click()
    slicer.app.layoutManager().controllers["ISTNAfter"].selectors["Foreground"].setCurrentNode(other)
    composite("ISTNAfter").SetForegroundOpacity(0.77)
    assert shown(scene, "ISTNBefore")[1] is other and composite("ISTNBefore").GetForegroundOpacity() == 0.77
    assert users(scene) == before


def test_what_is_loaded_while_it_is_open_stays_out_of_its_views(used, scene):
    logic, loaded = slicer.app.applicationLogic(), volume(scene, "loaded")
    used.ui.cockpitButton.click()
    logic.GetSelectionNode().SetActiveVolumeID(loaded.GetID())
    logic.PropagateVolumeSelection(0)
    assert composite("Red").GetBackgroundVolumeID() == loaded.GetID()
    assert all(shown(scene, view)[0] is not loaded for view in VIEWS)


def test_a_user_who_goes_to_another_layout_closes_it_and_stays_there(used, scene):
    before = users(scene)[:2]
    used.ui.cockpitButton.click()
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView)
    assert not used.ui.cockpitButton.checked and used.judgeTab.comparison.cockpit is None
    assert slicer.app.layoutManager().shown() == [("vtkMRMLSliceNode", "Red")]
    assert users(scene)[:2] == before
    slicer.app.layoutManager().setLayout(FOUR_UP)
    assert {name for _, name in slicer.app.layoutManager().shown()} == {"Red", "Green", "Yellow", "1"}
    used.ui.cockpitButton.click()
    assert {name for _, name in slicer.app.layoutManager().shown()} == {*VIEWS, VIEW_3D}


def test_a_scene_saved_while_it_is_open_knows_nothing_of_it(used, scene, tmp_path):
    used.ui.cockpitButton.click()
    scene.SetURL(str(tmp_path / "open.mrml"))
    scene.Commit(str(tmp_path / "open.mrml"))
    text = (tmp_path / "open.mrml").read_text(encoding="utf-8")
    assert f'currentViewArrangement="{FOUR_UP}"' in text
    made = [name for name in (*VIEWS, VIEW_3D, "magenta", "outline", "Warped grid") if name in text]
    assert not made


def test_a_result_is_shown_where_the_user_has_chosen_nothing_else(judged, scene, pair):
    shown = judged.judgeTab.nodes.volume
    assert {tuple(v[:2]) for v in users(scene)[0].values()} == {(pair[0].GetID(), shown.GetID())}
    red = slicer.app.layoutManager().views["Red"].composite
    mine = volume(scene, "mine")
    red.SetForegroundVolumeID(mine.GetID())
    composite("Green").SetForegroundOpacity(0.3)
    judged.ui.applyButton.click()
    assert red.GetForegroundVolumeID() == mine.GetID()
    green = slicer.app.layoutManager().views["Green"].composite
    assert green.GetForegroundVolumeID() == judged.judgeTab.nodes.volume.GetID() != shown.GetID()
    assert (green.GetForegroundOpacity(), composite("Yellow").GetForegroundOpacity()) == (0.3, 0.5)
