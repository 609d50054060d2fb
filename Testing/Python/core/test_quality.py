"""The light with its reason, and the table as text and CSV."""

import csv
import dataclasses
import io
import math

import pytest
from ISTNRegistrationLib.core.quality import HEADINGS, StageQuality, cells, table_csv, table_text, verdict

GOOD = StageQuality("affine", 0.9, math.nan, math.nan, math.nan, math.nan, 0, 3.0, 0.1, True)


@pytest.mark.parametrize(
    "change, light, words",
    [
        ({}, "green", "No folding"),
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
    found = verdict(dataclasses.replace(GOOD, **change), voxels=1000)
    assert found.light == light and words in found.reason


def test_what_the_run_says_about_itself_makes_the_light_yellow():
    found = verdict(GOOD, 1000, ("Stage 'affine refined' made things worse.",))
    assert found.light == "yellow" and "made things worse" in found.reason


def test_the_csv_holds_what_the_table_shows():
    (row,) = csv.DictReader(io.StringIO(table_csv((GOOD,))))
    assert list(row) == [*HEADINGS, "kept"] and row["dice"] == "" and float(row["agreement"]) == 0.9
    assert cells(GOOD) == ["affine", "0.900", "–", "–", "–", "–", "0", "3.0", "0.10"]


def test_the_text_has_a_line_per_stage_and_leaves_out_what_was_not_measured():
    head, line = table_text((GOOD,)).splitlines()
    assert line.split() == ["affine", "0.900", "0", "3.0", "0.10"] and "Dice" not in head and "Agreement" in head
    assert "0.812" in table_text((dataclasses.replace(GOOD, dice=0.812),))
