"""What a user knows of a pair that the networks do not, in the words of the core. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .landmarks import LandmarkPairs
from .volume import Volume


@dataclass(frozen=True, eq=False)
class Constraints:
    """Of one pair; all of it may be absent.

    Attributes:
        landmarks: points that belong together; with ``RegisterOptions.landmark_weight`` they pull while it is refined.
        fixed_maps, moving_maps: structure maps, anywhere in the image's space, that take the place of channels of F'
            and M', by number of channel.
        rigid: label map in fixed space: each positive value is a body that a B-spline or dense transform keeps rigid.
    """

    landmarks: LandmarkPairs | None = None
    fixed_maps: Mapping[int, Volume] = field(default_factory=dict)
    moving_maps: Mapping[int, Volume] = field(default_factory=dict)
    rigid: Volume | None = None
