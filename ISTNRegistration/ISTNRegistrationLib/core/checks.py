"""What a careful colleague would say before a run, from the images' facts and the checkpoint alone. Free of torch."""

from __future__ import annotations

import math
import os

import numpy as np

from .config import ModelConfig
from .suitability import ImageFacts, doubts, suggestion

# Peaks of docs/benchmark.md, rounded up: 0.80 GB with networks of 64^3, 2.35 GB for an image of 512^3 onto another.
BYTES_PER_NETWORK_VOXEL = 2000
BYTES_PER_IMAGE_VOXEL = 8
BASE_BYTES = 0.3e9


def warnings(fixed: ImageFacts, moving: ImageFacts, config: ModelConfig, card: dict, initial, same=False) -> list[str]:
    """Sentences for the user; empty when nothing looks wrong.

    Args:
        config, card: of the checkpoint.
        initial: the initial alignment as it was asked for.
        same: whether both are one and the same image.
    """
    sides = {"fixed": fixed, "moving": moving}
    found = ["Fixed and moving are the same image."] if same else []
    found += [text for role, facts in sides.items() for text in doubts(role, facts, config, card)]
    better = suggestion(sides.values(), config, card)
    found += [f"The checkpoint '{better}' fits these images better."] if better else []
    if isinstance(initial, str) and initial == "none":
        found += _apart(fixed, moving, config)
    return found + _memory(sides.values(), config)


def _apart(fixed: ImageFacts, moving: ImageFacts, config: ModelConfig) -> list[str]:
    """Without an initial alignment: images that do not overlap, or are farther apart than the STN can say."""
    boxes = [fixed.box, moving.box]
    overlap = np.minimum(boxes[0][1], boxes[1][1]) - np.maximum(boxes[0][0], boxes[1][0])
    if overlap.min() <= 0:
        return ["The images do not overlap. Choose an initial alignment other than none."]
    distance = np.abs(boxes[0].mean(axis=0) - boxes[1].mean(axis=0)).max()
    bound = config.affine.translation_mm
    if distance > bound:
        return [f"The images' centers are {distance:.0f} mm apart; the checkpoint translates by {bound:g} mm at most."]
    return []


def _memory(sides, config: ModelConfig) -> list[str]:
    needed, free = memory_needed(sides, config), memory_free()
    if free is not None and needed > free:
        return [f"This needs about {needed / 1e9:.1f} GB of memory; {free / 1e9:.1f} GB are free."]
    return []


def memory_needed(sides, config: ModelConfig) -> float:
    """Bytes, roughly, of a registration on the CPU."""
    voxels = sum(math.prod(facts.grid.size) for facts in sides)
    return BASE_BYTES + BYTES_PER_NETWORK_VOXEL * math.prod(config.grid.size) + BYTES_PER_IMAGE_VOXEL * voxels


def memory_free() -> float | None:
    """Bytes of memory that are free now; None where Python cannot tell (only Linux does without further packages)."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
