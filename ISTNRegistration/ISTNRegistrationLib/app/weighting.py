"""What counts in a registration, as the section Adjust shows it and the parameter node keeps it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field

from slicer.i18n import tr as _

from ..core.options import RegisterOptions

OWN_SHARE = -1.0  # in the parameter node: what the transform does by itself


@dataclass(frozen=True)
class Weighting:
    """Share of the images (None: what the transform does by itself), structures' weights that are not 1, landmarks'."""

    share: float | None = None
    weights: dict[str, float] = field(default_factory=dict)
    landmarks: float = 0.0

    @property
    def options(self) -> dict:
        """Keywords of RegisterOptions."""
        weights = self.weights or None
        return {"image_share": self.share, "structure_weights": weights, "landmark_weight": self.landmarks}

    def name(self) -> str:
        """What a variant is called."""
        parts = [] if self.share is None else [_("images {percent:.0f} %").format(percent=100 * self.share)]
        for structure, weight in self.weights.items():
            text = _("{structure} off") if weight == 0 else _("{structure} {weight:g}")
            parts.append(text.format(structure=structure, weight=weight))
        if self.landmarks:
            parts.append(_("landmarks {weight:g}").format(weight=self.landmarks))
        return ", ".join(parts) or _("all structures, refined on")


def weightingOf(options: RegisterOptions) -> Weighting:
    """Of a registration."""
    weights = options.structure_weights or {}
    others = {name: weight for name, weight in weights.items() if weight != 1.0}
    return Weighting(options.image_share, others, options.landmark_weight)


def ownShare(outcome) -> float:
    """Where the slider stands if nobody has moved it: a dense transform uses the images where they agree."""
    weight = outcome.checkpoint.config.dense.image_weight
    return weight / (1 + weight) if outcome.request.options.transform == "dense" else 0.0


def save(parameters, weighting: Weighting) -> None:
    """Keep it in the typed parameter node."""
    parameters.imageShare = OWN_SHARE if weighting.share is None else weighting.share
    parameters.structureWeights = json.dumps(weighting.weights)


def saved(parameters, structures) -> Weighting:
    """What the typed parameter node keeps, of a checkpoint with these ``structures``; nothing that is no weight."""
    try:
        found = dict(json.loads(parameters.structureWeights))
    except (TypeError, ValueError):
        found = {}
    known = {name: weight for name, weight in found.items() if name in structures and _isWeight(weight)}
    share = None if parameters.imageShare < 0 else parameters.imageShare
    return Weighting(share, known, parameters.landmarkWeight)


def chosenOptions(parameters, card) -> dict:
    """Keywords of RegisterOptions for the next registration; of structures that the checkpoint (a card) has."""
    structures = card.structures if card is not None else ()
    return saved(parameters, structures).options if parameters.adjustNext else {}


def _isWeight(value) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value >= 0
