"""Which label values of a study become channels, which belong together as left and right, and who must stay out."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from dataclasses import dataclass

import numpy as np

from ..core.config import Channel
from ..core.grid import apply_matrix
from ..core.locate import degrees_between
from ..core.pose import procrustes
from .discover import Found
from .images import read_labels
from .survey import Looked, Survey

COMMON = 0.75  # share of the scans that have a value which is a structure; rarer ones are strays
FEWEST_VOXELS = 5
FEWEST_PEOPLE = 4  # two train, two validate
MOST_SEPARATE = 16  # channels; beyond that left and right share one
TURNED_DEG = 45.0
MIRROR_IMAGE = 0.65  # Dice of one side, mirrored, with the other
FLAT = 0.1  # of the largest extent: too thin to tell a mirror image
LOOKED_AT = 3  # scans whose sides are compared


@dataclass(frozen=True, eq=False)
class Chosen:
    """Channels, the scans that have them all, those that stay out with the reason, and sentences about the rest."""

    channels: tuple[Channel, ...]
    scans: tuple[Looked, ...]
    left_out: tuple[tuple[Looked, str], ...]
    remarks: tuple[str, ...]
    sides: bool = False

    @property
    def labels(self) -> tuple[int, ...]:
        return tuple(label for channel in self.channels for label in channel.labels)


def choose_channels(survey: Survey, wanted: tuple[Channel, ...] = ()) -> Chosen:
    """Structures that nearly all scans have; who lacks one, or lies otherwise than all others, stays out.

    Args:
        wanted: channels that somebody has chosen already; () to propose them.
    """
    scans, remarks = survey.usable, []
    counts = Counter(value for scan in scans for value in scan.structures)
    labels = [v for c in wanted for v in c.labels] or [v for v in sorted(counts) if _is_common(v, counts[v], scans)]
    labels = labels or sorted(counts)
    for value in sorted(set(counts) - set(labels)):
        if not wanted:
            owners = [scan.name for scan in scans if value in scan.structures]
            voxels = sum(scan.structures[value].voxels for scan in scans if value in scan.structures)
            where = ", ".join(owners[:3]) + (", ..." if len(owners) > 3 else "")
            remarks.append(f"stray value {value}: {voxels} voxels in {len(owners)} of {len(scans)} scans ({where})")
    kept, out = _without(scans, lambda scan: _lacking(scan, labels), remarks)
    kept, turned = _without(kept, lambda scan: _turned(scan, kept, labels), remarks)
    channels, sides = (wanted, False) if wanted else _named(labels, kept, survey.names or {})
    return Chosen(channels, kept, (*out, *turned), tuple(remarks), sides or _has_sides(channels))


def _is_common(value: int, count: int, scans: tuple[Looked, ...]) -> bool:
    sizes = [scan.structures[value].voxels for scan in scans if value in scan.structures]
    return count >= COMMON * len(scans) and np.median(sizes) >= FEWEST_VOXELS


def _without(scans, reason, remarks: list[str]):
    """Scans without a reason against them, and the others with theirs; all of them where too few people would stay."""
    reasons = [(scan, reason(scan)) for scan in scans]
    kept = tuple(scan for scan, why in reasons if not why)
    if len({scan.found.person for scan in kept}) < FEWEST_PEOPLE:
        remarks += [f"{scan.name}: {why}; kept, for there are few people" for scan, why in reasons if why]
        return tuple(scans), ()
    return kept, tuple((scan, why) for scan, why in reasons if why)


def _lacking(scan: Looked, labels: list[int]) -> str:
    missing = [str(value) for value in labels if value not in scan.structures]
    return f"lacks label {', '.join(missing)}" if missing else ""


def _turned(scan: Looked, scans: tuple[Looked, ...], labels: list[int]) -> str:
    """Whether a scan's structures lie about each other otherwise than in the others: turned, or mirrored."""
    common = [value for value in labels if all(value in other.structures for other in scans)]
    if len(common) < 2 or len(scans) < FEWEST_PEOPLE:
        return ""
    shapes = {id(s): np.array([s.structures[value].centroid for value in common]) for s in scans}
    shapes = {key: points - points.mean(axis=0) for key, points in shapes.items()}
    angle, mirrored = _rotation(np.median(list(shapes.values()), axis=0), shapes[id(scan)])
    if mirrored:
        return "its structures are the mirror image of the others'"
    return f"turned: its structures lie {angle:.0f} degrees from the others'" if angle > TURNED_DEG else ""


