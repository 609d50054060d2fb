"""Where torch computes: the device of a name, and in words. Torch is imported only where a device is asked for."""

from __future__ import annotations

import sys
from importlib import metadata

from .errors import InputError


def pick_device(name: str):
    """torch.device for auto, cpu or cuda.

    Raises:
        InputError: cuda where this torch has none.
    """
    import torch

    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        got = f"torch {torch.__version__} without a CUDA device"
        raise InputError("Option 'device'", "there is no CUDA device", "a CUDA device", got, "Use auto or cpu")
    return torch.device("cuda" if name != "cpu" and has_cuda else "cpu")


def device_text() -> str:
    """For example "NVIDIA H100, torch 2.13.0+cu126"; before torch was imported, its version alone."""
    try:
        version = f"torch {metadata.version('torch')}"
    except metadata.PackageNotFoundError:
        return "torch is not installed"
    torch = sys.modules.get("torch")
    if torch is None:
        return version
    name = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "CPU only"
    return f"{name}, torch {torch.__version__}"
