"""The learning rate over a training that may go on after its end."""

from __future__ import annotations

import math

GOES_ON_AT = 0.5  # of the first learning rate: enough to move, little enough not to undo what was learnt
SCHEDULES = ("cosine", "constant")


def learning_rate(step: int, phases: list[list[int]], highest: float, warmup_steps: int, schedule: str) -> float:
    """Linear warm-up, then half a cosine to zero or constant; each later phase at ``GOES_ON_AT`` of the height.

    Warm restarts (Loshchilov and Hutter, ICLR 2017).

    Args:
        phases: first step and number of steps of each.
        schedule: one of ``SCHEDULES``.
    """
    number = max(k for k, (first, _) in enumerate(phases) if step >= first)
    first, count = phases[number]
    warm = min(1.0, (step - first + 1) / max(1, warmup_steps))
    height = highest if number == 0 else GOES_ON_AT * highest
    falling = 1.0 if schedule == "constant" else 0.5 * (1 + math.cos(math.pi * (step - first) / count))
    return height * warm * falling
