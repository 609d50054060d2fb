"""The initial alignment: translations and moments computed from the two images.

Convention: matrices are (n+1, n+1), fixed → moving, LPS mm.
"""

from __future__ import annotations

import itertools

import numpy as np

from .config import ModelConfig
from .errors import InputError
from .options import INITIALS
from .preprocess import Prepared

NAMES = tuple(name for name in INITIALS if name not in ("landmarks", "rigid"))  # data.run resolves these


def initial_matrix(initial, fixed: Prepared, moving: Prepared, config: ModelConfig) -> np.ndarray:
    """Matrix of a named initial alignment, or the given matrix after a check.

    ``auto`` matches what the checkpoint's grid is anchored to (center of mass or center); ``moments`` also turns the
    moving image's principal axes onto the fixed image's (use it for heads that are far from upright).

    Raises:
        InputError: an unknown name, or a matrix of the wrong shape, not finite or not invertible.
    """
    if not isinstance(initial, str):
        return _checked(initial, config.ndim)
    if initial not in NAMES:
        todo = "landmarks, rigid and files of transforms are resolved by ISTNRegistrationLib.data.run: call that"
        raise InputError("Initial alignment", "unknown name", ", ".join(NAMES) + " or a matrix", repr(initial), todo)
    if initial == "none":
        return np.eye(config.ndim + 1)
    anchor = {"auto": config.grid.anchor, "moments": "center_of_mass"}.get(initial, initial)
    middle_fixed, middle_moving = fixed.anchor(anchor), moving.anchor(anchor)
    matrix = np.eye(config.ndim + 1)
    if initial == "moments":
        matrix[:-1, :-1] = _turn(fixed.principal_axes(), moving.principal_axes())
    matrix[:-1, -1] = middle_moving - matrix[:-1, :-1] @ middle_fixed
    return matrix


def _checked(given, ndim: int) -> np.ndarray:
    try:
        matrix = np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        matrix = np.zeros(0)
    affine = matrix.shape == (ndim + 1, ndim + 1) and np.array_equal(matrix[-1], np.eye(ndim + 1)[-1])
    if not affine or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-9:
        expected = f"an invertible {ndim + 1} x {ndim + 1} matrix, fixed to moving, LPS mm, last row 0 ... 0 1"
        raise InputError("Initial alignment", "the matrix cannot be used", expected, f"{given}")
    return matrix


def _turn(fixed_axes: np.ndarray, moving_axes: np.ndarray) -> np.ndarray:
    """The smallest rotation that takes the fixed axes onto the moving ones; an axis has no sign."""
    candidates = []
    for signs in itertools.product((1.0, -1.0), repeat=len(fixed_axes)):
        rotation = moving_axes @ np.diag(signs) @ fixed_axes.T
        if np.linalg.det(rotation) > 0:
            candidates.append(rotation)
    return max(candidates, key=np.trace)
