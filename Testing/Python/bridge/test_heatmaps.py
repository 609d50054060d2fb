from types import SimpleNamespace

import numpy as np
import pytest
import slicer
from harness.geometry import GRIDS
from ISTNRegistrationLib.bridge.heatmaps import (
    TRANSPARENT_BELOW,
    addLegend,
    differenceNode,
    heatColorNode,
    heatColors,
    heatmapNode,
    heatmapNodes,
)
from ISTNRegistrationLib.bridge.volumes import volumeFromNode
from ISTNRegistrationLib.core.volume import Volume


def maps(grid, channels=2, seed=0):
    return Volume(np.random.default_rng(seed).random((channels, *grid.shape), dtype=np.float32), grid, "maps")


@pytest.fixture
def result():
    grid = GRIDS["LPS"]
    return SimpleNamespace(
        fixed_map=maps(grid), moving_map=maps(GRIDS["oblique"], seed=1), warped_map=maps(grid, seed=2)
    )


def test_each_map_becomes_one_node_where_the_map_lies(scene, result):
    nodes = heatmapNodes(scene, result)
    assert [node.GetName() for node in nodes.values()] == ["F'", "M'", "M' warped"]
    moving = volumeFromNode(nodes["moving"])
    np.testing.assert_allclose(moving.grid.matrix, GRIDS["oblique"].matrix, atol=1e-12)
    np.testing.assert_array_equal(moving.array, result.moving_map.array.max(axis=0))


def test_channels_are_shown_one_by_one_when_named(scene, result):
    nodes = heatmapNodes(scene, result, ("putamen", "caudate"))
    assert len(nodes) == 9
    assert nodes["fixed caudate"].GetName() == "F' caudate"
    np.testing.assert_array_equal(volumeFromNode(nodes["fixed caudate"]).array, result.fixed_map.array[1])


def test_a_map_of_one_channel_is_its_own_combination():
    one = maps(GRIDS["LPS"], channels=1)
    np.testing.assert_array_equal(one.strongest.array, one.array[0])


def test_heat_is_transparent_where_there_is_none_and_has_a_fixed_window(scene, result):
    display = heatmapNode(scene, result.fixed_map.strongest, "heat").GetDisplayNode()
    assert display.GetApplyThreshold() and display.GetLowerThreshold() == TRANSPARENT_BELOW
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (0.0, 1.0)
    assert not display.GetAutoWindowLevel() and display.GetColorNode().GetName() == "ISTN heat"


def test_all_heatmaps_share_one_color_table(scene, result):
    heatmapNodes(scene, result)
    assert heatColorNode(scene) is heatColorNode(scene)
    assert scene.GetNodesByName("ISTN heat").GetNumberOfItems() == 1


def test_the_colors_grow_lighter_step_by_step():
    lightness = heatColors() ** 2.2 @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) > 0).all()


def test_a_legend_carries_its_title(scene, result):
    legend = addLegend(heatmapNode(scene, result.fixed_map.strongest, "heat"), "structure")
    assert legend.IsA("vtkMRMLColorLegendDisplayNode") and legend.GetTitleText() == "structure"
    assert legend.GetVisibility() and isinstance(legend.GetDisplayableNode(), slicer.vtkMRMLScalarVolumeNode)


def test_the_difference_is_the_largest_over_the_structures(scene, result):
    node = differenceNode(scene, result)
    expected = np.abs(result.warped_map.array - result.fixed_map.array).max(axis=0)
    np.testing.assert_array_equal(volumeFromNode(node).array, expected)
