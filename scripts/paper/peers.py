"""Intensity registration with SimpleITK, the peer that structure-guided registration is compared with.

Affine: started at the intensities' centers of mass, three resolutions, regular step gradient descent. B-spline: starts
from that affine, metric over the fixed brain, control-point lattice refined between levels (exactly, by subdivision),
LBFGSB. ``AFFINE`` and ``BSPLINE`` are the settings that scripts/paper/peers_validation.py chose on develop-val.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data.images import to_sitk
from ISTNRegistrationLib.data.transforms import from_sitk_transform, to_sitk_transform

HISTOGRAM_BINS = 32
SEED = 42  # of the regular sampling's jitter


@dataclass(frozen=True)
class AffineSettings:
    """Voxels of ``spacing_mm`` at full resolution; ``sampling``: fraction of them that enters the metric."""

    metric: str = "mutual information"
    spacing_mm: float = 2.0
    sampling: float = 1.0
    shrink: tuple[int, ...] = (4, 2, 1)
    masked: bool = False


@dataclass(frozen=True)
class BSplineSettings:
    """Per level: image spacing mm, mesh elements per axis, fraction of the voxels sampled, LBFGSB iterations."""

    metric: str = "mutual information"
    spacings_mm: tuple[float, ...] = (4.0, 3.0)
    meshes: tuple[int, ...] = (4, 8)
    samplings: tuple[float, ...] = (1.0, 0.4)
    iterations: tuple[int, ...] = (10, 10)
    mask_margin_voxels: int = 1


AFFINE_CANDIDATES = (
    AffineSettings(),
    AffineSettings(masked=True),
    AffineSettings(metric="correlation"),
    AffineSettings(metric="correlation", masked=True),
)
BSPLINE_CANDIDATES = (
    BSplineSettings(),
    BSplineSettings(spacings_mm=(4.0, 3.0), meshes=(6, 12), samplings=(1.0, 0.25), iterations=(10, 15)),
    BSplineSettings(samplings=(1.0, 0.25), iterations=(6, 25)),
    BSplineSettings(samplings=(1.0, 1.0)),
    BSplineSettings("mutual information", (4.0, 3.0, 2.0), (4, 8, 8), (1.0, 0.4, 0.2), (10, 10, 10)),
)
AFFINE = AFFINE_CANDIDATES[2]
BSPLINE = BSPLINE_CANDIDATES[4]
SMALL = (  # hippocampus crops and the toy; half the voxels at full resolution took 60 s a pair
    AffineSettings(spacing_mm=1.0, shrink=(2, 1)),
    BSplineSettings(spacings_mm=(2.0, 1.0), meshes=(4, 6), samplings=(0.5, 0.1), iterations=(15, 15)),
)


def settings(name: str) -> tuple[AffineSettings, BSplineSettings]:
    """For a data set of scripts/paper/datasets.py."""
    return (AFFINE, BSPLINE) if name == "brain" else SMALL


def register_affine(
    fixed: Volume, moving: Volume, mask: Volume | None, settings: AffineSettings = AFFINE
) -> SpatialTransform:
    """Intensity affine registration, fixed -> moving; ``mask`` is the fixed image's brain, if it has one."""
    images = [_resampled(to_sitk(volume), settings.spacing_mm) for volume in (fixed, moving)]
    method = _method(settings.metric, settings.sampling)
    if settings.masked:
        method.SetMetricFixedMask(_mask(mask, settings.spacing_mm, 1))
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-3, 150, 0.6, 1e-8)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel(settings.shrink)
    method.SetSmoothingSigmasPerLevel([factor / 2 if factor > 1 else 0.0 for factor in settings.shrink])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOff()
    method.SetInitialTransform(_centers_matched(*images), inPlace=False)
    return from_sitk_transform(method.Execute(*images))


