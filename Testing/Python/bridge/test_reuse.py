"""A second run on the same pair renews its maps and measures; another pair has nodes of its own."""

import numpy as np
import pytest
import slicer
from harness.requests import register
from harness.scene import node_ids
from ISTNRegistrationLib.bridge.outputs import OutputOptions
from ISTNRegistrationLib.bridge.reuse import putInFolder, reused
from ISTNRegistrationLib.bridge.volumes import nodeFromVolume, volumeFromNode
from ISTNRegistrationLib.core.volume import Volume

OUTPUTS = OutputOptions(measures=True)


def one_pass(scene, pair, checkpoint, **options):
    return register(scene, pair, checkpoint, {"refine": "none", "iterations": 0, **options}, OUTPUTS)


def test_the_second_run_fills_the_nodes_of_the_first_with_its_own_maps(scene, pair, checkpoint):
    first = one_pass(scene, pair, checkpoint, initial="none")
    first.heatmaps["warped"].SetName("mine")
    count, before = len(node_ids(scene)), first.result.warped_map.strongest.array
    second = one_pass(scene, pair, checkpoint, initial="center")
    assert second.heatmaps == first.heatmaps and second.measures == first.measures
    assert second.transform is not first.transform and second.volume is not first.volume
    expected = second.result.warped_map.strongest
    assert not np.array_equal(expected.array, before)
    shown = volumeFromNode(second.heatmaps["warped"])
    np.testing.assert_array_equal(shown.array, expected.array)
    np.testing.assert_allclose(shown.grid.matrix, expected.grid.matrix, atol=1e-9)
    moving, carried = volumeFromNode(second.heatmaps["moving"]).grid, second.result.moving_map.grid
    assert np.abs(carried.matrix - first.result.moving_map.grid.matrix).max() > 1
    np.testing.assert_allclose(moving.matrix, carried.matrix, atol=1e-9)
    assert second.heatmaps["warped"].GetName() == "mine"
    assert len(node_ids(scene)) == count + 3  # a transform, a volume and its display


def test_a_map_that_was_moved_lies_where_the_new_one_lies(scene, pair, checkpoint):
    first = one_pass(scene, pair, checkpoint)
    moved = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "moved")
    first.heatmaps["fixed"].SetAndObserveTransformNodeID(moved.GetID())
    assert one_pass(scene, pair, checkpoint).heatmaps["fixed"].GetTransformNodeID() is None


def test_another_pair_and_another_role_have_nodes_of_their_own(scene, pair):
    grid = volumeFromNode(pair[0]).grid

    def made(value):
        return nodeFromVolume(scene, Volume(np.full(grid.shape, value, np.float32), grid), "map")

    first = reused(scene, pair, "heatmaps fixed", made(1))
    assert reused(scene, pair, "heatmaps warped", made(2)) is not first
    assert reused(scene, pair[::-1], "heatmaps fixed", made(3)) is not first
    assert reused(scene, pair, "heatmaps fixed", made(4)) is first
    assert volumeFromNode(first).array.flat[0] == 4


def test_an_error_leaves_the_nodes_of_the_run_before_as_they_were(scene, pair, checkpoint, monkeypatch):
    first = one_pass(scene, pair, checkpoint, initial="none")
    ids, array = node_ids(scene), volumeFromNode(first.heatmaps["warped"]).array
    monkeypatch.setattr("ISTNRegistrationLib.bridge.outputs._measureNodes", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        one_pass(scene, pair, checkpoint, initial="center")
    assert node_ids(scene) == ids
    np.testing.assert_array_equal(volumeFromNode(first.heatmaps["warped"]).array, array)


def test_all_runs_on_a_pair_share_a_folder(scene):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    for _ in range(2):
        putInFolder(scene, [], "ISTN moving to fixed")
    children = []
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), children)
    names = [hierarchy.GetItemName(child) for child in children]
    assert names.count("ISTN moving to fixed") == 1
