"""Grids of every orientation and handedness, smooth images and transforms, and how MRML and ITK map points."""

import numpy as np
from ISTNRegistrationLib.bridge.volumes import RAS_TO_LPS, transformPoints, worldTransform
from ISTNRegistrationLib.core.bspline import lattice_for, pad_ring
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.transform import BSplineField, SpatialTransform
from ISTNRegistrationLib.core.volume import Volume
from scipy.ndimage import gaussian_filter

FLIP = RAS_TO_LPS.diagonal()[:3]
SIZE = (22, 20, 18)


def rotation(axis, degrees):
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    matrix = np.eye(3)
    i, j = [(1, 2), (2, 0), (0, 1)][axis]
    matrix[i, i], matrix[i, j], matrix[j, i], matrix[j, j] = c, -s, s, c
    return matrix


OBLIQUE = rotation(0, 20) @ rotation(2, -35)
GRIDS = {  # axes in LPS (columns), spacing in mm
    "LPS": Grid.centered((5.0, -8.0, 3.0), SIZE, (3.0, 3.0, 3.0)),
    "RAS": Grid.centered((5.0, -8.0, 3.0), SIZE, (3.0, 3.0, 3.0), np.diag([-1.0, -1.0, 1.0])),
    "LAS left-handed": Grid.centered((5.0, -8.0, 3.0), SIZE, (3.0, 3.0, 3.0), np.diag([1.0, -1.0, 1.0])),
    "anisotropic": Grid.centered((-4.0, 2.0, 30.0), SIZE, (2.0, 2.5, 4.5)),
    "oblique": Grid.centered((1.0, 2.0, -3.0), SIZE, (3.0, 3.0, 3.0), OBLIQUE),
    "oblique anisotropic left-handed": Grid.centered(
        (1.0, 2.0, -3.0), SIZE, (2.2, 3.1, 4.0), OBLIQUE @ np.diag([-1.0, 1.0, 1.0])
    ),
}


def smooth_volume(grid, seed=0, name="image"):
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=grid.shape), 2.0)
    return Volume((100 * noise / np.abs(noise).max()).astype(np.float32), grid, name)


def affine_matrix(center, seed=3):
    """A rotation, scaling and shift about ``center`` of clinical size."""
    rng = np.random.default_rng(seed)
    matrix = np.eye(4)
    matrix[:3, :3] = rotation(0, 7) @ rotation(1, -5) @ rotation(2, 4) @ np.diag([1.05, 0.96, 1.02])
    matrix[:3, 3] = np.asarray(center) - matrix[:3, :3] @ center + rng.uniform(-4, 4, 3)
    return matrix


def smooth_field(grid, seed=5, amplitude=4.0):
    """A B-spline field of a few mm over ``grid``."""
    lattice = lattice_for(grid, 16.0)
    free = tuple(n - 6 for n in lattice.shape)
    return BSplineField(lattice, pad_ring(np.random.default_rng(seed).uniform(-amplitude, amplitude, (3, *free)), 3))


def transforms_over(grid):
    """Name to SpatialTransform: every kind that a registration returns."""
    linear, field = affine_matrix(grid.center), smooth_field(grid)
    return {
        "identity": SpatialTransform(np.eye(4)),
        "linear": SpatialTransform(linear),
        "bspline": SpatialTransform(np.eye(4), field),
        "linear and bspline": SpatialTransform(linear, field),
    }


def points_in(grid, count=200, margin=0.0, seed=7):
    """Random LPS points in the grid's box, grown by ``margin`` of its size on each side."""
    share = np.random.default_rng(seed).uniform(-margin, 1 + margin, (count, 3))
    return grid.index_to_physical(share * (np.asarray(grid.size) - 1))


def mrml_from_world(node, points_lps):
    """Fixed to moving LPS points by a transform node and its parents."""
    return transformPoints(worldTransform(node, fromWorld=True), points_lps * FLIP) * FLIP


def mrml_to_world(node, points_lps):
    return transformPoints(worldTransform(node, fromWorld=False), points_lps * FLIP) * FLIP


def itk_points(transform, points_lps):
    return np.array([transform.TransformPoint(p.tolist()) for p in points_lps])
