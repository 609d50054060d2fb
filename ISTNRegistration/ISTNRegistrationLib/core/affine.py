"""Affine and rigid transforms from bounded parameters (paper section 2.1, equation 3).

T = M_t R_φ S_ψ⁻¹ D_s S_ψ: translation M, rotation R, scaling D along the axes turned by S. As in the published code,
S_ψ is itself a rotation, so S⁻¹ D S is a symmetric stretch along oblique axes: a shear that can always be inverted.

Convention: matrices map fixed → moving points in mm, in a frame whose axes are LPS and whose zero is the middle of the
network's grid. Rotations are R = R_z R_y R_x in 3-D.
"""

from __future__ import annotations

import math

import torch

from .config import AffineBounds


def parameter_count(ndim: int, rigid: bool = False) -> int:
    """Length of theta: translation, rotation and, unless ``rigid``, scale and shear."""
    turns = ndim * (ndim - 1) // 2
    return ndim + turns + (0 if rigid else ndim + turns)


def affine_matrix(theta: torch.Tensor, ndim: int, bounds: AffineBounds) -> torch.Tensor:
    """Matrices (N, n+1, n+1) from unbounded parameters (N, P).

    ``theta`` holds translation (x, y[, z]), rotation (z in 2-D; x, y, z in 3-D), then, when it is long enough, log
    scale (x, y[, z]) and shear angles like the rotation. Zero is the identity.
    """
    bounded = torch.tanh(theta)
    turns = ndim * (ndim - 1) // 2
    translation = bounded[:, :ndim] * bounds.translation_mm
    linear = rotation_matrix(bounded[:, ndim : ndim + turns] * math.radians(bounds.rotation_deg))
    if theta.shape[1] == parameter_count(ndim):
        scale = torch.exp(bounded[:, ndim + turns : 2 * ndim + turns] * math.log(bounds.scale_ratio))
        shear = rotation_matrix(bounded[:, 2 * ndim + turns :] * math.radians(bounds.shear_deg))
        linear = linear @ shear.transpose(1, 2) @ (scale[:, :, None] * shear)
    top = torch.cat([linear, translation[:, :, None]], dim=2)
    bottom = top.new_zeros(len(top), 1, ndim + 1)
    bottom[:, :, -1] = 1.0
    return torch.cat([top, bottom], dim=1)


def rotation_matrix(angles: torch.Tensor) -> torch.Tensor:
    """Rotations (N, n, n) from angles in radians: (N, 1) in 2-D, (N, 3) about x, y, z in 3-D as R_z R_y R_x."""
    if angles.shape[1] == 1:
        return plane_rotation(angles[:, 0], 2, 0, 1)
    about_x = plane_rotation(angles[:, 0], 3, 1, 2)
    about_y = plane_rotation(angles[:, 1], 3, 2, 0)
    about_z = plane_rotation(angles[:, 2], 3, 0, 1)
    return about_z @ about_y @ about_x


def plane_rotation(angle: torch.Tensor, ndim: int, i: int, j: int) -> torch.Tensor:
    """Rotation from axis i towards axis j: I + sin K + (1 - cos) K², with the generator K (Rodrigues)."""
    generator = torch.zeros(ndim, ndim)
    generator[j, i], generator[i, j] = 1.0, -1.0
    generator = generator.to(angle)
    identity = torch.eye(ndim, dtype=angle.dtype, device=angle.device)
    sin, cos = torch.sin(angle)[:, None, None], torch.cos(angle)[:, None, None]
    return identity + sin * generator + (1 - cos) * (generator @ generator)
