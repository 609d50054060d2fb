"""What refinement minimizes: terms, functions of a transform's linear part and its free control points (or None).

``core/refine.py`` adds them up. The maps' term is the paper's (section 2.4). Further terms (``Pair.extra``) are in
units of it: 1 is what the maps cost if M' showed nothing at all. The dense stage has the same terms as forces, in the
same units: ``core/dense_terms.py``, ``core/dense_landmarks.py``.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from .bspline import bases_at_points, bending_energy, field_of_bases
from .grid import apply_matrix
from .istn import ISTN, identity
from .landmarks import LandmarkPairs
from .layers import dilated
from .placement import Placement
from .warp import affine_positions, sample

ACTIVE_LEVEL = 0.05  # of the largest map value: fainter voxels, farther than REACH_MM from a structure, hardly matter
REACH_MM = 5.0  # 8 mm gives the same Dice on develop-val and takes 1.4 times as long
FULL_MM = 10.0  # with a weight of 1, landmarks this far off cost as much as maps that show nothing
LINEAR_MM = 10.0  # from here on a landmark's cost grows no longer with the square: one misplaced point is not all


class Positions:
    """T(x) as cube positions (P, n) for some voxels x of the networks' grid: those of the flat ``index`` (P,)."""

    def __init__(self, model: ISTN, index: torch.Tensor) -> None:
        self.model, self.index = model, index
        base = affine_positions(identity(model), model.grid.shape)[0].flatten(0, -2)[index]
        self.base = torch.cat([base, torch.ones_like(base[:, :1])], dim=1)  # (P, n+1)

    def __call__(self, linear: torch.Tensor, coefficients: torch.Tensor | None) -> torch.Tensor:
        matrix = (self.model.cube_inverse @ linear @ self.model.cube)[0]
        positions = self.base @ matrix[:-1].T
        if coefficients is not None:
            field = self.model.cube_field(linear, coefficients)[0].flatten(0, -2)
            positions = positions + field.index_select(0, self.index)
        return positions


class MapLoss:
    """MSE(M'∘T, F'), summed over the active voxels only.

    Active are the voxels within ``REACH_MM`` of where F' or M' (as it lies at the start) shows anything: a small
    part of the grid. The rest of the squared difference hardly changes; without it an iteration is much cheaper.

    Args:
        linear: (1, n+1, n+1), by which M' lies at the start.
        weights: of the channels, (C,).
    """

    def __init__(self, model: ISTN, moving_map: torch.Tensor, fixed_map: torch.Tensor, linear, weights) -> None:
        with torch.no_grad():
            moving = model.warp(moving_map, linear)
            index = active_voxels(torch.cat([moving, fixed_map], dim=1), model.grid.spacing)
            self.positions = Positions(model, index)
        root = (weights / fixed_map.numel()).sqrt()  # makes the loss a sum of squares
        self.fixed = fixed_map[0].flatten(1)[:, index] * root[:, None]  # (C, P)
        self.moving = moving_map * root.reshape(1, -1, *[1] * model.config.ndim)

    def __call__(self, linear: torch.Tensor, coefficients: torch.Tensor | None) -> torch.Tensor:
        positions = self.positions(linear, coefficients)
        ndim = positions.shape[1]
        warped = sample(self.moving, positions.reshape((1, 2) + (1,) * (ndim - 2) + (-1, ndim)))
        return (warped.reshape(self.fixed.shape) - self.fixed).square().sum()


class Bending:
    """Weighted bending energy of a B-spline."""

    def __init__(self, model: ISTN) -> None:
        self.weight, self.spacing_mm = model.config.bspline.bending_weight, model.config.bspline.spacing_mm

    def __call__(self, _linear: torch.Tensor, coefficients: torch.Tensor | None) -> torch.Tensor | float:
        if coefficients is None or not self.weight:
            return 0.0
        return self.weight * bending_energy(coefficients, self.spacing_mm)


class LandmarkPull:
    """weight · mean of h(|T(f_i) - m_i|) / ``FULL_MM``², h(d) = d² up to ``LINEAR_MM``, a straight line beyond (Huber).

    Args:
        pairs: fixed points f_i and moving points m_i, LPS mm.
        weight: of 0 it only measures.
    """

    def __init__(self, model: ISTN, placement: Placement, pairs: LandmarkPairs, weight: float) -> None:
        points = apply_matrix(np.linalg.inv(placement.frame), pairs.fixed)  # as the networks place them
        self.pairs, self.weight = pairs, weight
        self.fixed, self.moving = (torch.as_tensor(p).to(model.cube) for p in (points, pairs.moving))
        self.to_moving = torch.as_tensor(placement.initial @ placement.frame).to(model.cube)
        self.bases = [basis.to(model.cube) for basis in bases_at_points(model.lattice, points)]

    def __call__(self, linear: torch.Tensor, coefficients: torch.Tensor | None) -> torch.Tensor:
        return self.weight * landmark_costs(self.distances(linear, coefficients)).mean()

    def distances(self, linear: torch.Tensor, coefficients: torch.Tensor | None) -> torch.Tensor:
        """|T(f_i) - m_i| in mm, (P,)."""
        points = self.fixed if coefficients is None else self.fixed + field_of_bases(coefficients, self.bases)
        matrix = self.to_moving @ linear[0]
        return (points @ matrix[:-1, :-1].T + matrix[:-1, -1] - self.moving).norm(dim=1)


def landmark_costs(distances: torch.Tensor) -> torch.Tensor:
    """h(d) / ``FULL_MM``² of each distance in mm."""
    costs = 2 * F.huber_loss(distances, torch.zeros_like(distances), reduction="none", delta=LINEAR_MM)
    return costs / FULL_MM**2


def active_voxels(maps: torch.Tensor, spacing: tuple[float, ...]) -> torch.Tensor:
    """Flat indices (P,), P even, of the voxels within ``REACH_MM`` of a map value above ``ACTIVE_LEVEL``."""
    strongest = maps.amax(dim=1, keepdim=True)
    mask = (strongest > ACTIVE_LEVEL * strongest.max()).float()
    mask = dilated(mask, [round(REACH_MM / size) for size in reversed(spacing)])
    index = mask.flatten().nonzero()[:, 0]
    if len(index) < 2:  # empty maps
        index = torch.arange(mask.numel(), device=mask.device)
    return index[: len(index) // 2 * 2]
