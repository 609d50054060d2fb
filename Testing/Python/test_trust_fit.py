"""What scripts/release/fit_trust.py is made of: images changed with their labels, curves found, people left out."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.trust import FEATURES, LOOKS, Limits, TrustModel, check_card, to_card
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.core.warp import warp_volume
from release import trust_cases, trust_fit, trust_report, trust_runs

NAMES = ["a", "b"]
GRID = Grid.centered((4.0, -6.0, 9.0), (30, 34, 26), (1.0, 1.5, 2.0))
MARK = (slice(16, 20), slice(5, 12), slice(18, 24))  # z, y, x, off the middle


def marked():
    """An image that is bright where its label is, the label map cut to a smaller grid, as the data sets have it."""
    array = np.full(GRID.shape, 10.0, np.float32)
    array[MARK] = 100.0
    part = tuple(slice(s.start - 2, s.stop + 3) for s in MARK)
    matrix = GRID.matrix
    matrix[:-1, -1] = GRID.index_to_physical([s.start for s in part[::-1]])
    labels = (array > 50)[part].astype(np.uint8)
    return Volume(array, GRID, "image"), Volume(labels, Grid.from_matrix(labels.shape[::-1], matrix), "labels")


@pytest.mark.parametrize("kind", trust_cases.KINDS)
def test_whatever_is_done_to_an_image_its_labels_stay_on_their_structure(kind):
    for seed in range(4):
        image, labels = trust_cases.change(*marked(), kind, np.random.default_rng(seed))
        found = warp_volume(image, SpatialTransform(np.eye(4)), labels.grid, fill=np.nan).array
        inside, outside = found[labels.array == 1], found[labels.array == 0]
        off = np.nanmean(inside) - np.nanmean(outside)
        assert np.isnan(off) or (off < 0 if kind == "inverted" else off > 0)
        moved = not np.allclose(labels.grid.matrix, marked()[1].grid.matrix)
        assert moved == (kind.startswith("turned") or kind in ("mirrored", "head-foot flipped"))


def test_a_case_is_the_same_whenever_it_is_drawn():
    scans = [SimpleNamespace(person=f"p{k % 5}", file=f"f{k}") for k in range(9)]
    others = [SimpleNamespace(person=f"o{k}", file=f"o{k}") for k in range(4)]
    cases = [trust_cases.draw(number, scans, others) for number in range(400)]
    assert cases == [trust_cases.draw(number, scans, others) for number in range(400)]
    assert {case.kind for case in cases} == set(trust_cases.KINDS)
    assert all(c.fixed.person != c.moving.person for c in cases if c.kind != "other anatomy")
    for first, second in zip(cases[::2], cases[1::2], strict=True):  # they share the changed image
        same = ("fixed" if first.change_fixed else "moving", "kind", "looks")
        assert all(getattr(first, key) is getattr(second, key) for key in same)
    strange = [{case.fixed.person[0], case.moving.person[0]} for case in cases if case.kind == "other anatomy"]
    assert {"o"} in strange and {"o", "p"} in strange
    assert not any("o" in c.fixed.person + c.moving.person for c in cases if c.kind != "other anatomy")


def table(stages=600, seed=3, people=12):
    """Dice that falls with two kinds of evidence, and a structure that is always worse."""
    dice = np.random.default_rng(seed)
    evidence = dice.uniform(0, 1, (stages, 2, len(FEATURES)))
    true = np.exp(-(np.array([0.1, 0.5]) + evidence[..., 3] + 0.5 * evidence[..., 10] ** 2))
    true = np.clip(true + dice.normal(scale=0.02, size=true.shape), 0, 1)
    pairs = [frozenset(f"p{k}" for k in dice.choice(people, 2, replace=False)) for _ in range(stages)]
    arrays = np.arange(stages), np.array(["plain"] * stages), np.array(["val"] * stages)
    nothing = np.full(true.shape, np.nan)
    return trust_fit.Table(evidence, true, *arrays, pairs, np.ones(stages, bool), nothing, nothing)


def test_curves_and_intervals_hold_for_people_who_were_not_seen():
    model, new = trust_fit.fit(table()), table(400, seed=9)
    said = model.dice(new.evidence)
    assert np.abs(said - new.dice).mean() < 0.03
    found = [model.expect(evidence, NAMES) for evidence in new.evidence]
    low, high = (np.array([[getattr(s, end) for s in f.structures] for f in found]) for end in ("low", "high"))
    inside = np.mean((low <= new.dice) & (new.dice <= high))
    assert 0.85 < inside < 0.97
    rises = model.gains.sum(axis=1)
    assert set(np.argsort(rises)[-2:]) == {3, 10}
    card = {"trust": to_card(model, {name: [[[0.0], [0.0]], [[1.0], [1.0]]] for name in LOOKS})}
    check_card(card, 2, "Checkpoint", "todo")


def test_nobody_is_judged_by_curves_that_saw_them(monkeypatch):
    """Curves that remember: they say 0.9 if they saw one of the people, else 0.4."""
    given, asked = table(120), []

    def remembers(kept, hold):
        seen = frozenset().union(*kept.people)
        asked.append(seen)
        return type("Curves", (), {"dice": staticmethod(lambda evidence: np.full(evidence.shape[:2], len(asked)))})

    monkeypatch.setattr(trust_fit, "fit_curves", remembers)
    told = trust_fit.left_out(given, 1e-3)
    assert np.isfinite(told).all()
    assert not any(given.people[k] & asked[int(told[k, 0]) - 1] for k in range(len(told)))


def test_the_table_is_read_as_it_was_written_and_a_cut_last_stage_is_left_out(tmp_path):
    given, path = table(3), tmp_path / "runs.csv"
    for k in range(3):
        head = {"case": k, "kind": "noise", "split": "val", "people": "p1 p2", "transform": "affine", "stage": "affine"}
        head |= {"iterations": 50, "ends": int(k == 1), "asd_mm": "" if k else 0.5, "thickness_mm": 3.0}
        numbers = [dict(zip(FEATURES, row, strict=True)) for row in given.evidence[k]]
        rows = [head | {"structure": n, "dice": d} | e for n, d, e in zip(NAMES, given.dice[k], numbers, strict=True)]
        trust_runs._append(path, rows)
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    found = trust_fit.read_table(path, NAMES)
    np.testing.assert_allclose(found.evidence, given.evidence[:2])
    np.testing.assert_allclose(found.dice, given.dice[:2])
    assert found.people[0] == {"p1", "p2"} and found.kind[1] == "noise" and list(found.ends) == [False, True]
    np.testing.assert_array_equal(found.asd_mm, [[0.5, 0.5], [np.nan, np.nan]])
    assert (found.thickness_mm == 3).all()


def test_false_lights_are_counted_among_those_that_could_be_false():
    given = table(400)
    tables = {"below": np.zeros((2, 6)), "above": np.zeros((2, 6)), "limits": Limits(0.6, 0.5, good=0.7, poor=0.6)}
    model = dataclasses.replace(trust_fit.fit(given), **tables)
    said, true = np.array([0.7, 0.7, 0.3, 0.3, 0.55]), np.array([0.8, 0.5, 0.75, 0.2, 0.59])
    lines = trust_report._lights(model, said, true, agreement=np.array([0.9, 0.9, 0.9, 0.4, 0.6]))
    assert "| expected Dice | 2 | 2 | 1 of 3 | 1 of 2 |" in lines and "| agreement | 3 | 1 | 1 of 3 | 0 of 2 |" in lines


def judged_alike(said, true):
    """A table whose ends have this true Dice, what is said of them, and a model whose interval ends 0.05 below."""
    given = table(len(said))
    both = {"dice": np.stack([true, true], axis=1), "kind": np.where(np.arange(len(said)) < 40, "plain", "noise")}
    tables = {"levels": np.array([[0.0, 1.0]] * 2), "below": np.full((2, 2), 0.05), "above": np.zeros((2, 2))}
    model = TrustModel(np.zeros(2), np.zeros((len(FEATURES), 2)), np.zeros((len(FEATURES), 1)), **tables)
    return model, np.stack([said, said], axis=1), dataclasses.replace(given, **both)


def test_the_limits_follow_from_plain_runs_and_move_until_few_lights_are_false():
    plain = np.linspace(0.7, 0.9, 40)  # of which 5 % lie below 0.71
    poor, good = np.full(100, 0.3), np.full(100, 0.85)
    true = np.concatenate([plain, poor, good])
    found = trust_fit.limits(*judged_alike(true, true))
    assert (found.good, found.poor, found.green, found.red) == (0.71, 0.61, 0.61, 0.61)
    said = true.copy()
    said[40:45] = 0.78  # 5 % of the poor ones: the interval begins at 0.73
    said[140:160] = 0.42  # 20 of the 138 good ones
    said[160:162] = 0.31
    found = trust_fit.limits(*judged_alike(said, true))
    assert (found.good, found.poor, found.green, found.red) == (0.71, 0.61, 0.74, 0.42)


def test_mm_are_compared_with_the_true_distance_at_the_ends_only():
    given = table(4)
    ends, asd = np.array([True, True, False, True]), np.array([[0.5, 1.0], [2.0, np.nan], [9.0, 9.0], [1.0, 1.5]])
    given = dataclasses.replace(given, ends=ends, asd_mm=asd, thickness_mm=np.full((4, 2), 2.0))
    model = dataclasses.replace(judged_alike(asd[:, 0], asd[:, 0])[0], limits=Limits(red=0.4))
    *_, fair, every = trust_report._in_mm(model, 1.05 - np.nan_to_num(asd, nan=1.8) / 2, given)
    assert every.startswith("| all | 5 | 1.20 | 1.000 | 0.10 |")
    assert fair.startswith("| not red | 4 | 1.00 | 1.000 | 0.10 |")  # of the second run 0.1 is expected
    nothing = dataclasses.replace(given, asd_mm=np.full((4, 2), np.nan))
    assert len(trust_report._in_mm(model, asd, nothing)) == 2


def test_a_sentence_says_to_what_a_model_is_fitted():
    given = dataclasses.replace(table(60), ends=np.arange(60) < 50, case=np.arange(60) // 2)
    (said,) = trust_report.fitted(given)
    assert said.startswith("Fitted to 50 registrations in 30 runs, 12 people") and "absolute error 0.0" in said


def test_the_part_of_a_page_is_replaced_and_the_rest_stays(tmp_path):
    page = tmp_path / "trust.md"
    page.write_text("# Trust\n<!-- brain -->\nold\n<!-- end of brain -->\n<!-- hippocampus -->\nkept\n<!-- end -->\n")
    trust_report.page_part(page, "brain", ["new"])
    text = page.read_text()
    assert "old" not in text and "new" in text and "kept" in text and text.startswith("# Trust\n")


def test_contrast_is_no_evidence_for_painted_images_and_mirrored_ones_none_for_channels_of_a_side():
    kinds = np.where(np.arange(80) % 4 == 0, "mirrored", "plain")
    seen = dataclasses.replace(table(80), kind=kinds)
    sided = trust_fit.fair(seen, {"synthesis": {"classes": []}}, ["left a", "right a"])
    assert len(sided.dice) == 60 and len(sided.people) == 60 and "mirrored" not in sided.kind
    contrast = [FEATURES.index(name) for name in trust_fit.CONTRAST]
    others = [k for k in range(len(FEATURES)) if k not in contrast]
    assert not sided.evidence[..., contrast].any()
    np.testing.assert_array_equal(sided.evidence[..., others], seen.evidence[seen.kind != "mirrored"][..., others])
    gains = trust_fit.fit_curves(sided, 6e-3).gains
    assert not gains[contrast].any() and gains[others].any()  # exactly none, or any other contrast would cost Dice
    assert trust_fit.fair(seen, {}, NAMES) is seen
