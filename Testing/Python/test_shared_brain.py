"""The shipped checkpoint on two real brains of develop-val, from the data beside the project."""

import os
from pathlib import Path

import numpy as np
import pytest
from ISTNRegistrationLib.core.checkpoint import load_checkpoint
from ISTNRegistrationLib.core.metrics import label_dice
from ISTNRegistrationLib.core.register import RegisterOptions, register_pair
from ISTNRegistrationLib.core.warp import warp_volume
from ISTNRegistrationLib.data.images import read_image, read_labels

SHARED = Path(os.environ.get("ISTN_SHARED", Path(__file__).resolve().parents[3] / "shared"))
BRAIN = SHARED / "data" / "brain"
FIXED, MOVING = "brain_1013.nii.gz", "brain_1119.nii.gz"  # 29 and 68 years: hardly overlapping to begin with


@pytest.mark.shared
@pytest.mark.skipif(not BRAIN.is_dir(), reason="the data beside the project (../shared or ISTN_SHARED) are not here")
def test_the_shipped_checkpoint_aligns_the_structures_of_two_real_brains():
    fixed, moving = (read_image(BRAIN / "images" / name) for name in (FIXED, MOVING))
    there, here = (read_labels(BRAIN / "labels_subcortical" / name) for name in (FIXED, MOVING))
    result = register_pair(fixed, moving, load_checkpoint("brain"), RegisterOptions("bspline"))
    dice = {}
    for stage in result.stages:
        warped = warp_volume(here, stage.transform, there.grid, order="nearest").array
        dice[stage.name] = np.mean(list(label_dice(there.array, warped, range(1, 16)).values()))
    assert dice["initial"] < 0.35
    assert dice["affine refined"] > dice["affine"] > dice["initial"] + 0.05
    assert dice["bspline refined"] > 0.70
    assert result.stages[-1].folded == 0
