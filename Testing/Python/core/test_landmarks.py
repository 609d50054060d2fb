"""Landmarks belong together by their labels; what has no partner is left out, and that is said."""

import numpy as np
import pytest
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.landmarks import BY_ORDER, Landmarks, pair_landmarks

POINTS = np.array([[1.0, 2.0, 3.0], [-4.0, 5.0, 6.0], [7.0, -8.0, 9.0]])
NOWHERE = np.full(3, np.nan)


def test_equal_labels_in_another_order_belong_together():
    pairs = pair_landmarks(Landmarks(POINTS, ("a", "b", "c")), Landmarks(POINTS[[2, 0, 1]] + 10.0, ("c", "a", "b")))
    np.testing.assert_array_equal(pairs.moving - pairs.fixed, np.full((3, 3), 10.0))
    assert pairs.labels == ("a", "b", "c") and pairs.warnings == ()


def test_what_stands_in_one_list_only_is_left_out_and_named():
    pairs = pair_landmarks(Landmarks(POINTS, ("a", "x", "c")), Landmarks(POINTS + 1.0, ("c", "a", "y")))
    assert pairs.labels == ("a", "c")
    np.testing.assert_array_equal(pairs.fixed, POINTS[[0, 2]])
    np.testing.assert_array_equal(pairs.moving, POINTS[[1, 0]] + 1.0)
    assert "x (fixed only), y (moving only)" in pairs.warnings[0] and len(pairs.warnings) == 1


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("labels", [(), ("a", "b", "c")])
def test_a_point_that_was_never_placed_does_not_count(side, labels):
    """In lists without labels the others keep their partners."""
    lists = [POINTS.copy(), POINTS + 1.0]
    lists[side][1] = NOWHERE
    pairs = pair_landmarks(*(Landmarks(points, labels) for points in lists))
    np.testing.assert_array_equal(pairs.fixed, POINTS[[0, 2]])
    np.testing.assert_array_equal(pairs.moving, POINTS[[0, 2]] + 1.0)
    assert f"left out: {'b' if labels else '2'}." in pairs.warnings[0]


def test_without_a_common_label_the_order_counts_and_that_is_said():
    pairs = pair_landmarks(Landmarks(POINTS, ("F-1", "F-2", "F-3")), Landmarks(POINTS + 1.0, ("M-1", "M-2", "M-3")))
    np.testing.assert_array_equal(pairs.moving, POINTS + 1.0)
    assert pairs.warnings == (BY_ORDER,) and pairs.labels == ("F-1", "F-2", "F-3")
    assert pair_landmarks(Landmarks(POINTS), Landmarks(POINTS)).warnings == ()


@pytest.mark.parametrize(
    "fixed, moving, words",
    [
        (Landmarks(POINTS), Landmarks(POINTS[:2]), "3 and 2 points"),
        (Landmarks(POINTS, ("a", "a", "b")), Landmarks(POINTS, ("b", "a", "c")), "two points.*'a'"),
        (Landmarks(POINTS, ("b", "a", "c")), Landmarks(POINTS, ("a", "a", "b")), "two points.*'a'"),
        (Landmarks(POINTS[:1], ("a",)), Landmarks(NOWHERE[None], ("a",)), "has a partner"),
    ],
)
def test_lists_that_cannot_be_paired_are_refused(fixed, moving, words):
    with pytest.raises(InputError, match=words):
        pair_landmarks(fixed, moving)
