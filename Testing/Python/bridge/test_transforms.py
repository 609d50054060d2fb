import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from builders import affine_matrix, blob_volume, bspline_field
from harness.geometry import GRIDS, itk_points, mrml_from_world, mrml_to_world, points_in, transforms_over
from ISTNRegistrationLib.bridge.transforms import (
    gridTransformNode,
    inverseErrors,
    linearTransformNode,
    matrixFromNode,
    paddedGrid,
    residualTransformNode,
    setRegistrationReferences,
    transformNodeFor,
)
from ISTNRegistrationLib.bridge.volumes import nodeFromVolume
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.transform import DenseField, SpatialTransform
from ISTNRegistrationLib.core.warp import warp_volume
from ISTNRegistrationLib.data.transforms import read_transform, write_transform

every_grid = pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
every_kind = pytest.mark.parametrize("kind", ["identity", "linear", "bspline", "linear and bspline"])
NODE_CLASS = {
    "identity": "vtkMRMLLinearTransformNode",
    "linear": "vtkMRMLLinearTransformNode",
    "bspline": "vtkMRMLBSplineTransformNode",
    "linear and bspline": "vtkMRMLTransformNode",
}


def saved(node, path):
    node.AddDefaultStorageNode(str(path))
    node.GetStorageNode().SetFileName(str(path))
    assert node.GetStorageNode().WriteData(node)
    return sitk.ReadTransform(str(path))


@every_kind
@every_grid
def test_the_node_maps_points_as_the_transform_does_inside_and_outside(scene, grid, kind):
    transform = transforms_over(grid)[kind]
    node = transformNodeFor(scene, transform, kind)
    points = points_in(grid, margin=0.5)
    assert node.GetClassName() == NODE_CLASS[kind]
    np.testing.assert_allclose(mrml_from_world(node, points), transform.map_points(points), atol=1e-6)


@every_kind
@every_grid
def test_the_node_can_be_inverted_for_landmarks(scene, grid, kind):
    transform = transforms_over(grid)[kind]
    node = transformNodeFor(scene, transform, kind)
    points = points_in(grid)
    np.testing.assert_allclose(mrml_to_world(node, transform.map_points(points)), points, atol=1e-3)


@every_kind
@every_grid
def test_a_saved_node_is_the_same_transform_for_simpleitk_and_when_read_again(scene, grid, kind, tmp_path):
    transform = transforms_over(grid)[kind]
    points = points_in(grid)
    itk = saved(transformNodeFor(scene, transform, kind), tmp_path / "T.h5")
    np.testing.assert_allclose(itk_points(itk, points), transform.map_points(points), atol=1e-6)
    again = slicer.modules.transforms.logic().AddTransform(str(tmp_path / "T.h5"), scene)
    np.testing.assert_allclose(mrml_from_world(again, points), transform.map_points(points), atol=1e-6)


@every_kind
@every_grid
def test_the_moving_node_under_the_transform_shows_what_the_output_volume_holds(scene, grid, kind):
    transform = transforms_over(grid)[kind]
    moving = blob_volume(GRIDS["oblique"], seed=2)
    fixed_node, moving_node = nodeFromVolume(scene, blob_volume(grid), "F"), nodeFromVolume(scene, moving, "M")
    moving_node.SetAndObserveTransformNodeID(transformNodeFor(scene, transform, "T").GetID())
    shown = slicer.vtkSlicerVolumesLogic.ResampleVolumeToReferenceVolume(moving_node, fixed_node)
    expected = warp_volume(moving, transform, grid)
    got = slicer.util.arrayFromVolume(shown)
    index = moving.grid.physical_to_index(transform.map_points(grid.points()))
    inside = ((index > 0.01) & (index < np.array(moving.grid.size) - 1.01)).all(axis=-1)
    assert inside.mean() > 0.2
    np.testing.assert_allclose(got[inside], expected.array[inside], atol=0.01)  # values from 0 to 100


@every_kind
@every_grid
def test_the_grid_node_is_exact_at_its_voxels_and_beyond_the_image(scene, grid, kind):
    transform = transforms_over(grid)[kind]
    node = gridTransformNode(scene, transform, grid, "dense", marginMm=10.0)
    points = paddedGrid(grid, 10.0).points().reshape(-1, 3)[::17]
    np.testing.assert_allclose(mrml_from_world(node, points), transform.map_points(points), atol=1e-3)


@every_grid
def test_the_grid_node_is_close_between_its_voxels(scene, grid):
    transform = transforms_over(grid)["linear and bspline"]
    node, points = gridTransformNode(scene, transform, grid, "dense"), points_in(grid)
    np.testing.assert_allclose(mrml_from_world(node, points), transform.map_points(points), atol=0.15)


@every_grid
def test_the_grid_node_is_saved_for_simpleitk(scene, grid, tmp_path):
    transform = transforms_over(grid)["linear and bspline"]
    itk = saved(gridTransformNode(scene, transform, grid, "dense"), tmp_path / "T.h5")
    points = grid.points().reshape(-1, 3)[::13]
    np.testing.assert_allclose(itk_points(itk, points), transform.map_points(points), atol=1e-3)