def register_bspline(
    fixed: Volume, moving: Volume, mask: Volume | None, affine: SpatialTransform, settings: BSplineSettings = BSPLINE
) -> SpatialTransform:
    """Intensity B-spline registration that starts from ``affine``; ``mask``: the fixed image's brain, if any."""
    start, bspline = to_sitk_transform(affine), None
    levels = zip(settings.spacings_mm, settings.meshes, settings.samplings, settings.iterations, strict=True)
    for spacing, mesh, sampling, iterations in levels:
        images = [_resampled(to_sitk(volume), spacing) for volume in (fixed, moving)]
        if bspline is None:
            bspline = sitk.BSplineTransformInitializer(images[0], [mesh] * fixed.grid.ndim, 3)
        while bspline.GetTransformDomainMeshSize()[0] < mesh:
            bspline = subdivided(bspline)
        method = _method(settings.metric, sampling)
        if mask is not None:
            method.SetMetricFixedMask(_mask(mask, spacing, settings.mask_margin_voxels))
        method.SetOptimizerAsLBFGSB(1e-5, iterations, 5, 1000, 1e7)
        method.SetMovingInitialTransform(start)
        method.SetInitialTransform(bspline, inPlace=True)
        method.Execute(*images)
    return from_sitk_transform(sitk.CompositeTransform([start, bspline]))


def subdivided(bspline: sitk.BSplineTransform) -> sitk.BSplineTransform:
    """The same cubic B-spline with half the control-point spacing (Lane and Riesenfeld 1980)."""
    images = []
    for image in bspline.GetCoefficientImages():
        values = sitk.GetArrayFromImage(image)
        for axis in range(values.ndim):
            values = np.moveaxis(_subdivided_axis(np.moveaxis(values, axis, 0)), 0, axis)
        finer = sitk.GetImageFromArray(values)
        half = np.asarray(image.GetSpacing()) / 2
        first = np.asarray(image.TransformIndexToPhysicalPoint([1] * values.ndim))
        direction = np.reshape(image.GetDirection(), (values.ndim, values.ndim))
        finer.SetSpacing(half.tolist())
        finer.SetOrigin((first - direction @ half).tolist())
        finer.SetDirection(image.GetDirection())
        images.append(finer)
    return sitk.BSplineTransform(images, 3)


def _subdivided_axis(values: np.ndarray) -> np.ndarray:
    """m + 3 coefficients along the first axis to 2 m + 3."""
    finer = np.empty((2 * len(values) - 3, *values.shape[1:]))
    finer[0::2] = (values[:-1] + values[1:]) / 2
    finer[1::2] = (values[:-2] + 6 * values[1:-1] + values[2:]) / 8
    return finer


def _method(metric: str, sampling: float) -> sitk.ImageRegistrationMethod:
    method = sitk.ImageRegistrationMethod()
    if metric == "correlation":
        method.SetMetricAsCorrelation()
    else:
        method.SetMetricAsMattesMutualInformation(HISTOGRAM_BINS)
    if sampling < 1:
        method.SetMetricSamplingStrategy(method.REGULAR)
        method.SetMetricSamplingPercentage(sampling, SEED)
    method.SetInterpolator(sitk.sitkLinear)
    return method


def _centers_matched(fixed: sitk.Image, moving: sitk.Image) -> sitk.AffineTransform:
    """Translation between the intensities' centers of mass, as an affine about the fixed one."""
    kind, ndim = sitk.CenteredTransformInitializerFilter.MOMENTS, fixed.GetDimension()
    rigid = sitk.Euler2DTransform() if ndim == 2 else sitk.Euler3DTransform()
    start = sitk.CenteredTransformInitializer(fixed, moving, rigid, kind)
    affine = sitk.AffineTransform(ndim)
    affine.SetCenter(start.GetFixedParameters()[:ndim])
    affine.SetTranslation(start.GetParameters()[-ndim:])
    return affine


def _resampled(image: sitk.Image, spacing: float) -> sitk.Image:
    """Smoothed and sampled every ``spacing`` mm, float32."""
    smooth = sitk.SmoothingRecursiveGaussian(sitk.Cast(image, sitk.sitkFloat32), spacing / 2)
    return _sampled(smooth, spacing, sitk.sitkLinear)


def _mask(mask: Volume, spacing: float, margin_voxels: int) -> sitk.Image:
    return sitk.BinaryDilate(_sampled(to_sitk(mask), spacing, sitk.sitkNearestNeighbor), [margin_voxels] * 3)


def _sampled(image: sitk.Image, spacing: float, interpolator) -> sitk.Image:
    size = [int(np.ceil(n * s / spacing)) for n, s in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    frame = (image.GetOrigin(), [spacing] * image.GetDimension(), image.GetDirection())
    return sitk.Resample(image, size, sitk.Transform(), interpolator, *frame, 0, image.GetPixelID())
