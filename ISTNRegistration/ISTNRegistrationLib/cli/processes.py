"""Training in several processes, as torchrun starts them (torch's DistributedDataParallel; nothing of our own)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import distributed

from ..core.register import pick_device


@contextmanager
def training_device(name: str) -> Iterator[torch.device]:
    """The device of this process; under torchrun it joins the others first: NCCL on GPUs, one each, else Gloo.

    Args:
        name: auto, cpu or cuda.
    """
    device = pick_device(name)
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield device
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield device
    finally:
        distributed.destroy_process_group()
