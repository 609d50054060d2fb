"""Registers two nodes of a scene: nodes to volumes, the method, and only when all is computed, results to nodes.

``readInputs`` and ``createNodes`` touch the scene and belong to the main thread; ``computeRegistration`` does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer

from ..core.errors import InputError
from ..core.volume import Volume
from .outputs import OutputOptions, RegistrationNodes, checkOutputs, createNodes
from .structures import labelsOfPair, landmarksOfPair
from .transforms import matrixFromNode
from .volumes import volumeFromNode, volumeFromStructure

CPU_INSTEAD = "The graphics card ran out of memory; the CPU was used instead."


@dataclass(frozen=True)
class KnownStructures:
    """What is known about the pair beyond its images, and therefore can be measured; never used to register.

    Attributes:
        fixed, moving: segmentation or label map nodes.
        fixedLandmarks, movingLandmarks: point list nodes.
    """

    fixed: Any = None
    moving: Any = None
    fixedLandmarks: Any = None
    movingLandmarks: Any = None


@dataclass(frozen=True)
class RegistrationInputs:
    """Everything that was read from the scene; nothing of it changes when the scene does."""

    fixed: Volume
    moving: Volume
    fixedMask: Volume | None
    movingMask: Volume | None
    isLabelMap: bool
    labels: tuple | None  # (fixed label map, moving label map, names by label)
    landmarks: tuple[np.ndarray, np.ndarray] | None
    options: dict


@dataclass(frozen=True)
class Computation:
    """All that the nodes are made of; computed without touching the scene."""

    inputs: RegistrationInputs
    result: Any
    checkpoint: Any
    checkpointSource: str  # as it was asked for: a shipped name or a path
    warped: Volume | None
    quality: tuple
    report: dict
    notes: tuple[str, ...]


def registerNodes(
    scene, pair, checkpoint="brain", options=None, outputs=None, onProgress=None, *, masks=(None, None), known=None,
    inBackground=None,
) -> RegistrationNodes:  # fmt: skip
    """Register ``pair`` (fixed node, moving node) and add the result to the scene, whole or not at all.

    Args:
        scene: where the new nodes go.
        pair: scalar volume or label map nodes; a linear parent transform counts, neither node is changed.
        checkpoint: shipped name, path, or a loaded Checkpoint.
        options: keywords of RegisterOptions; ``initial`` may also be a linear transform node.
        outputs: OutputOptions.
        onProgress: called with a Progress every iteration. Return False to stop and keep the best so far; raise
            RegistrationCancelled to abandon the run.
        masks: fixed and moving segmentation or label map nodes: only there the images count.
        known: KnownStructures to measure the result with.
        inBackground: runs ``work(onProgress)`` elsewhere and returns its result; by default it runs here.

    Raises:
        InputError: nodes, options or checkpoint that cannot be used.
        RegistrationCancelled: passed on from ``onProgress``. In both cases the scene is as it was.
    """
    outputs = outputs or OutputOptions()
    checkOutputs(outputs, (options or {}).get("transform", "affine"))
    inputs = readInputs(pair, options or {}, masks, known or KnownStructures())

    def work(report):
        return computeRegistration(inputs, checkpoint, outputs, report)

    computation = inBackground(work) if inBackground else work(onProgress)
    return createNodes(scene, pair, computation, outputs)


def readInputs(pair, options: dict, masks=(None, None), known=None) -> RegistrationInputs:
    """Copy what the registration needs out of the scene (main thread)."""
    known = known or KnownStructures()
    fixed, moving = (volumeFromNode(node) for node in pair)
    seen = [node and volumeFromStructure(node, v.grid) for node, v in zip(masks, (fixed, moving), strict=True)]
    options = dict(options)
    if isinstance(options.get("initial"), slicer.vtkMRMLNode):
        options["initial"] = matrixFromNode(options["initial"])
    return RegistrationInputs(
        fixed=fixed,
        moving=moving,
        fixedMask=seen[0],
        movingMask=seen[1],
        isLabelMap=bool(pair[1].IsA("vtkMRMLLabelMapVolumeNode")),
        labels=labelsOfPair((known.fixed, known.moving), (fixed.grid, moving.grid)),
        landmarks=landmarksOfPair(known.fixedLandmarks, known.movingLandmarks),
        options=options,
    )


def computeRegistration(inputs: RegistrationInputs, checkpoint, outputs: OutputOptions, onProgress=None) -> Computation:
    """Everything that takes time; touches no scene, so any thread may run it."""
    from ..core.checkpoint import Checkpoint, load_checkpoint
    from ..core.register import register_pair
    from ..core.warp import masked
    from ..data.report import registration_report
    from ..data.results import warped_moving
    from .quality import measureStages

    loaded = checkpoint if isinstance(checkpoint, Checkpoint) else load_checkpoint(checkpoint)
    pairs = ((inputs.fixed, inputs.fixedMask), (inputs.moving, inputs.movingMask))
    seen = [masked(volume, mask) if mask is not None else volume for volume, mask in pairs]
    result = register_pair(*seen, loaded, _registerOptions(inputs.options, *seen), onProgress)
    warped = None
    if outputs.volume:
        order = "nearest" if inputs.isLabelMap else "linear"
        warped = warped_moving(inputs.moving, result.transform, inputs.fixed.grid, order)
    quality = measureStages(result, inputs.labels, inputs.landmarks)
    notes = (CPU_INSTEAD,) if result.fell_back else ()
    if result.kept != result.stages[-1].name:
        notes += (f"Stage '{result.stages[-1].name}' made things worse: '{result.kept}' was kept.",)
    report = registration_report(inputs.fixed, inputs.moving, loaded, result)
    source = loaded.name if isinstance(checkpoint, Checkpoint) else str(checkpoint)
    return Computation(inputs, result, loaded, source, warped, quality, report, notes)


def _registerOptions(options: dict, fixed: Volume, moving: Volume):
    """RegisterOptions with ``initial`` resolved to what the core knows."""
    from ..core.register import RegisterOptions
    from ..data.initial import resolve_initial

    initial = resolve_initial(options.get("initial", RegisterOptions().initial), fixed, moving)
    try:
        return RegisterOptions(**{**options, "initial": initial})
    except TypeError as error:
        raise InputError("Options", "one of them is unknown", "keywords of RegisterOptions", str(error)) from error
