"""What a moving image is turned into for docs/robustness.md: contrasts, poses, imperfections, painted heads.

Labels go with the anatomy and keep their own voxels: only what a registration sees is spoiled. Everything is drawn from
seeds, so that every method meets the same images.
"""

from __future__ import annotations

import csv
import functools
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from ISTNRegistrationLib.cli.synthesize import painted
from ISTNRegistrationLib.cli.train import read_config
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.paint import with_bias
from ISTNRegistrationLib.core.volume import Volume
from paper.datasets import Scan, around_structures
from paths import DATA, ROOT

STRUCTURES = range(1, 16)  # of data/brain/labels_subcortical
WHOLE = 0.95  # a structure of which less is left in a cut image is not measured
SHIFT_MM = (-90.0, 100.0, 66.0)  # 150 mm long
HEADS = ("07", "14", "20")  # the test label maps, never trained on
FREESURFER = dict(zip((10, 49, 11, 50, 12, 51, 13, 52, 17, 53, 18, 54, 26, 58, 16), STRUCTURES, strict=True))
# Intensities of air, CSF, grey and white matter of T1 (shares of the bright end), and what they become
CURVES = {
    "inverted": ((0.0, 1.0), (1.05, 0.05)),
    "T2-like": ((0.0, 0.25, 0.5, 0.7, 0.9, 1.0), (1.0, 0.9, 0.6, 0.55, 0.3, 0.25)),
    "FLAIR-like": ((0.0, 0.2, 0.4, 0.6, 0.8, 1.0), (0.05, 0.1, 0.5, 0.8, 0.6, 0.55)),
    "CT-like": ((0.0, 0.25, 0.5, 0.7, 0.9, 1.0), (0.08, 0.15, 0.95, 0.9, 0.7, 0.65)),
}
CT_NOISE = 0.1  # standard deviation: about 4 HU of 40


@dataclass(frozen=True)
class Made:
    """An image, the labels of its anatomy, and which structures may be measured."""

    image: Volume
    labels: Volume
    whole: tuple[int, ...] = tuple(STRUCTURES)


@dataclass(frozen=True)
class Seen:
    """Stands for a ``Scan``; ``file`` begins with the case; made when it is first looked at, the last few are kept."""

    file: str
    make: Callable[[], Made]
    scan: Scan | None = None

    @property
    def made(self) -> Made:
        """Image and labels."""
        return _made(self)

    @property
    def image(self) -> Volume:
        """What a registration sees."""
        return self.made.image

    @property
    def structures(self) -> Volume:
        """The part of the labels around the structures."""
        return _structures(self)

    @property
    def mask(self) -> Volume | None:
        """Of the brain, where the voxels are still those of the scan."""
        return self.scan.mask if self.scan else None


@functools.lru_cache(maxsize=4)
def _made(seen: Seen) -> Made:
    return seen.make()


@functools.lru_cache(maxsize=4)
def _structures(seen: Seen) -> Volume:
    return around_structures(seen.made.labels)


@dataclass(frozen=True)
class Case:
    """``row`` of the table; what becomes of the moving image, and of the fixed one if anything does."""

    key: str
    row: str
    moving: Callable[[Made], Made]
    fixed: Callable[[Made], Made] | None = None


def cases() -> list[Case]:
    """All that are made from real brains; the first leaves them alone."""
    found = [Case("t1", "T1 as it is", lambda made: made)]
    found += [Case(name, f"{name}", _recolored(name)) for name in CURVES]
    found += [Case("both", "FLAIR-like to T2-like", _recolored("T2-like"), _recolored("FLAIR-like"))]
    turns = itertools.product((30, 45, 90), range(3))
    found += [Case(f"turn{d}{'xyz'[a]}", f"turned by {d}°", functools.partial(turned, d, a)) for d, a in turns]
    found += [Case("shift", "shifted by 150 mm", functools.partial(moved, _shift()))]
    found += [Case("bias", "bias field", biased), Case("noise", "10 % noise", noisy)]
    slices = itertools.product((5, 10), range(3))
    found += [Case(f"slice{n}{'xyz'[a]}", f"{n} mm slices", functools.partial(sliced, n, (a,))) for n, a in slices]
    found += [Case("voxels4", "4 mm voxels", functools.partial(sliced, 4, (0, 1, 2)))]
    sides = itertools.product(range(3), (False, True))
    found += [Case(f"cut{'xyz'[a]}{int(e)}", "25 % cut from a side", functools.partial(cut, a, e)) for a, e in sides]
    return [*found, Case("mirror", "mirrored", mirrored)]


