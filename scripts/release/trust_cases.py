"""Registrations whose true Dice is known, drawn to cover what users do: poses, contrasts, noise, cuts, other anatomy.

Everything is drawn from the case's number, so a case is the same whoever runs it. What is done to an image's position
is done to its labels; what is done to its voxels (slabs, thick slices, noise, contrast) leaves the labels as they were.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.volume import Volume
from paper.datasets import Scan, crop

KINDS = {  # how often, in percent
    "plain": 24, "turned a little": 10, "turned": 14, "inverted": 4, "inverted inside": 3, "T2-like": 3, "gamma": 6,
    "noise": 6, "slab": 6, "cut": 6, "thick": 6, "mirrored": 3, "head-foot flipped": 4, "other anatomy": 5,
}  # fmt: skip
TRANSFORMS = {"affine": 20, "bspline": 75, "dense": 5}  # whose stages before the last are registrations, too
ITERATIONS = {0: 20, 25: 50, 50: 30}
FEW_LOOKS, MANY_LOOKS = 8, 45  # for the structures of turned images: a search that is stopped may end in a wrong pose
SHARED = 2  # cases after each other with one changed image: its structures are looked for once
T2_LIKE = (0, 0.06, 0.2, 0.55, 0.85, 1), (0, 0.1, 1, 0.6, 0.35, 0.3)  # fluid bright, white matter dark


@dataclass(frozen=True)
class Case:
    """One registration: how the moving (or the fixed) image was changed, the options, and how many looks at most."""

    number: int
    kind: str
    fixed: Scan
    moving: Scan
    change_fixed: bool
    transform: str
    iterations: int
    initial: str
    looks: int


def draw(number: int, scans, others) -> Case:
    """The case of a number; ``SHARED`` of them after each other share the changed image.

    Args:
        scans: of the split; fixed and moving are of different people.
        others: scans of another anatomy.
    """
    group, own = np.random.default_rng((2026, number // SHARED)), np.random.default_rng((2028, number))
    kind, change_fixed = _pick(group, KINDS), bool(group.random() < 0.3)
    first = scans[group.integers(len(scans))]
    partners = [scan for scan in scans if scan.person != first.person]
    if kind == "other anatomy":
        first = others[group.integers(len(others))]
        partners = partners if group.random() < 0.5 else others
    partner = partners[own.integers(len(partners))]
    transform, iterations = (_pick(own, table) for table in (TRANSFORMS, ITERATIONS))
    initial = "auto" if own.random() < 0.8 else str(own.choice(["center", "center_of_mass", "moments"]))
    fixed, moving = (first, partner) if change_fixed else (partner, first)
    looks = MANY_LOOKS if number // SHARED % 5 == 0 else FEW_LOOKS
    return Case(number, kind, fixed, moving, change_fixed, transform, iterations, initial, looks)


def _pick(dice: np.random.Generator, table: dict):
    weights = np.array(list(table.values()), dtype=float)
    return list(table)[dice.choice(len(weights), p=weights / weights.sum())]


@functools.lru_cache(maxsize=64)
def image_of(scan: Scan) -> Volume:
    """The image, read once."""
    return scan.image


def changed(case: Case) -> tuple[Volume, Volume]:
    """The moving image of the case (with ``change_fixed`` the fixed one) as it was changed, and its labels."""
    return _changed(case.fixed if case.change_fixed else case.moving, case.kind, case.number // SHARED)


@functools.lru_cache(maxsize=1)
def _changed(scan: Scan, kind: str, group: int) -> tuple[Volume, Volume]:
    return change(image_of(scan), scan.structures, kind, np.random.default_rng((2027, group)))


def change(image: Volume, labels: Volume, kind: str, dice: np.random.Generator) -> tuple[Volume, Volume]:
    """Image and labels as ``kind`` says."""
    if kind.startswith("turned"):
        angle = dice.uniform(5, 30) if kind.endswith("little") else dice.uniform(30, 180)
        matrix = _about(image.grid.center, _rotation(dice.normal(size=3), np.deg2rad(angle)))
        return tuple(Volume(v.array, v.grid.moved(matrix), v.name) for v in (image, labels))
    if kind in ("mirrored", "head-foot flipped"):
        return _flipped(image, labels, 0 if kind == "mirrored" else 2)
    return Volume(*_voxels(image, kind, dice), image.name), labels


def _voxels(image: Volume, kind: str, dice: np.random.Generator) -> tuple[np.ndarray, Grid]:
    array = image.array.astype(np.float32)
    low, high = np.percentile(array, (0.5, 99.5))
    unit = np.clip((array - low) / max(high - low, 1e-6), 0, 1)
    if kind == "inverted":
        return 1 - unit, image.grid
    if kind == "inverted inside":
        return np.where(unit > 0.1, 1.05 - unit, 0).astype(np.float32), image.grid
    if kind == "T2-like":
        return np.interp(unit, *T2_LIKE).astype(np.float32), image.grid
    if kind == "gamma":
        return unit ** np.float32(np.exp(dice.uniform(-1.1, 1.1))), image.grid
    if kind == "noise":
        noise = dice.normal(scale=dice.uniform(0.05, 0.3), size=(2, *unit.shape)).astype(np.float32)
        return np.hypot(unit + noise[0], noise[1]), image.grid
    if kind in ("slab", "cut"):
        kept = _cut(image, kind, dice)
        return kept.array, kept.grid
    return _thick(array, image.grid, dice) if kind == "thick" else (array, image.grid)


def _cut(image: Volume, kind: str, dice: np.random.Generator) -> Volume:
    """A slab of a third to three quarters along one axis, or 10 to 40 % less at one end of each axis."""
    size, low = np.array(image.grid.size), np.zeros(3, int)
    high = size.copy()
    for axis in [dice.integers(3)] if kind == "slab" else range(3):
        share = dice.uniform(0.25, 0.66) if kind == "slab" else dice.uniform(0.0, 0.4)
        lost = int(share * size[axis])
        low[axis] = dice.integers(lost + 1)
        high[axis] = size[axis] - (lost - low[axis])
    return crop(image, low, high)


def _thick(array: np.ndarray, grid: Grid, dice: np.random.Generator) -> tuple[np.ndarray, Grid]:
    """Means over 3 to 8 slices along one axis."""
    axis, count = int(dice.integers(3)), int(dice.integers(3, 9))
    numpy_axis, whole = 2 - axis, grid.size[axis] // count * count
    part = np.take(array, range(whole), axis=numpy_axis)
    shape = [*part.shape[:numpy_axis], whole // count, count, *part.shape[numpy_axis + 1 :]]
    matrix = grid.matrix
    middle = np.zeros(3)
    middle[axis] = (count - 1) / 2
    matrix[:-1, -1] = grid.index_to_physical(middle)
    matrix[:-1, axis] *= count
    size = [whole // count if a == axis else n for a, n in enumerate(grid.size)]
    return part.reshape(shape).mean(axis=numpy_axis + 1).astype(np.float32), Grid.from_matrix(size, matrix)


def _flipped(image: Volume, labels: Volume, axis: int) -> tuple[Volume, Volume]:
    """Voxels in reversed order along one axis of the image; the labels as they come to lie by that."""
    flipped = Volume(np.ascontiguousarray(np.flip(image.array, 2 - axis)), image.grid, image.name)
    first = np.array(image.grid.size) - 1
    corner = image.grid.physical_to_index(labels.grid.index_to_physical(np.array(labels.grid.size) - 1.0))
    start = image.grid.physical_to_index(labels.grid.index_to_physical(np.zeros(3)))
    start[axis] = first[axis] - corner[axis]
    matrix = labels.grid.matrix
    matrix[:-1, -1] = image.grid.index_to_physical(start)
    array = np.ascontiguousarray(np.flip(labels.array, 2 - axis))
    return flipped, Volume(array, Grid.from_matrix(labels.grid.size, matrix), labels.name)


def _rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    """Rodrigues' formula."""
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _about(middle: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:-1, :-1], matrix[:-1, -1] = rotation, middle - rotation @ middle
    return matrix
