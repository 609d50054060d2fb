"""ConvexAdam (convexAdam) and FireANTs (fireants) on one 3-D pair, on the CPU. Benchmark extras, not dependencies.

    pip install picsl-greedy nibabel scikit-learn scikit-image pandas matplotlib hydra-core
    pip install --no-deps convexAdam fireants     (FireANTs pins an old SimpleITK)

ConvexAdam has no affine of its own and wants both images on one grid: it starts from Greedy's, whose time counts.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data.images import to_sitk

from paper.datasets import Warp
from paper.peers_deformable import Answer, GreedySettings, greedy_affine


@dataclass(frozen=True)
class ConvexAdamSettings:
    """As ``convex_adam_pt`` calls them; the defaults are its own."""

    grid_sp: int = 6
    disp_hw: int = 4
    lambda_weight: float = 1.25
    selected_niter: int = 80
    grid_sp_adam: int = 2
    mind_r: int = 1
    mind_d: int = 2


@dataclass(frozen=True)
class FireAntsSettings:
    """Levels and iterations of the affine and the greedy deformation, both on local cross-correlation."""

    scales: tuple[int, ...] = (4, 2, 1)
    affine_iterations: tuple[int, ...] = (100, 50, 10)
    iterations: tuple[int, ...] = (100, 70, 20)
    window: int = 5
    affine_rate: float = 3e-3
    rate: float = 0.5
    smooth_force: float = 1.0
    smooth_field: float = 0.5


def register_convexadam(fixed: Volume, moving: Volume, settings: ConvexAdamSettings) -> Iterator[Answer]:
    """Coupled convex search, then Adam, on MIND (Siebert 2024, doi:10.1109/TMI.2024.3462248), after Greedy's affine."""
    from convexAdam.convex_adam_MIND import convex_adam_pt

    began = time.process_time()
    affine = greedy_affine(fixed, moving, GreedySettings())
    images = [to_sitk(fixed), to_sitk(moving)]
    start = sitk.GetArrayFromImage(_resampled(images[1], images[0], affine, sitk.sitkLinear))
    with contextlib.redirect_stdout(io.StringIO()):
        voxels = convex_adam_pt(
            _unit(fixed.array), _unit(start), device=torch.device("cpu"), dtype=torch.float32, **vars(settings)
        )
    field = voxels[..., ::-1] * fixed.grid.spacing @ np.asarray(fixed.grid.direction).reshape(3, 3).T
    transform = sitk.CompositeTransform([affine, _field(field, images[0])])
    yield Answer("bspline", time.process_time() - began, _warp(images[0], transform))


def register_fireants(fixed: Volume, moving: Volume, settings: FireAntsSettings) -> Iterator[Answer]:
    """Affine, then adaptive diffeomorphic greedy (Jena 2024, arXiv 2404.01249), both on local cross-correlation."""
    from fireants.io.image import BatchedImages, Image
    from fireants.registration.affine import AffineRegistration
    from fireants.registration.greedy import GreedyRegistration

    began, reference = time.process_time(), to_sitk(fixed)
    images = [BatchedImages([Image(_float(v), device="cpu")]) for v in (fixed, moving)]
    common = {"loss_type": "cc", "cc_kernel_size": settings.window, "progress_bar": False}
    scales = list(settings.scales)
    affine = AffineRegistration(
        scales, list(settings.affine_iterations), *images, optimizer_lr=settings.affine_rate, **common
    )
    affine.optimize()
    deformed = GreedyRegistration(
        scales,
        list(settings.iterations),
        *images,
        optimizer_lr=settings.rate,
        smooth_grad_sigma=settings.smooth_force,
        smooth_warp_sigma=settings.smooth_field,
        init_affine=affine.get_affine_matrix().detach(),
        **common,
    )
    deformed.optimize()
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "field.nii.gz")
        deformed.save_as_ants_transforms(path)
        field = sitk.GetArrayFromImage(sitk.ReadImage(path, sitk.sitkVectorFloat64))
    yield Answer("bspline", time.process_time() - began, _warp(reference, _field(field, reference)))


def _unit(array: np.ndarray) -> torch.Tensor:
    array = array.astype(np.float32)
    return torch.from_numpy((array - array.min()) / max(float(array.max() - array.min()), 1e-6))


def _float(volume: Volume) -> sitk.Image:
    image = sitk.Cast(to_sitk(volume), sitk.sitkFloat32)
    return sitk.RescaleIntensity(image, 0.0, 1.0)


def _field(vectors: np.ndarray, reference: sitk.Image) -> sitk.Transform:
    """(D, H, W, 3) displacements in LPS mm at the voxels of ``reference``."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(vectors, dtype=np.float64), isVector=True)
    image.CopyInformation(reference)
    return sitk.DisplacementFieldTransform(image)


def _resampled(image: sitk.Image, reference: sitk.Image, transform: sitk.Transform, interpolator) -> sitk.Image:
    return sitk.Resample(image, reference, transform, interpolator, 0.0, image.GetPixelID())


def _warp(reference: sitk.Image, transform: sitk.Transform) -> Warp:
    def warp(moving: Volume, order: str) -> np.ndarray:
        interpolator = {"nearest": sitk.sitkNearestNeighbor, "linear": sitk.sitkLinear}[order]
        return sitk.GetArrayFromImage(_resampled(to_sitk(moving), reference, transform, interpolator))

    return warp
