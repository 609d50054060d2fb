"""Where the networks' grid lies in an image of any position and orientation: upright first, and it seldom looks again.

A *view* is a rigid matrix from the networks' grid (zero in its middle) to the image, LPS mm. The pose that a look shows
is where the view ought to have been; a network that is right says the same again when it looks from there.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from .checkpoint import Checkpoint
from .config import ModelConfig
from .errors import InputError
from .grid import apply_matrix
from .istn import ISTN
from .placement import seen
from .pose import Constellation, Fit, constellation, fit, from_card
from .preprocess import Prepared

SURE = 0.8  # score of a good look; `brain` on develop-val: right poses 0.90 to 0.97, wrong ones up to 0.83
NEAR_MM, NEAR_DEGREES = 15.0, 15.0  # a pose so close to the view is a person like any other
CLOSER = 3  # looks at most, each from the pose that the last one showed
FAR_DEGREES = 60.0  # more than patients turn their heads; a header that lost its axes says so
Tell = Callable[[int, float], "bool | None"]


@dataclass(frozen=True, eq=False)
class Located:
    """One look: the ``view``, what the networks saw there (1, 1, *shape) and its maps (1, C, *shape).

    ``fit`` carries the canonical structures to the seen ones (None if too few are seen, or nothing is known of them);
    ``score``: mean weight of the canonical structures that are seen where the fit says, 0 to 1; ``looks``: how many it
    took.
    """

    view: np.ndarray
    values: torch.Tensor
    maps: torch.Tensor
    fit: Fit | None = None
    score: float = 0.0
    moved_mm: float = 0.0
    looks: int = 1

    @property
    def settled(self) -> bool:
        """Whether the structures are found, about where the view expects them."""
        if self.fit is None or self.score < SURE:
            return False
        return self.moved_mm <= NEAR_MM and degrees_between(self.fit.matrix, self.view) <= NEAR_DEGREES

    def notes(self, role: str) -> tuple[str, ...]:
        """What was done beyond a first look, for the user."""
        if self.looks == 1:
            return ()
        turned = f"{degrees_between(self.view, np.eye(len(self.view))):.0f}° from upright"
        return (f"The {role} image's structures were looked for {self.looks} times: {turned}, score {self.score:.2f}.",)

    def doubts(self, role: str) -> tuple[str, ...]:
        """What a user must look at: no pose, one that patients do not have, or the wrong hand."""
        if self.fit is None or self.looks == 1 and self.settled:
            return ()
        turn, said = degrees_between(self.view, np.eye(len(self.view))), []
        if self.score < SURE:
            part = f"only in part (score {self.score:.2f}). Is it one that the checkpoint is for?"
            said.append(f"The checkpoint finds its structures in the {role} image {part}")
        elif turn > FAR_DEGREES:
            why = "patients do not lie so; its header may have lost its axes or a sign, and left may be right"
            said.append(f"The {role} image's structures are turned by {turn:.0f}° from upright: {why}.")
        if self.fit.mirrored:
            said.append(f"The {role} image's structures fit better mirrored: left and right may be exchanged.")
        return tuple(said)


def canonical_of(checkpoint: Checkpoint) -> Constellation | None:
    """Where a checkpoint's structures lie in its grid; None if its card does not say, or it has no ITN."""
    known = from_card(checkpoint.card) if checkpoint.config.uses_itn else None
    fits = known is not None and known.points.shape == (checkpoint.config.map_channels, checkpoint.config.ndim)
    return known if fits and len(known.weights) == len(known.points) and known.weights.sum() > 0 else None


def locate(image: Prepared, model: ISTN, canonical: Constellation | None, tell: Tell | None = None) -> Located:
    """Find where the networks should look at a whole image of any position and orientation.

    An upright image, or one of a checkpoint whose structures' places are not known, costs the one look that its maps
    need anyway. Otherwise the network looks again from the pose that it saw, and if that leaves a doubt along the other
    right-handed arrangements of the axes (24 in 3-D, 4 in 2-D), the smallest turns first, until the doubt is gone.

    Args:
        canonical: mean constellation of the training people, in the frame of the networks' grid.
        tell: called with the number of looks and the best score before each further arrangement; False ends the search.

    Raises:
        InputError: nothing of the image lies where the networks look.
    """
    best = first_look(image, model, canonical)
    if canonical is None or best.settled:
        return best
    best, looks = _closer(image, model, canonical, best)
    for view in _others(image, model.config):
        if best.settled or (tell and tell(looks, best.score) is False):
            break
        found, looks = _visible(image, model, canonical, view), looks + 1
        if found and found.score > best.score:
            found, more = _closer(image, model, canonical, found)
            best, looks = max(best, found, key=_merit), looks + more - 1
    return replace(best, looks=looks)


