"""What belongs to the moving image comes along: where the transform says, and the originals stay."""

import numpy as np
import pytest
import slicer
from harness.geometry import FLIP, mrml_to_world
from harness.requests import register
from harness.scene import node_ids
from ISTNRegistrationLib.bridge.carry import carry
from ISTNRegistrationLib.bridge.volumes import segmentationFromVolume, volumeFromNode, volumeFromSegment
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.metrics import dice
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.core.warp import warp_volume


@pytest.fixture
def registered(scene, pair, checkpoint):
    return register(scene, pair, checkpoint, {"transform": "bspline", "iterations": 5, "initial": "none"})


def test_an_oblique_segmentation_comes_whole_with_names_colours_and_ids(scene, pair, registered):
    moving = volumeFromNode(pair[1])
    labels = Volume((moving.array > moving.array.mean()).astype(np.uint8), moving.grid, "seg")
    node = segmentationFromVolume(scene, labels, "seg")
    segment = node.GetSegmentation().GetNthSegment(0)
    segment.SetName("putamen")
    segment.SetColor(0.1, 0.2, 0.3)
    (copy,) = carry(scene, [node], registered.transform, pair[0])
    fixed = volumeFromNode(pair[0]).grid
    expected = warp_volume(labels, registered.result.transform, fixed, order="nearest").array > 0
    segmentId = node.GetSegmentation().GetNthSegmentID(0)
    assert dice(volumeFromSegment(copy, segmentId, fixed).array > 0, expected) > 0.999
    kept = copy.GetSegmentation().GetSegment(segmentId)
    assert kept.GetName() == "putamen" and kept.GetColor() == (0.1, 0.2, 0.3)
    assert copy.GetTransformNodeID() is None and node.GetTransformNodeID() is None
    assert volumeFromSegment(node, segmentId, moving.grid).array.sum() == labels.array.sum()


def test_markups_and_models_move_as_the_transform_node_moves_points(scene, pair, registered):
    points = volumeFromNode(pair[1]).grid.center + np.array([[0.0, 0.0, 0.0], [5.0, -4.0, 3.0], [-6.0, 2.0, 1.0]])
    markups = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "points")
    for point in points * FLIP:
        markups.AddControlPoint(point)
    model = scene.AddNewNodeByClass("vtkMRMLModelNode", "model")
    model.SetAndObservePolyData(_cloud(points * FLIP))
    copies = carry(scene, [markups, model], registered.transform, pair[0])
    expected = mrml_to_world(registered.transform, points)
    np.testing.assert_allclose(slicer.util.arrayFromMarkupsControlPoints(copies[0]) * FLIP, expected, atol=1e-3)
    np.testing.assert_allclose(slicer.util.arrayFromModelPoints(copies[1]) * FLIP, expected, atol=1e-3)
    np.testing.assert_allclose(slicer.util.arrayFromMarkupsControlPoints(markups) * FLIP, points, atol=1e-6)
    assert isinstance(registered.result.transform, SpatialTransform)


def test_a_node_that_cannot_come_along_is_named_and_nothing_is_made(scene, pair, registered):
    before = node_ids(scene)
    with pytest.raises(InputError, match="cannot be brought along"):
        carry(scene, [pair[1]], registered.transform, pair[0])
    assert node_ids(scene) == before


def _cloud(points):
    import vtk

    data, cloud = vtk.vtkPoints(), vtk.vtkPolyData()
    for point in points:
        data.InsertNextPoint(point)
    cloud.SetPoints(data)
    return cloud
