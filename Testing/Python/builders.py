"""What several tests build: grids of every orientation, smooth volumes, transforms with a B-spline residual."""

from pathlib import Path

import numpy as np
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.transform import BSplineField, SpatialTransform
from ISTNRegistrationLib.core.volume import Volume

ORIENTATIONS = ("RAS", "LAS", "LPS", "oblique", "anisotropic", "left-handed")
CASES = [(ndim, name) for ndim in (2, 3) for name in ORIENTATIONS]
CASE_IDS = [f"{ndim}d-{name}" for ndim, name in CASES]


def rotation(ndim, degrees):
    """Rotation matrix (n, n); in 3-D about z, then the same angle halved about x."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    plane = np.array([[c, -s], [s, c]])
    if ndim == 2:
        return plane
    about_z, about_x = np.eye(3), np.eye(3)
    about_z[:2, :2] = plane
    c, s = np.cos(np.deg2rad(degrees / 2)), np.sin(np.deg2rad(degrees / 2))
    about_x[1:, 1:] = [[c, -s], [s, c]]
    return about_x @ about_z


def direction(ndim, orientation):
    """Axes (n, n) as columns in LPS; RAS and LAS name the directions towards which the first axes point."""
    flips = {"RAS": (-1, -1, 1), "LAS": (1, -1, 1), "LPS": (1, 1, 1), "anisotropic": (-1, -1, 1)}
    if orientation in flips:
        return np.diag(flips[orientation][:ndim]).astype(float)
    handed = np.diag([-1.0, 1.0, 1.0][:ndim]) if orientation == "left-handed" else np.eye(ndim)
    return rotation(ndim, 27.0) @ handed


def make_grid(ndim=3, orientation="LPS", size=(24, 20, 18), center=(5.0, -3.0, 2.0)):
    """Grid of one of the ``ORIENTATIONS`` around ``center`` (LPS mm)."""
    spacing = {"anisotropic": (0.9, 1.3, 2.5), "left-handed": (1.4, 1.1, 2.2)}.get(orientation, (1.5, 1.5, 1.5))
    return Grid.centered(center[:ndim], size[:ndim], spacing[:ndim], direction(ndim, orientation))


def blob_volume(grid, seed=0, dtype=np.float32, blobs=6):
    """Volume of smooth blobs (0 to about 100) that fade towards the border of ``grid``."""
    rng = np.random.default_rng(seed)
    points = grid.points()
    extent = (np.asarray(grid.size) - 1) * np.asarray(grid.spacing)
    array = np.zeros(grid.shape)
    for _ in range(blobs):
        middle = grid.index_to_physical((np.asarray(grid.size) - 1) * rng.uniform(0.3, 0.7, grid.ndim))
        width = extent.min() * rng.uniform(0.08, 0.16)
        array += rng.uniform(30, 60) * np.exp(-((points - middle) ** 2).sum(-1) / (2 * width**2))
    return Volume(array.astype(dtype), grid, "blobs")


def affine_matrix(ndim, seed=0, center=None):
    """A mild affine ((n+1, n+1), LPS mm) about ``center``: about 6 degrees, 5 %, 3 mm."""
    rng = np.random.default_rng(seed)
    linear = rotation(ndim, 6.0) @ (np.eye(ndim) + rng.uniform(-0.05, 0.05, (ndim, ndim)))
    center = np.zeros(ndim) if center is None else np.asarray(center, dtype=float)
    matrix = np.eye(ndim + 1)
    matrix[:ndim, :ndim] = linear
    matrix[:ndim, ndim] = center - linear @ center + rng.uniform(-3, 3, ndim)
    return matrix


def bspline_field(grid, seed=0, spacing=6.0, amplitude=2.0):
    """Random B-spline residual (mm) along the axes of ``grid``; its three outer layers of control points are zero."""
    rng = np.random.default_rng(seed)
    extent = (np.asarray(grid.size) - 1) * np.asarray(grid.spacing)
    size = tuple(int(np.ceil(e / spacing)) + 7 for e in extent)
    lattice = Grid.centered(grid.center, size, (spacing,) * grid.ndim, grid.direction)
    coefficients = np.zeros((grid.ndim, *lattice.shape))
    inner = (slice(None),) + (slice(3, -3),) * grid.ndim
    coefficients[inner] = rng.uniform(-amplitude, amplitude, coefficients[inner].shape)
    return BSplineField(lattice, coefficients)


def random_transform(grid, seed=0, bspline=True):
    """SpatialTransform with a mild affine about the middle of ``grid`` and, if asked, a B-spline residual."""
    residual = bspline_field(grid, seed) if bspline else None
    return SpatialTransform(affine_matrix(grid.ndim, seed, grid.center), residual)


def points_inside(grid, count=50, seed=0):
    """Random LPS points (count, n) inside ``grid``."""
    index = np.random.default_rng(seed).uniform(0, 1, (count, grid.ndim)) * (np.asarray(grid.size) - 1)
    return grid.index_to_physical(index)


def crop(shift):
    """Two ellipsoids that look like a hippocampus to the checkpoint, ``shift`` mm aside."""
    grid = Grid.centered((3.0, -20.0, 10.0), (40, 50, 44), (1.0, 1.0, 1.0))
    points = grid.points() - grid.center - np.asarray(shift)
    body = ((points / [7, 16, 6]) ** 2).sum(-1)
    head = (((points - [2, -14, -1]) / [8, 7, 7]) ** 2).sum(-1)
    around = 3 * (((points - [0, 3, 9]) / [9, 14, 3]) ** 2).sum(-1) - 3
    values = 60 + 40 / (1 + np.exp(6 * (np.minimum(body, head) - 1))) - 25 / (1 + np.exp(around))
    tilt = points @ [0.05, 0.03, -0.04]  # no end plane is empty: a real crop's are not either
    return Volume((values + tilt).astype(np.float32), grid)


def brains():
    """The bundled pair."""
    from ISTNRegistrationLib.data.images import read_image

    sample_data = Path(__file__).resolve().parents[2] / "ISTNRegistration" / "Resources" / "SampleData"
    return [read_image(sample_data / f"{name}.nii.gz") for name in ("mni152", "colin27")]
