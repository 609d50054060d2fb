"""The light with its reason, and the table as text and CSV."""

import csv
import dataclasses
import io
import math

import pytest
from ISTNRegistrationLib.core.quality import HEADINGS, StageQuality, cells, table_csv, table_text, verdict
from ISTNRegistrationLib.core.trust import Expectation, Expected, Limits

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


def expecting(dice, low, high):
    """A row of which this is expected, and less of the structure named second."""
    each = (Expected("caudate", dice + 0.1, low, high), Expected("amygdala", dice - 0.1, low - 0.1, high))
    return dataclasses.replace(GOOD, expectation=Expectation(Expected("", dice, low, high), each))


@pytest.mark.parametrize(
    "dice, low, light",
    [(0.81, 0.76, "green"), (0.81, 0.6, "green"), (0.81, 0.59, "yellow"), (0.5, 0.3, "yellow"), (0.49, 0.48, "red")],
)
def test_the_expected_dice_and_its_lower_bound_decide_and_not_the_agreement(dice, low, light):
    for agreement in (0.2, 0.95):
        found = verdict(dataclasses.replace(expecting(dice, low, 0.85), agreement=agreement), voxels=1000)
        worst = f"worst in amygdala: {dice - 0.1:.2f} ({low - 0.1:.2f} to 0.85)."
        assert found.light == light and f"Expected Dice {dice:.2f} ({low:.2f} to 0.85), {worst}" in found.reason
        assert ("another initial alignment, another checkpoint or a mask" in found.reason) == (light == "red")


def test_the_limits_of_the_light_are_those_of_the_checkpoint():
    row = expecting(0.65, 0.62, 0.7)
    for limits, light in ((Limits(0.62, 0.5), "green"), (Limits(0.63, 0.65), "yellow"), (Limits(0.6, 0.66), "red")):
        told = dataclasses.replace(row.expectation, limits=limits)
        assert verdict(dataclasses.replace(row, expectation=told), 1000).light == light


def test_where_nothing_is_known_of_the_expected_dice_the_reason_says_so():
    for change in ({}, {"agreement": 0.6}, {"agreement": 0.3}):
        assert "cannot tell what Dice" in verdict(dataclasses.replace(GOOD, **change), 1000).reason
    assert "cannot tell" not in verdict(expecting(0.8, 0.7, 0.9), 1000).reason
    assert cells(expecting(0.8, 0.7, 0.9))[2] == "0.80" and math.isnan(GOOD.expected)


def test_what_the_run_says_about_itself_makes_the_light_yellow():
    found = verdict(GOOD, 1000, ("Stage 'affine refined' made things worse.",))
    assert found.light == "yellow" and "made things worse" in found.reason


@pytest.mark.parametrize(
    "row, light", [(expecting(0.3, 0.1, 0.5), "red"), (expecting(0.65, 0.5, 0.7), "yellow"), (GOOD, "green")]
)
def test_a_mask_that_hides_is_the_next_thing_to_try_unless_all_is_well(row, light):
    found = verdict(row, 1000, masks=("The mask hides it.",))
    assert found.light == light and found.reason.endswith("The mask hides it.") == (light != "green")
    assert "another checkpoint" not in found.reason


def test_the_csv_holds_what_the_table_shows():
    (row,) = csv.DictReader(io.StringIO(table_csv((GOOD,))))
    assert list(row) == [*HEADINGS, "kept"] and row["dice"] == "" and float(row["agreement"]) == 0.9
    assert cells(GOOD) == ["affine", "0.900", "–", "–", "–", "–", "–", "–", "0", "3.0", "0.10"]


def test_the_text_has_a_line_per_stage_and_leaves_out_what_was_not_measured():
    head, line = table_text((GOOD,)).splitlines()
    assert line.split() == ["affine", "0.900", "0", "3.0", "0.10"] and "Dice" not in head and "Agreement" in head
    assert "0.812" in table_text((dataclasses.replace(GOOD, dice=0.812),))