def _rotation(reference: np.ndarray, points: np.ndarray) -> tuple[float, bool]:
    """Angle (degrees) from reference to points, both about their middles; whether a mirror image fits better."""
    flat = np.linalg.svd(reference, compute_uv=False)
    if flat[1] < FLAT * flat[0]:  # on a line: only its direction is known
        axis = np.argmax(np.linalg.norm(reference, axis=1))
        lengths = np.linalg.norm(reference[axis]) * np.linalg.norm(points[axis]) + 1e-9
        return float(np.degrees(np.arccos(np.clip(reference[axis] @ points[axis] / lengths, -1, 1)))), False
    weights = np.ones(len(points))
    plain, mirror = (procrustes(reference, points, weights, mirrored) for mirrored in (False, True))
    off, off_mirrored = (np.linalg.norm(apply_matrix(matrix, reference) - points) for matrix in (plain, mirror))
    mirrored = off_mirrored < off and flat[-1] > FLAT * flat[0]
    return degrees_between(np.eye(len(plain)), plain), bool(mirrored)


def _named(labels: list[int], scans: tuple[Looked, ...], names: dict[int, str]) -> tuple[tuple[Channel, ...], bool]:
    """A channel for each label, left and right by the same name; both in one where there are many."""
    pairs = side_pairs(labels, scans)
    alone = [value for value in labels if not any(value in pair for pair in pairs)]
    together = len(alone) + 2 * len(pairs) > MOST_SEPARATE
    channels = [Channel(names.get(value, f"label {value}"), (value,)) for value in alone]
    for left, right in pairs:
        base = _base_name(names.get(left, ""), names.get(right, "")) or f"{left}-{right}"
        if together:
            channels.append(Channel(base, (left, right)))
        else:
            channels += [Channel(f"left {base}", (left,)), Channel(f"right {base}", (right,))]
    return tuple(sorted(channels, key=lambda channel: channel.labels)), bool(pairs) and not together


def _base_name(left: str, right: str) -> str:
    """What two names have in common when left and right are taken away; "" if they differ then."""
    bare = [re.sub(r"(?i)\b(left|right|l|r|lh|rh)\b", " ", re.sub(r"[-_.]", " ", name)) for name in (left, right)]
    bare = [" ".join(name.split()) for name in bare]
    return bare[0] if bare[0] and bare[0] == bare[1] else ""


def _has_sides(channels: tuple[Channel, ...]) -> bool:
    names = {channel.name for channel in channels}
    return any(name.startswith("left ") and name.replace("left ", "right ", 1) in names for name in names)


def side_pairs(labels: list[int], scans: tuple[Looked, ...]) -> list[tuple[int, int]]:
    """(left, right) of structures that lie left and right of each other and are each other's mirror image.

    Convention: LPS, x grows to the patient's left.
    """
    found, used = [], set()
    for first, second in itertools.combinations(labels, 2):
        if used & {first, second} or not _lie_side_by_side(first, second, scans):
            continue
        if all(_mirror_dice(scan.found, first, second) > MIRROR_IMAGE for scan in scans[:LOOKED_AT]):
            used |= {first, second}
            further = scans[0].structures[first].centroid[0] > scans[0].structures[second].centroid[0]
            found.append((first, second) if further else (second, first))
    return found


def _lie_side_by_side(first: int, second: int, scans: tuple[Looked, ...]) -> bool:
    """In all scans on the same sides, at the same height and depth, and of like size; nothing else is as near."""
    both = [scan.structures for scan in scans if first in scan.structures and second in scan.structures]
    if not both:
        return False
    apart = np.array([s[first].centroid - s[second].centroid for s in both])
    ratio = np.median([s[first].volume / s[second].volume for s in both])
    one_side = (np.sign(apart[:, 0]) == np.sign(apart[0, 0])).all()
    level = np.abs(apart[:, 1:]).mean(axis=0).max() < 0.5 * np.abs(apart[:, 0]).mean()
    return bool(one_side and level and 0.67 < ratio < 1.5)


def _mirror_dice(found: Found, first: int, second: int) -> float:
    """Dice of the first structure, mirrored and moved onto the second's centroid, with the second."""
    labels = read_labels(found.labels)
    one, other = (np.argwhere(labels.array == value)[:, ::-1].astype(float) for value in (first, second))
    if not len(one) or not len(other):
        return 0.0
    points, target = (labels.grid.index_to_physical(index) for index in (one, other))
    mirrored = points - points.mean(axis=0)
    mirrored[:, 0] *= -1
    index = np.rint(labels.grid.physical_to_index(mirrored + target.mean(axis=0))).astype(int)
    inside = ((index >= 0) & (index < labels.grid.size)).all(axis=1)
    hits = (labels.array[tuple(index[inside].T[::-1])] == second).sum()
    return float(2 * hits / (len(one) + len(other)))
