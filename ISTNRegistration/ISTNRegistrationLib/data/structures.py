"""Structures of interest from files, drawn as structure maps on a grid; one channel of the map per Channel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch

from ..core import soi
from ..core.config import LABEL_KINDS, Channel
from ..core.errors import InputError
from ..core.grid import Grid
from ..core.preprocess import resample
from ..core.soi import Structures
from ..core.volume import Volume
from .images import read_image, read_labels, to_sitk
from .markups import is_markups, read_markups

FILES = {"landmarks": "a markups file with points", "centerline": "a markups file with curves", "image": "an image"}


def read_structures(path: Path, channels: tuple[Channel, ...], ndim: int) -> Structures:
    """A label map, an image or a markups file (.mrk.json, .fcsv), as the channels need it."""
    path = Path(path)
    if is_markups(path):
        points, curves = read_markups(path)
        return Structures(path.name, points=points[:, :ndim], curves=tuple(curve[:, :ndim] for curve in curves))
    if any(channel.kind in LABEL_KINDS for channel in channels):
        return Structures(path.name, labels=read_labels(path))
    return Structures(path.name, image=_map_image(read_image(path)))


def draw(structures: Structures, channels: tuple[Channel, ...], grid: Grid) -> torch.Tensor:
    """The structure maps on ``grid``, (1, C, *grid.shape) float32 in [0, 1]; points and curves exactly, in mm.

    Raises:
        InputError: none of the structures is there, or a channel's kind needs something else.
    """
    if all(channel.kind == "binary" for channel in channels) and structures.labels is not None:
        return _resampled(soi.structure_map(structures.labels, channels), grid)
    maps = torch.cat([_channel(structures, channel, grid) for channel in channels], dim=1)
    if structures.labels is not None and not maps.any():
        wanted = ", ".join(str(label) for channel in channels for label in channel.labels)
        raise InputError(f"Structures '{structures.name}'", "none is in view", f"labels {wanted}", "an empty map")
    return maps


def _channel(structures: Structures, channel: Channel, grid: Grid) -> torch.Tensor:
    """One channel, (1, 1, *grid.shape)."""
    needed = {"landmarks": structures.points, "centerline": structures.curves or None, "image": structures.image}
    if needed.get(channel.kind, structures.labels) is None:
        expected = FILES.get(channel.kind, "a label map")
        who, what = f"Structures '{structures.name}'", f"channel '{channel.name}' cannot be drawn from it"
        raise InputError(who, what, f"{expected} for kind {channel.kind}", "another kind of file")
    if channel.kind == "image":
        return _resampled(structures.image, grid)
    if channel.kind == "landmarks":
        array = soi.gaussians(_chosen(structures.points, channel, structures), grid, soi.width_mm(channel))
    elif channel.kind == "centerline":
        array = soi.centerlines(_chosen(structures.curves, channel, structures), grid, soi.width_mm(channel))
    elif channel.kind == "centroid":
        array = soi.gaussians(centroids(structures.labels, channel.labels), grid, soi.width_mm(channel))
    else:
        labels = structures.labels
        mask = Volume(np.isin(labels.array, channel.labels), labels.grid, labels.name)
        return _resampled(label_image(mask, channel), grid)
    return torch.from_numpy(array)[None, None]


def _chosen(items, channel: Channel, structures: Structures):
    """Points or curves by their numbers from 1; all if the channel names none."""
    if max(channel.labels, default=0) > len(items) or min(channel.labels, default=1) < 1:
        who, got = f"Structures '{structures.name}'", f"numbers 1 to {len(items)}"
        raise InputError(who, f"channel '{channel.name}' names one that is not there", str(channel.labels), got)
    return [items[number - 1] for number in channel.labels] if channel.labels else items


def centroids(labels: Volume, values: tuple[int, ...]) -> np.ndarray:
    """LPS mm of the centroid of each label that is there, (P, n)."""
    found = [np.argwhere(labels.array == value)[:, ::-1].mean(axis=0) for value in values if value in labels.array]
    return labels.grid.index_to_physical(np.reshape(found, (-1, labels.grid.ndim)))


def label_image(mask: Volume, channel: Channel) -> Volume:
    """The channel of a mask (above 0), drawn on the mask's own grid: as ``draw`` does before it resamples.

    Binary, or the truncated signed distance to the voxels' border.
    """
    inside = mask.array > 0
    if channel.kind == "binary":
        return Volume(inside.astype(np.float32), mask.grid, mask.name)
    image = to_sitk(Volume(inside.astype(np.uint8), mask.grid, mask.name))
    both = [sitk.GetArrayFromImage(sitk.DanielssonDistanceMap(i, True, False, True)) for i in (image, 1 - image)]
    signed = np.where(inside, -both[1] + 0.5 * min(mask.grid.spacing), both[0] - 0.5 * min(mask.grid.spacing))
    return Volume(soi.distance_to_map(signed, soi.width_mm(channel)), mask.grid, mask.name)


def _resampled(volume: Volume, grid: Grid) -> torch.Tensor:
    return resample(volume, grid, np.eye(grid.ndim + 1))


def _map_image(image: Volume) -> Volume:
    """An image that is a structure map: divided by 255 if 8-bit, by its maximum if that is above 1."""
    scale = 255.0 if image.array.dtype == np.uint8 else max(1.0, float(image.array.max()))
    return Volume((image.array / scale).clip(0, 1).astype(np.float32), image.grid, image.name)
