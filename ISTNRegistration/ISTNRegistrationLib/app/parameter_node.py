"""The panel's parameter node: typed, in the scene, bound to the widgets by their property SlicerParameterName."""

from typing import Annotated, Union, get_args, get_origin, get_type_hints

import slicer
from slicer.parameterNodeWrapper import Choice, WithinRange, parameterNodeWrapper

from ..core.options import DEVICES, LARGEST_WEIGHT, REFINEMENTS
from .parameters import COMPARISONS, HEATMAPS, INITIALS, MOST_ITERATIONS, ORIENTATIONS

PLAIN = (str, bool, int, float)
SEGMENTATION, LABELS = slicer.vtkMRMLSegmentationNode, slicer.vtkMRMLLabelMapVolumeNode
ROI = slicer.vtkMRMLMarkupsROINode
# Slicer's wrapper reads Union, and writes "nothing chosen" only where None is one of its types.
Structures = Union[SEGMENTATION, LABELS, None]  # noqa: UP007
Mask = Union[SEGMENTATION, LABELS, ROI, None]  # noqa: UP007


@parameterNodeWrapper
class ISTNRegistrationParameterNode:
    """What the user chose; the names are those of the widgets' property."""

    fixedVolume: slicer.vtkMRMLScalarVolumeNode
    movingVolume: slicer.vtkMRMLScalarVolumeNode
    initial: Annotated[str, Choice(INITIALS)] = "auto"
    initialTransform: slicer.vtkMRMLLinearTransformNode
    fixedMask: Mask
    movingMask: Mask
    fixedStructures: Structures
    movingStructures: Structures
    fixedLandmarks: slicer.vtkMRMLMarkupsFiducialNode
    movingLandmarks: slicer.vtkMRMLMarkupsFiducialNode
    fixedCorrected: Structures
    movingCorrected: Structures
    rigidRegion: Structures
    landmarkWeight: Annotated[float, WithinRange(0.0, LARGEST_WEIGHT)] = 0.0

    checkpoint: str = "brain"
    transform: str = "affine"
    refine: Annotated[str, Choice(list(REFINEMENTS))] = "theta"
    iterations: Annotated[int, WithinRange(0, MOST_ITERATIONS)] = 50
    keepBest: bool = True
    device: Annotated[str, Choice(list(DEVICES))] = "auto"

    outputTransform: slicer.vtkMRMLTransformNode
    makeVolume: bool = True
    makeHeatmaps: bool = True
    makeChannels: bool = False
    makeMeasures: bool = False
    makeUncertainty: bool = False
    makeInverse: bool = False
    makeParts: bool = False
    makeGrid: bool = False
    applyToMoving: bool = False
    preview: bool = True
    previewEvery: Annotated[int, WithinRange(1, 100)] = 5

    heatmap: Annotated[str, Choice(HEATMAPS)] = "warped"
    comparison: Annotated[str, Choice(COMPARISONS)] = "colors"
    orientation: Annotated[str, Choice(ORIENTATIONS)] = "Axial"
    opacity: Annotated[float, WithinRange(0.0, 1.0)] = 0.5
    heatLow: Annotated[float, WithinRange(0.0, 1.0)] = 0.0
    heatHigh: Annotated[float, WithinRange(0.0, 1.0)] = 1.0
    showOutlines: bool = True
    showGrid: bool = True

    adjustNext: bool = False
    imageShare: Annotated[float, WithinRange(-1.0, 1.0)] = -1.0  # below 0: what the transform does by itself
    structureWeights: str = "{}"


def typedParameters(node) -> ISTNRegistrationParameterNode:
    """The typed view of a parameter node.

    What it says and can no longer be chosen (a scene of another version, or edited by hand) becomes the default.
    """
    for name, annotation in get_type_hints(ISTNRegistrationParameterNode, include_extras=True).items():
        kind, *limits = get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)
        if kind in PLAIN and node.HasParameter(name) and not _isChoice(node.GetParameter(name), kind, limits):
            node.UnsetParameter(name)
    return ISTNRegistrationParameterNode(node)


def _isChoice(text: str, kind, limits) -> bool:
    if kind is bool:
        return text in ("True", "False")
    try:
        value = kind(text)
        for limit in limits:
            limit.validate(value)
    except ValueError:
        return False
    return True
