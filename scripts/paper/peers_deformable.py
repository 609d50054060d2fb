"""ANTs (antspyx) and Greedy (picsl-greedy) on one pair: affine, then deformable. Benchmark extras, not dependencies.

    pip install antspyx picsl-greedy

Each registration gives, per stage, processor seconds so far and a function that warps a moving volume onto the fixed
grid with the tool's own resampler. The moving image is first shifted so that both images start as ISTN's do.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data.images import to_sitk

from paper.datasets import Warp


@dataclass(frozen=True)
class AntsSettings:
    """``iterations`` of SyN per level (coarse to fine); ``metric`` of SyN: mattes or CC; Mattes for the affine."""

    metric: str = "mattes"
    iterations: tuple[int, ...] = (100, 70, 20)
    radius_or_bins: int = 32


@dataclass(frozen=True)
class GreedySettings:
    """NCC with windows of ``radius`` voxels; iterations per level (coarse to fine); smoothing of Greedy's update."""

    radius: int = 2
    affine_iterations: tuple[int, ...] = (100, 50, 20)
    iterations: tuple[int, ...] = (100, 50, 20)
    smoothing: str = "1.6vox 0.5vox"


@dataclass(frozen=True)
class Answer:
    """``stage`` affine or bspline (a deformation of any kind); ``seconds`` until it was there."""

    stage: str
    seconds: float
    warp: Warp


def register_ants(fixed: Volume, moving: Volume, settings: AntsSettings) -> Iterator[Answer]:
    """Affine on mutual information, then SyN (Avants 2008, doi:10.1016/j.media.2007.06.004) from there."""
    import ants

    images = [_ants_image(volume) for volume in (fixed, moving)]
    began = time.process_time()
    affine = ants.registration(*images, type_of_transform="Affine", random_seed=1)
    yield Answer("affine", time.process_time() - began, _ants_warp(images[0], affine["fwdtransforms"]))
    deformed = ants.registration(
        *images,
        type_of_transform="SyNOnly",
        initial_transform=affine["fwdtransforms"][0],
        syn_metric=settings.metric,
        syn_sampling=settings.radius_or_bins,
        reg_iterations=settings.iterations,
        random_seed=1,
    )
    yield Answer("bspline", time.process_time() - began, _ants_warp(images[0], deformed["fwdtransforms"]))


def _ants_image(volume: Volume):
    import ants

    array = np.ascontiguousarray(volume.array.astype(np.float32).T)
    grid = volume.grid
    return ants.from_numpy(array, list(grid.origin), list(grid.spacing), np.asarray(grid.direction))


def _ants_warp(fixed, transforms) -> Warp:
    def warp(moving: Volume, order: str) -> np.ndarray:
        import ants

        name = {"nearest": "nearestNeighbor", "linear": "linear"}[order]
        return ants.apply_transforms(fixed, _ants_image(moving), transforms, interpolator=name).numpy().T

    return warp


def register_greedy(fixed: Volume, moving: Volume, settings: GreedySettings) -> Iterator[Answer]:
    """Affine, then diffeomorphic greedy (Yushkevich 2016, doi:10.1016/j.jalz.2016.06.205), both on NCC."""
    import picsl_greedy

    greedy = picsl_greedy.Greedy2D() if fixed.grid.ndim == 2 else picsl_greedy.Greedy3D()
    images = {"fixed": _float_image(fixed), "moving": _float_image(moving)}
    began = time.process_time()
    _greedy_affine(greedy, images, settings)
    yield Answer("affine", time.process_time() - began, _greedy_warp(greedy, images["fixed"], "affine"))
    levels = "x".join(map(str, settings.iterations))
    greedy.execute(
        f"-i fixed moving -it affine {_window(images, settings)} -n {levels} -s {settings.smoothing} -o field -V 0",
        **images,
        field=None,
    )
    yield Answer("bspline", time.process_time() - began, _greedy_warp(greedy, images["fixed"], "field affine"))


def greedy_affine(fixed: Volume, moving: Volume, settings: GreedySettings) -> sitk.Transform:
    """Greedy's affine of two 3-D images as ITK has it: fixed to moving points, LPS mm."""
    import picsl_greedy

    greedy = picsl_greedy.Greedy3D()
    _greedy_affine(greedy, {"fixed": _float_image(fixed), "moving": _float_image(moving)}, settings)
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])  # Greedy's matrices are RAS
    matrix = flip @ np.asarray(greedy["affine"]) @ flip
    return sitk.AffineTransform(matrix[:3, :3].ravel().tolist(), matrix[:3, 3].tolist())


def _greedy_affine(greedy, images: dict[str, sitk.Image], settings: GreedySettings) -> None:
    levels = "x".join(map(str, settings.affine_iterations))
    command = f"-i fixed moving -a -dof 12 -ia-identity {_window(images, settings)} -n {levels} -o affine -V 0"
    greedy.execute(command, **images, affine=None)


def _window(images: dict[str, sitk.Image], settings: GreedySettings) -> str:
    return "-m NCC " + "x".join([str(settings.radius)] * images["fixed"].GetDimension())


def _float_image(volume: Volume) -> sitk.Image:
    return sitk.Cast(to_sitk(volume), sitk.sitkFloat32)


def _greedy_warp(greedy, fixed: sitk.Image, transforms: str) -> Warp:
    def warp(moving: Volume, order: str) -> np.ndarray:
        name = {"nearest": "NN", "linear": "LINEAR"}[order]
        command = f"-rf reference -ri {name} -rm labels warped -r {transforms} -V 0"
        greedy.execute(command, reference=fixed, labels=_float_image(moving), warped=None)
        return sitk.GetArrayFromImage(greedy["warped"])

    return warp
