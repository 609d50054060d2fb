import numpy as np
import pytest
import slicer
import vtk
from builders import affine_matrix, blob_volume, bspline_field, direction
from harness.geometry import FLIP, GRIDS
from harness.scene import node_ids
from ISTNRegistrationLib.bridge.transforms import linearTransformNode, residualTransformNode
from ISTNRegistrationLib.bridge.volumes import (
    nodeFromVolume,
    numpyMatrix,
    segmentationFromVolume,
    volumeFromNode,
    volumeFromSegment,
    vtkMatrix,
)
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.grid import Grid, apply_matrix
from ISTNRegistrationLib.core.volume import Volume

every_grid = pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())


@every_grid
def test_a_volume_survives_the_way_into_a_node_and_back(scene, grid):
    volume = blob_volume(grid)
    back = volumeFromNode(nodeFromVolume(scene, volume, "brain"))
    assert np.array_equal(back.array, volume.array) and back.name == "brain"
    np.testing.assert_allclose(back.grid.matrix, grid.matrix, atol=1e-12)


@every_grid
def test_a_voxel_lies_where_slicer_says_it_lies(scene, grid):
    node = nodeFromVolume(scene, blob_volume(grid), "image")
    ijk_to_ras = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(ijk_to_ras)
    array = blob_volume(grid).array
    for index in ([0, 0, 0], [5, 3, 9]):
        np.testing.assert_allclose(apply_matrix(numpyMatrix(ijk_to_ras), index), grid.index_to_physical(index) * FLIP)
        assert node.GetImageData().GetScalarComponentAsDouble(*index, 0) == array[tuple(index[::-1])]


@every_grid
def test_a_rigid_parent_transform_is_folded_into_the_grid(scene, grid):
    node = nodeFromVolume(scene, blob_volume(grid), "image")
    to_parent = np.eye(4)
    to_parent[:3, :3], to_parent[:3, 3] = direction(3, "oblique"), [4, -3, 8]
    parent = linearTransformNode(scene, np.linalg.inv(to_parent), "parent")
    node.SetAndObserveTransformNodeID(parent.GetID())
    np.testing.assert_allclose(volumeFromNode(node).grid.matrix, to_parent @ grid.matrix, atol=1e-9)
    node.HardenTransform()
    np.testing.assert_allclose(volumeFromNode(node).grid.matrix, to_parent @ grid.matrix, atol=1e-9)


def test_reading_a_node_copies_its_voxels_and_changes_nothing(scene):
    node = nodeFromVolume(scene, blob_volume(GRIDS["oblique"]), "image")
    before, modified, ids = slicer.util.arrayFromVolume(node).copy(), node.GetMTime(), node_ids(scene)
    volumeFromNode(node).array[:] = 7
    assert np.array_equal(slicer.util.arrayFromVolume(node), before)
    assert node.GetMTime() == modified and node_ids(scene) == ids


@pytest.mark.parametrize("dtype", "int8 int64 uint64 bool float16 uint8 int16 float32 float64".split())
def test_every_numpy_type_becomes_a_type_that_mrml_can_write(scene, dtype, tmp_path):
    grid = GRIDS["LPS"]
    array = (np.arange(np.prod(grid.shape)).reshape(grid.shape) % 2).astype(dtype)
    node = nodeFromVolume(scene, Volume(array, grid), "typed")
    assert np.array_equal(volumeFromNode(node).array, array)
    node.AddDefaultStorageNode(str(tmp_path / "typed.nrrd"))
    node.GetStorageNode().SetFileName(str(tmp_path / "typed.nrrd"))
    assert node.GetStorageNode().WriteData(node)


def test_integers_beyond_32_bits_become_floats(scene):
    grid = GRIDS["LPS"]
    array = np.full(grid.shape, 2**40, dtype=np.int64)
    assert volumeFromNode(nodeFromVolume(scene, Volume(array, grid), "big")).array.flat[0] == 2**40


def test_a_label_map_node_keeps_its_labels(scene):
    labels = (np.arange(np.prod(SHAPE := GRIDS["oblique"].shape)).reshape(SHAPE) % 5).astype(np.int64)
    node = nodeFromVolume(scene, Volume(labels, GRIDS["oblique"]), "labels", "vtkMRMLLabelMapVolumeNode")
    assert node.IsA("vtkMRMLLabelMapVolumeNode")
    assert np.array_equal(volumeFromNode(node).array, labels)


