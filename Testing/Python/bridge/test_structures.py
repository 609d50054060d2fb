import numpy as np
import pytest
import slicer
from builders import make_grid
from harness.geometry import FLIP
from ISTNRegistrationLib.bridge.structures import structuresFromNode
from ISTNRegistrationLib.bridge.volumes import nodeFromVolume, segmentationFromVolume
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.volume import Volume

GRID = make_grid(3, "oblique")


def test_points_and_curves_come_in_lps_where_they_lie_in_the_world(scene):
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
    curve = scene.AddNewNodeByClass("vtkMRMLMarkupsCurveNode")
    positions = np.array([[1.0, 2.0, 3.0], [-4.0, 5.0, 6.0], [7.0, 1.0, 0.0]])
    for position in positions:
        node.AddControlPointWorld(position)
        curve.AddControlPointWorld(position)
    shift = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = slicer.util.arrayFromTransformMatrix(shift)
    matrix[:3, 3] = [10.0, 0.0, 0.0]
    slicer.util.updateTransformMatrixFromArray(shift, matrix)
    for markups in (node, curve):
        markups.SetAndObserveTransformNodeID(shift.GetID())
    expected = (positions + [10.0, 0.0, 0.0]) * FLIP
    np.testing.assert_allclose(structuresFromNode(node, GRID).points, expected, atol=1e-9)
    (drawn,) = structuresFromNode(curve, GRID).curves
    assert len(drawn) > len(positions)
    assert all(np.linalg.norm(drawn - point, axis=1).min() < 1e-6 for point in expected)


def test_segments_become_the_labels_of_a_map_in_their_order(scene):
    labels = np.zeros(GRID.shape, np.uint8)
    labels[2:6, 3:7, 2:5], labels[8:11, 3:7, 2:5] = 1, 2
    node = segmentationFromVolume(scene, Volume(labels, GRID, "both"), "both")
    found = structuresFromNode(node, GRID).labels
    assert np.array_equal(found.array, labels)


def test_a_node_that_shows_no_structures_is_named(scene):
    node = nodeFromVolume(scene, Volume(np.zeros(GRID.shape, np.float32), GRID, "image"), "image")
    with pytest.raises(InputError, match="image.*no structures.*segmentation"):
        structuresFromNode(node, GRID)
    with pytest.raises(InputError, match="nothing"):
        structuresFromNode(None, GRID)
