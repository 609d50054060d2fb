"""What a trained model is worth on people it has not learnt from: Dice before, after one pass, and refined."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

import torch

from .istn import ISTN, identity
from .metrics import finite_mean
from .options import RegisterOptions
from .refine import Pair, refine
from .soi import soft_dice

STAGES = ("before", "one pass", "refined")
MOST_JUDGED = 12  # pairs
NOISE = 0.01  # of Dice: a smaller difference says nothing


@dataclass(frozen=True, eq=False)
class Judgement:
    """Dice (pairs, stages, channels) of the structures on the networks' grid; NaN where a pair has none.

    ``pictures``: of the first pair, maps (C, [D, ]H, W) by name.
    """

    dice: torch.Tensor
    pictures: dict[str, torch.Tensor]

    def mean(self, stage: str) -> float:
        """Over the pairs and channels that have a number."""
        return finite_mean(self.dice[:, STAGES.index(stage)].flatten().tolist())

    @property
    def worse(self) -> bool:
        """Whether a user is better off without this model, even after refinement."""
        return not self.gain >= -NOISE

    @property
    def gain(self) -> float:
        """Of Dice, by the refined answer over doing nothing."""
        return self.mean("refined") - self.mean("before")


def judge(model: ISTN, pairs: Iterable[dict[str, torch.Tensor]]) -> Judgement:
    """Register pairs as a user would (the networks' answer, then ``theta`` refined); at most ``MOST_JUDGED``."""
    model.eval()
    found = [_register(model, pair) for pair in islice(pairs, MOST_JUDGED)]
    return Judgement(torch.stack([dice for dice, _ in found]), found[0][1])


@torch.no_grad()
def _register(model: ISTN, pair: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Dice (stages, channels) of a pair, and what to look at."""
    pair = {key: value.to(model.cube.device) for key, value in pair.items()}
    maps = model.maps(pair["moving"]), model.maps(pair["fixed"])
    *_, (_, linear, coefficients) = model.predictions(*maps)
    once = model.warp(pair["moving_soi"], linear, coefficients)
    refined = model.warp(pair["moving_soi"], *_refined(model, *maps))
    dice = torch.stack([soft_dice(soi, pair["fixed_soi"]) for soi in (pair["moving_soi"], once, refined)])
    shown = {
        "fixed image": pair["fixed"],
        "its map F'": maps[1],
        "true structures": pair["fixed_soi"],
        "moving structures before": pair["moving_soi"],
        "moving structures refined": refined,
    }
    return dice.cpu(), {name: values[0].float().cpu() for name, values in shown.items()}


def _refined(model: ISTN, moving_map: torch.Tensor, fixed_map: torch.Tensor):
    """Linear part and control points after every transform's answer and its refinement."""
    linear, coefficients, options = identity(model), None, RegisterOptions()
    for name in model.stns:
        stage = Pair(model, name, moving_map, fixed_map, linear)
        best = refine(stage, stage.predict(), "theta", options.iterations, lambda *_: None)
        linear, coefficients = stage.parts(best.theta)
    return linear, coefficients
