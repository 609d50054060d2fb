"""The quality table against reference structures and landmarks of the scene."""

import math

import numpy as np
import pytest
from builders import make_grid
from harness.geometry import FLIP
from harness.requests import register
from ISTNRegistrationLib.bridge.outputs import OutputOptions
from ISTNRegistrationLib.bridge.volumes import orientedImage, segmentationFromVolume, volumeFromNode
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data.quality import measure

QUICK = {"iterations": 3, "initial": "none"}


def points(scene, positions_lps):
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "points")
    for position in np.asarray(positions_lps) * FLIP:
        node.AddControlPoint(position)
    return node


def blob(node, name):
    volume = volumeFromNode(node)
    return Volume((volume.array > volume.array.mean()).astype(np.uint8), volume.grid, name)


def test_reference_structures_and_landmarks_are_measured_at_every_stage(scene, pair, checkpoint):
    labels = [blob(node, "s") for node in pair]
    nodes = [segmentationFromVolume(scene, volume, "s") for volume in labels]
    where = volumeFromNode(pair[0]).grid.center + np.array([[0.0, 0.0, 0.0], [4.0, 2.0, -3.0]])
    known = {"structures": nodes, "landmarks": [points(scene, where), points(scene, where + [3.0, 0.0, 4.0])]}
    made = register(scene, pair, checkpoint, QUICK, OutputOptions(volume=False), **known)
    assert [row.stage for row in made.quality] == ["initial", "affine", "affine refined"]
    assert made.quality[0].tre_mm == pytest.approx(5.0, abs=1e-3)
    for row, stage in zip(made.quality, made.result.stages, strict=True):
        (score,) = measure(stage.transform, *labels)
        assert row.dice == pytest.approx(score.dice, abs=1e-6)
        assert row.asd_mm == pytest.approx(score.asd_mm, abs=1e-6)
        assert row.agreement == stage.agreement or math.isnan(row.agreement)
    assert [row.kept for row in made.quality].count(True) == 1


def test_unequal_numbers_of_landmarks_without_a_common_label_are_refused_before_the_run(scene, pair, checkpoint):
    landmarks = points(scene, [[0, 0, 0]]), points(scene, [[0, 0, 0], [1, 1, 1]])
    landmarks[0].SetNthControlPointLabel(0, "another")
    with pytest.raises(InputError, match="1 and 2 points"):
        register(scene, pair, checkpoint, QUICK, landmarks=landmarks)


def test_segments_belong_together_by_name(scene):
    from ISTNRegistrationLib.bridge.structures import labelsOfPair

    grid = make_grid(3)
    array = np.zeros(grid.shape, np.uint8)
    array[2:5], array[8:11] = 1, 2
    nodes = [segmentationFromVolume(scene, Volume(array, grid), name) for name in "ab"]
    for node, names in zip(nodes, (("x", "y"), ("y", "x")), strict=True):
        for k, name in enumerate(names):
            node.GetSegmentation().GetNthSegment(k).SetName(name)
    fixed, moving, names = labelsOfPair(nodes, (grid, grid))
    assert names == {1: "x", 2: "y"}
    assert fixed.array[3, 0, 0] == 1 and moving.array[3, 0, 0] == 2
    assert labelsOfPair((nodes[0], None), (grid, grid)) is None


def test_overlapping_segments_are_measured_each_as_itself(scene):
    """The later segment used to win: the Dice of the earlier one depended on their order."""
    from ISTNRegistrationLib.bridge.structures import labelsOfPair
    from ISTNRegistrationLib.core.transform import SpatialTransform

    grid, nodes = make_grid(3), []
    for shift in (0, 2):
        node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "overlap")
        for name, low, high in (("whole", 2, 12), ("part", 8, 14)):
            mask = np.zeros(grid.shape, bool)
            mask[low + shift : high + shift] = True
            node.AddSegmentFromBinaryLabelmapRepresentation(orientedImage(mask, grid), name)
        nodes.append(node)
    fixed, moving, names = labelsOfPair(nodes, (grid, grid))
    scores = measure(SpatialTransform(np.eye(4)), fixed, moving, sorted(names))
    assert [names[score.label] for score in scores] == ["whole", "part"]
    assert [score.dice for score in scores] == pytest.approx([8 / 10, 4 / 6])
