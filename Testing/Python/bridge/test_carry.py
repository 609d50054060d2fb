"""What belongs to the moving image comes along: where the transform says, and the originals stay."""

from types import SimpleNamespace

import numpy as np
import pytest
import slicer
import vtk
from builders import random_transform
from harness.geometry import FLIP, GRIDS, mrml_to_world
from harness.scene import node_ids
from ISTNRegistrationLib.bridge.carry import carry, cropped
from ISTNRegistrationLib.bridge.transforms import transformNodeFor
from ISTNRegistrationLib.bridge.volumes import RAS_TO_LPS, segmentationFromVolume, volumeFromNode, volumeFromSegment
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.metrics import dice
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.core.warp import warp_volume


@pytest.fixture
def registered(scene, pair):
    """A registration from the fixed to the moving image: a few mm, a few degrees, and a B-spline."""
    found = random_transform(volumeFromNode(pair[0]).grid, seed=4)
    shift = np.eye(4)
    shift[:3, 3] = volumeFromNode(pair[1]).grid.center - volumeFromNode(pair[0]).grid.center
    transform = SpatialTransform(shift @ found.linear, found.residual)
    node = transformNodeFor(scene, transform, "T")
    return SimpleNamespace(result=SimpleNamespace(transform=transform), transform=node)


def test_an_oblique_segmentation_comes_whole_with_names_colors_and_ids(scene, pair, registered):
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


def marker(scene, grid, index):
    """Segmentation of one off-center box of voxels, with a surface, hidden fill and half opaque."""
    array = np.zeros(grid.shape, np.uint8)
    x, y, z = index
    array[z : z + 3, y : y + 4, x : x + 5] = 1
    node = segmentationFromVolume(scene, Volume(array, grid, "marker"), "marker")
    node.CreateClosedSurfaceRepresentation()
    node.GetDisplayNode().SetOpacity3D(0.5)
    node.GetDisplayNode().SetVisibility2DFill(False)
    node.GetDisplayNode().SetSegmentOpacity3D(node.GetSegmentation().GetNthSegmentID(0), 0.25)
    return node


def under_a_shift(scene, node):
    """Put a node under a parent of its own."""
    parent = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "parent")
    matrix = slicer.util.arrayFromTransformMatrix(parent)
    matrix[:3, 3] = [4.0, -3.0, 5.0]
    slicer.util.updateTransformMatrixFromArray(parent, matrix)
    node.SetAndObserveTransformNodeID(parent.GetID())
    return matrix


def test_a_segmentation_under_a_parent_of_its_own_comes_to_where_it_was_seen(scene, pair, registered):
    moving = volumeFromNode(pair[1]).grid
    node = marker(scene, moving, (12, 9, 15))
    segmentId = node.GetSegmentation().GetNthSegmentID(0)
    array = volumeFromSegment(node, segmentId, moving).array
    matrix = under_a_shift(scene, node)
    placed = Grid.from_matrix(moving.size, RAS_TO_LPS @ matrix @ RAS_TO_LPS @ moving.matrix)
    labels = Volume(array, placed)
    fixed = volumeFromNode(pair[0]).grid
    expected = warp_volume(labels, registered.result.transform, fixed, order="nearest").array > 0
    (copy,) = carry(scene, [node], registered.transform, pair[0])
    found = volumeFromSegment(copy, segmentId, fixed).array > 0
    assert expected.any() and dice(found, expected) > 0.999
    assert copy.GetTransformNodeID() is None


def test_markups_under_a_parent_of_their_own_come_to_where_they_were_seen(scene, pair, registered):
    point = volumeFromNode(pair[1]).grid.center + np.array([[5.0, -4.0, 3.0]])
    markups = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "points")
    markups.AddControlPoint((point * FLIP)[0])
    shift = under_a_shift(scene, markups)[:3, 3] * FLIP
    (copy,) = carry(scene, [markups], registered.transform, pair[0])
    expected = mrml_to_world(registered.transform, point + shift)
    np.testing.assert_allclose(slicer.util.arrayFromMarkupsControlPoints(copy) * FLIP, expected, atol=1e-3)


