"""The Dice that a registration can be expected to have, with an interval, learned from people with labels; no torch.

The model is a sum of curves: each number of the evidence (core/evidence.py; large is bad) takes its share away,
Dice = exp(-(base of the structure + sum of curves)). A curve is a broken line that never falls, so that nothing bad
is read as good, and it goes on level beyond what was seen. The interval holds nine in ten of the differences seen at
people who were left out when the curves were fitted (scripts/release/fit_trust.py; docs/trust.md). All of it is kept
in the checkpoint's card, under ``trust``.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace

import numpy as np

from .errors import InputError
from .metrics import finite_mean

LOOKS = ("volume", "extent", "place", "distances", "brightness", "contrast")  # of one image's map, against people's
FEATURES = (
    "disagreement",  # 1 - Dice of M'∘T and F' cut at 0.5
    "disagreement of all",  # mean over the structures
    "disagreement, soft",  # 1 - Dice of M'∘T and F' as they are
    "volume change",  # |log| of the ratio of the masses of M'∘T and F'
    "fuzzy",  # share of the maps' mass that is neither 0 nor 1, the worse of M' and F'
    "faint",  # 1 - peak, the worse of M' and F'
    *(f"strange {name}" for name in LOOKS),  # standard deviations from people's mean, the worse of M' and F'
    "strange in all",  # mean of the above over structures and kinds
    "unlike",  # 1 - |correlation| of the images around the structure
    "opposed",  # how far that correlation is below zero
    "folded",  # percent of the networks' grid
    "stretch",  # largest |log| of a singular value of the linear part
    "moved",  # mm that the structure moved from where the initial alignment had it
    "moved in doubt",  # the same, times how strange the structure is
)
GONE = 10.0  # standard deviations: stranger is not told apart
DOUBT = 5.0  # standard deviations that make a doubt of 1


@dataclass(frozen=True)
class Expected:
    """A Dice and the interval that holds nine in ten.

    ``name`` is the structure's, or empty for the mean of all. ``thickness_mm``: what a Dice of 0 stands for
    (``uncertainty.thickness_mm``; of the mean, their mean); NaN where it is not known.
    """

    name: str
    dice: float
    low: float
    high: float
    thickness_mm: float = math.nan

    @property
    def mm(self) -> float:
        """How far the surfaces lie apart on average at this Dice (core/uncertainty.py)."""
        return self.thickness_mm * (1 - self.dice)

    @property
    def interval_mm(self) -> tuple[float, float]:
        """The same at the ends of the interval, the smaller one first."""
        return self.thickness_mm * (1 - self.high), self.thickness_mm * (1 - self.low)

    def __str__(self) -> str:
        return f"{self.dice:.2f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True)
class Limits:
    """Of the light, for the mean of all structures: by what rule they were found is told in docs/trust.md.

    Attributes:
        green: least lower end of the interval of a green light.
        red: an expected Dice below this makes it red.
        good, poor: true Dice from which on a result is good, and below which it is poor.
    """

    green: float = 0.6
    red: float = 0.5
    good: float = 0.7
    poor: float = 0.6


@dataclass(frozen=True)
class Expectation:
    """Expected Dice of the mean of all structures, and of each; and the limits of the light."""

    overall: Expected
    structures: tuple[Expected, ...]
    limits: Limits = Limits()

    @property
    def worst(self) -> Expected:
        """The structure of the smallest expected Dice."""
        return min(self.structures, key=lambda expected: expected.dice)

    def with_thickness(self, thickness_mm: np.ndarray) -> Expectation:
        """The same, with the thickness (C,) of each structure."""
        each = zip(self.structures, thickness_mm.tolist(), strict=True)
        overall = replace(self.overall, thickness_mm=finite_mean(thickness_mm))
        return replace(self, overall=overall, structures=tuple(replace(one, thickness_mm=mm) for one, mm in each))


@dataclass(frozen=True, eq=False)
class TrustModel:
    """Curves and intervals.

    Attributes:
        base: (C,) what is taken from each structure whatever the evidence says.
        knots: (F, K) where the curves bend; gains: (F, K - 1) how much each rises between two knots, never negative.
        levels, below, above: (2, L) expected Dice, and how far the interval goes down and up there: of one structure,
            and of the mean of all.
        limits: of the light.
    """

    base: np.ndarray
    knots: np.ndarray
    gains: np.ndarray
    levels: np.ndarray
    below: np.ndarray
    above: np.ndarray
    limits: Limits = Limits()

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """All but the limits, by name."""
        return {key: value for key, value in vars(self).items() if key != "limits"}

    def dice(self, evidence: np.ndarray) -> np.ndarray:
        """Expected Dice (..., C) of evidence (..., C, F)."""
        return np.exp(-(self.base + (ramps(evidence, self.knots) * self.gains).sum(axis=(-2, -1))))

    def expect(self, evidence: np.ndarray, names) -> Expectation:
        """What to expect of one registration: evidence (C, F), names of the structures."""
        values = self.dice(evidence)
        each = (self._with_interval(name, value, 0) for name, value in zip(names, values, strict=True))
        return Expectation(self._with_interval("", values.mean(), 1), tuple(each), self.limits)

    def _with_interval(self, name: str, value: float, kind: int) -> Expected:
        below, above = (np.interp(value, self.levels[kind], table[kind]) for table in (self.below, self.above))
        low, high = float(max(0.0, value - below)), float(min(1.0, value + above))
        return Expected(name, float(value), low, high)


def ramps(evidence: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """How far (0 to 1) each number (..., F) is between two neighboring knots (F, K): (..., F, K - 1)."""
    lower, width = knots[:, :-1], np.maximum(np.diff(knots, axis=1), 1e-9)
    return np.clip((evidence[..., None] - lower) / width, 0.0, 1.0)


def strangeness(looks: dict[str, np.ndarray], people: dict) -> np.ndarray:
    """Standard deviations from people's mean, (C, len(LOOKS)).

    Args:
        looks: by name of ``LOOKS``, (C, k).
        people: mean and standard deviation of each, as :func:`people_of` gives.
    """
    columns = []
    for name in LOOKS:
        mean, deviation = (np.asarray(part) for part in people[name])
        columns.append((np.abs(looks[name] - mean) / deviation).clip(max=GONE).mean(axis=1))
    return np.stack(columns, axis=1)


def people_of(looks: list[dict[str, np.ndarray]], smallest: dict[str, float]) -> dict:
    """Mean and standard deviation (at least ``smallest``) of people's looks, as JSON can hold it."""
    found = {}
    for name in LOOKS:
        values = np.stack([person[name] for person in looks])
        deviation = values.std(axis=0).clip(min=smallest[name])
        found[name] = [np.round(values.mean(axis=0), 4).tolist(), np.round(deviation, 4).tolist()]
    return found


