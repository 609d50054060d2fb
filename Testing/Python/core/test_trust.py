"""The model of trust: curves that only fall, intervals, what a card keeps of it and what is refused."""

import dataclasses
import json

import numpy as np
import pytest
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.trust import (
    FEATURES,
    GONE,
    LOOKS,
    Limits,
    TrustModel,
    check_card,
    model_from,
    people_from,
    people_of,
    strangeness,
    to_card,
)

COUNT = len(FEATURES)
PEOPLE = {name: [[[1.0, 2.0], [3.0, 4.0]], [[0.5, 1.0], [1.0, 2.0]]] for name in LOOKS}


def trust_model(seed=1):
    dice = np.random.default_rng(seed)
    knots = np.sort(dice.uniform(0, 1, (COUNT, 4)), axis=1)
    gains = dice.uniform(0, 0.05, (COUNT, 3))
    levels = np.array([[0.2, 0.6], [0.3, 0.7]])
    below, above = np.array([[0.1, 0.2]] * 2), np.array([[0.05, 0.3]] * 2)
    return TrustModel(np.array([0.1, 0.4]), knots, gains, levels, below, above)


def test_the_expected_dice_is_what_the_curves_leave():
    knots, gains = np.zeros((COUNT, 3)), np.zeros((COUNT, 2))
    knots[4], gains[4] = [1.0, 2.0, 4.0], [0.3, 0.5]
    one = TrustModel(np.array([0.1, 0.2]), knots, gains, np.zeros((2, 2)), np.zeros((2, 2)), np.zeros((2, 2)))
    evidence = np.zeros((2, COUNT))
    evidence[:, 4] = [1.5, 3.0]  # half of the first rise; all of it and half of the second
    np.testing.assert_allclose(one.dice(evidence), np.exp([-(0.1 + 0.15), -(0.2 + 0.3 + 0.25)]))
    evidence[:, 4] = [0.0, 99.0]
    np.testing.assert_allclose(one.dice(evidence), np.exp([-0.1, -1.0]))


def test_worse_evidence_never_raises_the_expected_dice():
    model, dice = trust_model(), np.random.default_rng(5)
    better = dice.uniform(0, 1, (40, 2, COUNT))
    worse = better + dice.uniform(0, 0.5, better.shape) * (dice.random(better.shape) < 0.3)
    assert (model.dice(worse) <= model.dice(better) + 1e-12).all() and (model.dice(worse) < model.dice(better)).any()


def test_the_interval_is_that_of_the_level_and_stays_between_0_and_1():
    model = trust_model()
    found = model.expect(np.zeros((2, COUNT)), ("a", "b"))  # nothing bad: exp(-base)
    a, b = found.structures
    assert (a.name, b.name, found.worst.name, found.overall.name) == ("a", "b", "b", "")
    assert (a.dice, a.low, a.high) == pytest.approx((np.exp(-0.1), np.exp(-0.1) - 0.2, 1.0))  # the last level's
    share = (np.exp(-0.4) - 0.6) / 0.4
    assert share > 0 and b.low == pytest.approx(np.exp(-0.4) - 0.2)
    middle = (a.dice + b.dice) / 2
    assert found.overall.dice == pytest.approx(middle) and found.overall.high == 1.0
    halfway = model._with_interval("", 0.5, 1)  # between the levels 0.3 and 0.7 of the mean
    assert (halfway.low, halfway.high) == pytest.approx((0.5 - 0.15, 0.5 + 0.175))


def test_strangeness_counts_standard_deviations_up_to_a_limit():
    looks = {name: np.array([[1.5, 2.0], [3.0, 1e9]]) for name in LOOKS}
    np.testing.assert_allclose(strangeness(looks, PEOPLE), [[0.5] * len(LOOKS), [GONE / 2] * len(LOOKS)])


def test_people_have_a_mean_and_at_least_the_smallest_deviation():
    looks = [{name: np.array([[value], [2.0]]) for name in LOOKS} for value in (1.0, 3.0)]
    found = people_of(looks, dict.fromkeys(LOOKS, 0.25))
    assert found["place"] == [[[2.0], [2.0]], [[1.0], [0.25]]]


def test_a_card_keeps_the_model_and_one_without_it_says_nothing():
    model = trust_model()
    card = {"trust": json.loads(json.dumps(to_card(model, PEOPLE)))}
    check_card(card, 2, "Checkpoint", "todo")
    evidence = np.random.default_rng(2).uniform(0, 1, (2, COUNT))
    np.testing.assert_allclose(model_from(card).dice(evidence), model.dice(evidence), atol=1e-3)
    assert model_from({}) is None and people_from({}) is None
    without = {"trust": to_card(None, PEOPLE)}
    assert model_from(without) is None and people_from(without) == PEOPLE
    other = {"trust": card["trust"] | {"features": list(FEATURES[:-1])}}
    assert model_from(other) is None  # of another version: unknown, as if it were not there


def test_a_card_keeps_the_limits_and_an_older_one_has_the_usual_ones():
    limits = Limits(green=0.66, red=0.55, good=0.75, poor=0.65)
    card = {"trust": json.loads(json.dumps(to_card(dataclasses.replace(trust_model(), limits=limits), PEOPLE)))}
    check_card(card, 2, "Checkpoint", "todo")
    found = model_from(card)
    assert found.limits == limits and found.expect(np.zeros((2, COUNT)), ("a", "b")).limits == limits
    del card["trust"]["limits"]
    assert model_from(card).limits == Limits()
    for wrong in ({"green": 2.0}, {"red": "0.5"}, {"other": 0.5}, [0.5], None):
        with pytest.raises(InputError, match="'trust' of its card is damaged"):
            check_card({"trust": card["trust"] | {"limits": wrong}}, 2, "Checkpoint", "todo")


def damaged(key, value):
    card = json.loads(json.dumps({"trust": to_card(trust_model(), PEOPLE)}))
    place = card["trust"]["model"] if key in card["trust"]["model"] else card["trust"]["people"]
    place[key] = value
    return card


@pytest.mark.parametrize(
    "key, value",
    [
        ("base", [0.1]),
        ("base", [0.1, -0.1]),
        ("base", [0.1, None]),
        ("gains", [[0.1] * 3] * 2),
        ("gains", [[-0.1] * 3] * COUNT),
        ("knots", [[1.0, 0.5, 2.0, 3.0]] * COUNT),
        ("knots", "text"),
        ("levels", [[0.5, 0.5]] * 2),
        ("below", [[0.1, 0.1, 0.1]] * 2),
        ("above", [[-0.1, 0.1]] * 2),
        ("volume", [[[1.0]], [[1.0]]]),
        ("place", [[[1.0], [1.0]], [[0.0], [1.0]]]),
        ("distances", None),
    ],
)
def test_a_damaged_model_is_refused_by_name(key, value):
    with pytest.raises(InputError, match="'trust' of its card is damaged"):
        check_card(damaged(key, value), 2, "Checkpoint", "todo")
