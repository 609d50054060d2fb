"""What counts while refining: RegisterOptions' weights and shares as the refinement and the dense stage take them."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from .config import ModelConfig
from .dense import DenseOptions
from .errors import InputError
from .metrics import finite_mean
from .options import weights_of
from .refine import Pair, Term
from .refine_image import ImageLoss


def weighted(pair: Pair, seen: tuple[torch.Tensor, torch.Tensor] | None, options, extra: tuple[Term, ...]) -> Pair:
    """The pair as ``options`` weight it.

    Args:
        seen: what the ITN saw of the moving and the fixed image, (1, 1, *shape).
        extra: further terms.

    Raises:
        InputError: a name that no structure has, no structure that counts, or images that nobody has.
    """
    share, given = options.image_share, options.structure_weights
    counts = None
    if given is not None:
        weights = weights_of(given, [channel.name for channel in pair.model.config.channels])
        counts = torch.tensor(weights, dtype=torch.float32, device=pair.model.cube.device)
    pair = dataclasses.replace(pair, counts=counts, share=1.0 - (share or 0.0), extra=extra)
    if not share:
        return pair
    if seen is None:
        raise InputError("Option 'image_share'", "only maps are known", "images", "none", "Leave it out")
    return dataclasses.replace(pair, extra=(*extra, ImageLoss(pair.model, seen, pair.counted()[1], share)))


def dense_options(options, config: ModelConfig) -> DenseOptions:
    """What ``options`` mean for the dense stage of a checkpoint."""
    iterations, share = min(options.iterations, DenseOptions().iterations), options.image_share
    if share is not None:
        loss = "maps+image" if share > 0 else "maps"
        return DenseOptions(loss, iterations, map_weight=1 - share, image_weight=share)
    weight = config.dense.image_weight
    return DenseOptions("auto" if weight > 0 else "maps", iterations, image_weight=weight)


def score(stage, known: bool, counts: torch.Tensor | None) -> float:
    """Expected Dice, if it is ``known``, or agreement of a Stage; mean over the structures that count."""
    if counts is None:
        return stage.expected.overall.dice if known else stage.agreement
    on = (counts > 0).cpu().numpy()
    each = np.array([one.dice for one in stage.expected.structures]) if known else stage.overlaps
    return float(finite_mean(each[on]))
