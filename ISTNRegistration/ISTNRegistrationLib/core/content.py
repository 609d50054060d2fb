"""One description of an image, however its file describes it.

The same voxels at the same places can be stored with other axes first, from the other end, and with empty planes around
them. Whatever counts from the first voxel (subsets, blocks, rounding) would differ, and refinement makes tenths of a
millimeter of it.
"""

from __future__ import annotations

import numpy as np

from .grid import Grid
from .volume import Volume


def content(volume: Volume) -> Volume:
    """The image along the axes of LPS, as nearly as its own allow, without empty planes at its ends (a view)."""
    return without_empty_ends(along_lps(volume))


def along_lps(volume: Volume) -> Volume:
    """The same voxels at the same places, axes in the order and sense that are nearest to LPS."""
    n, matrix = volume.grid.ndim, volume.grid.matrix
    along = volume.grid.axes_along_lps()
    array = volume.array.transpose([n - 1 - along[n - 1 - i] for i in range(n)])
    size = [volume.grid.size[axis] for axis in along]
    matrix[:-1, :-1] = matrix[:-1, list(along)]
    for axis in range(n):
        if matrix[axis, axis] < 0:
            array = np.flip(array, n - 1 - axis)
            matrix[:-1, -1] += matrix[:-1, axis] * (size[axis] - 1)
            matrix[:-1, axis] *= -1
    return Volume(array, Grid.from_matrix(size, matrix), volume.name)


def without_empty_ends(volume: Volume) -> Volume:
    """The image without the planes at its ends that hold one value, the same at all ends; all of it if it is empty."""
    box = filled(volume.array)
    matrix = volume.grid.matrix
    matrix[:-1, -1] = volume.grid.index_to_physical([part.start for part in reversed(box)])
    array = volume.array[box]
    return Volume(array, Grid.from_matrix(array.shape[::-1], matrix), volume.name)


def filled(array: np.ndarray) -> tuple[slice, ...]:
    """The box (array order) around all that differs from the value of the empty end planes."""
    whole = tuple(slice(0, size) for size in array.shape)
    empty = end_value(array)
    if empty is None:
        return whole
    box = list(whole)
    for axis, size in enumerate(array.shape):
        planes = np.moveaxis(array[tuple(box)], axis, 0)
        shown = (i for i in range(size) if (planes[i] != empty).any())
        start = next(shown, None)
        if start is None:
            return whole
        stop = next(i + 1 for i in reversed(range(size)) if (planes[i] != empty).any())
        box[axis] = slice(start, stop)
    return tuple(box)


def end_value(array: np.ndarray) -> float | None:
    """The (smallest) value of end planes that hold one value only; None where there are none."""
    ends = [array.take(end, axis) for axis in range(array.ndim) for end in (0, -1)]
    return min((plane.min() for plane in ends if plane.min() == plane.max()), default=None)


def frame(array: np.ndarray) -> tuple[float, float] | None:
    """The values of two kinds of empty end planes, as where padding has another value than the background; else None.

    Which of both is background cannot be told from the image: a phantom's wall looks like that too.
    """
    inside = array[filled(array)]
    found = end_value(array), end_value(inside)
    return None if None in found or inside.min() == inside.max() else (float(found[0]), float(found[1]))
