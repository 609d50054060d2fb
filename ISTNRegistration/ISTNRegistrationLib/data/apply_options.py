"""What can be said when a transform is applied to files; imports nothing, so that ``istn apply --help`` is quick."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

KINDS = ("image", "labels", "points", "surface")
INTERPOLATIONS = ("linear", "nearest", "cubic", "sinc")
LABEL_INTERPOLATIONS = ("nearest", "linear")
SPACES = ("LPS", "RAS")


@dataclass(frozen=True)
class ApplyOptions:
    """What is applied, and how.

    Attributes:
        transform: one or several files, see :func:`read_mapping`.
        reference: the image whose grid images and label maps get (fixed; with ``inverse`` moving).
        inverse: carry what belongs to the fixed image to the moving one.
        interpolation: of images: one of ``INTERPOLATIONS``; cubic is a B-spline, sinc has Lanczos' window.
        label_interpolation: of label maps: one of ``LABEL_INTERPOLATIONS``.
        background: value of images where there is nothing; None for each image's darkest. Label maps get 0.
        space: LPS or RAS, the frame of point files and surfaces that do not say it.
    """

    transform: tuple[str, ...]
    reference: Path | None = None
    inverse: bool = False
    interpolation: str = "linear"
    label_interpolation: str = "nearest"
    background: float | None = None
    space: str | None = None


@dataclass(frozen=True)
class Item:
    """One file: ``kind`` is one of ``KINDS``."""

    kind: str
    source: Path
    target: Path
