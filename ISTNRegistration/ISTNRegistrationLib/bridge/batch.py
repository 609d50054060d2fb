"""Many pairs of the scene's nodes, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import slicer

from ..core.errors import InputError
from .outputs import OutputOptions, RegistrationNodes
from .registration import NodeRequest, NodeRunner, registerOptions

if TYPE_CHECKING:
    from ..data.batch import Batch


@dataclass(frozen=True)
class PairResult:
    """What became of one pair: its nodes, or why it failed."""

    nodes: RegistrationNodes | None = None
    message: str = ""


def registerPairs(
    scene: slicer.vtkMRMLScene,
    requests: list[NodeRequest],
    outputs: OutputOptions | None = None,
    onRow: Callable | None = None,
    inBackground: Callable | None = None,
) -> list[PairResult]:
    """Register pairs of nodes of the scene; a pair that fails is listed and skipped, and leaves no node.

    Args:
        outputs: the same for all; without a chosen transform node, which could hold only one result.
        onRow: called with (number, PairResult) after each pair; return False to stop there.
        inBackground: as ``registerNodes`` takes it.

    Returns:
        A PairResult for each pair that was reached.

    Raises:
        InputError: ``outputs`` names a transform node.
        RegistrationCancelled: passed on; pairs that were done stay.
    """
    outputs = outputs or OutputOptions()
    if outputs.transformNode is not None:
        who, got = "Outputs", f"'{outputs.transformNode.GetName()}'"
        raise InputError(who, "one transform node cannot hold the results of a batch", "none", got, "Leave it out")
    found, runner = [], NodeRunner()
    for number, request in enumerate(requests):
        found.append(_registered(runner, scene, request, outputs, inBackground))
        if onRow is not None and onRow(number, found[-1]) is False:
            break
    return found


def _registered(runner: NodeRunner, scene, request: NodeRequest, outputs: OutputOptions, inBackground) -> PairResult:
    try:
        return PairResult(runner.register(scene, request, outputs, inBackground=inBackground))
    except (InputError, MemoryError, RuntimeError) as error:
        return PairResult(message=" ".join(str(error).split()))


def fileBatch(pairs: Path, output: Path, request: NodeRequest, heatmaps: bool = False) -> Batch:
    """A ``data.batch.Batch`` of the pairs of a list, with the checkpoint and options of a request.

    Raises:
        InputError: the list, the folder, the checkpoint or an option cannot be used.
    """
    from ..core.checkpoint import load_checkpoint
    from ..data.batch import Batch, BatchOptions

    options = registerOptions(request.options)
    return Batch(pairs, output, BatchOptions(load_checkpoint(request.checkpoint), options, heatmaps))
