"""The shipped checkpoint on the bundled pair, one of the two turned and shifted: the anatomies meet as upright."""

import dataclasses

import numpy as np
import pytest
from builders import brains
from ISTNRegistrationLib.core.checkpoint import load_checkpoint
from ISTNRegistrationLib.core.grid import apply_matrix
from ISTNRegistrationLib.core.options import RegisterOptions
from ISTNRegistrationLib.core.register import register_pair

OPTIONS = RegisterOptions(transform="affine", iterations=30, device="cpu")


def turned_by(degrees, shift):
    """About x, then shifted: fixed and moving cannot be exchanged, nor the turn's sense, without being seen."""
    angle, matrix = np.radians(degrees), np.eye(4)
    matrix[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix[:3, 3] = shift
    return matrix


@pytest.mark.parametrize("side", ["fixed", "moving"])
def test_a_turned_side_gives_the_turned_transform(side):
    checkpoint, (fixed, moving) = load_checkpoint("brain"), brains()
    upright = register_pair(fixed, moving, checkpoint, OPTIONS).transform.linear
    pose = turned_by(50, (90.0, -40.0, 25.0))
    images = {"fixed": fixed, "moving": moving}
    images[side] = dataclasses.replace(images[side], grid=images[side].grid.moved(pose))
    found = register_pair(images["fixed"], images["moving"], checkpoint, OPTIONS).transform.linear
    expected = upright @ np.linalg.inv(pose) if side == "fixed" else pose @ upright
    points = images["fixed"].grid.center + np.array([[0, 0, 0], [30, -10, 20], [-25, 40, -15]])
    away = np.linalg.norm(apply_matrix(found, points) - apply_matrix(expected, points), axis=1)
    assert away.max() < 4.0
