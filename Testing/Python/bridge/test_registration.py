"""Real registrations with a tiny untrained checkpoint: its maps are random, what happens to the scene is not."""

import numpy as np
import pytest
import slicer
from builders import affine_matrix, bspline_field
from harness.geometry import GRIDS, mrml_from_world, points_in
from harness.requests import register
from harness.scene import contents, node_ids
from ISTNRegistrationLib.bridge import outputs as making
from ISTNRegistrationLib.bridge.outputs import OutputOptions, applyTransform
from ISTNRegistrationLib.bridge.provenance import asPython, provenance
from ISTNRegistrationLib.bridge.transforms import linearTransformNode, residualTransformNode
from ISTNRegistrationLib.bridge.volumes import nodeFromVolume, volumeFromNode
from ISTNRegistrationLib.core.errors import InputError, RegistrationCancelled
from ISTNRegistrationLib.core.volume import Volume

LABELS = "vtkMRMLLabelMapVolumeNode"
QUICK = {"iterations": 3, "device": "cpu"}


@pytest.mark.parametrize("transform", ["affine", "bspline"])
def test_the_output_volume_is_the_moving_node_under_the_transform_node(scene, pair, checkpoint, transform):
    nodes = register(scene, pair, checkpoint, {"transform": transform, **QUICK})
    assert nodes.transform.IsLinear() == (transform == "affine")
    applyTransform(scene, pair[1], nodes.transform)
    shown = slicer.util.arrayFromVolume(slicer.vtkSlicerVolumesLogic.ResampleVolumeToReferenceVolume(pair[1], pair[0]))
    output = slicer.util.arrayFromVolume(nodes.volume)
    inside = (shown > 1) & (output > 1)  # the border of the moving image is interpolated differently
    assert inside.mean() > 0.2
    np.testing.assert_allclose(shown[inside], output[inside], atol=0.02 * output.max())
    assert np.median(np.abs(shown - output)[inside]) < 1e-3


@pytest.mark.parametrize("transform", ["affine", "bspline"])
def test_the_transform_node_is_the_result_and_names_its_images(scene, pair, checkpoint, transform):
    nodes = register(scene, pair, checkpoint, {"transform": transform, **QUICK})
    points = points_in(volumeFromNode(pair[0]).grid, margin=0.3)
    np.testing.assert_allclose(
        mrml_from_world(nodes.transform, points), nodes.result.transform.map_points(points), atol=1e-3
    )
    assert nodes.transform.GetNodeReference("spatialRegistrationFixed") is pair[0]
    assert nodes.transform.GetNodeReference("spatialRegistrationMoving") is pair[1]


def test_only_new_nodes_appear_and_the_old_ones_are_bit_identical(scene, pair, checkpoint):
    before = contents(scene)
    nodes = register(scene, pair, checkpoint, QUICK)
    assert [entry for entry in contents(scene) if entry[0] in {e[0] for e in before}] == before
    assert list(nodes.heatmaps) == ["fixed", "moving", "warped", "difference"]
    assert nodes.linear is None and nodes.residual is None and nodes.inverse is None and not nodes.measures


def test_without_outputs_only_the_transform_is_made(scene, pair, checkpoint):
    before = node_ids(scene)
    nodes = register(scene, pair, checkpoint, QUICK, OutputOptions(volume=False, heatmaps=False))
    assert set(node_ids(scene)) - set(before) == {nodes.transform.GetID()}


def test_all_outputs_can_be_asked_for(scene, pair, checkpoint):
    outputs = OutputOptions(channels=True, parts=True, grid=True, applyToMoving=True)
    nodes = register(scene, pair, checkpoint, {"transform": "bspline", **QUICK}, outputs)
    assert nodes.transform.IsA("vtkMRMLGridTransformNode")
    assert nodes.linear.IsA("vtkMRMLLinearTransformNode") and nodes.residual.IsA("vtkMRMLBSplineTransformNode")
    assert "fixed putamen" in nodes.heatmaps and "warped caudate" in nodes.heatmaps
    assert pair[1].GetTransformNodeID() == nodes.transform.GetID()


def test_the_dense_transform_gives_the_same_points_at_the_voxels(scene, pair, checkpoint):
    outputs = OutputOptions(volume=False, heatmaps=False, grid=True)
    nodes = register(scene, pair, checkpoint, {"transform": "bspline", **QUICK}, outputs)
    points = volumeFromNode(pair[0]).grid.points().reshape(-1, 3)[::31]
    np.testing.assert_allclose(
        mrml_from_world(nodes.transform, points), nodes.result.transform.map_points(points), atol=1e-3
    )


