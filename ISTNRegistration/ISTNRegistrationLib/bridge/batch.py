"""Many pairs, one after the other: of files (data/batch.py, as the panel runs it), or of the scene's nodes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import slicer

from ..core.errors import InputError
from .outputs import RegistrationNodes
from .registration import registerNodes
from .transforms import matrixFromNode


@dataclass(frozen=True)
class PairResult:
    """What became of one pair: its nodes, or why it failed."""

    nodes: RegistrationNodes | None = None
    message: str = ""


def registerPairs(scene, pairs, checkpoint="brain", options=None, outputs=None, onRow=None) -> list[PairResult]:
    """Register pairs of nodes of the scene; a pair that fails is listed and skipped, and leaves no node.

    Args:
        pairs: (fixed node, moving node) of each.
        checkpoint, options, outputs: as ``registerNodes`` takes them; the same for all. ``outputs`` without a chosen
            transform node, which could hold only one result.
        onRow: called with (number, PairResult) after each pair; return False to stop there.

    Returns:
        A PairResult for each pair that was reached.

    Raises:
        InputError: ``outputs`` names a transform node.
        RegistrationCancelled: passed on; pairs that were done stay.
    """
    if outputs is not None and outputs.transformNode is not None:
        who, got = "Outputs", f"'{outputs.transformNode.GetName()}'"
        raise InputError(who, "one transform node cannot hold the results of a batch", "none", got, "Leave it out")
    found = []
    for number, pair in enumerate(pairs):
        try:
            found.append(PairResult(registerNodes(scene, pair, checkpoint, options, outputs)))
        except (InputError, MemoryError, RuntimeError) as error:
            found.append(PairResult(message=" ".join(str(error).split())))
        if onRow is not None and onRow(number, found[-1]) is False:
            break
    return found


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
