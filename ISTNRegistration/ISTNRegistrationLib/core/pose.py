"""Where the structures of maps are, and from that an image's pose: position and orientation, in closed form.

Each channel of an image transformer network's maps gives the centroid of its structure; the centroids of two images, or
of an image and the mean of the training people, are aligned by the weighted orthogonal Procrustes problem (Kabsch 1976,
doi:10.1107/S0567739476001873; Umeyama 1991, doi:10.1109/34.88573), robustly: the start is the small set of structures
with the least median of residuals (Rousseeuw 1984), the rest is Tukey's biweight. Points are LPS mm.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import torch

from .errors import InputError
from .grid import Grid, apply_matrix

MIN_PEAK = 0.2  # of a map that shows its structure
_PEAK_SHARE = 0.5  # voxels above this share of the peak make the centroid
_TUKEY, _SMALLEST_SCALE_MM, _ROUNDS = 4.685, 2.0, 20
_MOST_SUBSETS = 1500
_RIDGE = 0.1  # how strongly an affine fit is held to the rigid one; 1 is as much as all points
_CLEARLY = 0.5  # a mirror image fits clearly better if its mean distance is below this share
_FAR_MM = 10.0  # farther counts no more in that mean


@dataclass(frozen=True, eq=False)
class Constellation:
    """Centroids of the channels' structures (C, n), LPS mm, and how well each is seen (C,): 0, not at all, to 1."""

    points: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True, eq=False)
class Fit:
    """A matrix (n+1, n+1) that carries one constellation to another.

    ``residuals`` (C,) mm, NaN where a structure is not seen in both; ``trust`` (C,): what each counted, 0 for outliers;
    ``mirrored``: the mirror image would have fitted clearly better, left and right are exchanged in one of the two.
    """

    matrix: np.ndarray
    residuals: np.ndarray
    trust: np.ndarray
    mirrored: bool


def constellation(maps: torch.Tensor, grid: Grid, matrix: np.ndarray | None = None) -> Constellation:
    """Centroids of maps (1, C, *grid.shape), carried by ``matrix`` (LPS mm) if given; weights are the maps' peaks."""
    values = maps.detach()[0].double().cpu().numpy()
    peaks = values.reshape(len(values), -1).max(axis=1)
    points = np.zeros((len(values), grid.ndim))
    for number, (channel, peak) in enumerate(zip(values, peaks, strict=True)):
        place = np.argwhere(channel >= max(_PEAK_SHARE * peak, 1e-6))
        if len(place):
            points[number] = np.average(place[:, ::-1], axis=0, weights=channel[tuple(place.T)])
    points = grid.index_to_physical(points)
    seen = np.where(peaks >= MIN_PEAK, peaks.clip(0, 1), 0.0)
    return Constellation(points if matrix is None else apply_matrix(matrix, points), seen)


def mean_constellation(people: list[Constellation]) -> Constellation:
    """The mean shape of several people's, in their mean pose; a structure that few people show counts less.

    Raises:
        InputError: a person has too few structures to be aligned.
    """
    shape = _mean([_laid(person, people[0]) for person in people])
    return _laid(shape, _mean(people))


def _laid(source: Constellation, target: Constellation) -> Constellation:
    return Constellation(apply_matrix(fit(source, target).matrix, source.points), source.weights)


def _mean(people: list[Constellation]) -> Constellation:
    points, weights = (np.array([getattr(person, key) for person in people]) for key in ("points", "weights"))
    total = np.maximum(weights.sum(axis=0), 1e-9)
    return Constellation((points * weights[..., None]).sum(axis=0) / total[:, None], weights.mean(axis=0))


def to_card(people: list[Constellation]) -> dict:
    """What a checkpoint's card keeps of its training people: their mean constellation; nothing if there is none."""
    try:
        mean = mean_constellation(people)
    except InputError:  # fewer structures than axes
        return {}
    points = [[round(float(value), 2) for value in point] for point in mean.points]
    return {"constellation": {"points_mm": points, "weights": [round(float(w), 3) for w in mean.weights]}}


def from_card(card: dict) -> Constellation | None:
    """The mean constellation of a checkpoint's card, in the frame of its grid; None if it has none."""
    kept = card.get("constellation")
    return Constellation(np.array(kept["points_mm"]), np.array(kept["weights"])) if kept else None


