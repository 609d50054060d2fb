"""The initial alignment: names and matrices pass through; `landmarks`, `rigid` and files become matrices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..core.errors import InputError
from ..core.files import is_file
from ..core.grid import apply_matrix
from ..core.initial import NAMES
from ..core.landmarks import LandmarkPairs
from ..core.options import INITIALS
from ..core.volume import Volume, check_image
from .files import one_line
from .images import from_sitk, to_sitk
from .transforms import linear_matrix, read_linear

RIGID_VOXELS = 60_000  # about 4 mm for a head: enough for a start, under a second
HISTOGRAM_BINS = 32
RIGID = "Initial alignment `rigid`"
SHRINK_FACTORS = (3, 2, 1)
SMOOTHING_VOXELS = (2.0, 1.0, 0.0)
ITERATIONS = 100


def resolve_initial(initial, fixed: Volume, moving: Volume, landmarks=None):
    """What ``core`` takes as ``RegisterOptions.initial``, from what a user gives.

    Args:
        initial: one of ``core.initial.NAMES`` or a matrix (both returned as they are), ``landmarks``, ``rigid``, or the
            path of a transform file.
        fixed: fixed image, 2-D or 3-D.
        moving: moving image of the same dimension.
        landmarks: ``LandmarkPairs``, LPS mm.

    Returns:
        A name, or the (n+1, n+1) matrix from fixed to moving points, LPS mm.

    Raises:
        InputError: an unknown name that is no file either, a file that is no linear transform of this dimension, too
            few landmarks, or images that cannot be registered rigidly.
    """
    if not isinstance(initial, str | Path) or str(initial) in NAMES:
        return initial
    if str(initial) == "landmarks":
        return landmark_rigid(landmarks, fixed.grid.ndim)
    if str(initial) == "rigid":
        return register_rigid(fixed, moving)
    return _from_file(Path(initial), fixed.grid.ndim)


def landmark_rigid(landmarks: LandmarkPairs | None, ndim: int) -> np.ndarray:
    """The rigid transform that brings the fixed landmarks nearest to the moving ones (least squares).

    Returns:
        The (n+1, n+1) matrix from fixed to moving points, LPS mm.

    Raises:
        InputError: fewer landmarks than axes, or all of them on a line.
    """
    who, todo = "Initial alignment `landmarks`", "Place more landmarks, or choose another initial alignment"
    pair = () if landmarks is None else (landmarks.fixed, landmarks.moving)
    if not pair or len(pair[0]) < ndim:
        got = str(len(pair[0])) if pair else "none"
        raise InputError(who, "there are too few landmarks", f"{ndim} or more on both images", got, todo)
    for points in pair:
        if np.linalg.matrix_rank(points - points.mean(axis=0), tol=1e-3) < ndim - 1:
            raise InputError(who, "the landmarks lie on a line", "landmarks that fix a rotation", "a line", todo)
    start = sitk.Euler2DTransform() if ndim == 2 else sitk.VersorRigid3DTransform()
    flat = [np.asarray(points, dtype=float).ravel().tolist() for points in pair]
    return linear_matrix(sitk.LandmarkBasedTransformInitializer(start, *flat), who)


def register_rigid(fixed: Volume, moving: Volume) -> np.ndarray:
    """Rigid registration: Mattes mutual information, dense, three resolutions, started at the centers of mass.

    Nothing is random: every voxel is a sample. Both images are averaged down to about ``RIGID_VOXELS`` voxels first.

    Returns:
        The (n+1, n+1) matrix from fixed to moving points, LPS mm.

    Raises:
        InputError: images that cannot be registered, of different dimension, or that do not overlap.
    """
    check_image(fixed, "Fixed")
    check_image(moving, "Moving")
    n = fixed.grid.ndim
    if moving.grid.ndim != n:
        todo = "Give two 2-D or two 3-D images"
        raise InputError(RIGID, "the images differ in dimension", f"{n}-D", f"{moving.grid.ndim}-D", todo)
    small = [_small(volume) for volume in (fixed, moving)]
    method = _method(_centers_matched(*small))
    try:
        return linear_matrix(method.Execute(*small), RIGID)
    except RuntimeError as error:
        todo = "Use `center_of_mass` or a transform of your own"
        raise InputError(RIGID, "it failed", "images that overlap", one_line(error), todo) from error


def _from_file(path: Path, ndim: int) -> np.ndarray:
    if not is_file(path):
        expected = f"{', '.join(INITIALS)} or a transform file"
        raise InputError("Initial alignment", "it is neither a name nor a file", expected, str(path), "Check the name")
    matrix = read_linear(path)
    if matrix.shape[0] != ndim + 1:
        got = f"{matrix.shape[0] - 1}-D"
        raise InputError(f"Transform '{path.name}'", "it has another dimension", f"{ndim}-D", got, "Give another file")
    return matrix


def _small(volume: Volume) -> sitk.Image:
    """The image as float32, averaged over blocks of voxels to about ``RIGID_VOXELS`` nearly isotropic ones."""
    size, spacing = np.asarray(volume.grid.size), np.asarray(volume.grid.spacing)
    target = (np.prod(size * spacing) / RIGID_VOXELS) ** (1 / len(size))
    factors = np.clip(np.rint(target / spacing), 1, np.maximum(size // 4, 1)).astype(int)
    image = to_sitk(volume)
    return sitk.Cast(sitk.BinShrink(image, factors.tolist()), sitk.sitkFloat32)


def _centers_matched(fixed: sitk.Image, moving: sitk.Image) -> sitk.Transform:
    """Rigid transform about the fixed image's center of mass that brings it to the moving one's."""
    centers = [_center_of_mass(from_sitk(image)) for image in (fixed, moving)]
    transform = sitk.Euler2DTransform() if fixed.GetDimension() == 2 else sitk.Euler3DTransform()
    transform.SetCenter(centers[0].tolist())
    transform.SetTranslation((centers[1] - centers[0]).tolist())
    return transform


def _center_of_mass(volume: Volume) -> np.ndarray:
    """LPS mm; the darkest value weighs nothing, so that air at -1000 does not pull."""
    weights = volume.array.astype(float) - float(volume.array.min())
    index = [(weights.sum(axis=_others(axis, weights.ndim)) @ np.arange(n)) for axis, n in enumerate(weights.shape)]
    return apply_matrix(volume.grid.matrix, np.array(index[::-1]) / weights.sum())


def _others(axis: int, ndim: int) -> tuple[int, ...]:
    return tuple(a for a in range(ndim) if a != axis)


def _method(start: sitk.Transform) -> sitk.ImageRegistrationMethod:
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(HISTOGRAM_BINS)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 1e-3, ITERATIONS, 0.6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel(SHRINK_FACTORS)
    method.SetSmoothingSigmasPerLevel(SMOOTHING_VOXELS)
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOff()
    method.SetInitialTransform(start, inPlace=False)
    return method
