"""Evidence of maps whose volume, place and agreement are known, off the middle and on a grid that is no cube."""

import numpy as np
import pytest
import torch
from builders import blob_volume
from ISTNRegistrationLib.core.checkpoint import Checkpoint
from ISTNRegistrationLib.core.evidence import Witness, look
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.placement import Placement
from ISTNRegistrationLib.core.register import RegisterOptions
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.trust import FEATURES, LOOKS
from ISTNRegistrationLib.data.batch import numbers_of
from ISTNRegistrationLib.data.page import _expected, write_page
from ISTNRegistrationLib.data.run import Request, Side, run
from networks import model
from taught import taught

GRID = Grid.centered((10.0, -20.0, 30.0), (20, 24, 28), (2.0, 1.5, 1.0))
CORNERS = ((3, 5, 9), (11, 14, 6))  # of the two structures: first voxel x, y, z
SIZES = ((5, 4, 6), (4, 5, 7))


def boxes(shift=(0, 0, 0)):
    """Maps (1, 2, *shape) that are 1 in two boxes."""
    maps = torch.zeros(1, 2, *GRID.shape)
    for number, (corner, size) in enumerate(zip(CORNERS, SIZES, strict=True)):
        x, y, z = (slice(c + s, c + s + n) for c, s, n in zip(corner, shift, size, strict=True))
        maps[0, number, z, y, x] = 1.0
    return maps


def image(maps, inside=(0.8, 0.6), outside=0.2):
    """Each structure with its own brightness, on a ground that is not flat."""
    ground = outside + 0.05 * torch.sin(torch.arange(maps[0, 0].numel()) * 0.7).reshape(maps.shape[2:])
    return (ground + sum((i - outside) * m for i, m in zip(inside, maps[0], strict=True)))[None, None]


def middle(number):
    """Of a box in mm from the grid's middle, x, y, z."""
    index = np.add(CORNERS[number], (np.array(SIZES[number]) - 1) / 2)
    return (index - (np.array(GRID.size) - 1) / 2) * GRID.spacing


def test_a_look_tells_volume_place_distance_and_brightness_in_mm():
    found = look(boxes(), image(boxes()), GRID)
    assert set(found) == set(LOOKS)
    np.testing.assert_allclose(np.exp(found["volume"][:, 0]), [5 * 4 * 6 * 3.0, 4 * 5 * 7 * 3.0])
    np.testing.assert_allclose(found["place"], [middle(0), middle(1)], atol=1e-6)
    apart = np.linalg.norm(middle(0) - middle(1))
    np.testing.assert_allclose(found["distances"], [[0, apart], [apart, 0]], atol=1e-6)
    np.testing.assert_allclose(found["brightness"][:, 0], [0.8, 0.6], atol=0.03)
    np.testing.assert_allclose(found["contrast"][:, 0], [0.6, 0.4], atol=0.06)
    variance = [sum((n**2 - 1) / 12 * s**2 for n, s in zip(size, GRID.spacing, strict=True)) for size in SIZES]
    np.testing.assert_allclose(found["extent"][:, 0], np.log(variance) / 2, atol=1e-6)


def evidence(moving, fixed, seen=None, transform=None, folded=0):
    """By name, (C,), of a pair of maps; people look like the fixed image."""
    people = {k: [v.tolist(), np.full(v.shape, 0.5).tolist()] for k, v in look(fixed, image(fixed), GRID).items()}
    given = seen or (image(moving), image(fixed))
    told = Witness(("a", "b"), people, None, given, (moving, fixed), Placement(GRID, np.eye(4)))
    transform = SpatialTransform(np.eye(4) if transform is None else transform)
    values = told.evidence(moving, transform, folded)
    assert values.shape == (2, len(FEATURES)) and np.isfinite(values).all()
    return dict(zip(FEATURES, values.T, strict=True))


def test_a_perfect_registration_gives_no_evidence_against_it():
    found = evidence(boxes(), boxes())
    assert {name: value for name, value in found.items() if np.abs(value).max() > 2e-3} == {}


def test_every_kind_of_doubt_is_seen_where_it_is():
    moving = boxes((1, 0, 0))
    shifted = evidence(moving, boxes())
    np.testing.assert_allclose(shifted["disagreement"], [1 / 5, 1 / 4])
    np.testing.assert_allclose(shifted["disagreement of all"], (1 / 5 + 1 / 4) / 2)
    np.testing.assert_allclose(shifted["strange place"], 2.0 / 0.5 / 3)  # 2 mm along one of three axes
    assert (shifted["unlike"] > 0.05).all() and (shifted["volume change"] < 1e-6).all()
    smaller = boxes()
    smaller[0, 1, :, :, 11:13] = 0
    found = evidence(smaller, boxes())
    np.testing.assert_allclose(found["volume change"], [0, np.log(2)], atol=1e-6)
    np.testing.assert_allclose(found["strange volume"], [0, np.log(2) / 0.5], atol=1e-6)
    fuzzy = evidence(boxes(), boxes() * 0.6)
    np.testing.assert_allclose(fuzzy["fuzzy"], 1.6, atol=1e-5)
    np.testing.assert_allclose(fuzzy["faint"], 0.4, atol=1e-5)
    assert evidence(boxes(), boxes(), folded=GRID.size[0] * GRID.size[1])["folded"][0] == pytest.approx(100 / 28)


def test_inverted_contrast_is_opposed_but_not_unlike():
    found = evidence(boxes(), boxes(), seen=(1 - image(boxes()), image(boxes())))
    np.testing.assert_allclose(found["opposed"], 1, atol=0.01)
    np.testing.assert_allclose(found["unlike"], 0, atol=0.01)
    assert (found["strange brightness"] > 0.3).all() and (found["strange contrast"] > 1).all()


