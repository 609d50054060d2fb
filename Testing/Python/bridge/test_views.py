"""Slice views under Slicer's own link logic and strict controllers: shown, remembered, and given back as they were."""

import numpy as np
import pytest

pytest.importorskip("PySide6", reason="the slice controllers need PySide6-Essentials in place of Slicer's Qt")
import slicer  # noqa: E402
from builders import make_grid  # noqa: E402
from harness import application  # noqa: E402
from harness.slice_controllers import SliceController, link  # noqa: E402
from headless.sliceview import SliceView  # noqa: E402
from ISTNRegistrationLib.bridge.views import (  # noqa: E402
    SliceLayers,
    addHidden,
    browse,
    compositeNodes,
    displayNodes,
    removeUnseen,
    sharedCopy,
    showVolumes,
    unlinked,
    usersViews,
)
from ISTNRegistrationLib.bridge.volumes import nodeFromVolume, volumeFromNode  # noqa: E402
from ISTNRegistrationLib.core.volume import Volume  # noqa: E402

application.install()

KEYS = (
    "BackgroundVolumeID", "ForegroundVolumeID", "LabelVolumeID", "ForegroundOpacity", "LabelOpacity", "Compositing",
    "LinkedControl", "HotLinkedControl",
)  # fmt: skip


def layers(scene):
    """All that a user sees and has chosen in the own views, by their names."""
    own = [node for node in compositeNodes(scene) if node.GetLayoutName() in ("Red", "Green", "Yellow")]
    return {node.GetLayoutName(): [getattr(node, f"Get{key}")() for key in KEYS] for node in own}


def volume(scene, name):
    grid = make_grid(3, "oblique")
    array = np.zeros(grid.shape, np.float32)
    array[2, 5, 9] = 7.0  # off center
    return nodeFromVolume(scene, Volume(array, grid), name)


@pytest.fixture
def views(scene):
    """Red, Green and Yellow, linked, each with other layers and opacities, and volumes that could take their place."""
    made = [SliceView(scene, name, (64, 64)) for name in ("Red", "Green", "Yellow")]
    controllers = [SliceController(scene, view.logic) for view in made]
    logic = link(scene)
    for number, view in enumerate(made):
        view.composite.SetBackgroundVolumeID(volume(scene, f"mine {number}").GetID())
        view.composite.SetForegroundVolumeID(volume(scene, f"over {number}").GetID())
        view.composite.SetForegroundOpacity(0.2 + 0.1 * number)
        view.composite.SetLabelOpacity(0.3 + 0.1 * number)
    volume(scene, "bystander")
    for view in made:
        view.composite.SetLinkedControl(True)
        view.composite.SetHotLinkedControl(True)
    made[0].selectors = [s for controller in controllers for s in controller.selectors.values()]
    yield made
    logic.SetMRMLScene(None)
    for controller, view in zip(controllers, made, strict=True):
        controller.close()
        view.close()


def test_the_controllers_of_the_harness_spread_what_a_linked_view_shows_as_slicer_s_do(scene, views):
    views[0].composite.SetForegroundOpacity(0.9)
    assert [v.composite.GetForegroundOpacity() for v in views] == [0.9] * 3
    shown = scene.GetNodeByID(views[0].composite.GetForegroundVolumeID())
    scene.RemoveNode(shown)
    taken = {v.composite.GetForegroundVolumeID() for v in views}
    assert len(taken) == 1 and shown.GetID() not in taken


def test_layers_come_back_as_they_were_in_every_linked_view(scene, views):
    before = layers(scene)
    remembered = SliceLayers(scene, compositeNodes(scene))
    shown = volume(scene, "shown")
    showVolumes(scene, usersViews(scene), shown, shown, 0.7)
    assert {tuple(values[:2]) for values in layers(scene).values()} == {(shown.GetID(), shown.GetID())}
    assert layers(scene) != before
    remembered.restore()
    assert layers(scene) == before


