"""Nodes that are input and output at once: scene and resampled volume agree, whatever lies above the moving volume."""

import numpy as np
import pytest
import slicer
from builders import affine_matrix, bspline_field, random_transform
from harness.geometry import FLIP, mrml_from_world, place_in_world, points_in
from harness.requests import register
from harness.scene import contents
from ISTNRegistrationLib.bridge import outputs as making
from ISTNRegistrationLib.bridge.hardened import hardenedGrid
from ISTNRegistrationLib.bridge.outputs import OutputOptions
from ISTNRegistrationLib.bridge.parents import applyTransform
from ISTNRegistrationLib.bridge.transforms import linearTransformNode, residualTransformNode, transformNodeFor
from ISTNRegistrationLib.bridge.volumes import ijkToRas, transformPoints, volumeFromNode, worldTransform
from ISTNRegistrationLib.core.errors import InputError

QUICK = {"iterations": 3, "device": "cpu", "initial": "center_of_mass"}
TRANSFORMS = ["affine", "bspline"]
KINDS = ["rigid", "sheared", "warp", "composite"]


def shift(*mm):
    matrix = np.eye(4)
    matrix[:3, 3] = mm
    return matrix


def parent_of(scene, kind, movingNode):
    """A parent transform of the moving node, several mm, around its place."""
    grid = volumeFromNode(movingNode).grid
    field = bspline_field(grid, seed=5)
    node = {
        "rigid": lambda: linearTransformNode(scene, shift(4.0, -6.0, 3.0), "parent"),
        "sheared": lambda: linearTransformNode(scene, affine_matrix(3, 2, grid.center), "parent"),
        "warp": lambda: residualTransformNode(scene, field, "parent"),
        "composite": lambda: transformNodeFor(scene, random_transform(grid, 6), "parent"),
    }[kind]()
    movingNode.SetAndObserveTransformNodeID(node.GetID())
    return node


def difference_mm(before, node, transform):
    """How far the node's points, seen in the scene, lie from where the result carries what was at ``before``."""
    return np.abs(transform.map_points(place_in_world(node)) - before).max()


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_moving_volume_under_any_transform_is_a_normal_start(scene, pair, checkpoint, kind, transform):
    parent_of(scene, kind, pair[1])
    before = place_in_world(pair[1])
    nodes = register(scene, pair, checkpoint, {**QUICK, "transform": transform}, OutputOptions(applyToMoving=True))
    assert difference_mm(before, pair[1], nodes.result.transform) < 0.01


