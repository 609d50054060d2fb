"""What a careful colleague would say before a run, from the nodes and the checkpoint's configuration alone."""

from __future__ import annotations

import itertools
import math
import os

import numpy as np

from ..core.grid import apply_matrix
from .volumes import numpyMatrix, vtkMatrix, worldMatrix

CT_BELOW = -200  # MR images have no such values
COARSE_FACTOR = 2.5  # times the networks' spacing
SMALL_PART = 0.25  # of the networks' grid
# Peaks of docs/benchmark.md, rounded up: 0.80 GB with networks of 64^3, 2.35 GB for an image of 512^3 onto another.
BYTES_PER_NETWORK_VOXEL = 2000
BYTES_PER_IMAGE_VOXEL = 8
BASE_BYTES = 0.3e9


def warnings(fixedNode, movingNode, config: dict, card: dict, initial="auto") -> list[str]:
    """Sentences for the user; empty when nothing looks wrong. Never raises for nodes that a volume selector offers.

    Args:
        fixedNode, movingNode: scalar volume nodes.
        config: the checkpoint's configuration as its file holds it (docs/checkpoint.md).
        card: the checkpoint's card.
        initial: name of the initial alignment, or a transform node.
    """
    nodes = {"fixed": fixedNode, "moving": movingNode}
    if any(node.GetImageData() is None for node in nodes.values()):
        return ["One of the volumes has no image."]
    found = []
    if fixedNode.GetImageData() is movingNode.GetImageData():
        found.append("Fixed and moving are the same image.")
    found += [text for role, node in nodes.items() for text in _unlikeTraining(role, node, config, card)]
    if initial == "none":
        found += _apart(fixedNode, movingNode, config)
    return found + _memory(nodes.values(), config)


def _unlikeTraining(role: str, node, config: dict, card: dict) -> list[str]:
    found = []
    low, _high = node.GetImageData().GetScalarRange()
    modality = f"{card.get('title', '')} {card.get('data', '')}"
    if low < CT_BELOW and ("MR" in modality or "T1" in modality):
        found.append(f"The {role} volume looks like CT; the checkpoint was trained on MR.")
    coarse, network = max(_spacing(node)), max(config["grid"]["spacing"])
    if coarse > COARSE_FACTOR * network:
        found.append(f"The {role} volume's voxels ({coarse:.1f} mm) are coarse: the networks see {network:g} mm.")
    seen = np.prod(np.multiply(config["grid"]["size"], config["grid"]["spacing"]))
    if np.prod(_extent(node)) < SMALL_PART * seen:
        found.append(f"The {role} volume shows much less than the region that the checkpoint was trained on.")
    return found


def _apart(fixedNode, movingNode, config: dict) -> list[str]:
    """Without an initial alignment: images that do not overlap, or are farther apart than the STN can say."""
    boxes = [_worldBox(node) for node in (fixedNode, movingNode)]
    overlap = np.minimum(boxes[0][1], boxes[1][1]) - np.maximum(boxes[0][0], boxes[1][0])
    if overlap.min() <= 0:
        return ["The volumes do not overlap. Choose an initial alignment other than none."]
    distance = np.abs(boxes[0].mean(axis=0) - boxes[1].mean(axis=0)).max()
    bound = config["affine"]["translation_mm"]
    if distance > bound:
        return [f"The volumes' centres are {distance:.0f} mm apart; the checkpoint translates by {bound:g} mm at most."]
    return []


def _memory(nodes, config: dict) -> list[str]:
    needed, free = memoryNeeded(nodes, config), memoryFree()
    if free is not None and needed > free:
        return [f"This needs about {needed / 1e9:.1f} GB of memory; {free / 1e9:.1f} GB are free."]
    return []


def memoryNeeded(nodes, config: dict) -> float:
    """Bytes, roughly, of a registration on the CPU."""
    voxels = sum(node.GetImageData().GetNumberOfPoints() for node in nodes)
    return BASE_BYTES + BYTES_PER_NETWORK_VOXEL * math.prod(config["grid"]["size"]) + BYTES_PER_IMAGE_VOXEL * voxels


def memoryFree() -> float | None:
    """Bytes of memory that are free now; None where Python cannot tell (only Linux does without further packages)."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _spacing(node) -> np.ndarray:
    return np.abs(node.GetSpacing())


def _extent(node) -> np.ndarray:
    return _spacing(node) * node.GetImageData().GetDimensions()


def _worldBox(node) -> np.ndarray:
    """Lowest and highest corner (2, 3), RAS mm, in the world."""
    ijkToRas = vtkMatrix(np.eye(4))
    node.GetIJKToRASMatrix(ijkToRas)
    size = np.asarray(node.GetImageData().GetDimensions())
    corners = [np.asarray(c) * size - 0.5 for c in itertools.product((0, 1), repeat=3)]
    points = apply_matrix(worldMatrix(node) @ numpyMatrix(ijkToRas), corners)
    return np.stack([points.min(axis=0), points.max(axis=0)])
