"""Constellations with a known pose, images that show them, and a stand-in for a network that sees them."""

from types import SimpleNamespace

import numpy as np
import torch
from builders import rotation
from ISTNRegistrationLib.core.config import GridConfig
from ISTNRegistrationLib.core.grid import Grid, apply_matrix
from ISTNRegistrationLib.core.pose import Constellation
from ISTNRegistrationLib.core.volume import Volume

# pairs left and right of a plane, and two in it: as sub-cortical structures lie
POINTS = {
    3: np.array(
        [[s * x, y, z] for x, y, z in ((11, 8, 3), (14, -13, 9), (26, -3, 0), (27, 9, -16)) for s in (1, -1)]
        + [[0.0, 15.0, -32.0], [0.0, -4.0, 12.0]]
    ),
    2: np.array([[11.0, 3.0], [-11.0, 3.0], [26.0, -9.0], [-26.0, -9.0], [0.0, 15.0], [4.0, -20.0]]),
}


def known(ndim, seed=0, degrees=90.0, shift=150.0):
    """A rigid matrix: turned about a random axis (in 2-D about z), shifted."""
    rng = np.random.default_rng(seed)
    matrix = np.eye(ndim + 1)
    matrix[:-1, :-1] = rotation(2, degrees) if ndim == 2 else about(rng.standard_normal(3), degrees)
    matrix[:-1, -1] = rng.uniform(-shift, shift, ndim)
    return matrix


def about(axis, degrees):
    """Rodrigues' formula: a way to a rotation that the fit does not know."""
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.deg2rad(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def stars(ndim, points=None, weights=None):
    points = POINTS[ndim] if points is None else points
    return Constellation(points, np.ones(len(points)) if weights is None else weights)


LARGE = {ndim: 2 * points for ndim, points in POINTS.items()}  # so that the structures are many voxels wide


class Oracle:
    """Stands in for a network: a structure's map is where the image has the structure's own intensity.

    With ``upright_only`` it finds a structure only near its place in the canonical pose, as a trained network does.
    """

    def __init__(self, ndim, upright_only, offset=()):
        self.grid = Grid.centered((0.0,) * ndim, (38, 38, 38)[:ndim], (6.0,) * ndim)
        grid = GridConfig(self.grid.size, self.grid.spacing, "center_of_mass", offset)
        self.config = SimpleNamespace(normalization="none", grid=grid, ndim=ndim)
        self.cube, self.looks = torch.zeros(1), 0
        self.upright_only, self.points = upright_only, LARGE[ndim]

    def maps(self, image):
        self.looks += 1
        shades = torch.arange(1, len(self.points) + 1) / (len(self.points) + 1)
        shades = shades.reshape(1, -1, *[1] * (image.ndim - 2))
        maps = (1 - (image - shades).abs() * 2 * len(self.points)).clamp(0, 1)
        pool = torch.nn.functional.max_pool2d if image.ndim == 4 else torch.nn.functional.max_pool3d
        maps = -pool(-maps, 3, 1, 1)  # on its way to the background, a shade passes all darker ones
        if self.upright_only:
            near = [np.linalg.norm(self.grid.points() - point, axis=-1) < 35 for point in self.points]
            maps = maps * torch.from_numpy(np.array(near))[None]
        return maps


def picture(ndim, matrix, half=-np.inf):
    """An image in which the structures are cubes of 32 mm of their own shade, carried by ``matrix``."""
    grid = Grid.centered(matrix[:-1, -1] + 20.0, (56, 52, 60)[:ndim], (5.0,) * ndim)
    local = apply_matrix(np.linalg.inv(matrix), grid.points())
    array = np.zeros(grid.shape, np.float32)
    for number, point in enumerate(LARGE[ndim], start=1):
        array[(np.abs(local - point) < 16).all(axis=-1) & (local[..., 0] >= half)] = number / (len(LARGE[ndim]) + 1)
    return Volume(array, grid, "head")
