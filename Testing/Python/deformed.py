"""A pair with a known deformation, as the dense stage gets it: two structures and textured images, 2-D and 3-D."""

import numpy as np
import torch
from builders import bspline_field
from ISTNRegistrationLib.core.dense_box import DensePair
from ISTNRegistrationLib.core.grid import Grid, apply_matrix
from ISTNRegistrationLib.core.placement import Placement
from ISTNRegistrationLib.core.preprocess import Prepared
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.volume import Volume

SIZES = {2: (44, 36), 3: (36, 32, 28)}
CENTER = (6.0, -11.0, 4.0)  # off the origin: a transform about the wrong point fails


def lattice(ndim, spacing=2.0):
    return Grid.centered(CENTER[:ndim], SIZES[ndim], (spacing,) * ndim)


def scene(points, ndim):
    """Two off-center structures of different shape, and an image with texture, at LPS points (..., n)."""
    places = np.array([[-3.0, -6.0, 9.0], [14.0, -15.0, -1.0]])[:, :ndim]
    widths = np.array([[9.0, 6.0, 7.0], [5.0, 8.0, 6.0]])[:, :ndim]
    depth = [1 - np.sqrt((((points - p) / w) ** 2).sum(axis=-1)) for p, w in zip(places, widths, strict=True)]
    maps = np.stack([1 / (1 + np.exp(-8 * d)) for d in depth])
    texture = sum(np.sin(points[..., k] / (2.1 + k) + k) for k in range(ndim))
    return maps, 30 * maps[0] + 45 * maps[1] + 6 * texture + 50


def deformation(ndim):
    """A smooth field on the structures, up to about 4 mm."""
    grid = lattice(ndim)
    return SpatialTransform(np.eye(ndim + 1), bspline_field(grid, seed=3, spacing=14.0, amplitude=5.0))


def make_pair(ndim, linear=None, contrast=lambda image: image):
    """F is the scene at T(x), M the scene itself on another grid: the true answer maps x to T(x)."""
    grid = lattice(ndim)
    linear = np.eye(ndim + 1) if linear is None else linear
    true = SpatialTransform(linear, deformation(ndim).residual)
    fine = Grid.centered(CENTER[:ndim], [2 * s for s in grid.size], (1.0,) * ndim)
    around = Grid.centered([c + 3 for c in CENTER[:ndim]], [2 * s + 20 for s in grid.size], (1.0,) * ndim)
    back = np.linalg.inv(linear)
    fixed_map, _ = scene(apply_matrix(back, true.map_points(grid.points())), ndim)
    fixed_image = scene(apply_matrix(back, true.map_points(fine.points())), ndim)[1]
    moving_map, _ = scene(grid.points(), ndim)  # M is read through the initial alignment, which is ``linear``
    moving_image = contrast(scene(apply_matrix(back, around.points()), ndim)[1])
    maps = (torch.as_tensor(m, dtype=torch.float32)[None] for m in (fixed_map, moving_map))
    volumes = Volume(fixed_image.astype(np.float32), fine), Volume(moving_image.astype(np.float32), around)
    return DensePair(*maps, *map(Prepared, volumes)), Placement(grid, linear), true


def error(transform, true, ndim):
    """Mean distance in mm to the true answer, inside the structures."""
    points = lattice(ndim, 1.9).points()
    inside = scene(deformation(ndim).map_points(points), ndim)[0].max(axis=0) > 0.5
    return np.linalg.norm(transform.map_points(points[inside]) - true.map_points(points[inside]), axis=-1).mean()