def test_moved_is_the_way_from_the_initial_alignment_and_counts_more_in_doubt():
    initial, total = np.eye(4), np.eye(4)
    initial[:-1, -1] = (30.0, 0.0, 0.0)
    total[:-1, -1] = (33.0, -4.0, 0.0)
    told = Witness(("a", "b"), {}, None, (), (), Placement(GRID, initial))
    np.testing.assert_allclose(told._moved(np.array([middle(0), middle(1)]), SpatialTransform(total)), 5.0)
    stretch = np.diag([1.5, 1.0, 1 / 1.2, 1.0])
    # around the middle of the grid, so that the structures' images stay where they are seen
    stretch[:-1, -1] = np.array(GRID.center) - stretch[:-1, :-1] @ GRID.center
    moved = evidence(boxes(), boxes(), transform=stretch)
    np.testing.assert_allclose(moved["stretch"], np.log(1.5))
    np.testing.assert_allclose(moved["moved"], [np.hypot(0.5 * m[0], m[2] / 6) for m in (middle(0), middle(1))])
    assert (moved["moved in doubt"] < 1e-9).all()  # nothing is strange
    strange = evidence(boxes((2, 0, 0)), boxes(), transform=stretch)  # 4 mm off: 2.7 deviations of 5, a doubt of 0.53
    doubt = strange["moved in doubt"] / strange["moved"]
    np.testing.assert_allclose(doubt, 4 / 0.5 / 3 / 5, atol=1e-6)


def test_empty_maps_are_as_bad_as_can_be_and_no_number_is_lost():
    nothing = torch.zeros_like(boxes())
    found = evidence(nothing, nothing)
    assert (found["disagreement"] == 1).all() and (found["faint"] == 1).all()


def test_what_moved_is_where_the_fixed_image_has_the_structures():
    """The moving image has them 4 mm along x: a stretch about the middle would move them by 2 mm more."""
    stretch = np.diag([1.5, 1.0, 1.0, 1.0])
    stretch[:-1, -1] = np.array(GRID.center) - stretch[:-1, :-1] @ GRID.center
    found = evidence(boxes((2, 0, 0)), boxes(), transform=stretch)
    np.testing.assert_allclose(found["moved"], [abs(0.5 * middle(0)[0]), abs(0.5 * middle(1)[0])])


def test_a_stretch_of_the_initial_alignment_is_not_the_registration_s():
    initial = np.diag([1.5, 0.8, 1.0, 1.0])
    initial[:-1, -1] = np.array(GRID.center) - initial[:-1, :-1] @ GRID.center
    told = Witness(
        ("a", "b"),
        {k: [v.tolist(), np.ones(v.shape).tolist()] for k, v in look(boxes(), image(boxes()), GRID).items()},
        None,
        (image(boxes()), image(boxes())),
        (boxes(), boxes()),
        Placement(GRID, initial),
    )
    found = dict(zip(FEATURES, told.evidence(boxes(), SpatialTransform(initial), 0).T, strict=True))
    np.testing.assert_allclose(found["stretch"], 0.0, atol=1e-9)


def test_a_registration_says_what_to_expect_at_every_door_and_keeps_what_it_trusts(tmp_path):
    """A model that only counts how far a structure moved: the refined stage, which agrees best, is given up."""
    net = model(3, method="istn-i", size=(24, 20, 22))
    images = [blob_volume(net.grid, seed=1), blob_volume(net.grid.moved(translation(3.0)), seed=1)]
    checkpoint = taught(net, {"moved": 0.5})
    outcome = run(Request(*(Side(image) for image in images), checkpoint, RegisterOptions(initial="none")))
    first, last = outcome.result.stages[0], outcome.result.stages[-1]
    assert first.expected.overall.dice == 1.0 and last.expected.overall.dice < 0.99
    assert outcome.result.kept != last.name and outcome.kept.expected > last.expected.overall.dice + 0.01
    assert [e.name for e in first.expected.structures] == ["s0", "s1"]
    told = outcome.report()["stages"]
    mean = told[0]["expected_dice"]["mean"]
    assert [mean[key] for key in ("dice", "low", "high")] == [1.0, 0.9, 1.0]
    assert mean["mm"] is None  # random networks show nothing that has a surface
    assert set(told[-1]["expected_dice"]) == {"mean", "s0", "s1"}
    assert outcome.verdict.light == "red" and "no structure" in outcome.verdict.reason  # random networks: still said
    table = _expected(outcome.kept.expectation)
    assert "<td>Mean</td>" in table and "<td>s1</td>" in table and table in written(outcome, tmp_path)
    row, overall = numbers_of(outcome), outcome.kept.expectation.overall
    assert [row[key] for key in ("expected", "expected_low", "expected_high")] == pytest.approx(
        [overall.dice, overall.low, overall.high], abs=1e-5
    )


def test_a_checkpoint_that_does_not_know_people_expects_nothing():
    net = model(3, method="istn-i", size=(24, 20, 22))
    images = [blob_volume(net.grid, seed=k) for k in (1, 2)]
    checkpoint = Checkpoint(net, net.config, {}, "test", "0" * 64)
    outcome = run(Request(*(Side(image) for image in images), checkpoint, RegisterOptions()))
    assert outcome.result.stages[-1].expected is None and np.isnan(outcome.kept.expected)
    assert outcome.report()["stages"][-1]["expected_dice"] is None and "expected" not in numbers_of(outcome)


def written(outcome, folder):
    write_page(folder / "page.html", outcome)
    return (folder / "page.html").read_text(encoding="utf-8")


def translation(mm):
    matrix = np.eye(4)
    matrix[0, -1] = mm
    return matrix
