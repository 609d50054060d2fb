"""Registers two nodes of a scene: nodes to a Request, ``data.run``, and only when all is computed, results to nodes.

``readRequest`` and ``createNodes`` touch the scene and belong to the main thread; ``compute`` does not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import slicer

from ..core.errors import InputError
from ..core.options import RegisterOptions, options_from
from ..core.request import Request, Side
from ..core.volume import Volume
from .outputs import OutputOptions, RegistrationNodes, checkOutputs, createNodes
from .parents import initialMatrix
from .structures import bodiesFromNode, correctedFromNode, labelsOfPair, landmarksFromNode, maskFromNode
from .volumes import volumeFromNode


@dataclass(frozen=True)
class SideNodes:
    """One of the two images, and what is known about it.

    Attributes:
        image: scalar volume or label map node; its parent transforms count, the node is not changed.
        mask: segmentation, label map or ROI node: only there the image counts.
        structures: segmentation or label map node, to measure the result with.
        landmarks: point list node, to measure with, for the initial alignment ``landmarks`` and ``landmark_weight``.
        corrected: segmentation (its segments named as the checkpoint's structures) or label map node: structures as the
            user corrected them, in the place of what the network sees.
        rigid: of the fixed image: segmentation or label map node; each segment or value is a body that stays rigid.
    """

    image: Any
    mask: Any = None
    structures: Any = None
    landmarks: Any = None
    corrected: Any = None
    rigid: Any = None


@dataclass(frozen=True)
class NodeRequest:
    """All that decides a registration of nodes.

    Attributes:
        fixed, moving: the two sides.
        checkpoint: shipped name, path, or a loaded Checkpoint.
        options: keywords of RegisterOptions; ``initial`` may also be a linear transform node.
    """

    fixed: SideNodes
    moving: SideNodes
    checkpoint: Any = "brain"
    options: dict = field(default_factory=dict)

    @property
    def pair(self) -> tuple:
        """The fixed and the moving volume node."""
        return self.fixed.image, self.moving.image


@dataclass(frozen=True)
class Computation:
    """All that the nodes are made of; computed without touching the scene.

    Attributes:
        outcome: of ``data.run``, its quality measured.
        warped: the moving volume on the fixed one's grid, if it was asked for.
    """

    outcome: Any
    warped: Volume | None


def register(
    fixed: slicer.vtkMRMLNode | SideNodes,
    moving: slicer.vtkMRMLNode | SideNodes,
    checkpoint: Any = "brain",
    outputs: OutputOptions | None = None,
    onProgress: Callable | None = None,
    **options,
) -> RegistrationNodes:
    """Register two nodes; what comes out goes into their scene, whole or not at all.

    Args:
        fixed, moving: volume nodes, or ``SideNodes`` where a mask, structures or landmarks belong to them.
        checkpoint, outputs, onProgress: as ``registerNodes`` and NodeRequest take them.
        options: keywords of RegisterOptions: transform, initial, refine, iterations, device, keep_best, ...

    Raises:
        InputError: anything that cannot be used. RegistrationCancelled: passed on. The scene is as it was.
    """
    sides = [side if isinstance(side, SideNodes) else SideNodes(side) for side in (fixed, moving)]
    scene = getattr(sides[0].image, "GetScene", lambda: None)()
    if scene is None:
        who, todo = "Fixed volume", "Load it, or add it to a scene"
        raise InputError(who, "it is in no scene", "a volume node of a scene", f"{sides[0].image!r:.60}", todo)
    return registerNodes(scene, NodeRequest(*sides, checkpoint, options), outputs, onProgress)


def registerNodes(
    scene: slicer.vtkMRMLScene,
    request: NodeRequest,
    outputs: OutputOptions | None = None,
    onProgress: Callable | None = None,
    inBackground: Callable | None = None,
) -> RegistrationNodes:
    """Register two nodes and add the result to the scene, whole or not at all.

    Args:
        scene: where the new nodes go.
        request: what to register, and how.
        outputs: which nodes to make.
        onProgress: called with a Progress every iteration. Return False to stop and keep the best so far; raise
            RegistrationCancelled to abandon the run.
        inBackground: instead of ``onProgress``: runs ``work(onProgress)`` elsewhere and returns its result.

    Raises:
        InputError: nodes, options or checkpoint that cannot be used.
        RegistrationCancelled: passed on from ``onProgress``. In both cases the scene is as it was.
    """
    if onProgress is not None and inBackground is not None:
        todo = "Let inBackground hand the progress on"
        raise InputError("registerNodes", "nobody would call onProgress", "onProgress or inBackground", "both", todo)
    return NodeRunner().register(scene, request, outputs or OutputOptions(), onProgress, inBackground)


class NodeRunner:
    """Registers requests one after the other; checkpoint and fixed image of the last one are not read again.

    The scene's fixed volume must not change between two requests.
    """

    def __init__(self) -> None:
        self._runner, self._volumes = None, {}

    def register(
        self,
        scene: slicer.vtkMRMLScene,
        request: NodeRequest,
        outputs: OutputOptions,
        onProgress: Callable | None = None,
        inBackground: Callable | None = None,
    ) -> RegistrationNodes:
        """As ``registerNodes``."""
        read = self.read(request)
        checkOutputs(outputs, read.options.transform, request.pair)

        def work(report):
            return self.compute(read, outputs.volume, isLabelMap(request.moving.image), report)

        computation = inBackground(work) if inBackground else work(onProgress)
        return createNodes(scene, request, computation, outputs)

    def read(self, request: NodeRequest) -> Request:
        """Copy what the registration needs out of the scene (main thread); torch is not imported."""
        sides = (request.fixed, request.moving)
        images = [self._volume(request.fixed.image), volumeFromNode(request.moving.image)]
        masks = [s.mask and maskFromNode(s.mask, v.grid) for s, v in zip(sides, images, strict=True)]
        labels = labelsOfPair([side.structures for side in sides], [volume.grid for volume in images])
        landmarks = [s.landmarks and landmarksFromNode(s.landmarks) for s in sides]
        corrected = [s.corrected and correctedFromNode(s.corrected, v.grid) for s, v in zip(sides, images, strict=True)]
        rigid = [s.rigid and bodiesFromNode(s.rigid, v.grid) for s, v in zip(sides, images, strict=True)]
        known = zip(masks, labels[:2] if labels else (None, None), landmarks, corrected, rigid, strict=True)
        fixed, moving = (Side(image, *more) for image, more in zip(images, known, strict=True))
        measured = tuple(sorted(labels[2])) if labels else ()
        options = registerOptions(request.options, request.moving.image)
        return Request(fixed, moving, request.checkpoint, options, measured)

    def compute(
        self, request: Request, wantsVolume: bool, nearest: bool, onProgress: Callable | None = None
    ) -> Computation:
        """Everything that takes time; touches no scene, so any thread may run it.

        Args:
            wantsVolume: whether to resample the moving volume, by nearest neighbor if ``nearest``.
        """
        from ..data.run import Runner

        self._runner = self._runner or Runner()
        outcome = self._runner.run(request, onProgress)
        _ = outcome.quality  # measured here, not in the main thread
        return Computation(outcome, outcome.warped("nearest" if nearest else "linear") if wantsVolume else None)

    def _volume(self, node) -> Volume:
        """Of the fixed node; the last one is remembered."""
        if node not in self._volumes:
            self._volumes = {node: volumeFromNode(node)}
        return self._volumes[node]


def registerOptions(options: dict, movingNode: slicer.vtkMRMLNode | None = None) -> RegisterOptions:
    """RegisterOptions of a NodeRequest's options; a transform node becomes its matrix.

    Raises:
        InputError: an option that does not exist, or a value that cannot be used.
    """
    if isinstance(options.get("initial"), slicer.vtkMRMLNode):
        options = {**options, "initial": initialMatrix(options["initial"], movingNode)}
    return options_from(options)


def isLabelMap(node: slicer.vtkMRMLNode) -> bool:
    """Whether the node's voxels are labels, which must not be interpolated."""
    return bool(node.IsA("vtkMRMLLabelMapVolumeNode"))
