"""What a user knows of a pair that the networks do not, in the words of the core. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass

from .landmarks import LandmarkPairs


@dataclass(frozen=True, eq=False)
class Constraints:
    """Of one pair; all of it may be absent.

    Attributes:
        landmarks: points that belong together; with ``RegisterOptions.landmark_weight`` they pull while it is refined.
    """

    landmarks: LandmarkPairs | None = None
