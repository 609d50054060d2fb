"""The dense stage: a diffeomorphism found for one pair, from the maps and, where they agree, the images themselves.

From a start T0(x) = L (x + u0(x)), small steps T ← T∘(id + v), as in the diffeomorphic demons (Vercauteren et al. 2009,
doi:10.1016/j.neuroimage.2008.10.040). The loss `maps` is the paper's refinement (section 2.4) with a vector at every
voxel in the place of control points; the image term is ours. docs/dense.md tells what was chosen, and on what.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from .config import DenseConfig
from .dense_box import Box, DensePair
from .dense_terms import ImageTerm
from .diffeomorphism import compose, fade, smooth
from .lncc import LocalCorrelation, box_sums
from .placement import Placement
from .transform import SpatialTransform

LOSSES = ("auto", "maps", "maps+image")
AGREES = 1.5  # times the correlation of the images shifted against each other: they show the same in the same way
SHIFT_VOXELS = 9
LAST_STEP = 0.1  # of the first step's length
LARGEST_STEP_MM = 1.0
FADE_VOXELS = 5  # at the border of the box
LOCAL_VOXELS = 2  # within which forces are brought to one size
FLOOR = 0.05  # of the largest force: less is not brought up to size

OnIteration = Callable[[int, float, Callable[[], SpatialTransform]], "bool | None"]


@dataclass(frozen=True)
class DenseOptions:
    """Chosen on develop-val (docs/dense.md); voxels are the networks' grid's, on which the field lies.

    Attributes:
        loss: maps, maps+image, or auto: with the image term where the images correlate locally under the start.
        map_weight, image_weight: of the maps' relative squared difference, and of 1 - LNCC.
        reach_mm: how far from a structure images are compared; ``window`` voxels to each side of such a voxel.
        step_mm: typical length of the first step; later ones fall along half a cosine.
        smooth_force, smooth_total: Gaussians (voxels) of each force and, every iteration, of the whole field.
        momentum: share of the step before.
    """

    loss: str = "auto"
    iterations: int = 20
    map_weight: float = 1.0
    image_weight: float = DenseConfig.image_weight
    reach_mm: float = 2.0
    window: int = 2
    step_mm: float = 0.35
    smooth_force: float = 1.25
    smooth_total: float = 0.3
    momentum: float = 0.5


@dataclass(frozen=True, eq=False)
class DenseResult:
    """The transform (residual: a DenseField), the loss minimized (`maps` or `maps+image`) and its value per iteration.

    ``repaired``: cells that folded, or nearly, before the field was mended; none does in ``transform``.
    """

    transform: SpatialTransform
    loss: str
    losses: tuple[float, ...]
    repaired: int


@torch.no_grad()
def dense_stage(
    pair: DensePair,
    placement: Placement,
    start: SpatialTransform,
    options: DenseOptions | None = None,
    on_iteration: OnIteration | None = None,
) -> DenseResult:
    """Find a diffeomorphism for one pair, from ``start`` on; never ends with a larger loss than that.

    Args:
        placement: the networks' grid in fixed space, on which the maps lie.
        start: fixed → moving so far, LPS mm.
        on_iteration: called with the iteration, its loss and a function that gives its transform; False stops and keeps
            the best so far.
    """
    options = options or DenseOptions()
    box = Box(pair, placement.grid, placement.initial, start)
    terms, loss = choose_terms(box, options)
    field, losses = descend(box, terms, options, on_iteration or _ignore)
    transform, repaired = box.transform(field)
    return DenseResult(transform, loss, losses, repaired)


def choose_terms(box: Box, options: DenseOptions) -> tuple[list, str]:
    """The terms of the loss, and its name: the one asked for, or what the images allow."""
    terms = [box.map_term(options.map_weight), *(make(box) for make in box.pair.extra)]
    if options.loss == "maps":
        return terms, "maps"
    image = box.image_term(options.image_weight, options.reach_mm, options.window)
    if options.loss == "auto" and not images_agree(image, box.field):
        return terms, "maps"
    return [terms[0], image, *terms[1:]], "maps+image"


def images_agree(image: ImageTerm, field: torch.Tensor) -> bool:
    """Whether the images correlate locally ``AGREES`` times as well as when shifted against each other."""
    correlation, warped = image.correlation, image.warped(field)
    axes = tuple(range(2, field.ndim))
    shifted = [correlation.fixed.roll([shift] * len(axes), axes) for shift in (-SHIFT_VOXELS, SHIFT_VOXELS)]
    chance = max(LocalCorrelation(fixed, correlation.share, correlation.radius)(warped)[0] for fixed in shifted)
    return correlation(warped)[0] > AGREES * chance


def descend(box: Box, terms: list, options: DenseOptions, on_iteration: OnIteration):
    """The field with the smallest loss, and the loss of every iteration; the last one only evaluates."""
    stepper = Stepper(box, options)
    field, best, losses = box.field, box.field, []
    for iteration in range(options.iterations + 1):
        values, forces = zip(*(term(field) for term in terms), strict=True)
        losses.append(sum(values))
        best = field if losses[-1] == min(losses) else best
        stop = on_iteration(iteration, losses[-1], lambda now=field: box.transform(now)[0]) is False
        if stop or iteration == options.iterations:
            break
        field = stepper(field, sum(forces), iteration)
    return best, tuple(losses)


class Stepper:
    """The next field from the force on this one: smoothed, with momentum, brought to a length in mm, composed."""

    def __init__(self, box: Box, options: DenseOptions) -> None:
        self.options, self.velocity = options, None
        self.spacing = box.field.new_tensor(box.grid.spacing).reshape(1, -1, *[1] * box.grid.ndim)
        self.fading = fade(box.grid.shape, FADE_VOXELS, box.field)

    def __call__(self, field: torch.Tensor, force: torch.Tensor, iteration: int) -> torch.Tensor:
        """One step on from ``field`` (1, n, *shape), voxels."""
        options = self.options
        force = smooth(force, options.smooth_force) / self.spacing
        self.velocity = force if self.velocity is None else force + options.momentum * self.velocity
        share = 0.5 * (1 + math.cos(math.pi * iteration / options.iterations))
        length = options.step_mm * (LAST_STEP + (1 - LAST_STEP) * share)
        step = evened(self.velocity) * -length
        long = step.square().sum(dim=1, keepdim=True).sqrt_()  # torch's norm takes ten times as long here
        step = step * (LARGEST_STEP_MM / long.clamp_(min=LARGEST_STEP_MM))
        field = compose(field, step * self.fading / self.spacing)
        return field + self.fading * (smooth(field, options.smooth_total) - field)


def evened(force: torch.Tensor) -> torch.Tensor:
    """A force divided by its root mean square around each voxel, so that faint edges move as fast as strong ones."""
    square, voxels = force.square().sum(dim=1, keepdim=True), (2 * LOCAL_VOXELS + 1) ** (force.ndim - 2)
    local = (box_sums(box_sums(square, LOCAL_VOXELS), LOCAL_VOXELS) / voxels**2).sqrt()  # nearly a Gaussian of 2
    return force / (local + FLOOR * local.max()).clamp(min=1e-20)


def _ignore(*_progress) -> None:
    """Where nobody wants to know."""
