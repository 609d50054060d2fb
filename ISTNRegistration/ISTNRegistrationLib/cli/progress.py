"""Progress of a registration on a terminal."""

from __future__ import annotations

import math

from tqdm import tqdm

from ..core.stages import Progress


class StageBars:
    """One bar per stage with its loss, on stderr; silent where that is no terminal. Hand it over as ``on_progress``."""

    def __init__(self, disable: bool | None = None) -> None:
        self._stage, self._bar, self._disable = "", None, disable

    def __enter__(self) -> StageBars:
        return self

    def __exit__(self, *_) -> None:
        self._close()

    def __call__(self, progress: Progress) -> None:
        """Show one iteration."""
        if progress.stage != self._stage:
            self._close()
            self._stage = progress.stage
            self._bar = tqdm(total=progress.iterations, desc=f"{progress.stage:<16}", unit="it", disable=self._disable)
        self._bar.update(progress.iteration - self._bar.n)
        landmarks = {} if math.isnan(progress.landmark_mm) else {"landmarks": f"{progress.landmark_mm:.2f} mm"}
        self._bar.set_postfix(loss=f"{progress.loss:.2e}", **landmarks)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