def representative(found: list[Case]) -> tuple[list[Case], list[Case]]:
    """One case of each row, a direction or side that is not the same in all rows, and the others."""
    rows = {row: [case for case in found if case.row == row] for row in dict.fromkeys(case.row for case in found)}
    first = [alike[number % len(alike)] for number, alike in enumerate(rows.values())]
    return first, [case for case in found if case not in first]


def brain_pair(case: Case, fixed: Scan, moving: Scan) -> tuple[Seen, Seen]:
    """A real pair of which the moving image (or both) became what the case says."""
    real = [functools.partial(lambda scan: Made(scan.image, scan.labels), scan) for scan in (fixed, moving)]
    name = f"{case.key}/{fixed.file}" if case.fixed else fixed.file
    there = Seen(name, (lambda: case.fixed(real[0]())) if case.fixed else real[0], fixed)
    return there, Seen(f"{case.key}/{moving.file}", lambda: case.moving(real[1]()))


def head_pairs(number: int, fixed: Scan) -> Iterator[tuple[Seen, Seen]]:
    """A painted head to the next one, and to a real stripped T1 brain."""
    head, other = (HEADS[(number + step) % len(HEADS)] for step in (0, 1))
    moving, there = (functools.partial(painted_head, name) for name in (head, other))
    yield Seen(f"heads/head_{other}", there), Seen(f"heads/head_{head}", moving)
    real = Seen(fixed.file, lambda: Made(fixed.image, fixed.labels), fixed)
    yield real, Seen(f"head-to-t1/head_{head}", moving)


@functools.lru_cache(maxsize=3)
def painted_head(number: str) -> Made:
    """A whole head, never stripped or cropped, as `istn synthesize --from` paints it with ``head.toml``."""
    config = read_config(ROOT / "Resources" / "Configs" / "head.toml")
    config = replace(config, synthesis=replace(config.synthesis, stripped=0.0, cropped=0.0))
    path, seed = DATA / "head" / "labels" / f"head_{number}.nii.gz", (int(number), config.synthesis.harsh_from, 0)
    image, labels = next(painted(path, config, [seed], whole=True))
    table = np.zeros(1 << 16, np.uint8)
    table[list(FREESURFER)] = list(FREESURFER.values())
    return Made(image, replace(labels, array=table[labels.array]))