def test_a_chain_of_parents_is_copied_in_its_order(scene, pair, checkpoint):
    """A turn above a shift is not a shift above a turn: the new transform goes above both, which stay as they were."""
    turn = np.array([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    above = linearTransformNode(scene, turn, "turn")
    parent = linearTransformNode(scene, shift(9.0, -2.0, 5.0), "shift")
    parent.SetAndObserveTransformNodeID(above.GetID())
    pair[1].SetAndObserveTransformNodeID(parent.GetID())
    before = place_in_world(pair[1])
    result = random_transform(volumeFromNode(pair[0]).grid, 4)
    applyTransform(scene, pair[1], transformNodeFor(scene, result, "result"))
    assert difference_mm(before, pair[1], result) < 0.01
    assert parent.GetParentTransformNode() is above and above.GetParentTransformNode() is None


@pytest.mark.parametrize("kind", ["rigid", "composite"])
def test_what_the_scene_shows_is_the_resampled_volume(scene, pair, checkpoint, kind):
    parent_of(scene, kind, pair[1])
    nodes = register(scene, pair, checkpoint, {**QUICK, "transform": "bspline"}, OutputOptions(applyToMoving=True))
    shown = slicer.util.arrayFromVolume(slicer.vtkSlicerVolumesLogic.ResampleVolumeToReferenceVolume(pair[1], pair[0]))
    output = slicer.util.arrayFromVolume(nodes.volume)
    inside = (shown > 1) & (output > 1)
    assert inside.mean() > 0.1
    index = np.indices(shown.shape)
    centers = [[(axis * a * inside).sum() / (a * inside).sum() for axis in index] for a in (shown, output)]
    np.testing.assert_allclose(*centers, atol=0.01 if kind == "rigid" else 0.03)  # voxels; resampled once more


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_output_may_be_the_moving_volume_s_parent(scene, pair, checkpoint, kind, transform):
    parent = parent_of(scene, kind, pair[1])
    chosen = scene.AddNewNodeByClass("vtkMRMLTransformNode", "chosen")
    chosen.CopyContent(parent) if kind == "composite" else chosen.SetAndObserveTransformFromParent(
        parent.GetTransformFromParent()
    )
    pair[1].SetAndObserveTransformNodeID(chosen.GetID())
    before = place_in_world(pair[1])
    outputs = OutputOptions(heatmaps=False, transformNode=chosen, applyToMoving=True)
    nodes = register(scene, pair, checkpoint, {**QUICK, "transform": transform}, outputs)
    assert nodes.transform is chosen and pair[1].GetTransformNodeID() == chosen.GetID()
    assert difference_mm(before, pair[1], nodes.result.transform) < 0.01


@pytest.mark.parametrize("apply", [True, False])
def test_the_output_may_lie_between_other_parents(scene, pair, checkpoint, apply):
    """World over ``top`` over the output over ``low`` over the moving volume."""
    top, chosen, low = (linearTransformNode(scene, shift(*mm), "T") for mm in ((5, 0, 0), (0, 6, -2), (1, 2, 3)))
    slicer.util.updateTransformMatrixFromArray(top, affine_matrix(3, 4))
    chosen.SetAndObserveTransformNodeID(top.GetID())
    low.SetAndObserveTransformNodeID(chosen.GetID())
    pair[1].SetAndObserveTransformNodeID(low.GetID())
    before = place_in_world(pair[1])
    outputs = OutputOptions(heatmaps=False, transformNode=chosen, applyToMoving=apply)
    nodes = register(scene, pair, checkpoint, QUICK, outputs)
    assert difference_mm(before, pair[1], nodes.result.transform) < 0.01
    assert pair[1].GetTransformNodeID() == low.GetID() and chosen.GetTransformNodeID() == top.GetID()


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_an_output_under_another_transform_still_gives_the_result_in_the_world(scene, pair, checkpoint, transform):
    top = linearTransformNode(scene, affine_matrix(3, 4), "top")
    chosen = scene.AddNewNodeByClass("vtkMRMLTransformNode", "chosen")
    chosen.SetAndObserveTransformNodeID(top.GetID())
    outputs = OutputOptions(heatmaps=False, transformNode=chosen)
    nodes = register(scene, pair, checkpoint, {**QUICK, "transform": transform}, outputs)
    points = points_in(volumeFromNode(pair[0]).grid)
    np.testing.assert_allclose(mrml_from_world(chosen, points), nodes.result.transform.map_points(points), atol=1e-3)
    slicer.util.updateTransformMatrixFromArray(top, np.eye(4))  # the node does not hang on what it was made of
    assert np.abs(mrml_from_world(chosen, points) - nodes.result.transform.map_points(points)).max() > 0.5


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_registering_again_from_one_s_own_result_counts_it_once(scene, pair, checkpoint, transform):
    options = {**QUICK, "transform": transform}
    outputs = OutputOptions(heatmaps=False, applyToMoving=True)
    first = register(scene, pair, checkpoint, options, outputs)
    again = OutputOptions(heatmaps=False, applyToMoving=True, transformNode=first.transform)
    before = place_in_world(pair[1])
    second = register(scene, pair, checkpoint, {**options, "initial": "none"}, again)
    assert difference_mm(before, pair[1], second.result.transform) < 0.01


@pytest.mark.parametrize("apply", [True, False])
def test_an_initial_transform_above_the_moving_volume_counts_once(scene, pair, checkpoint, apply):
    start = linearTransformNode(scene, shift(4.0, -6.0, 3.0), "start")
    pair[1].SetAndObserveTransformNodeID(start.GetID())
    before = place_in_world(pair[1])
    outputs = OutputOptions(heatmaps=False, applyToMoving=apply, transformNode=start)
    nodes = register(scene, pair, checkpoint, {**QUICK, "initial": start}, outputs)
    np.testing.assert_array_equal(nodes.result.initial, np.eye(4))
    assert difference_mm(before, pair[1], nodes.result.transform) < 0.01


def test_an_output_above_the_fixed_volume_is_refused_before_any_work(scene, pair, checkpoint):
    chosen = linearTransformNode(scene, shift(1, 2, 3), "chosen")
    pair[0].SetAndObserveTransformNodeID(chosen.GetID())
    before = contents(scene)
    with pytest.raises(InputError, match="the fixed volume would move.*'fixed' lies under it"):
        register(scene, pair, checkpoint, QUICK, OutputOptions(transformNode=chosen))
    assert contents(scene) == before


def test_a_linear_output_under_a_warp_is_refused(scene, pair, checkpoint):
    warp = residualTransformNode(scene, bspline_field(volumeFromNode(pair[0]).grid), "warp")
    chosen = linearTransformNode(scene, np.eye(4), "chosen")
    chosen.SetAndObserveTransformNodeID(warp.GetID())
    with pytest.raises(InputError, match="'chosen': it cannot hold the result.*'warp'"):
        register(scene, pair, checkpoint, QUICK, OutputOptions(transformNode=chosen))


def test_a_warped_volume_is_read_where_it_is_seen(scene, pair):
    """Against the place of one bright, off-center voxel."""
    array = slicer.util.arrayFromVolume(pair[1])
    array[:] = 0
    array[7:9, 9:11, 12:14] = 100
    slicer.util.arrayFromVolumeModified(pair[1])
    own = ijkToRas(pair[1]) @ [12.5, 9.5, 7.5, 1.0]
    parent_of(scene, "composite", pair[1])
    seen = transformPoints(worldTransform(pair[1].GetParentTransformNode(), fromWorld=False), own[None, :3])[0] * FLIP
    volume = volumeFromNode(pair[1])
    assert volume.grid == hardenedGrid(pair[1])
    center = (volume.grid.points() * volume.array[..., None]).sum(axis=(0, 1, 2)) / volume.array.sum()
    assert np.linalg.norm(center - seen) < 0.3  # a fifth of a voxel: two voxels wide, in a warp


STEPS = ["setRegistrationReferences", "_warpedNode", "heatmapNodes", "Placing", "applyTransform", "reused",
         "putInFolder"]  # fmt: skip


@pytest.mark.parametrize("step", STEPS)
def test_an_error_at_the_very_end_gives_everything_back(scene, pair, checkpoint, step, monkeypatch):
    """The chosen transform, the moving volume's parent, and the maps of the run before."""
    chosen = scene.AddNewNodeByClass("vtkMRMLTransformNode", "chosen")
    first = register(scene, pair, checkpoint, {**QUICK, "transform": "bspline"}, OutputOptions(transformNode=chosen))
    parent = parent_of(scene, "rigid", pair[1])
    state, points = contents(scene), points_in(volumeFromNode(pair[0]).grid)
    mapped, attribute = mrml_from_world(chosen, points), chosen.GetAttribute("ISTNRegistration.provenance")

    def fail(*args):
        raise MemoryError("no room")

    monkeypatch.setattr(making, step, fail)
    outputs = OutputOptions(transformNode=chosen, applyToMoving=True)
    with pytest.raises(MemoryError):
        register(scene, pair, checkpoint, QUICK, outputs)
    assert contents(scene) == state and pair[1].GetTransformNodeID() == parent.GetID()
    np.testing.assert_array_equal(mrml_from_world(chosen, points), mapped)
    assert chosen.GetAttribute("ISTNRegistration.provenance") == attribute
    assert chosen.GetNodeReference("spatialRegistrationMoving") is pair[1] and first.transform is chosen


def test_an_error_after_the_last_step_gives_everything_back(scene, pair, checkpoint, monkeypatch):
    register(scene, pair, checkpoint, QUICK)
    chosen = scene.AddNewNodeByClass("vtkMRMLTransformNode", "chosen")
    state, plain = contents(scene), making.putInFolder

    def fail(*args):
        plain(*args)
        raise MemoryError("no room")

    monkeypatch.setattr(making, "putInFolder", fail)
    with pytest.raises(MemoryError):
        register(scene, pair, checkpoint, {**QUICK, "transform": "bspline"}, OutputOptions(False, True, False, True, transformNode=chosen, applyToMoving=True))  # fmt: skip  # noqa: E501
    assert contents(scene) == state and chosen.GetAttributeNames() == ()
    points = points_in(volumeFromNode(pair[0]).grid)
    np.testing.assert_allclose(mrml_from_world(chosen, points), points, atol=1e-12)
    assert chosen.GetNodeReference("spatialRegistrationMoving") is None