def fit(source: Constellation, target: Constellation, affine: bool = False) -> Fit:
    """The rotation and shift (with ``affine``, also stretch) that carry ``source`` to ``target``; robust, closed form.

    Raises:
        InputError: fewer structures are seen in both than the dimension.
    """
    weights = np.sqrt(source.weights * target.weights)
    seen, ndim = weights > 0, source.points.shape[1]
    if seen.sum() < ndim:
        expected, got = f"{ndim} or more that both images show", f"{seen.sum()}"
        raise InputError("Pose", "too few structures are seen", expected, got, "Choose another initial alignment")
    pairs = source.points[seen], target.points[seen], weights[seen]
    matrix, used = _robust(*pairs, mirror=False)
    mirror = _robust(*pairs, mirror=True)[0]
    error, mirror_error = _mean_distance(*pairs, matrix), _mean_distance(*pairs, mirror)
    if affine:
        matrix = _affine(*pairs[:2], used, matrix)
    residuals, trust = np.full(len(seen), np.nan), np.zeros(len(seen))
    residuals[seen] = _distances(*pairs[:2], matrix)
    trust[seen] = used
    mirrored = error > _SMALLEST_SCALE_MM and mirror_error < _CLEARLY * error
    return Fit(matrix, residuals, trust, bool(mirrored))


def _robust(p: np.ndarray, q: np.ndarray, w: np.ndarray, mirror: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rigid matrix p → q (K, n) and the final weights: least median of residuals, then Tukey's biweight."""
    subsets = list(itertools.combinations(range(len(p)), min(len(p), p.shape[1] + 1)))
    subsets = np.array(subsets[:: max(1, len(subsets) // _MOST_SUBSETS)])
    starts = procrustes(p[subsets], q[subsets], w[subsets], mirror)
    best = min(starts, key=lambda matrix: _typical(p, q, w, matrix))
    used = w
    for _ in range(_ROUNDS):
        distances = _distances(p, q, best)
        scale = _TUKEY * max(_SMALLEST_SCALE_MM, 1.4826 * _weighted_median(distances, w))
        used = w * np.clip(1 - (distances / scale) ** 2, 0, None) ** 2
        best = procrustes(p, q, used, mirror)
    return best, used


def procrustes(p: np.ndarray, q: np.ndarray, w: np.ndarray, mirror: bool) -> np.ndarray:
    """Weighted Procrustes of points (..., K, n): matrices (..., n+1, n+1) with determinant 1, or -1 with ``mirror``."""
    share = (w / w.sum(axis=-1, keepdims=True))[..., None]
    middle_p, middle_q = ((share * points).sum(axis=-2, keepdims=True) for points in (p, q))
    left, _, right = np.linalg.svd(np.swapaxes((p - middle_p) * share, -1, -2) @ (q - middle_q))
    handed = np.linalg.det(left @ right) * (-1 if mirror else 1)
    left[..., -1] *= np.where(handed < 0, -1.0, 1.0)[..., None]
    rotation = np.swapaxes(left @ right, -1, -2)
    matrix = np.zeros((*rotation.shape[:-2], p.shape[-1] + 1, p.shape[-1] + 1))
    matrix[..., :-1, :-1], matrix[..., -1, -1] = rotation, 1.0
    matrix[..., :-1, -1] = (middle_q - middle_p @ np.swapaxes(rotation, -1, -2))[..., 0, :]
    return matrix


def _affine(p: np.ndarray, q: np.ndarray, w: np.ndarray, rigid: np.ndarray) -> np.ndarray:
    """Weighted least squares p → q, held to ``rigid`` where few points or flat constellations say nothing."""
    share = (w / w.sum())[:, None]
    middle_p, middle_q = (share * p).sum(axis=0), (share * q).sum(axis=0)
    spread = (share * (p - middle_p)).T @ (p - middle_p)
    hold = _RIDGE * np.trace(spread) / len(spread) * np.eye(len(spread))
    moved = (share * (q - middle_q)).T @ (p - middle_p)
    linear = (moved + rigid[:-1, :-1] @ hold) @ np.linalg.inv(spread + hold)
    matrix = np.eye(len(linear) + 1)
    matrix[:-1, :-1], matrix[:-1, -1] = linear, middle_q - linear @ middle_p
    return matrix


def _distances(p: np.ndarray, q: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return np.linalg.norm(apply_matrix(matrix, p) - q, axis=-1)


def _typical(p: np.ndarray, q: np.ndarray, w: np.ndarray, matrix: np.ndarray) -> float:
    return _weighted_median(_distances(p, q, matrix), w)


def _mean_distance(p: np.ndarray, q: np.ndarray, w: np.ndarray, matrix: np.ndarray) -> float:
    return float(np.average(_distances(p, q, matrix).clip(max=_FAR_MM), weights=w))


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, 0.5 * total[-1])])
