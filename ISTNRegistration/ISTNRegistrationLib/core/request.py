"""What a registration is made of, before any work: two sides, a checkpoint and options. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .errors import InputError
from .landmarks import LandmarkPairs, Landmarks, as_landmarks, pair_landmarks
from .options import BENDING, RegisterOptions
from .volume import Volume


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two images, and what is known about it.

    Attributes:
        image: the image.
        mask: only where it is above 0 (any grid) the image counts for the registration.
        labels: reference label map, to measure with: whole numbers, in layers (L, [D, ]H, W) where structures overlap.
        landmarks: ``Landmarks`` (points and labels), or an array (N, n), LPS mm; paired by label, else by order. They
            measure; with ``RegisterOptions.landmark_weight`` they also pull.
        corrected: structures as the user corrected them, in the place of what the ITN sees: a label map whose values
            are the checkpoint's, or masks (above 0) by the name of a structure or by label.
        rigid: of the fixed image: label map, each of whose values is a body that a B-spline or dense transform keeps
            rigid (bone).
    """

    image: Volume
    mask: Volume | None = None
    labels: Volume | None = None
    landmarks: Landmarks | Any = None
    corrected: Volume | Mapping[str, Volume] | None = None
    rigid: Volume | None = None

    @property
    def corrected_names(self) -> list[str]:
        """Of the corrected structures: as they are called, or their values."""
        if self.corrected is None or isinstance(self.corrected, Mapping):
            return [str(name) for name in self.corrected or ()]
        return [str(int(value)) for value in np.unique(self.corrected.array[self.corrected.array > 0])]

    @property
    def label_maps(self) -> list[Volume]:
        """All that must lie on this image."""
        corrected = self.corrected.values() if isinstance(self.corrected, Mapping) else [self.corrected]
        return [volume for volume in (self.labels, *corrected, self.rigid) if volume is not None]


@dataclass(frozen=True, eq=False)
class Request:
    """All that decides a registration.

    Attributes:
        fixed, moving: the two sides.
        checkpoint: shipped name, path, or a loaded Checkpoint.
        options: how to register.
        labels: which reference labels to measure; all of them if empty.
    """

    fixed: Side
    moving: Side
    checkpoint: Any
    options: RegisterOptions = field(default_factory=RegisterOptions)
    labels: tuple[int, ...] = ()

    def both(self, what: str) -> tuple | None:
        """Labels or landmarks of fixed and moving side; None unless both have them."""
        values = tuple(getattr(side, what) for side in (self.fixed, self.moving))
        return None if any(value is None for value in values) else values

    def _check_rigid(self) -> None:
        who = "Rigid region"
        if self.moving.rigid is not None:
            todo = "Draw it on the fixed image, or exchange the two images"
            raise InputError(who, "it cannot be used", "one of the fixed image", "one of the moving image", todo)
        if self.fixed.rigid is not None and self.options.transform not in BENDING:
            what, todo = f"{self.options.transform} is the same everywhere", "Choose one, or leave the region out"
            raise InputError(who, what, "the transform " + " or ".join(BENDING), self.options.transform, todo)

    def _with(self, what: str) -> list[str]:
        sides = {"the fixed image": self.fixed, "the moving image": self.moving}
        return [name for name, side in sides.items() if getattr(side, what) is not None]

    @property
    def landmarks(self) -> LandmarkPairs | None:
        """The landmarks that belong together; None unless both sides have some.

        Raises:
            InputError: they cannot be paired.
        """
        both = self.both("landmarks")
        return both and pair_landmarks(*map(as_landmarks, both))

    def check(self) -> None:
        """Raise InputError for options that mean nothing, and reference data that do not belong together."""
        self.options.check()
        pairs = self.landmarks
        if self.options.landmark_weight and pairs is None:
            todo = "Give landmarks of both images, or leave the weight at 0"
            got = "landmarks of " + (" and ".join(self._with("landmarks")) or "none")
            raise InputError("Option 'landmark_weight'", "there is nothing to weigh", "landmarks of both", got, todo)
        self._check_rigid()
        for side in (self.fixed, self.moving):
            for labels in side.label_maps:
                _check_dimension(labels, side.image)


def _check_dimension(labels: Volume, image: Volume) -> None:
    if labels.grid.ndim != image.grid.ndim:
        who, todo = f"Labels '{labels.name}'", "Give the label map of this image"
        expected, got = f"{image.grid.ndim}-D, as '{image.name}'", f"{labels.grid.ndim}-D"
        raise InputError(who, "wrong dimension", expected, got, todo)
