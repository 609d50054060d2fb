"""What a user can choose of a registration, for every door: names, presets and their check. Free of torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import config
from .errors import InputError

TRANSFORMS = (*config.TRANSFORMS, "dense")
BENDING = ("bspline", "dense")  # not the same everywhere
INITIALS = ("auto", "none", "center", "center_of_mass", "moments", "landmarks", "rigid")
REFINEMENTS = ("theta", "weights", "none")
DEVICES = ("auto", "cpu", "cuda")
MOST_ITERATIONS = 1_000_000
LARGEST_WEIGHT = 1000.0  # of landmarks or a structure: nothing else counts any more


@dataclass(frozen=True, eq=False)
class RegisterOptions:
    """What the user chooses.

    Attributes:
        transform: rigid, affine, bspline or dense; a B-spline starts from the checkpoint's affine (or rigid) transform,
            a dense one from its B-spline, if it has one.
        initial: initial alignment: a name of ``INITIALS``, a matrix (n+1, n+1) fixed → moving, LPS mm, or the file of a
            linear transform. ``landmarks``, ``rigid`` and files are resolved by ``data.run``.
        refine: theta, weights (the paper's way) or none (one pass).
        iterations: at most so many per stage.
        device: auto, cpu or cuda.
        keep_best: return to an earlier stage whose expected Dice (or agreement) was larger (``stages.best_stage``).
        landmark_weight: how much the landmarks of both images count while refining; 0: they only measure. With 1, a
            mean distance of 10 mm costs as much as structures that are not found at all, 3 mm a tenth of it.
        structure_weights: how much a structure's maps count while refining, by name; 1 where none is given, 0 for one
            that does not count. The networks' own answer rests on all of them.
        image_share: of the images, near the structures that count, in what refinement minimizes; the maps have the
            rest. From 0 to 1; None: 0, but for a dense transform what the images allow.
    """

    transform: str = "affine"
    initial: str | Path | np.ndarray = "auto"
    refine: str = "theta"
    iterations: int = 50
    device: str = "auto"
    keep_best: bool = True
    landmark_weight: float = 0.0
    structure_weights: Mapping[str, float] | None = None
    image_share: float | None = None

    def check(self) -> None:
        """Raise InputError for a value that no registration can use (``initial`` is checked where it is resolved)."""
        for key, allowed in (("transform", TRANSFORMS), ("refine", REFINEMENTS), ("device", DEVICES)):
            value = getattr(self, key)
            if value not in allowed:
                raise InputError(f"Option '{key}'", "unknown value", "one of " + ", ".join(allowed), repr(value))
        if type(self.iterations) is not int or not 0 <= self.iterations <= MOST_ITERATIONS:
            expected = f"a whole number from 0 to {MOST_ITERATIONS}"
            raise InputError("Option 'iterations'", "it cannot be used", expected, repr(self.iterations))
        if self.transform == "dense" and not self.refines:
            who, todo = "Option 'refine'", "Use theta, or another transform"
            raise InputError(who, "a dense transform is found by iterating", "theta or weights", self.refine, todo)
        if not isinstance(self.keep_best, bool):
            raise InputError("Option 'keep_best'", "it cannot be used", "True or False", repr(self.keep_best))
        self._check_landmark_weight()
        self._check_weighting()

    def _check_landmark_weight(self) -> None:
        who, weight = "Option 'landmark_weight'", self.landmark_weight
        if not _is_number(weight, LARGEST_WEIGHT):
            raise InputError(who, "it cannot be used", f"a number from 0 to {LARGEST_WEIGHT:g}", repr(weight))
        if weight and not self.refines:
            todo = "Refine, or leave the weight at 0"
            raise InputError(who, "landmarks pull only while something is refined", "iterations", "none", todo)

    def _check_weighting(self) -> None:
        given, share = self.structure_weights, self.image_share
        if share is not None and not _is_number(share, 1):
            raise InputError("Option 'image_share'", "it cannot be used", "0 to 1", repr(share))
        named = given is None or isinstance(given, Mapping)
        if not named or not all(_is_number(weight, LARGEST_WEIGHT) for weight in (given or {}).values()):
            expected = f"names of structures, each with a number from 0 to {LARGEST_WEIGHT:g}"
            raise InputError("Option 'structure_weights'", "it cannot be used", expected, repr(given))

    @property
    def refines(self) -> bool:
        """Whether anything is optimized for the pair at all."""
        return self.refine != "none" and self.iterations > 0

    def as_dict(self) -> dict:
        """As JSON can hold it; the initial alignment as it was asked for."""
        initial = self.initial.tolist() if isinstance(self.initial, np.ndarray) else self.initial
        return dataclasses.asdict(self) | {"initial": str(initial) if isinstance(initial, Path) else initial}


def _is_number(value, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most


def weights_of(given: Mapping[str, float], names: Sequence[str]) -> tuple[float, ...]:
    """The weight of each of a checkpoint's structures ``names``: 1 where none is given.

    Raises:
        InputError: a name that no structure has, or no structure that counts.
    """
    who = "Option 'structure_weights'"
    for name in given:
        if name not in names:
            raise InputError(who, "the checkpoint has no such structure", ", ".join(names), repr(name))
    weights = tuple(float(given.get(name, 1.0)) for name in names)
    if not any(weights):
        raise InputError(who, "no structure counts", "one weight above 0", "none", "Leave one structure on")
    return weights


def options_from(values: dict) -> RegisterOptions:
    """Options from keywords; with the keyword ``preset`` (of ``PRESETS``) for whatever is not among the others.

    Raises:
        InputError: a keyword that is none, or a value that cannot be used.
    """
    names = [field.name for field in dataclasses.fields(RegisterOptions)]
    values = dict(values)
    preset = values.pop("preset", None)
    if preset is not None and preset not in PRESETS:
        raise InputError("Option 'preset'", "unknown value", "one of " + ", ".join(PRESETS), repr(preset))
    values = (PRESETS[preset].options if preset else {}) | values
    for key in values:
        if key not in names:
            raise InputError(f"Option '{key}'", "there is no such option", "one of " + ", ".join(names), repr(key))
    options = RegisterOptions(**values)
    options.check()
    return options


@dataclass(frozen=True)
class Preset:
    """Refinement, iterations and transform under one name; None leaves the transform as it is chosen."""

    refine: str
    iterations: int
    transform: str | None = None

    @property
    def options(self) -> dict:
        """Keywords of RegisterOptions."""
        return {key: value for key, value in dataclasses.asdict(self).items() if value is not None}


PRESETS = {"fast": Preset("none", 0), "standard": Preset("theta", 50), "accurate": Preset("theta", 50, "dense")}
