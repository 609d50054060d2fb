"""The batch over files (data/batch.py) as the panel runs it: row by row, each in the background."""

from __future__ import annotations

from pathlib import Path

import slicer

from .transforms import matrixFromNode


class FileBatch:
    """A list of pairs and what is done of it.

    Attributes:
        rows: data.batch.Row of every pair.

    Raises:
        InputError: the list, the folder, the checkpoint or an option cannot be used.
    """

    def __init__(self, pairs: Path, output: Path, checkpoint: str, options: dict, heatmaps: bool = False) -> None:
        from ..core.checkpoint import load_checkpoint
        from ..core.register import RegisterOptions
        from ..data.batch import BatchOptions, read_batch
        from ..data.results import check_has_maps

        options = dict(options)
        if isinstance(options.get("initial"), slicer.vtkMRMLNode):
            options["initial"] = matrixFromNode(options["initial"])
        loaded = load_checkpoint(checkpoint)
        loaded.check_transform(options.get("transform", "affine"))
        if heatmaps:
            check_has_maps(loaded, "Do not ask for heatmaps")
        self._pairs, self._output = pairs, output
        self._options = BatchOptions(loaded, RegisterOptions(**options), heatmaps)
        self.rows = read_batch(pairs, output, self._options.version)

    def todo(self) -> list[int]:
        """Numbers of the rows that are not done."""
        from ..data.batch import DONE

        return [index for index, row in enumerate(self.rows) if row.state != DONE]

    def register(self, index: int, inBackground=None):
        """Register one row and write its files and the table; returns the row, done or failed."""
        from ..data.batch import register_row, write_table

        def work(onProgress):
            row = register_row(self.rows[index], self._pairs, self._output, self._options, onProgress)
            rows = [*self.rows[:index], row, *self.rows[index + 1 :]]
            write_table(self._output, rows)
            return rows

        self.rows = inBackground(work) if inBackground else work(None)
        return self.rows[index]