def color_node(scene):
    node = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "photo")
    image = vtk.vtkImageData()
    image.SetDimensions(5, 5, 5)
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    node.SetAndObserveImageData(image)
    return node


def sheared_node(scene):
    node = nodeFromVolume(scene, blob_volume(GRIDS["LPS"]), "image")
    matrix = np.eye(4)
    matrix[0, 1] = 0.2
    node.SetIJKToRASMatrix(vtkMatrix(matrix))
    return node


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda scene: None, "Select a volume"),
        (lambda scene: scene.AddNewNodeByClass("vtkMRMLModelNode", "skull"), "vtkMRMLModelNode"),
        (lambda scene: scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty"), "without image data"),
        (color_node, "one component"),
        (sheared_node, "sheared"),
    ],
)
def test_a_node_that_cannot_be_used_is_refused_with_advice(scene, make, words):
    with pytest.raises(InputError, match=words):
        volumeFromNode(make(scene))


def test_a_volume_with_channels_does_not_become_one_node(scene):
    with pytest.raises(InputError, match="one channel"):
        nodeFromVolume(scene, Volume(np.zeros((2, *GRIDS["LPS"].shape)), GRIDS["LPS"]), "maps")


# ---- segments
def segmentation_node(scene, grid):
    """Two segments on ``grid``: 1 is a ball, 2 a box around it."""
    ball = np.linalg.norm(grid.points() - grid.center, axis=-1) < 8
    box = np.zeros(grid.shape, bool)
    box[4:12, 5:14, 3:16] = True
    labels = np.where(ball, 1, np.where(box, 2, 0))
    return segmentationFromVolume(scene, Volume(labels, grid), "structures"), {"1": labels == 1, "2": labels == 2}


@every_grid
def test_each_label_becomes_a_segment_that_slicer_sees_and_that_reads_as_itself(scene, grid):
    node, arrays = segmentation_node(scene, grid)
    reference = nodeFromVolume(scene, blob_volume(grid), "reference")
    for number, (name, array) in enumerate(arrays.items()):
        segment_id = node.GetSegmentation().GetNthSegmentID(number)
        segment = volumeFromSegment(node, segment_id, grid)
        assert segment.name == name and np.array_equal(segment.array, array)
        assert np.array_equal(slicer.util.arrayFromSegmentBinaryLabelmap(node, segment_id, reference), array)


@every_grid
def test_a_segment_on_another_grid_is_its_nearest_label(scene, grid):
    node, arrays = segmentation_node(scene, grid)
    other = Grid.centered(grid.center + 0.7, (30, 31, 29), (1.1, 1.0, 1.2))
    segment = volumeFromSegment(node, node.GetSegmentation().GetNthSegmentID(0), other)
    distance = np.linalg.norm(other.points() - grid.center, axis=-1)
    assert segment.array[distance < 6].all() and not segment.array[distance > 10].any()


@pytest.mark.parametrize("kind", ["linear", "bspline"])
@every_grid
def test_a_transformed_segment_is_complete_even_when_oblique(scene, grid, kind):
    node, arrays = segmentation_node(scene, grid)
    matrix, field = affine_matrix(3, 1, grid.center), bspline_field(grid)
    linear = kind == "linear"
    parent = linearTransformNode(scene, matrix, "T") if linear else residualTransformNode(scene, field, "T")
    node.SetAndObserveTransformNodeID(parent.GetID())
    other = Grid.centered(grid.center, (17, 16, 15), (1.4, 1.5, 1.6))
    points = other.points()
    mapped = apply_matrix(matrix, points) if linear else points + field.displacement(points)
    index = np.rint(grid.physical_to_index(mapped)).astype(int)
    inside = ((index >= 0) & (index < grid.size)).all(axis=-1)
    expected = np.zeros(other.shape, np.uint8)
    expected[inside] = arrays["1"][tuple(index[inside].T[::-1])]
    got = volumeFromSegment(node, node.GetSegmentation().GetNthSegmentID(0), other).array
    assert np.mean(got == expected) > 0.999 and got.sum() > 300


def test_a_missing_segment_is_refused(scene):
    node, _ = segmentation_node(scene, GRIDS["LPS"])
    with pytest.raises(InputError, match="no such segment"):
        volumeFromSegment(node, "liver", GRIDS["LPS"])
