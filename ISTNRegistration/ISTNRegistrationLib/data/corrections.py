"""Segmentations that a user corrected, in the place of what the ITN sees: which channel each is, and its map."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from ..core.checkpoint import Checkpoint
from ..core.config import Channel
from ..core.errors import InputError
from ..core.request import Side
from ..core.volume import Volume
from .structures import label_image

KINDS = ("binary", "distance")  # of channels that a mask shows whole


def corrected_maps(side: Side, role: str, checkpoint: Checkpoint) -> dict[int, Volume]:
    """Structure maps on the segmentation's own grid, as training would have drawn them, by number of channel.

    Raises:
        InputError: the checkpoint has no ITN; a name or value that is no structure of it, stands for several, or for
            a part of one; an empty structure.
    """
    if side.corrected is None:
        return {}
    who, channels = f"Corrected structures of the {role} image", checkpoint.config.channels
    if not checkpoint.config.uses_itn:
        todo = "Leave them out, or choose another checkpoint"
        got = f"'{checkpoint.name}', which registers images themselves"
        raise InputError(who, "nothing can be replaced", "a checkpoint that sees structures", got, todo)
    parts: dict[int, dict[str, Volume]] = {}
    for name, volume in _named(side.corrected):
        if not volume.array.any():
            raise InputError(who, f"'{name}' is empty", "voxels above 0", "none", "Draw it, or leave it out")
        parts.setdefault(_channel_of(name, channels, who), {})[name] = volume
    return {number: _map(part, channels[number], who) for number, part in parts.items()}


def corrected_note(name: str, role: str) -> str:
    """What the run says of a structure that was replaced."""
    return (
        f"Structure '{name}' of the {role} image is the corrected segmentation, not what the network sees: agreement is"
        " measured with it, and the expected Dice, which was fitted without corrections, may be off."
    )


def _named(corrected: Volume | Mapping[str, Volume]) -> Iterator[tuple[str, Volume]]:
    """Name and mask of each structure; those of a label map are its values."""
    if isinstance(corrected, Mapping):
        yield from ((str(name), Volume(v.array > 0, v.grid, v.name)) for name, v in corrected.items())
    else:
        for value in np.unique(corrected.array[corrected.array > 0]):
            yield str(int(value)), Volume(corrected.array == value, corrected.grid, corrected.name)


def _channel_of(name: str, channels: tuple[Channel, ...], who: str) -> int:
    """The channel of this name (in any case), or else that has this label."""
    plain = name.strip().lower()
    found = [k for k, channel in enumerate(channels) if channel.name.lower() == plain]
    if not found and plain.isdecimal():
        found = [k for k, channel in enumerate(channels) if int(plain) in channel.labels]
    if len(found) != 1:
        known = ", ".join(f"{c.name} ({' and '.join(map(str, c.labels))})" for c in channels)
        what = f"'{name}' {'stands for several structures' if found else 'is no structure'} of the checkpoint"
        raise InputError(who, what, f"one of {known}", repr(name), "Rename the segment, or change the label")
    if channels[found[0]].kind not in KINDS:
        got, todo = f"kind {channels[found[0]].kind}", "Leave it out"
        raise InputError(who, f"'{name}' cannot be drawn from a segmentation", ", ".join(KINDS), got, todo)
    return found[0]


def _map(parts: dict[str, Volume], channel: Channel, who: str) -> Volume:
    """The channel's map from its whole (by name), or from all of its labels."""
    names, labels = sorted(parts), {str(label) for label in channel.labels}
    whole = [name for name in names if name.strip().lower() == channel.name.lower()]
    if whole and len(names) > 1:
        raise InputError(who, f"structure '{channel.name}' is there twice", "once", ", ".join(names), "Leave one out")
    if not whole and {str(int(name)) for name in names} != labels:
        expected, todo = f"labels {' and '.join(sorted(labels, key=int))}", "Give all of them: they are one map"
        raise InputError(who, f"a part of '{channel.name}' is missing", expected, ", ".join(names), todo)
    first, *others = parts.values()
    if any(other.grid != first.grid for other in others):
        raise InputError(who, f"parts of '{channel.name}' lie on different grids", "one grid", "several")
    mask = np.any([part.array for part in parts.values()], axis=0)
    return label_image(Volume(mask.astype(np.uint8), first.grid, first.name), channel)
