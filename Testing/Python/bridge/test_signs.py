"""Faults that no other test of the bridge saw: a camera's way, overlapping segments, sizes that differ by axis."""

import numpy as np
import pytest
from builders import make_grid
from ISTNRegistrationLib.bridge.cockpit import CAMERA_FROM, ROOM, VIEW_ANGLE
from ISTNRegistrationLib.bridge.layout import VIEW_3D
from ISTNRegistrationLib.bridge.structures import labelsOfPair
from ISTNRegistrationLib.bridge.volumes import orientedImage, volumeFromStructure
from ISTNRegistrationLib.core.colors import COLORS, ramp

from .test_cockpit import cockpit, result  # noqa: F401  fixtures

GRID = make_grid(3, "oblique", size=(14, 12, 10))


def test_the_camera_looks_at_the_structures_from_the_front_and_stands_back_by_their_size(scene, cockpit):  # noqa: F811
    camera = scene.AddNewNodeByClass("vtkMRMLCameraNode")
    camera.SetLayoutName(VIEW_3D)
    cockpit.lookAtStructures()
    box = np.reshape(cockpit.outlines[0].GetPolyData().GetBounds(), (3, 2))
    away = np.array(camera.GetPosition()) - box.mean(axis=1)
    np.testing.assert_allclose(camera.GetFocalPoint(), box.mean(axis=1))
    np.testing.assert_allclose(away / np.linalg.norm(away), CAMERA_FROM / np.linalg.norm(CAMERA_FROM), atol=1e-6)
    half = np.degrees(np.arcsin(np.ptp(box, axis=1).max() / 2 * ROOM / np.linalg.norm(away)))
    assert half == pytest.approx(VIEW_ANGLE / 2) and camera.GetViewAngle() == VIEW_ANGLE
    assert camera.GetViewUp() == (0.0, 0.0, 1.0)


def segmentation(scene, boxes, grid=GRID):
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    for name, box in boxes.items():
        mask = np.zeros(grid.shape, bool)
        mask[box] = True
        node.AddSegmentFromBinaryLabelmapRepresentation(orientedImage(mask, grid), name)
    return node


def test_segments_that_all_overlap_are_each_whole_in_a_layer_of_their_own(scene):
    boxes = {"a": np.s_[2:6, 3:7, 2:9], "b": np.s_[4:8, 3:7, 2:9], "c": np.s_[5:6, 1:7, 4:5], "d": np.s_[:1, :1, :1]}
    node = segmentation(scene, boxes)
    found = labelsOfPair((node, node), (GRID, GRID))[1].array
    assert found.shape == (3, *GRID.shape)
    for number, box in enumerate(boxes.values(), start=1):
        expected = np.zeros(GRID.shape, bool)
        expected[box] = True
        assert np.array_equal((found == number).any(axis=0), expected)


def test_a_mask_of_segments_has_every_one_of_them_on_a_grid_of_three_sizes(scene):
    boxes = {"a": np.s_[1:3, 9:11, 11:13], "b": np.s_[7:9, 2:4, 1:3]}
    expected = np.zeros(GRID.shape, np.uint8)
    for box in boxes.values():
        expected[box] = 1
    assert np.array_equal(volumeFromStructure(segmentation(scene, boxes), GRID).array, expected)


def test_structures_without_a_common_name_are_matched_by_their_place(scene):
    fixed = segmentation(scene, {"a": np.s_[1:3, 1:3, 1:3], "b": np.s_[5:7, 5:7, 5:7], "c": np.s_[8:9, 8:9, 8:9]})
    moving = segmentation(scene, {"x": np.s_[2:4, 1:3, 1:3], "y": np.s_[6:8, 5:7, 5:7]})
    found = labelsOfPair((fixed, moving), (GRID, GRID))
    assert sorted(found[2]) == [1, 2] and set(np.unique(found[0].array)) >= {0, 1, 2}
    assert np.argwhere(found[1].array == 2).min(axis=0).tolist() == [6, 5, 5]


def test_a_ramp_begins_and_ends_with_its_colors_and_passes_the_middle_one_half_way():
    colors = ramp(((1.0, 0.0, 0.0), (0.0, 0.5, 0.0), (0.0, 0.0, 1.0)))
    assert colors.shape == (COLORS, 3)
    assert colors[0].tolist() == [1.0, 0.0, 0.0] and colors[-1].tolist() == [0.0, 0.0, 1.0]
    assert np.allclose(colors[127:129].mean(axis=0), [0.0, 0.5, 0.0], atol=0.01)
