"""A registration of nodes goes on: its nodes follow or stay as they were, and each answer can be had back."""

import numpy as np
import pytest
import slicer
from builders import affine_matrix
from harness.geometry import mrml_from_world, place_in_world, points_in
from harness.requests import register
from harness.scene import contents, node_ids
from ISTNRegistrationLib import mrml
from ISTNRegistrationLib.bridge import again as renewing
from ISTNRegistrationLib.bridge.again import keepAsNode, registerAgain, showOutcome
from ISTNRegistrationLib.bridge.outputs import OutputOptions
from ISTNRegistrationLib.bridge.provenance import asPython, provenance
from ISTNRegistrationLib.bridge.transforms import linearTransformNode
from ISTNRegistrationLib.bridge.variants import MOST, Variants
from ISTNRegistrationLib.bridge.volumes import volumeFromNode
from ISTNRegistrationLib.core.errors import InputError, RegistrationCancelled

QUICK = {"iterations": 3, "device": "cpu"}
OFF = {"structure_weights": {"putamen": 0.0}}


@pytest.fixture
def nodes(scene, pair, checkpoint):
    return register(
        scene, pair, checkpoint, {**QUICK, "transform": "bspline"}, OutputOptions(measures=True, parts=True)
    )


def mapped(nodes):
    """Where the transform node maps points of the fixed image, LPS mm."""
    return mrml_from_world(nodes.transform, points_in(volumeFromNode(nodes.request.fixed.image).grid, margin=0.3))


def test_every_node_of_the_result_follows_and_no_node_comes_or_goes(scene, nodes):
    ids, before = node_ids(scene), contents(scene)
    new = registerAgain(nodes, **OFF)
    assert node_ids(scene) == ids and contents(scene) != before
    points = points_in(volumeFromNode(nodes.request.fixed.image).grid, margin=0.3)
    np.testing.assert_allclose(mapped(new), new.result.transform.map_points(points), atol=1e-3)
    assert np.abs(new.result.transform.map_points(points) - nodes.result.transform.map_points(points)).max() > 0.02
    np.testing.assert_allclose(volumeFromNode(new.volume).array, new.outcome.warped().array, atol=1e-4)
    shown = volumeFromNode(new.heatmaps["warped"]).array
    np.testing.assert_array_equal(shown, new.result.warped_map.strongest.array)
    length = np.linalg.norm(new.result.transform.displacement(new.result.fixed_map.grid), axis=-1)
    np.testing.assert_allclose(volumeFromNode(new.measures["displacement"]).array, length, atol=1e-4)
    u = new.result.transform.residual.displacement(points)
    np.testing.assert_allclose(mrml_from_world(new.residual, points) - points, u, atol=1e-3)


def test_showing_the_outcome_before_gives_bitwise_what_was_there(scene, nodes):
    before, points = contents(scene), mapped(nodes)
    new = registerAgain(nodes, **OFF)
    back = showOutcome(new, nodes.outcome)
    assert contents(scene) == before and back.outcome is nodes.outcome
    np.testing.assert_array_equal(mapped(back), points)
    assert provenance(back.transform)["variant"] is None


@pytest.mark.parametrize("above", [False, True])
def test_a_chosen_node_with_a_parent_holds_each_answer_and_not_one_on_the_other(scene, pair, checkpoint, above):
    parent = linearTransformNode(scene, affine_matrix(3, seed=4), "parent")
    chosen = linearTransformNode(scene, affine_matrix(3, seed=5), "chosen")
    chosen.SetAndObserveTransformNodeID(parent.GetID())
    if above:
        pair[1].SetAndObserveTransformNodeID(chosen.GetID())
    before = place_in_world(pair[1])
    nodes = register(scene, pair, checkpoint, QUICK, OutputOptions(transformNode=chosen, heatmaps=False))
    new = registerAgain(nodes, **OFF)
    pair[1].SetAndObserveTransformNodeID(chosen.GetID())
    for answer, other in ((new, nodes), (nodes, new), (new, nodes)):
        shown = showOutcome(new, answer.outcome).result.transform
        np.testing.assert_allclose(shown.map_points(place_in_world(pair[1])), before, atol=1e-4)
        assert np.abs(other.result.transform.map_points(place_in_world(pair[1])) - before).max() > 0.005


def test_what_the_user_deleted_stays_away_and_the_rest_follows(scene, nodes):
    scene.RemoveNode(nodes.volume)
    scene.RemoveNode(nodes.heatmaps["difference"])
    new = registerAgain(nodes, **OFF)
    assert new.volume is None and list(new.heatmaps) == ["fixed", "moving", "warped"]
    np.testing.assert_array_equal(volumeFromNode(new.heatmaps["warped"]).array, new.result.warped_map.strongest.array)


