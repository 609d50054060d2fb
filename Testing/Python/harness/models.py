"""A tiny untrained checkpoint and a pair of images, so that tests run the real registration in a moment."""

import numpy as np
import torch
from builders import blob_volume, make_grid
from ISTNRegistrationLib.core.checkpoint import save_checkpoint
from ISTNRegistrationLib.core.config import BSplineConfig, Channel, GridConfig, ModelConfig, NetConfig
from ISTNRegistrationLib.core.istn import ISTN
from ISTNRegistrationLib.core.volume import Volume

CONFIG = ModelConfig(
    method="istn-e",
    transforms=("affine", "bspline"),
    grid=GridConfig(size=(16, 16, 16), spacing=(2.0, 2.0, 2.0)),
    channels=(Channel("putamen", (1,)), Channel("caudate", (2,))),
    net=NetConfig(itn_widths=(4, 8), stn_width=8),
    bspline=BSplineConfig(spacing_mm=8.0, max_displacement_mm=5.0),
)


def tiny_checkpoint(folder):
    """Path of a 3-D checkpoint with both transforms; its random ITN makes maps, its STNs start at the identity."""
    torch.manual_seed(0)
    path, model = folder / "tiny.h5", ISTN(CONFIG)
    with torch.no_grad():  # away from the initial "nothing anywhere"
        model.itn.out.bias.zero_()
        model.itn.out.weight.mul_(8)
    save_checkpoint(path, model, {})
    return path


def tiny_pair(orientation="oblique"):
    """Fixed and moving volumes of different geometry that show the same blobs a few mm apart."""
    fixed = blob_volume(make_grid(3, "LPS"), seed=1)
    moving = blob_volume(make_grid(3, "LPS", center=(6.5, -4.0, 3.0)), seed=1)
    turned = make_grid(3, orientation, size=(30, 28, 26), center=moving.grid.center)
    index = np.rint(moving.grid.physical_to_index(turned.points())).astype(int)
    inside = ((index >= 0) & (index < moving.grid.size)).all(axis=-1)
    array = np.zeros(turned.shape, np.float32)
    array[inside] = moving.array[tuple(index[inside].T[::-1])]
    return Volume(fixed.array, fixed.grid, "fixed"), Volume(array, turned, "moving")