@pytest.mark.parametrize("which", [0, 1])
def test_a_node_deleted_during_the_run_is_named_and_the_scene_is_left_alone(scene, pair, checkpoint, which):
    def delete(progress):
        if scene.IsNodePresent(pair[which]):
            scene.RemoveNode(pair[which])
            kept.extend(contents(scene))

    kept = []
    with pytest.raises(InputError, match=f"'{pair[which].GetName()}': it was deleted during the registration"):
        register(scene, pair, checkpoint, QUICK, OutputOptions(applyToMoving=True), delete)
    assert kept and contents(scene) == kept


def cancel_at(stage):
    def on_progress(progress):
        if progress.stage == stage:
            raise RegistrationCancelled("enough")

    return on_progress


@pytest.mark.parametrize("stage", ["affine refined", "bspline refined"])
def test_a_cancelled_run_leaves_the_scene_node_for_node_as_it_was(scene, pair, checkpoint, stage):
    before = contents(scene)
    with pytest.raises(RegistrationCancelled):
        register(scene, pair, checkpoint, {"transform": "bspline", **QUICK}, None, cancel_at(stage))
    assert contents(scene) == before


@pytest.mark.parametrize("step", ["setRegistrationReferences", "_warpedNode", "heatmapNodes", "applyTransform"])
def test_an_error_while_nodes_are_made_takes_back_those_already_made(scene, pair, checkpoint, step, monkeypatch):
    def fail(*args):
        raise MemoryError("no room")

    monkeypatch.setattr(making, step, fail)
    before = contents(scene)
    with pytest.raises(MemoryError):
        register(scene, pair, checkpoint, QUICK, OutputOptions(applyToMoving=True))
    assert contents(scene) == before


@pytest.mark.parametrize(
    "options, words",
    [({"transform": "rigid"}, "rigid"), ({"refine": "magic"}, "magic"), ({"initial": "nowhere"}, "nowhere")],
)
def test_options_that_cannot_be_used_are_refused_before_anything_happens(scene, pair, checkpoint, options, words):
    before = contents(scene)
    with pytest.raises(InputError, match=words):
        register(scene, pair, checkpoint, options)
    assert contents(scene) == before


@pytest.mark.parametrize("value", [np.nan, np.inf, "constant"])
def test_an_image_that_cannot_be_registered_is_refused(scene, pair, checkpoint, value):
    volume = volumeFromNode(pair[0])
    array = np.full_like(volume.array, 3.0)
    if value != "constant":
        array.flat[:9] = value
    bad = nodeFromVolume(scene, Volume(array, volume.grid), "bad")
    before = contents(scene)
    with pytest.raises(InputError, match="bad"):
        register(scene, (bad, pair[1]), checkpoint, QUICK)
    assert contents(scene) == before


def test_parent_transforms_of_both_nodes_count(scene, pair, checkpoint):
    """The same anatomy in another place of the world: the result moves along with the nodes."""
    options = {**QUICK, "refine": "none", "initial": "center_of_mass"}
    alone = register(scene, pair, checkpoint, options, OutputOptions(heatmaps=False))
    parents = [np.eye(4), np.eye(4)]
    parents[0][:3, 3], parents[1][:3, 3] = [40, -10, 5], [-7, 80, 3]
    for node, to_world in zip(pair, parents, strict=True):
        parent = linearTransformNode(scene, np.linalg.inv(to_world), "parent")
        node.SetAndObserveTransformNodeID(parent.GetID())
    moved = register(scene, pair, checkpoint, options, OutputOptions(heatmaps=False, applyToMoving=True))
    expected = parents[1] @ alone.result.transform.linear @ np.linalg.inv(parents[0])
    np.testing.assert_allclose(moved.result.transform.linear, expected, atol=1e-3)
    np.testing.assert_allclose(
        slicer.util.arrayFromVolume(moved.volume), slicer.util.arrayFromVolume(alone.volume), atol=0.05
    )
    points = points_in(GRIDS["LPS"])
    local = mrml_from_world(pair[1].GetParentTransformNode(), points)  # world of the fixed node to moving voxels' space
    through = moved.result.transform.map_points(points) - parents[1][:3, 3]
    np.testing.assert_allclose(local, through, atol=1e-6)


def test_a_linear_transform_node_can_be_the_start(scene, pair, checkpoint):
    start = affine_matrix(3, 2, [5, -3, 2])
    node = linearTransformNode(scene, start, "start")
    nodes = register(scene, pair, checkpoint, {"initial": node, "refine": "none"}, OutputOptions(heatmaps=False))
    np.testing.assert_allclose(nodes.result.initial, start, atol=1e-9)


def test_a_warp_cannot_be_the_start(scene, pair, checkpoint):
    node = residualTransformNode(scene, bspline_field(GRIDS["LPS"]), "warp")
    with pytest.raises(InputError, match="linear"):
        register(scene, pair, checkpoint, {"initial": node})