@pytest.mark.parametrize("which", ["fixed", "moving", "transform"])
def test_without_an_image_or_the_transform_it_says_so_and_touches_nothing(scene, nodes, which):
    gone = nodes.transform if which == "transform" else getattr(nodes.request, which).image
    scene.RemoveNode(gone)
    before = contents(scene)
    with pytest.raises(InputError, match=f"'{gone.GetName()}': it was deleted after the registration.*Register again"):
        registerAgain(nodes, **OFF)
    assert contents(scene) == before


def test_a_closed_scene_is_said(scene, nodes):
    scene.Clear(0)
    with pytest.raises(InputError, match="its scene was closed"):
        showOutcome(nodes, nodes.outcome)


def repaint(node):
    slicer.util.arrayFromVolume(node)[3:5] += 1
    slicer.util.arrayFromVolumeModified(node)


def move(node):
    parent = linearTransformNode(node.GetScene(), affine_matrix(3), "moved")
    node.SetAndObserveTransformNodeID(parent.GetID())


@pytest.mark.parametrize(
    "change", [repaint, move, lambda node: node.SetOrigin(1, 2, 3)], ids=["voxels", "up", "origin"]
)
@pytest.mark.parametrize("which", ["fixed", "moving"])
def test_a_changed_image_is_no_longer_what_the_maps_show(nodes, which, change):
    change(getattr(nodes.request, which).image)
    with pytest.raises(InputError, match=f"Volume '{which}': it was changed after the registration"):
        registerAgain(nodes, **OFF)


def test_the_moving_image_under_the_result_is_not_changed(scene, pair, checkpoint):
    nodes = register(scene, pair, checkpoint, QUICK, OutputOptions(applyToMoving=True))
    assert registerAgain(nodes, **OFF).outcome.origin is nodes.outcome


def test_an_error_half_way_gives_every_node_back(scene, nodes, monkeypatch):
    before, points = contents(scene), mapped(nodes)
    monkeypatch.setattr(renewing, "setProvenance", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        registerAgain(nodes, **OFF)
    assert contents(scene) == before
    np.testing.assert_array_equal(mapped(nodes), points)


def test_a_cancelled_one_leaves_the_scene_and_a_stopped_one_keeps_the_best(scene, nodes):
    def cancel(_progress):
        raise RegistrationCancelled("enough")

    before = contents(scene)
    with pytest.raises(RegistrationCancelled):
        registerAgain(nodes, onProgress=cancel, **OFF)
    assert contents(scene) == before
    assert len(registerAgain(nodes, onProgress=lambda _progress: False, **OFF).result.stages[-1].losses) == 1


def test_a_kept_variant_is_a_node_of_its_own(scene, nodes):
    kept, points = keepAsNode(nodes, "first"), points_in(volumeFromNode(nodes.request.fixed.image).grid, margin=0.3)
    before = mrml_from_world(kept, points)
    new = registerAgain(nodes, **OFF)
    np.testing.assert_array_equal(mrml_from_world(kept, points), before)
    assert np.abs(mapped(new) - before).max() > 0.02 and kept.GetName() == "first"
    assert provenance(kept)["kept"] == nodes.result.kept
    assert kept.GetNodeReference("spatialRegistrationMoving") is nodes.request.moving.image


def test_the_script_makes_the_variant_again_step_by_step(scene, nodes, monkeypatch):
    steps = (
        {"structure_weights": {"putamen": 0.0}},
        {"structure_weights": None},
        {"structure_weights": {"caudate": 3}},
    )
    new = nodes
    for step in steps:
        new = registerAgain(new, iterations=2, **step)
    script, wanted = asPython(provenance(new.transform)), mapped(new)
    assert script.count("registerAgain(nodes, ") == 3
    found = {}
    monkeypatch.setattr(mrml, "slicer", slicer)
    exec(script, found)
    np.testing.assert_allclose(mapped(found["nodes"]), wanted, atol=1e-6)
    assert found["nodes"].transform is not new.transform


def test_variants_are_shown_undone_and_not_too_many():
    class Nodes:
        def __init__(self, outcome):
            self.outcome = outcome

    variants = Variants(Nodes(0), "first")
    for number in range(1, 4):
        variants.add(Nodes(number), str(number))
    assert [v.outcome for v in variants.all] == [0, 1, 2, 3] and variants.before.outcome == 2
    variants.show(Nodes(1), variants.all[1])
    seen = []
    while variants.before is not None:
        variants.undo(Nodes(variants.before.outcome))
        seen.append(variants.shown.outcome)
    assert seen == [3, 2, 1, 0] and len(variants.all) == 4
    for number in range(4, MOST + 4):
        variants.add(Nodes(number), str(number))
    assert len(variants.all) == MOST and variants.all[0].outcome == 0 and variants.all[-1].outcome == MOST + 3
    while variants.before is not None:
        variants.undo(Nodes(variants.before.outcome))
        assert variants.shown in variants.all
