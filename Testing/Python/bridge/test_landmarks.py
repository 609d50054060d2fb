"""Point lists of the scene and of its files: labels decide, and a cleared point does not count."""

import numpy as np
import pytest
import slicer
from harness.geometry import FLIP
from harness.requests import register
from ISTNRegistrationLib.bridge.outputs import OutputOptions
from ISTNRegistrationLib.bridge.provenance import asPython, provenance
from ISTNRegistrationLib.bridge.structures import landmarksFromNode, structuresFromNode
from ISTNRegistrationLib.bridge.volumes import volumeFromNode
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.data.markups import read_landmarks, read_markups

POINTS = np.array([[1.0, 2.0, 3.0], [-4.0, 5.0, 6.0], [7.0, -8.0, 9.0]])
QUICK = {"iterations": 3, "initial": "none", "refine": "none"}


def points(scene, positions_lps, labels, cleared=()):
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "points")
    for position, label in zip(np.asarray(positions_lps) * FLIP, labels, strict=True):
        node.AddControlPoint(position, label)
    for number in cleared:
        node.UnsetNthControlPointPosition(number)
    return node


def test_equal_labels_in_another_order_are_measured_as_they_belong(scene, pair, checkpoint):
    where = volumeFromNode(pair[0]).grid.center + POINTS
    lists = points(scene, where, "abc"), points(scene, where[[1, 2, 0]] + [3.0, 0.0, 4.0], "bca")
    made = register(scene, pair, checkpoint, QUICK, OutputOptions(volume=False), landmarks=lists)
    assert made.quality[0].tre_mm == pytest.approx(5.0, abs=1e-3)


def test_a_cleared_point_does_not_count_and_that_is_said(scene, pair, checkpoint):
    where = volumeFromNode(pair[0]).grid.center + POINTS
    lists = points(scene, where, "abc"), points(scene, where + [[0, 0, 0], [31, 0, 0], [0, 0, 0]], "abc", cleared=[1])
    made = register(scene, pair, checkpoint, QUICK, OutputOptions(volume=False), landmarks=lists)
    assert made.quality[0].tre_mm == pytest.approx(0.0, abs=1e-3)
    assert any("left out: b." in warning for warning in made.outcome.warnings)
    assert len(structuresFromNode(lists[1], volumeFromNode(pair[0]).grid).points) == 2


def test_a_list_in_which_nothing_is_placed_is_named(scene):
    with pytest.raises(InputError, match="'points': it is empty"):
        landmarksFromNode(points(scene, POINTS[:1], "a", cleared=[0]))


@pytest.mark.parametrize("ending, storage", [("mrk.json", "Json"), ("fcsv", "Fiducial")])
def test_files_of_slicer_say_the_same_as_the_node(scene, tmp_path, ending, storage):
    node = points(scene, POINTS, ("a", "b c", "d"), cleared=[1])
    writer = getattr(slicer, f"vtkMRMLMarkups{storage}StorageNode")()
    writer.SetScene(scene)
    writer.SetFileName(str(tmp_path / f"points.{ending}"))
    assert writer.WriteData(node)
    for found in (landmarksFromNode(node), read_landmarks(tmp_path / f"points.{ending}")):
        assert found.labels == ("a", "b c", "d") and len(found) == 2
        np.testing.assert_allclose(found.points, [POINTS[0], [np.nan] * 3, POINTS[2]])
    np.testing.assert_allclose(read_markups(tmp_path / f"points.{ending}")[0], POINTS[[0, 2]])


def test_landmarks_pull_and_the_script_of_the_result_says_so(scene, pair, checkpoint):
    where = volumeFromNode(pair[0]).grid.center + POINTS
    lists = points(scene, where, "abc"), points(scene, where + [4.0, -3.0, 2.0], "abc")
    options = {"transform": "bspline", "iterations": 8, "initial": "none", "device": "cpu"}
    alone, pulled = (
        register(scene, pair, str(checkpoint), {**options, "landmark_weight": w}, landmarks=lists) for w in (0.0, 3.0)
    )
    assert pulled.quality[-1].tre_mm < 0.6 * alone.quality[-1].tre_mm
    script = asPython(provenance(pulled.transform))
    assert "landmark_weight=3.0" in script and script.count("landmarks=getNode('points") == 2
    assert "landmarks=getNode" not in asPython(provenance(alone.transform))
