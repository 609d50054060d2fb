"""What scripts/release/fit_trust.py is made of: images changed with their labels, curves found, people left out."""

import dataclasses

import numpy as np
import pytest
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.trust import FEATURES, LOOKS, check_card, to_card
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
    pairs, others = [(f"f{k}", f"m{k}") for k in range(9)], ["x", "y"]
    cases = [trust_cases.draw(number, pairs, others) for number in range(300)]
    assert cases == [trust_cases.draw(number, pairs, others) for number in range(300)]
    assert {case.kind for case in cases} == set(trust_cases.KINDS)
    assert all(case.moving in others for case in cases if case.kind == "other anatomy")


def table(stages=600, seed=3, people=12):
    """Dice that falls with two kinds of evidence, and a structure that is always worse."""
    dice = np.random.default_rng(seed)
    evidence = dice.uniform(0, 1, (stages, 2, len(FEATURES)))
    true = np.exp(-(np.array([0.1, 0.5]) + evidence[..., 3] + 0.5 * evidence[..., 10] ** 2))
    true = np.clip(true + dice.normal(scale=0.02, size=true.shape), 0, 1)
    pairs = [frozenset(f"p{k}" for k in dice.choice(people, 2, replace=False)) for _ in range(stages)]
    arrays = np.arange(stages), np.array(["plain"] * stages), np.array(["val"] * stages)
    return trust_fit.Table(evidence, true, *arrays, people=pairs, last=np.ones(stages, bool))


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

    def remembers(kept):
        seen = frozenset().union(*kept.people)
        asked.append(seen)
        return type("Curves", (), {"dice": staticmethod(lambda evidence: np.full(evidence.shape[:2], len(asked)))})

    monkeypatch.setattr(trust_fit, "fit_curves", remembers)
    told = trust_fit.left_out(given)
    assert np.isfinite(told).all()
    assert not any(given.people[k] & asked[int(told[k, 0]) - 1] for k in range(len(told)))


def test_the_table_is_read_as_it_was_written_and_a_cut_last_stage_is_left_out(tmp_path):
    given, path = table(3), tmp_path / "runs.csv"
    for k in range(3):
        head = {"case": k, "kind": "noise", "split": "val", "people": "p1 p2", "transform": "affine", "stage": "affine"}
        head |= {"iterations": 50, "kept": int(k == 2)}
        numbers = [dict(zip(FEATURES, row, strict=True)) for row in given.evidence[k]]
        rows = [head | {"structure": n, "dice": d} | e for n, d, e in zip(NAMES, given.dice[k], numbers, strict=True)]
        trust_runs._append(path, rows)
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    found = trust_fit.read_table(path, NAMES)
    np.testing.assert_allclose(found.evidence, given.evidence[:2])
    np.testing.assert_allclose(found.dice, given.dice[:2])
    assert found.people[0] == {"p1", "p2"} and found.kind[1] == "noise" and not found.last.any()


def test_false_lights_are_counted_among_those_that_could_be_false():
    given = table(400)
    model = dataclasses.replace(trust_fit.fit(given), below=np.zeros((2, 6)), above=np.zeros((2, 6)))
    said, true = np.array([0.7, 0.7, 0.3, 0.3, 0.55]), np.array([0.8, 0.5, 0.75, 0.2, 0.59])
    lines = trust_report._lights(model, said, true, agreement=np.array([0.9, 0.9, 0.9, 0.4, 0.6]))
    assert "| expected Dice | 2 | 2 | 1 of 3 | 1 of 2 |" in lines and "| agreement | 3 | 1 | 1 of 3 | 0 of 2 |" in lines


def test_the_part_of_a_page_is_replaced_and_the_rest_stays(tmp_path):
    page = tmp_path / "trust.md"
    page.write_text("# Trust\n<!-- brain -->\nold\n<!-- end of brain -->\n<!-- hippocampus -->\nkept\n<!-- end -->\n")
    trust_report.page_part(page, "brain", ["new"])
    text = page.read_text()
    assert "old" not in text and "new" in text and "kept" in text and text.startswith("# Trust\n")
