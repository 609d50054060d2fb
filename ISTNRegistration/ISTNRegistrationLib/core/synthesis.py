"""Training images painted from label maps, of any contrast: what makes the maps indifferent to how a scan looks.

A label map is deformed, every class of tissue gets intensities of its own, drawn anew for each image, and the image is
made as imperfect as scans are. The structure map is that of the deformed labels. 2-D and 3-D, on the networks' grid.
Sources: Billot et al. 2023 (SynthSeg, doi:10.1016/j.media.2023.102789); Hoffmann et al. 2024 (SynthMorph,
doi:10.1162/imag_a_00197).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import torch

from .augment import AugmentConfig, Deformation, Mirror
from .config import ModelConfig
from .errors import InputError
from .grid import Grid
from .paint import at_resolution, cut, recolored, stretched, white_noise, with_bias
from .warp import sample

LABELS = 1 << 16  # label values are 0 to 65535
DIMMED = 0.4  # largest share of the range that something outside the view takes
_SHARES = ("stripped", "bright_air", "cropped", "cut", "recolored", "real", "mild")


@dataclass(frozen=True)
class SynthesisConfig:
    """How images are painted; how they are deformed is in ``augment``.

    Labels listed together in ``classes`` look alike; every other label is a class of its own. ``typical``: a mean for
    each of ``classes``, or none: contrast, too, then begins near one that is typical and ends anywhere. ``outside`` are
    shells around the organ, the outermost first: of the share ``stripped`` of the images one or more of them are gone.
    ``texture``, ``bias``, ``gamma``, ``noise``, ``voxel_mm`` (all axes), ``slice_mm`` (one axis) and ``cut`` are the
    largest of each; they grow from the share ``mild`` of it at the first step to all of it at ``harsh_from``.
    ``bright_air``: share of images whose background is not 0. ``cropped``: share that are cut off on a side.
    Where the list has images, ``real`` is the share of views that show them, and ``recolored`` the share of these that
    are seen under a random curve.
    """

    classes: tuple[tuple[int, ...], ...] = ()
    typical: tuple[float, ...] = ()
    outside: tuple[tuple[int, ...], ...] = ()
    stripped: float = 0.5
    bright_air: float = 0.2
    texture: float = 0.1
    bias: float = 0.4
    gamma: float = 0.5
    noise: float = 0.1
    voxel_mm: float = 4.0
    slice_mm: float = 8.0
    cropped: float = 0.3
    cut: float = 0.25
    mild: float = 0.2
    harsh_from: int = 2000
    real: float = 0.5
    recolored: float = 0.5

    def __post_init__(self) -> None:
        who = "Configuration key 'synthesis.{}'"
        for key in _SHARES:
            if not 0 <= getattr(self, key) <= 1:
                raise InputError(who.format(key), "it is not a share", "0 to 1", str(getattr(self, key)))
        for key in ("texture", "bias", "gamma", "noise", "voxel_mm", "slice_mm", "harsh_from"):
            if not 0 <= getattr(self, key) < float("inf"):
                raise InputError(who.format(key), "it cannot be used", "0 or more", str(getattr(self, key)))
        if len(self.typical) not in (0, len(self.classes)):
            expected, got = f"one for each of the {len(self.classes)} classes, or none", str(len(self.typical))
            raise InputError(who.format("typical"), "another number of means", expected, got)
        for key in ("classes", "outside"):
            labels = [label for group in getattr(self, key) for label in group]
            wrong = sorted({x for x in labels if not 0 < x < LABELS or labels.count(x) > 1})
            if wrong:
                expected = f"each label once, 1 to {LABELS - 1}"
                raise InputError(who.format(key), "labels cannot be used", expected, str(wrong))

    def harshness(self, step: int | None) -> float:
        """Share of the largest imperfections at a training step; all of them for None (validation)."""
        if step is None or step >= self.harsh_from:
            return 1.0
        return self.mild + (1 - self.mild) * step / self.harsh_from


class Synthesizer:
    """Draws an image and its structure map from a label map; same random numbers and step, same image.

    Raises:
        InputError: a channel is not of labels, or the label tables do not fit.
    """

    def __init__(self, config: SynthesisConfig, augment: AugmentConfig, model: ModelConfig) -> None:
        for channel in model.channels:
            if channel.kind != "binary":
                todo = "Take the table [synthesis] out, or make the channel binary"
                who = f"Channel '{channel.name}'"
                raise InputError(who, "it cannot be synthesized", "kind binary", channel.kind, todo)
        self.config, self.spacing = config, model.grid.spacing[::-1]
        target = Grid.centered((0.0,) * model.ndim, model.grid.size, model.grid.spacing)
        self.deformation, self.mirror = Deformation(augment, target), Mirror(augment.mirror, model.channels)
        self.members, self.code = _membership(model)
        self.class_of, self.typical = np.arange(LABELS), np.full(LABELS, np.nan, np.float32)
        for group in config.classes:
            self.class_of[list(group)] = group[0]
        for group, mean in zip(config.classes, config.typical, strict=False):
            self.typical[list(group)] = mean

    def __call__(self, labels: torch.Tensor, source: Grid, rng: np.random.Generator, step: int | None = None):
        """Image (1, 1, ...) and map (1, C, ...) on the networks' grid, from label values (1, 1, *source.shape) float32.

        Args:
            source: grid of the labels, zero in the middle of the structures.
            step: of the training; None draws an undeformed image, as harsh as any (validation).
        """
        plain = step is None
        positions = self.deformation(source, rng, plain)
        seen = [sample(labels, positions + offset, order="nearest") for offset in quarter_voxels(source, self.spacing)]
        values = torch.cat(seen).long()
        image = self.paint(values, rng, self.config.harshness(step))
        soi = self._structures(values)
        return (image, soi) if plain else self.mirror(image, soi, rng)

    def _structures(self, values: torch.Tensor) -> torch.Tensor:
        """Share of the points in each voxel (K, 1, ...) that lie in each channel's structures, (1, C, ...)."""
        codes = self.code[values]
        found = codes.new_zeros((1, len(self.members), *values.shape[2:]))
        for number, members in enumerate(self.members):
            for code, point in itertools.product(members, codes):
                found[:, number] += point == code
        return found.float() / len(codes)

    def paint(self, values: torch.Tensor, rng: np.random.Generator, harsh: float) -> torch.Tensor:
        """An image (1, 1, ...) in [0, 1] of labels at K points in each voxel, (K, 1, ...).

        Args:
            harsh: share of the largest imperfections.
        """
        c = self.config
        mean, texture = self._intensities(rng, harsh)
        values = self._strip(values, rng)
        image = mean[values].mean(dim=0, keepdim=True)
        image = image + texture[values].mean(dim=0, keepdim=True) * white_noise(image.shape, rng)
        image = with_bias(image, c.bias * harsh * rng.random(), rng)
        image = at_resolution(image, self._resolution(rng, harsh))
        image = stretched(image) ** float(np.exp(rng.uniform(-1, 1) * c.gamma * harsh))
        noise = white_noise(image.shape, rng) * (c.noise * harsh * rng.random())
        image = (image + noise).abs().clamp(max=1)
        image = image * float(rng.uniform(1 - DIMMED * harsh, 1))  # something brighter may lie outside the view
        return cut(image, c.cut * harsh, rng) if rng.random() < c.cropped else image

    def _intensities(self, rng: np.random.Generator, harsh: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of every label value, (LABELS,), alike within a class."""
        mean, texture = rng.random((2, LABELS), dtype=np.float32)[:, self.class_of]
        mean = np.where(np.isnan(self.typical), mean, self.typical + harsh * (mean - self.typical))
        texture *= self.config.texture * harsh
        if rng.random() >= self.config.bright_air:
            mean[0] = texture[0] = 0.0
        return torch.from_numpy(mean), torch.from_numpy(texture)

    def _strip(self, values: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Labels with 0 for the shells that are gone."""
        shells = self.config.outside
        count = int(rng.integers(1, len(shells) + 1)) if shells and rng.random() < self.config.stripped else 0
        kept = torch.arange(LABELS)
        kept[[label for shell in shells[:count] for label in shell]] = 0
        return kept[values] if count else values

    def _resolution(self, rng: np.random.Generator, harsh: float) -> list[float]:
        """Width of the image's voxels in voxels of the grid (array order): all axes alike, one perhaps thicker."""
        c = self.config
        widths = np.full(len(self.spacing), c.voxel_mm * harsh * rng.random())
        axis, thick = rng.integers(len(widths)), c.slice_mm * harsh * rng.random()
        if rng.random() < 0.5:
            widths[axis] = max(widths[axis], thick)
        return [float(width / h) for width, h in zip(widths, self.spacing, strict=True)]

    def recolor(self, image: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """A real image (1, 1, ...), in the configured share of cases under a random curve."""
        return stretched(recolored(image, rng)) if rng.random() < self.config.recolored else image


def quarter_voxels(source: Grid, spacing: tuple[float, ...]) -> torch.Tensor:
    """Cube offsets (K, n) in ``source`` of points that stand for a voxel of ``spacing`` mm (array order).

    Every second corner of a box half as wide as the voxel: 2 points in 2-D, 4 in 3-D, their mean zero.
    """
    corners = [c for c in itertools.product((-1, 1), repeat=source.ndim) if np.prod(c) > 0]
    half_extent = np.diag(source.cube_to_physical()[:-1, :-1])
    mm = np.asarray(corners) * np.asarray(spacing[::-1]) / 4
    return torch.as_tensor(mm / half_extent, dtype=torch.float32)


def _membership(model: ModelConfig) -> tuple[list[list[int]], torch.Tensor]:
    """For each channel its codes, and for each label value its code: labels of the same channels share one."""
    table = np.zeros((LABELS, len(model.channels)), bool)
    for number, channel in enumerate(model.channels):
        table[list(channel.labels), number] = True
    kinds, code = np.unique(table, axis=0, return_inverse=True)
    members = [np.flatnonzero(kinds[:, number]).tolist() for number in range(len(model.channels))]
    return members, torch.as_tensor(code.reshape(-1), dtype=torch.uint8)