def test_a_volume_that_went_meanwhile_leaves_its_layer_empty(scene, views):
    remembered = SliceLayers(scene, compositeNodes(scene))
    gone = scene.GetNodeByID(views[1].composite.GetForegroundVolumeID())
    showVolumes(scene, usersViews(scene), volume(scene, "shown"))
    scene.RemoveNode(gone)
    remembered.restore()
    assert views[1].composite.GetForegroundVolumeID() is None
    assert views[2].composite.GetForegroundVolumeID() is not None


def test_removing_what_one_view_shows_changes_no_other_view(scene, views):
    helper = addHidden(scene, "vtkMRMLScalarVolumeNode", "helper")
    late = volume(scene, "hidden too late")  # selectors list it still, as Slicer's do
    late.SetHideFromEditors(True)
    with unlinked(scene):
        views[0].composite.SetBackgroundVolumeID(late.GetID())
        views[0].composite.SetForegroundVolumeID(helper.GetID())
    before = layers(scene)
    removeUnseen(scene, [helper, late])
    assert {name: v for name, v in layers(scene).items() if name != "Red"} == {
        name: v for name, v in before.items() if name != "Red"
    }
    assert layers(scene)["Red"][:2] == [None, None] and layers(scene)["Red"][2:] == before["Red"][2:]


def test_a_hidden_node_is_in_no_selector(scene, views):
    helper, shown = addHidden(scene, "vtkMRMLScalarVolumeNode", "helper"), volume(scene, "shown")
    listed = {node.GetID() for selector in views[0].selectors for node in selector._nodes()}
    assert shown.GetID() in listed and helper.GetID() not in listed


def test_showing_says_whether_the_views_should_be_fitted(scene, views):
    first, second = volume(scene, "first"), volume(scene, "second")
    assert showVolumes(scene, usersViews(scene), first)
    assert not showVolumes(scene, usersViews(scene), first, second, 0.4)
    assert all(v.composite.GetForegroundOpacity() == 0.4 and v.composite.GetLinkedControl() for v in views)


def test_the_cockpit_s_views_are_not_the_user_s(scene, views):
    own = SliceView(scene, "ISTNFixed", (64, 64))
    showVolumes(scene, usersViews(scene), volume(scene, "shown"))
    assert own.composite.GetBackgroundVolumeID() is None
    own.close()


def test_a_shared_copy_lies_where_the_volume_lies_in_the_world_and_is_hidden_and_unsaved(scene):
    node = volume(scene, "original")
    node.GetDisplayNode().SetAndObserveColorNodeID("vtkMRMLColorTableNodeGreen")
    parent = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = slicer.util.arrayFromTransformMatrix(parent)
    matrix[:3, 3] = [3.0, -5.0, 8.0]
    slicer.util.updateTransformMatrixFromArray(parent, matrix)
    node.SetAndObserveTransformNodeID(parent.GetID())
    copy = sharedCopy(scene, node, "copy")
    np.testing.assert_allclose(volumeFromNode(copy).grid.matrix, volumeFromNode(node).grid.matrix, atol=1e-9)
    assert copy.GetImageData() is node.GetImageData() and copy.GetTransformNodeID() is None
    assert copy.GetDisplayNode().GetColorNodeID() == "vtkMRMLColorTableNodeGreen"
    for hidden in (copy, *displayNodes(copy)):
        assert hidden.GetHideFromEditors() and not hidden.GetSaveWithScene()


def test_a_browser_plays_the_sequences_together(scene):
    sequences = []
    for name in ("registered", "transforms"):
        sequences.append(scene.AddNewNodeByClass("vtkMRMLSequenceNode", name))
        for index in ("3", "7", "9"):
            sequences[-1].SetDataNodeAtValue(volume(scene, "frame"), index)
    browser = browse(scene, sequences, "registered")
    assert browser.GetMasterSequenceNode() is sequences[0] and browser.IsSynchronizedSequenceNode(sequences[1])
    assert browser.GetNumberOfItems() == 3 and browser.GetSelectedItemNumber() == 0
