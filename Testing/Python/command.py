"""Running ``istn`` inside the test's process on tiny files, 2-D and 3-D."""

import dataclasses

import numpy as np
import torch
from builders import blob_volume, make_grid
from harness.models import CONFIG
from ISTNRegistrationLib.cli.main import main
from ISTNRegistrationLib.core.checkpoint import save_checkpoint
from ISTNRegistrationLib.core.config import GridConfig
from ISTNRegistrationLib.core.istn import ISTN
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data.images import write_image


def run(*words, **options):
    """Exit code of ``istn``; ``output_transform=x`` stands for ``--output-transform x``."""
    flags = [[f"--{key.replace('_', '-')}", str(value)] for key, value in options.items()]
    try:
        return main([*words, *(word for flag in flags for word in flag)])
    except SystemExit as stopped:
        return stopped.code


def small_config(ndim, **changes):
    """Configuration of a tiny network whose structures are the labels 1 and 2."""
    grid = GridConfig(size=(16,) * ndim, spacing=(2.0,) * ndim)
    return dataclasses.replace(CONFIG, grid=grid, **changes)


def checkpoint_file(path, config):
    """An untrained checkpoint whose maps show something."""
    torch.manual_seed(0)
    model = ISTN(config)
    with torch.no_grad():
        if model.itn is not None:
            model.itn.out.bias.zero_()
            model.itn.out.weight.mul_(8)
    save_checkpoint(path, model, {})
    return path


def subject(folder, name, ndim, shift=0.0):
    """An image of blobs and its label map (1 and 2), ``shift`` mm aside; paths of both."""
    grid = make_grid(ndim, "LPS", center=(5.0 + shift, -3.0, 2.0))
    image = blob_volume(grid, seed=3)
    labels = (image.array > 40).astype(np.uint8) + (image.array > 60).astype(np.uint8)
    paths = folder / f"{name}.nii.gz", folder / f"{name}_soi.nii.gz"
    for path, volume in zip(paths, (image, Volume(labels, grid, name)), strict=True):
        write_image(path, volume)
    return paths


def files_in(folder):
    """Names of all files and folders below a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