def to_card(model: TrustModel | None, people: dict) -> dict:
    """What a checkpoint's card keeps; without a model only how people look."""
    kept = {"features": list(FEATURES), "people": people}
    if model:
        kept["model"] = {key: np.round(value, 5).tolist() for key, value in model.arrays.items()}
        kept["limits"] = asdict(model.limits)
    return kept


def people_from(card: dict) -> dict | None:
    """How people look, from a card; None where it does not say, or by other features than this version's."""
    kept = card.get("trust")
    return kept["people"] if isinstance(kept, dict) and kept.get("features") == list(FEATURES) else None


def model_from(card: dict) -> TrustModel | None:
    """The model of a card; None where there is none."""
    if people_from(card) is None or "model" not in card["trust"]:
        return None
    arrays = {key: np.asarray(value, dtype=float) for key, value in card["trust"]["model"].items()}
    return TrustModel(**arrays, limits=Limits(**card["trust"].get("limits", {})))


def check_card(card: dict, channels: int, who: str, todo: str) -> None:
    """Raise InputError where what a card says of trust could not be used."""
    try:
        people, model = people_from(card), model_from(card)
        shapes = people is None or all(_fits(people[name], channels) for name in LOOKS)
        fine = shapes and (model is None or _sound(model, channels))
    except (KeyError, TypeError, ValueError, AttributeError):
        fine = False
    if not fine:
        raise InputError(who, "the entry 'trust' of its card is damaged", "what docs/trust.md says", "another", todo)


def _fits(table, channels: int) -> bool:
    mean, deviation = (np.asarray(part, dtype=float) for part in table)
    return mean.shape == deviation.shape == (channels, mean.shape[-1]) and bool((deviation > 0).all())


def _sound(model: TrustModel, channels: int) -> bool:
    finite = all(np.isfinite(value).all() for value in model.arrays.values())
    shares = all(isinstance(value, int | float) and 0 <= value <= 1 for value in vars(model.limits).values())
    curves = model.base.shape == (channels,) and len(model.knots) == len(model.gains) == len(FEATURES)
    steps = model.knots.shape[1] == model.gains.shape[1] + 1 and bool((np.diff(model.knots, axis=1) >= 0).all())
    tables = model.levels.shape == model.below.shape == model.above.shape and len(model.levels) == 2
    signs = all((table >= 0).all() for table in (model.base, model.gains, model.below, model.above))
    rising = bool((np.diff(model.levels, axis=1) > 0).all())
    return finite and shares and curves and steps and tables and signs and rising
