"""Segmentations that constrain: corrected structures become the checkpoint's channels, bones stay rigid."""

import numpy as np
import pytest
from harness.geometry import mrml_from_world
from harness.requests import register
from ISTNRegistrationLib.bridge.outputs import OutputOptions
from ISTNRegistrationLib.bridge.provenance import asPython, provenance
from ISTNRegistrationLib.bridge.volumes import nodeFromVolume, segmentationFromVolume, volumeFromNode
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.volume import Volume

QUICK = {"iterations": 3, "initial": "none", "device": "cpu"}
NONE = OutputOptions(volume=False, heatmaps=False)


def drawn(node):
    """Two off-center boxes, 1 and 2, on the volume node's grid."""
    grid = volumeFromNode(node).grid
    labels = np.zeros(grid.shape, np.int16)
    labels[5:9, 6:12, 8:11], labels[10:13, 9:13, 10:16] = 1, 2
    return Volume(labels, grid, "drawn")


def renamed(scene, volume, names):
    node = segmentationFromVolume(scene, volume, "corrected")
    for k, name in enumerate(names):
        node.GetSegmentation().GetNthSegment(k).SetName(name)
    return node


def test_segments_and_label_values_are_the_same_and_the_script_says_so(scene, pair, checkpoint):
    volumes = [drawn(node) for node in pair]
    segments = [renamed(scene, volume, ("Putamen", "caudate")) for volume in volumes]
    maps = [nodeFromVolume(scene, volume, "labels", "vtkMRMLLabelMapVolumeNode") for volume in volumes]
    plain = register(scene, pair, str(checkpoint), QUICK, NONE)
    first, second = (register(scene, pair, str(checkpoint), QUICK, NONE, corrected=nodes) for nodes in (segments, maps))
    for name in ("fixed_map", "moving_map"):
        found = [getattr(nodes.result, name).array for nodes in (plain, first, second)]
        np.testing.assert_allclose(found[1], found[2], atol=1e-5)
        assert all(np.abs(found[1] - found[0])[k].max() > 0.2 for k in (0, 1))
    assert sum("corrected segmentation" in note for note in first.outcome.notes) == 4
    script = asPython(provenance(first.transform))
    assert all(f"corrected=getNode({node.GetName()!r})" in script for node in segments)
    assert "corrected" not in asPython(provenance(plain.transform))


def test_one_side_and_one_structure_are_enough(scene, pair, checkpoint):
    volume = drawn(pair[1])
    volume.array[volume.array == 2] = 0
    node = renamed(scene, volume, ("putamen",))
    plain = register(scene, pair, checkpoint, QUICK, NONE).result
    found = register(scene, pair, checkpoint, QUICK, NONE, corrected=(None, node)).result
    np.testing.assert_array_equal(found.fixed_map.array, plain.fixed_map.array)
    np.testing.assert_array_equal(found.moving_map.array[1], plain.moving_map.array[1])
    assert np.abs(found.moving_map.array - plain.moving_map.array)[0].max() > 0.2


@pytest.mark.parametrize(("names", "said"), [(("a", "a"), "two segments have one name"), (("1", "x"), "'x' is no str")])
def test_a_name_that_stands_for_nothing_or_twice_is_refused(scene, pair, checkpoint, names, said):
    node = renamed(scene, drawn(pair[0]), names)
    with pytest.raises(InputError, match=said):
        register(scene, pair, checkpoint, QUICK, NONE, corrected=(node, None))


def test_segments_stay_rigid_and_the_script_says_so(scene, pair, checkpoint):
    volume = drawn(pair[0])
    with pytest.raises(InputError, match="1 and 2 touch, or nearly. Expected two voxels .* .4 mm."):
        node = segmentationFromVolume(scene, volume, "bones")
        register(scene, pair, str(checkpoint), {**QUICK, "transform": "bspline"}, NONE, rigid=(node, None))
    volume.array[volume.array == 1] = 0
    node = segmentationFromVolume(scene, volume, "bone")
    options = {**QUICK, "transform": "bspline", "refine": "weights"}
    nodes = register(scene, pair, str(checkpoint), options, NONE, rigid=(node, None))
    assert nodes.result.kept == "rigid region" and nodes.quality[-1].stage == "rigid region"
    assert nodes.transform.IsA("vtkMRMLTransformNode") and not nodes.transform.IsLinear()
    moved = mrml_from_world(nodes.transform, volume.grid.index_to_physical(np.argwhere(volume.array == 2)[:, ::-1]))
    points = volume.grid.index_to_physical(np.argwhere(volume.array == 2)[:, ::-1])
    first, then = (np.linalg.norm(p[:, None] - p[None], axis=-1) for p in (points, moved))
    assert np.abs(first - then).max() < 0.02
    assert f"rigid=getNode({node.GetName()!r})" in asPython(provenance(nodes.transform))