def test_a_label_map_is_carried_over_with_its_labels(scene, pair, checkpoint):
    volume = volumeFromNode(pair[1])
    labels = Volume((volume.array > 10).astype(np.uint8) * 7, volume.grid)
    node = nodeFromVolume(scene, labels, "labels", "vtkMRMLLabelMapVolumeNode")
    nodes = register(scene, (pair[0], node), checkpoint, QUICK)
    assert nodes.volume.IsA("vtkMRMLLabelMapVolumeNode")
    assert set(np.unique(slicer.util.arrayFromVolume(nodes.volume))) == {0, 7}


def test_the_background_of_the_output_is_that_of_the_moving_image(scene, pair, checkpoint):
    volume = volumeFromNode(pair[1])
    air = nodeFromVolume(scene, Volume(volume.array - 1000, volume.grid), "ct")
    nodes = register(scene, (pair[0], air), checkpoint, QUICK, OutputOptions(heatmaps=False))
    assert slicer.util.arrayFromVolume(nodes.volume).min() >= -1000.5
    assert slicer.util.arrayFromVolume(nodes.volume)[0, 0, 0] == pytest.approx(-1000, abs=1)


def test_the_inverse_goes_back_and_says_how_well(scene, pair, checkpoint):
    nodes = register(scene, pair, checkpoint, {"transform": "bspline", **QUICK}, OutputOptions(inverse=True))
    points = points_in(volumeFromNode(pair[0]).grid)
    there = mrml_from_world(nodes.transform, points)
    np.testing.assert_allclose(mrml_from_world(nodes.inverse, there), points, atol=1e-2)
    assert 0 <= float(nodes.inverse.GetAttribute("ISTNRegistration.inverseErrorMaxMm")) < 1e-2


def test_displacement_and_jacobian_are_those_of_the_transform(scene, pair, checkpoint):
    nodes = register(scene, pair, checkpoint, {"transform": "bspline", **QUICK}, OutputOptions(measures=True))
    length = volumeFromNode(nodes.measures["displacement"])
    expected = np.linalg.norm(nodes.result.transform.displacement(length.grid), axis=-1)
    np.testing.assert_allclose(length.array, expected, rtol=1e-5)
    assert (volumeFromNode(nodes.measures["jacobian"]).array > 0).all()


def test_a_chosen_transform_node_gets_the_result(scene, pair, checkpoint):
    chosen = scene.AddNewNodeByClass("vtkMRMLTransformNode", "mine")
    before = scene.GetNumberOfNodesByClass("vtkMRMLTransformNode")
    options = OutputOptions(volume=False, heatmaps=False, transformNode=chosen)
    nodes = register(scene, pair, checkpoint, {"transform": "bspline", **QUICK}, options)
    assert nodes.transform is chosen and scene.GetNumberOfNodesByClass("vtkMRMLTransformNode") == before
    points = points_in(volumeFromNode(pair[0]).grid)
    np.testing.assert_allclose(mrml_from_world(chosen, points), nodes.result.transform.map_points(points), atol=1e-3)
    assert chosen.GetNodeReference("spatialRegistrationFixed") is pair[0]
    linear = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "linear")
    with pytest.raises(InputError, match="cannot hold"):
        register(scene, pair, checkpoint, {"transform": "bspline"}, OutputOptions(transformNode=linear))


def test_provenance_is_a_script_that_makes_the_same_transform(scene, pair, checkpoint, monkeypatch):
    from harness import scripted

    scripted.install()
    nodes = register(scene, pair, str(checkpoint), {"transform": "bspline", **QUICK})
    record = provenance(nodes.transform)
    assert len(record["checkpoint"]["sha256"]) == 64 and record["nodes"]["moving"] == pair[1].GetName()
    assert len(record["losses"]["affine refined"]) == len(nodes.result.stages[2].losses)
    found = {}
    exec(asPython(record), found)
    again = found["nodes"].result.transform
    np.testing.assert_array_equal(again.linear, nodes.result.transform.linear)
    np.testing.assert_array_equal(again.residual.coefficients, nodes.result.transform.residual.coefficients)


def test_outside_its_mask_the_moving_image_does_not_count(scene, pair, checkpoint):
    moving = volumeFromNode(pair[1])
    everything = nodeFromVolume(scene, Volume(np.ones(moving.grid.shape, np.uint8), moving.grid), "all", LABELS)
    half = np.ones(moving.grid.shape, np.uint8)
    half[:, :, : half.shape[2] // 2] = 0
    part = nodeFromVolume(scene, Volume(half, moving.grid), "half", LABELS)
    results = [
        register(scene, pair, checkpoint, QUICK, mask=(None, mask)).result.moving_map.array
        for mask in (None, everything, part)
    ]
    assert np.array_equal(results[0], results[1]) and not np.allclose(results[0], results[2])