def first_look(image: Prepared, model: ISTN, canonical: Constellation | None) -> Located:
    """From the anchor, upright.

    Raises:
        InputError: nothing of the image lies where the networks look.
    """
    anchor = image.anchor(model.config.grid.anchor)
    return look(image, model, canonical, anchored(np.eye(model.config.ndim), anchor, model.config))


def _merit(found: Located) -> tuple[bool, float]:
    return found.settled, found.score


def _others(image: Prepared, config: ModelConfig) -> Iterator[np.ndarray]:
    """Views besides the upright one from the anchor."""
    middles = [image.anchor(config.grid.anchor)]
    middles += [image.anchor(name) for name in ("center_of_mass", "center") if name != config.grid.anchor]
    views = (anchored(turn, middle, config) for turn in quarter_turns(config.ndim) for middle in middles)
    return itertools.islice(views, 1, None)


def anchored(turn: np.ndarray, middle: np.ndarray, config: ModelConfig) -> np.ndarray:
    """The view that is turned about an anchor (LPS mm), where it has the grid's offset."""
    view = np.eye(config.ndim + 1)
    view[:-1, :-1] = turn
    view[:-1, -1] = np.asarray(middle) + turn @ np.asarray(config.grid.offset or (0.0,) * config.ndim)
    return view


def _closer(image: Prepared, model: ISTN, canonical: Constellation, first: Located) -> tuple[Located, int]:
    """The best of a look and of those from the poses that it and they show; and how many looks that were."""
    best = last = first
    for count in range(1, CLOSER + 1):
        if last.settled or last.fit is None:
            return best, count
        last = _visible(image, model, canonical, last.fit.matrix) or replace(last, fit=None)
        best = max(best, last, key=_merit)
    return best, CLOSER + 1


def _visible(image: Prepared, model: ISTN, canonical: Constellation, view: np.ndarray) -> Located | None:
    try:
        return look(image, model, canonical, view)
    except InputError:
        return None


def look(image: Prepared, model: ISTN, canonical: Constellation | None, view: np.ndarray) -> Located:
    """What the network shows through ``view``.

    Raises:
        InputError: nothing of the image is there.
    """
    grid = model.grid.moved(view)
    values = seen(image, grid, np.eye(len(view)), model.config).to(model.cube.device)
    with torch.no_grad():
        maps = model.maps(values)
    plain = Located(view, values, maps)
    if canonical is None:
        return plain
    try:
        found = fit(canonical, constellation(maps, grid))
    except InputError:
        return plain
    moved = apply_matrix(found.matrix, canonical.points) - apply_matrix(view, canonical.points)
    moved_mm = float(np.average(np.linalg.norm(moved, axis=1), weights=canonical.weights))
    score = float(found.trust.sum() / canonical.weights.sum())
    return replace(plain, fit=found, score=score, moved_mm=moved_mm)


def degrees_between(first: np.ndarray, second: np.ndarray) -> float:
    """Angle between the rotations of two rigid matrices."""
    relative, ndim = first[:-1, :-1].T @ second[:-1, :-1], len(first) - 1
    cosine = (np.trace(relative) - ndim + 2) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


@functools.cache
def quarter_turns(ndim: int) -> list[np.ndarray]:
    """All rotations (n, n) that carry axes to axes, 4 in 2-D, 24 in 3-D; the smallest angles first."""
    turns = []
    for order in itertools.permutations(range(ndim)):
        for signs in itertools.product((1.0, -1.0), repeat=ndim):
            matrix = np.eye(ndim)[list(order)] * np.asarray(signs)
            if np.linalg.det(matrix) > 0:
                turns.append(matrix)
    return sorted(turns, key=lambda matrix: -np.trace(matrix))