def scans(split: str) -> list[Scan]:
    """Real brains of a split."""
    folder = DATA / "brain"
    with (folder / "splits.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == f"develop-{split}"]
    kinds = ("images", "labels_subcortical")
    return [Scan(*(folder / kind / row["file"] for kind in kinds), row["subject"]) for row in rows]


def _recolored(name: str) -> Callable[[Made], Made]:
    return functools.partial(recolored, name)


def recolored(name: str, made: Made) -> Made:
    """The brain under a curve of intensity; what is dark around it stays dark. ``CT-like`` gets the noise of CT."""
    values = made.image.array.astype(np.float32)
    inside = values > 0
    bright = np.percentile(values[inside], 99.5)
    result = np.interp(values / bright, *CURVES[name])
    if name == "CT-like":
        result += CT_NOISE * np.random.default_rng(0).standard_normal(values.shape)
    return _with(made, np.where(inside, np.clip(result, 0.01, None) * bright, 0))


def _with(made: Made, array: np.ndarray) -> Made:
    return replace(made, image=replace(made.image, array=np.ascontiguousarray(array, dtype=np.float32)))


def turned(degrees: float, axis: int, made: Made) -> Made:
    """As if the head lay turned about an LPS axis through the middle of the image: no voxel changes."""
    middle, angle = made.image.grid.center, np.deg2rad(degrees)
    first, second = [a for a in range(3) if a != axis]
    matrix = np.eye(4)
    matrix[[first, second], [first, second]] = np.cos(angle)
    matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
    matrix[:3, 3] = middle - matrix[:3, :3] @ middle
    return moved(matrix, made)


def _shift() -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = SHIFT_MM
    return matrix


def moved(matrix: np.ndarray, made: Made) -> Made:
    """Image and labels where a rigid matrix (LPS mm) takes them."""
    image, labels = (replace(v, grid=v.grid.moved(matrix)) for v in (made.image, made.labels))
    return replace(made, image=image, labels=labels)


def biased(made: Made) -> Made:
    """Times exp of a smooth field, standard deviation 0.4 at its lattice: the largest that is trained on."""
    values = torch.from_numpy(made.image.array.astype(np.float32))[None, None]
    return _with(made, with_bias(values, 0.4, np.random.default_rng(1))[0, 0].numpy())


def noisy(made: Made) -> Made:
    """Rician, 10 % of the bright end, inside the stripped brain."""
    values = made.image.array.astype(np.float32)
    inside = values > 0
    one, two = 0.1 * np.percentile(values[inside], 99.5) * np.random.default_rng(2).standard_normal((2, *values.shape))
    return _with(made, np.where(inside, np.hypot(values + one, two), 0))


def sliced(width: int, axes: tuple[int, ...], made: Made) -> Made:
    """Voxels so many times as wide along some axes (x first) of the image: means of whole blocks."""
    values, grid = made.image.array.astype(np.float32), made.image.grid
    first, scale = np.zeros(3), np.ones(3)
    for axis in axes:
        lines = np.moveaxis(values, 2 - axis, 0)
        count = len(lines) // width
        means = lines[: count * width].reshape(count, width, *lines.shape[1:]).mean(axis=1)
        values = np.moveaxis(means, 0, 2 - axis)
        first[axis], scale[axis] = (width - 1) / 2, width
    matrix = grid.matrix
    matrix[:3, 3] = grid.index_to_physical(first)
    matrix[:3, :3] *= scale
    image = Volume(np.ascontiguousarray(values), Grid.from_matrix(values.shape[::-1], matrix), made.image.name)
    return replace(made, image=image)


def cut(axis: int, end: bool, made: Made) -> Made:
    """A quarter of the field of view is gone at one end of an axis (x first); and with it what lay there."""
    size = made.image.grid.size[axis]
    low, high = np.zeros(3, int), np.array(made.image.grid.size)
    low[axis], high[axis] = (0, size - size // 4) if end else (size // 4, size)
    box = tuple(slice(a, b) for a, b in zip(low[::-1], high[::-1], strict=True))
    matrix = made.image.grid.matrix
    matrix[:3, 3] = made.image.grid.index_to_physical(low.astype(float))
    grid = Grid.from_matrix((high - low).tolist(), matrix)
    image, labels = (Volume(np.ascontiguousarray(v.array[box]), grid, v.name) for v in (made.image, made.labels))
    before, after = (np.bincount(v.array.ravel(), minlength=16) for v in (made.labels, labels))
    return Made(image, labels, tuple(n for n in STRUCTURES if after[n] >= WHOLE * before[n] > 0))


def mirrored(made: Made) -> Made:
    """Left and right exchanged, as by a lost sign in the header; the labels with their anatomy."""
    image, labels = (replace(v, array=np.ascontiguousarray(v.array[..., ::-1])) for v in (made.image, made.labels))
    return replace(made, image=image, labels=labels)
