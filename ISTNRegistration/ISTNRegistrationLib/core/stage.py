"""What a registration tells while it runs, and what is known of each of its stages."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from .constraints import Constraints
from .evidence import Witness
from .preprocess import Prepared
from .transform import SpatialTransform
from .trust import Expectation

RIGID_REGION = "rigid region"


@dataclass(frozen=True)
class Progress:
    """Handed to ``on_progress`` every iteration: return False to stop this stage and keep its best so far.

    ``transform()`` computes the transform as it stands, for a preview; call it before returning. ``landmark_mm``: mean
    distance of the landmarks as it stands; NaN where there are none, or nothing is refined.
    """

    stage: str
    iteration: int
    iterations: int
    loss: float
    transform: Callable[[], SpatialTransform]
    landmark_mm: float = math.nan


OnProgress = Callable[[Progress], "bool | None"]


@dataclass(frozen=True, eq=False)
class Stage:
    """One step of the way.

    Attributes:
        name: initial, affine, affine refined, bspline, bspline refined (rigid likewise), dense, rigid region.
        seconds: its own time, without measuring it.
        loss: MSE(M'∘T, F') on the networks' grid after it.
        agreement: label-free: mean Dice of M'∘T and F', both cut at 0.5, over the channels that show anything; NaN if
            none does, which means that the ITN sees no structure.
        folded: voxels of the networks' grid where the transform folds space.
        losses: of its iterations; of a refinement, over the active voxels only.
        transform: fixed → moving so far.
        evidence: what ``expected`` rests on, (C, len(trust.FEATURES)); None where the checkpoint cannot judge.
        expected: the Dice to expect; None where the checkpoint cannot judge.
        landmark_mm: mean distance of the landmarks after it; NaN where there are none.
        overlaps: what ``agreement`` is the mean of, (C,); NaN where neither map shows anything.
        base: of the stage "rigid region": the stage whose transform it changes.
    """

    name: str
    seconds: float
    loss: float
    agreement: float
    folded: int
    losses: tuple[float, ...]
    transform: SpatialTransform
    evidence: np.ndarray | None = None
    expected: Expectation | None = None
    landmark_mm: float = math.nan
    overlaps: np.ndarray | None = None
    base: str = ""


@dataclass(frozen=True, eq=False)
class Beside:
    """What is known of a pair beside its maps.

    ``images``, fixed and moving, are for the dense stage; there is a ``witness`` if the checkpoint can judge;
    ``constraints`` are what the user knows. ``seen``: of the moving and the fixed image by the ITN, (1, 1, *shape).
    """

    images: tuple[Prepared, Prepared] | None = None
    witness: Witness | None = None
    constraints: Constraints = field(default_factory=Constraints)
    seen: tuple[torch.Tensor, torch.Tensor] | None = None
