"""Grids and transforms of every kind in 3-D, and how MRML and ITK map points."""

import numpy as np
from builders import ORIENTATIONS, affine_matrix, bspline_field, make_grid
from ISTNRegistrationLib.bridge.volumes import RAS_TO_LPS, ijkToRas, transformPoints, worldTransform
from ISTNRegistrationLib.core.transform import SpatialTransform

FLIP = RAS_TO_LPS.diagonal()[:3]
GRIDS = {name: make_grid(3, name) for name in ORIENTATIONS}


def transforms_over(grid):
    """Name to SpatialTransform: every kind that a registration returns."""
    linear, field = affine_matrix(3, 1, grid.center), bspline_field(grid)
    return {
        "identity": SpatialTransform(np.eye(4)),
        "linear": SpatialTransform(linear),
        "bspline": SpatialTransform(np.eye(4), field),
        "linear and bspline": SpatialTransform(linear, field),
    }


def points_in(grid, count=200, margin=0.0):
    """Random LPS points in the grid's box, grown by ``margin`` of its size on each side."""
    share = np.random.default_rng(7).uniform(-margin, 1 + margin, (count, 3))
    return grid.index_to_physical(share * (np.asarray(grid.size) - 1))


def mrml_from_world(node, points_lps):
    """Fixed to moving LPS points by a transform node and its parents."""
    return transformPoints(worldTransform(node, fromWorld=True), points_lps * FLIP) * FLIP


def mrml_to_world(node, points_lps):
    """Moving to fixed LPS points."""
    return transformPoints(worldTransform(node, fromWorld=False), points_lps * FLIP) * FLIP


def itk_points(transform, points_lps):
    return np.array([transform.TransformPoint(p.tolist()) for p in points_lps])


OWN = np.array([[9.0, 8.0, 7.0], [14.0, 10.0, 12.0], [11.0, 13.0, 9.0]])  # voxels inside the pair's volumes


def place_in_world(node):
    """Where some of the volume's voxels are seen, LPS mm."""
    own = OWN @ ijkToRas(node)[:3, :3].T + ijkToRas(node)[:3, 3]
    return transformPoints(worldTransform(node.GetParentTransformNode(), fromWorld=False), own) * FLIP
