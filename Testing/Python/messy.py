"""A study as people have it: messy names, an oblique scanner, left and right; what is odd can be asked for."""

import numpy as np
from builders import rotation
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data.images import write_image

LEFT, RIGHT, BELOW, STRAY = 10, 49, 16, 77
PLACES = {LEFT: (9.0, -2.0, 3.0), RIGHT: (-9.0, -2.0, 3.0), BELOW: (1.0, 4.0, -8.0)}  # LPS mm from the middle
RADII = {LEFT: (4.0, 6.0, 5.0), RIGHT: (4.0, 6.0, 5.0), BELOW: (5.0, 4.0, 3.0)}
NAMES = ("Anna T1", "ben_t1_2021-03-04", "CARL-mri", "p04", "P 05 t1w", "dora", "Eve_02", "finn (3)")


def scan(number, ndim=3, labels=tuple(PLACES), stray=0, turned=False, moved=0.0, oblique=7.0, glare=False):
    """Image and labels of person ``number``: each a little elsewhere. ``glare``: the center of mass says nothing."""
    rng = np.random.default_rng(number)
    shift = rng.uniform(-2, 2, ndim) * (not glare)
    grid = Grid.centered(
        (40.0, -20.0, 10.0)[:ndim], (44, 40, 36)[:ndim], (1.0, 1.0, 1.25)[:ndim], rotation(ndim, oblique)
    )
    points = grid.points() - grid.center - shift - np.array([0.0, 3.0, 2.0])[:ndim]
    if turned:
        points = points[..., [1, 0, 2][:ndim]] * np.array([1, -1, 1])[:ndim]
    array = np.zeros(grid.shape, np.int16)
    for value in labels:
        away = (points - np.array(PLACES[value])[:ndim]) / np.array(RADII[value])[:ndim]
        array[(away**2).sum(axis=-1) < 1] = value
    image = 20.0 + 60.0 * (array > 0) + rng.normal(0, 2, grid.shape) + 30 * ((points / 15) ** 2).sum(-1).clip(0, 1)
    array.flat[:stray] = STRAY
    image += 100.0 * (grid.points()[..., number % 2] > 44.0 - 64 * (number % 2)) * glare
    mine = Grid.from_matrix(grid.size, moved_matrix(grid.matrix, moved))
    return Volume(image.astype(np.float32), grid, "image"), Volume(array, mine, "labels")


def moved_matrix(matrix, moved):
    matrix = matrix.copy()
    matrix[0, -1] += moved
    return matrix


def write_messy(folder, ndim=3, count=8, ending=".nii.gz", odd=None):
    """``count`` people in one folder; ``odd``: keyword arguments of :func:`scan` by number."""
    for number, name in enumerate(NAMES[:count]):
        image, labels = scan(number, ndim, **(odd or {}).get(number, {}))
        write_image(folder / f"{name}{ending}", image)
        write_image(folder / f"{name.lower().replace(' ', '_')}-Seg{ending}", labels)
    return folder