def test_nothing_stays_but_the_copies(scene, pair, registered):
    nodes = [marker(scene, volumeFromNode(pair[1]).grid, (12, 9, 15))]
    nodes.append(scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "points"))
    nodes[1].AddControlPoint((1.0, 2.0, 3.0))
    nodes[1].CreateDefaultDisplayNodes()
    for node in nodes:
        under_a_shift(scene, node)
    before = set(node_ids(scene))
    copies = carry(scene, nodes, registered.transform, pair[0])
    expected = {n.GetID() for copy in copies for n in (copy, copy.GetDisplayNode())}
    assert set(node_ids(scene)) - before == expected


def test_a_segmentation_keeps_its_surface_its_look_and_only_the_space_it_needs(scene, pair, registered):
    moving = volumeFromNode(pair[1]).grid
    node = marker(scene, moving, (12, 9, 15))
    segmentId = node.GetSegmentation().GetNthSegmentID(0)
    (copy,) = carry(scene, [node], registered.transform, pair[0])
    surface = vtk.vtkPolyData()
    assert copy.GetClosedSurfaceRepresentation(segmentId, surface) and surface.GetNumberOfPolys() > 0
    display = copy.GetDisplayNode()
    assert display.GetOpacity3D() == 0.5 and not display.GetVisibility2DFill()
    assert display.GetSegmentOpacity3D(segmentId) == 0.25
    image = slicer.vtkOrientedImageData()
    copy.GetBinaryLabelmapRepresentation(segmentId, image)
    assert image.GetNumberOfPoints() < 0.1 * np.prod(volumeFromNode(pair[0]).grid.shape)


def test_a_segment_that_leaves_the_fixed_image_becomes_empty_and_gets_no_surface_it_had_not(scene, pair, registered):
    far = Grid.centered((500.0, 400.0, 300.0), (20, 20, 20), (1.0, 1.0, 1.0))
    array = np.zeros(far.shape, np.uint8)
    array[4:9, 4:9, 4:9] = 1
    (copy,) = carry(scene, [segmentationFromVolume(scene, Volume(array, far), "far")], registered.transform, pair[0])
    fixed = volumeFromNode(pair[0]).grid
    assert volumeFromSegment(copy, copy.GetSegmentation().GetNthSegmentID(0), fixed).array.sum() == 0
    surface = slicer.vtkSegmentationConverter.GetClosedSurfaceRepresentationName()
    assert not copy.GetSegmentation().ContainsRepresentation(surface)


def test_a_model_keeps_its_color(scene, pair, registered):
    model = scene.AddNewNodeByClass("vtkMRMLModelNode", "model")
    model.SetAndObservePolyData(_cloud(np.zeros((4, 3))))
    model.CreateDefaultDisplayNodes()
    model.GetDisplayNode().SetColor(0.1, 0.7, 0.2)
    (copy,) = carry(scene, [model], registered.transform, pair[0])
    assert copy.GetDisplayNode().GetColor() == (0.1, 0.7, 0.2)


def test_the_box_around_a_mask_lies_where_the_mask_lies():
    grid = GRIDS["oblique"]
    mask = np.zeros(grid.shape, np.uint8)
    mask[3:6, 8:10, 15] = 1
    box, smaller = cropped(mask, grid)
    assert box.shape == (5, 4, 3) and box.sum() == mask.sum()
    np.testing.assert_allclose(smaller.index_to_physical([1.0, 1.0, 1.0]), grid.index_to_physical([15.0, 8.0, 3.0]))


def test_a_node_that_cannot_come_along_is_named_and_nothing_is_made(scene, pair, registered):
    before = node_ids(scene)
    with pytest.raises(InputError, match="cannot be copied"):
        carry(scene, [pair[1]], registered.transform, pair[0])
    assert node_ids(scene) == before


def _cloud(points):
    data, cloud = vtk.vtkPoints(), vtk.vtkPolyData()
    for point in points:
        data.InsertNextPoint(point)
    cloud.SetPoints(data)
    return cloud
