"""The user's layout is lent out and comes back, on Slicer's own layout node and logic."""

import pytest

pytest.importorskip("PySide6", reason="the layout manager needs PySide6-Essentials in place of Slicer's Qt")
import slicer  # noqa: E402
from harness import application  # noqa: E402
from harness.scene import empty_scene  # noqa: E402, F401
from ISTNRegistrationLib.bridge.layout import VIEW_3D, VIEWS, BorrowedLayout, layoutXml  # noqa: E402

application.install()
from harness.layouts import LayoutManager  # noqa: E402

Layout = slicer.vtkMRMLLayoutNode
OWN = {*VIEWS, VIEW_3D}
USERS = [Layout.SlicerLayoutConventionalView, Layout.SlicerLayoutFourUpView, Layout.SlicerLayoutOneUpRedSliceView]
COMPARE = [Layout.SlicerLayoutCompareView, Layout.SlicerLayoutCompareGridView]


@pytest.fixture
def manager(scene):
    manager = LayoutManager(scene, (32, 32))
    yield manager
    manager.close()


def names(manager):
    return {name for _, name in manager.shown()}


@pytest.mark.parametrize("number", USERS + COMPARE)
def test_the_layout_comes_back_as_it_was(scene, manager, number):
    manager.setLayout(number)
    node = manager.layoutLogic().GetLayoutNode()
    before = names(manager), {k: node.GetLayoutDescription(k) for k in (*USERS, *COMPARE)}
    borrowed = BorrowedLayout(scene, layoutXml(), lambda: None)
    assert names(manager) == OWN
    borrowed.giveBack()
    assert manager.layout == number
    assert (names(manager), {k: node.GetLayoutDescription(k) for k in (*USERS, *COMPARE)}) == before


@pytest.mark.parametrize("number", USERS)
def test_what_a_scene_or_the_settings_would_keep_is_the_user_s_layout(scene, manager, number):
    manager.setLayout(number)
    known = set(manager.layoutLogic().GetLayoutNode().GetLayoutIndices())
    borrowed = BorrowedLayout(scene, layoutXml(), lambda: None)
    assert manager.layout == number
    assert set(manager.layoutLogic().GetLayoutNode().GetLayoutIndices()) == known
    borrowed.giveBack()


def test_a_layout_that_slicer_writes_itself_is_not_lent_but_one_that_every_slicer_has(scene, manager):
    manager.setLayout(COMPARE[0])
    borrowed = BorrowedLayout(scene, layoutXml(), lambda: None)
    assert manager.layout == Layout.SlicerLayoutFourUpView and names(manager) == OWN
    borrowed.giveBack()


def test_a_maximized_view_is_maximized_again(scene, manager):
    node, red = manager.layoutLogic().GetLayoutNode(), scene.GetSingletonNode("Red", "vtkMRMLSliceNode")
    node.AddMaximizedViewNode(red)
    borrowed = BorrowedLayout(scene, layoutXml(), lambda: None)
    assert node.GetNumberOfMaximizedViewNodes() == 0
    borrowed.giveBack()
    assert node.GetMaximizedViewNode(0) is red


def test_a_user_who_goes_to_another_layout_is_told_of_once_and_stays_there(scene, manager):
    left = []
    borrowed = BorrowedLayout(scene, layoutXml(), lambda: left.append(1) or borrowed.giveBack())
    manager.setLayout(Layout.SlicerLayoutOneUpRedSliceView)
    assert left == [1] and manager.layout == Layout.SlicerLayoutOneUpRedSliceView and names(manager) == {"Red"}
    manager.setLayout(Layout.SlicerLayoutConventionalView)
    manager.setLayout(Layout.SlicerLayoutFourUpView)
    assert left == [1] and names(manager) == {"Red", "Green", "Yellow", "1"}


def test_without_a_layout_node_nothing_happens():
    scene = slicer.vtkMRMLScene()
    BorrowedLayout(scene, layoutXml(), lambda: None).giveBack()
    assert scene.GetNumberOfNodesByClass("vtkMRMLLayoutNode") == 0
