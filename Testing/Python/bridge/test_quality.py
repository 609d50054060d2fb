"""The quality table against known structures and points, the light with its reason, and the CSV."""

import csv
import dataclasses
import math

import numpy as np
import pytest
from builders import make_grid
from harness.geometry import FLIP
from ISTNRegistrationLib.bridge.outputs import OutputOptions
from ISTNRegistrationLib.bridge.quality import HEADINGS, StageQuality, cells, verdict, writeCsv
from ISTNRegistrationLib.bridge.registration import KnownStructures, registerNodes
from ISTNRegistrationLib.bridge.volumes import segmentationFromVolume, volumeFromNode
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data.evaluate import measure

QUICK = {"iterations": 3, "initial": "none"}
GOOD = StageQuality("affine", 0.9, math.nan, math.nan, math.nan, math.nan, 0, 3.0, 0.1, True)


def points(scene, positions_lps):
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "points")
    for position in np.asarray(positions_lps) * FLIP:
        node.AddControlPoint(position)
    return node


def blob(node, name):
    volume = volumeFromNode(node)
    return Volume((volume.array > volume.array.mean()).astype(np.uint8), volume.grid, name)


def test_known_structures_and_landmarks_are_measured_at_every_stage(scene, pair, checkpoint):
    labels = [blob(node, "s") for node in pair]
    nodes = [segmentationFromVolume(scene, volume, "s") for volume in labels]
    where = volumeFromNode(pair[0]).grid.center + np.array([[0.0, 0.0, 0.0], [4.0, 2.0, -3.0]])
    known = KnownStructures(*nodes, points(scene, where), points(scene, where + [3.0, 0.0, 4.0]))
    made = registerNodes(scene, pair, checkpoint, QUICK, OutputOptions(volume=False), known=known)
    assert [row.stage for row in made.quality] == ["initial", "affine", "affine refined"]
    assert made.quality[0].tre_mm == pytest.approx(5.0, abs=1e-3)
    for row, stage in zip(made.quality, made.result.stages, strict=True):
        (score,) = measure(stage.transform, *labels)
        assert row.dice == pytest.approx(score.dice, abs=1e-6)
        assert row.asd_mm == pytest.approx(score.asd_mm, abs=1e-6)
        assert row.agreement == stage.agreement or math.isnan(row.agreement)
    assert [row.kept for row in made.quality].count(True) == 1


def test_unequal_numbers_of_landmarks_are_refused_before_the_run(scene, pair, checkpoint):
    known = KnownStructures(None, None, points(scene, [[0, 0, 0]]), points(scene, [[0, 0, 0], [1, 1, 1]]))
    with pytest.raises(InputError, match="1 and 2"):
        registerNodes(scene, pair, checkpoint, QUICK, known=known)


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


@pytest.mark.parametrize(
    "change, light, words",
    [
        ({}, "green", "nothing folds"),
        ({"agreement": 0.6}, "yellow", "only fairly"),
        ({"agreement": 0.3}, "red", "hardly agree"),
        ({"agreement": math.nan}, "red", "no structure"),
        ({"folded": 3}, "yellow", "3 voxels"),
        ({"folded": 20}, "red", "2.0 %"),
        ({"dice": 0.6}, "yellow", "Dice 0.60"),
        ({"dice": 0.4}, "red", "Dice 0.40"),
    ],
)
def test_the_light_tells_the_worst_and_why(change, light, words):
    found = verdict((dataclasses.replace(GOOD, **change),), voxels=1000)
    assert found.light == light and words in found.reason


def test_what_the_run_says_about_itself_makes_the_light_yellow():
    found = verdict((GOOD,), 1000, ("Stage 'affine refined' made things worse.",))
    assert found.light == "yellow" and "made things worse" in found.reason


def test_the_csv_holds_what_the_table_shows(tmp_path):
    writeCsv(tmp_path / "q.csv", (GOOD,))
    (row,) = csv.DictReader((tmp_path / "q.csv").open(encoding="utf-8"))
    assert list(row) == [*HEADINGS, "kept"] and row["dice"] == "" and float(row["agreement"]) == 0.9
    assert cells(GOOD) == ["affine", "0.900", "–", "–", "–", "–", "0", "3.0", "0.10"]
