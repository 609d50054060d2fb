"""Where torch would compute, in words; the panel opens without importing torch, and without torch at all."""

from __future__ import annotations

import sys
from importlib import metadata


def deviceText() -> str:
    """For example "NVIDIA H100, torch 2.13.0+cu126"; before the first run, which imports torch, its version alone."""
    try:
        version = f"torch {metadata.version('torch')}"
    except metadata.PackageNotFoundError:
        return "torch is not installed"
    torch = sys.modules.get("torch")
    if torch is None:
        return version
    name = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "CPU only"
    return f"{name}, torch {torch.__version__}"
