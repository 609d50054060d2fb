"""Curves and pictures of a training for TensorBoard, where it is installed."""

from __future__ import annotations

from pathlib import Path

import torch

from ..core.istn import ISTN

MISSING = "No TensorBoard curves: `pip install tensorboard` to get them (history.csv has the numbers)."


class Curves:
    """Writes into a folder; does nothing where TensorBoard is not installed."""

    def __init__(self, folder: Path, step: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self.writer = None
        else:
            self.writer = SummaryWriter(str(folder), purge_step=step)

    def values(self, step: int, values: dict[str, float]) -> None:
        """A point on each curve."""
        if self.writer:
            for name, value in values.items():
                self.writer.add_scalar(name, value, step)

    def pictures(self, step: int, model: ISTN, pair: dict[str, torch.Tensor]) -> None:
        """Middle slices of the pair, M', F' and M' under the last transform; of several channels the strongest."""
        if not self.writer:
            return
        for name, values in training_pictures(model, pair).items():
            self.writer.add_image(name, values, step, dataformats="HW")

    def close(self) -> None:
        """Write what is buffered."""
        if self.writer:
            self.writer.close()


@torch.no_grad()
def training_pictures(model: ISTN, pair: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Slices (H, W) in [0, 1] through the middle of the networks' grid."""
    model.eval()
    moving, fixed = (pair[role].to(model.cube.device) for role in ("moving", "fixed"))
    moving_map, fixed_map = model.maps(moving), model.maps(fixed)
    *_, (_, linear, coefficients) = model.predictions(moving_map, fixed_map)
    warped = model.warp(moving_map, linear, coefficients)
    shown = {"moving": moving, "fixed": fixed, "moving map": moving_map, "fixed map": fixed_map, "warped map": warped}
    return {f"pictures/{name}": _middle_slice(values) for name, values in shown.items()}


def _middle_slice(values: torch.Tensor) -> torch.Tensor:
    """Of (1, C, [D, ]H, W): the strongest channel in the middle of D."""
    strongest = values[0].float().amax(dim=0).clamp(0, 1).cpu()
    return strongest if strongest.ndim == 2 else strongest[len(strongest) // 2]