@every_grid
def test_padding_keeps_the_voxels_where_they_are(grid):
    padded = paddedGrid(grid, 7.0)
    offset = np.round(padded.physical_to_index(grid.origin))
    assert (offset * padded.spacing >= 7.0 - 1e-9).all()
    np.testing.assert_allclose(padded.index_to_physical(offset), grid.origin, atol=1e-9)
    assert (np.array(padded.size) == np.array(grid.size) + 2 * offset).all()


@every_grid
def test_linear_and_residual_nodes_one_under_the_other_are_the_whole_even_when_hardened(scene, grid):
    transform = transforms_over(grid)["linear and bspline"]
    linear = linearTransformNode(scene, transform.linear, "linear")
    residual = residualTransformNode(scene, transform.residual, "residual")
    linear.SetAndObserveTransformNodeID(residual.GetID())
    points = points_in(grid, margin=0.3)
    np.testing.assert_allclose(mrml_from_world(linear, points), transform.map_points(points), atol=1e-6)
    assert slicer.vtkSlicerTransformLogic.hardenTransform(linear)
    np.testing.assert_allclose(mrml_from_world(linear, points), transform.map_points(points), atol=1e-6)


@every_grid
@pytest.mark.parametrize("linear", [np.eye(4), affine_matrix(3)], ids=["alone", "after a linear one"])
def test_a_dense_field_is_the_same_warp_in_mrml_and_in_its_file(scene, grid, linear, tmp_path):
    """Off-center and different along each axis; zero outside its grid, where VTK would go on with the border."""
    vectors = np.zeros((3, *grid.shape), np.float32)
    vectors[0, 4:9, 3:8, 5:9], vectors[1, 4:9, 6:10, 3:7], vectors[2, 2:6, 3:8, 3:7] = 3.0, -2.0, 1.5
    transform = SpatialTransform(linear, DenseField(grid, vectors))
    node = transformNodeFor(scene, transform, "dense")
    points = np.concatenate([points_in(grid, margin=0.3), grid.points().reshape(-1, 3)[::31]])
    np.testing.assert_allclose(mrml_from_world(node, points), transform.map_points(points), atol=1e-4)
    np.testing.assert_allclose(
        itk_points(saved(node, tmp_path / "T.h5"), points), transform.map_points(points), atol=1e-4
    )
    write_transform(tmp_path / "own.h5", transform)
    np.testing.assert_allclose(
        read_transform(tmp_path / "own.h5").map_points(points), transform.map_points(points), atol=1e-4
    )


def test_a_landmark_moves_against_the_direction_of_the_resampling(scene):
    matrix = np.eye(4)
    matrix[:3, 3] = [10, 0, 0]  # fixed to moving: the moving head lies 10 mm further to the left (LPS)
    node = linearTransformNode(scene, matrix, "T")
    markup = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
    markup.AddControlPoint(-10.0, 0.0, 0.0)  # RAS: on the moving image
    markup.SetAndObserveTransformNodeID(node.GetID())
    np.testing.assert_allclose(slicer.util.arrayFromMarkupsControlPoints(markup, world=True)[0], [0, 0, 0], atol=1e-12)


def test_a_linear_node_is_read_back_as_its_matrix_with_its_parents(scene):
    first, second = affine_matrix(3, 1, [1, 2, 3]), affine_matrix(3, 4, [9, 8, 7])
    child, parent = linearTransformNode(scene, first, "child"), linearTransformNode(scene, second, "parent")
    np.testing.assert_allclose(matrixFromNode(child), first, atol=1e-12)
    child.SetAndObserveTransformNodeID(parent.GetID())
    np.testing.assert_allclose(matrixFromNode(child), first @ second, atol=1e-12)


def test_a_warp_cannot_start_a_registration(scene):
    node = residualTransformNode(scene, bspline_field(GRIDS["LPS"]), "warp")
    with pytest.raises(InputError, match="linear transform node"):
        matrixFromNode(node)


def test_the_registered_nodes_are_recorded_on_the_transform(scene):
    fixed, moving = (nodeFromVolume(scene, blob_volume(GRIDS["LPS"]), name) for name in "FM")
    node = linearTransformNode(scene, np.eye(4), "T")
    setRegistrationReferences(node, fixed, moving)
    assert node.GetNodeReference("spatialRegistrationFixed") is fixed
    assert node.GetNodeReference("spatialRegistrationMoving") is moving


def test_the_dense_field_of_a_shift_is_that_shift(scene):
    matrix = np.eye(4)
    matrix[:3, 3] = [1, 2, 3]
    node = gridTransformNode(scene, SpatialTransform(matrix), Grid.centered((0, 0, 0), (4, 4, 4), (2, 2, 2)), "shift")
    field = slicer.util.arrayFromGridTransform(node)
    np.testing.assert_allclose(field, np.broadcast_to([-1, -2, 3], field.shape))


def test_the_error_of_an_inverse_is_how_far_a_point_comes_back_from_where_it_was(scene):
    there, back = np.eye(4), np.eye(4)
    there[:3, :3], there[:3, 3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]], [10, 4, -6]
    back[:3, :3] = there[:3, :3].T
    back[:3, 3] = -there[:3, :3].T @ there[:3, 3] + [1, 2, 2]
    nodes = [linearTransformNode(scene, matrix, "turn") for matrix in (there, back)]
    grid = Grid.centered((5, -7, 20), (6, 5, 4), (2, 2, 3))
    np.testing.assert_allclose(inverseErrors(*nodes, grid), 3.0, atol=1e-9)
