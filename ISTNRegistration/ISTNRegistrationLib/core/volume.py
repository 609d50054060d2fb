"""An image in the world: the only thing that crosses from files or MRML into the method, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .errors import InputError
from .grid import Grid

MIN_VOXELS = 4
LARGEST = 1e30  # of a voxel: the networks' numbers are float32
SPACING_RANGE_MM = (1e-3, 100.0)


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxel values with their grid.

    Convention: ``array`` is ([D, ]H, W), or (C, [D, ]H, W) for maps with channels; values are unit-free.
    ``warnings``: sentences that whoever read it has for the user.
    """

    array: np.ndarray
    grid: Grid
    name: str = "volume"
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.array.dtype == bool:
            object.__setattr__(self, "array", self.array.astype(np.uint8))
        if self.array.shape[-self.grid.ndim :] != self.grid.shape:
            raise InputError(
                f"Volume '{self.name}'",
                "the array does not fit the grid",
                f"spatial shape {self.grid.shape}",
                str(self.array.shape),
                "Give size in x, y, z order and arrays in z, y, x order",
            )

    @property
    def channels(self) -> np.ndarray:
        """The array with a channel axis, (C, [D, ]H, W)."""
        return self.array.reshape(-1, *self.grid.shape)

    @property
    def strongest(self) -> Volume:
        """One channel: the largest value at each voxel; of a map the structure that is seen most, to look at."""
        return Volume(self.channels.max(axis=0), self.grid, self.name)


def check_image(volume: Volume, who: str) -> None:
    """Refuse an image that cannot be registered, before any work is done.

    Raises:
        InputError: more than one component, fewer than ``MIN_VOXELS`` along an axis (empty, one slice), spacing
            outside ``SPACING_RANGE_MM``, NaN or Inf, values above ``LARGEST``, or a constant image.
    """
    who = f"{who} image '{volume.name}'"
    _check_geometry(volume, who)
    if not np.isfinite(volume.array).all():
        count = int((~np.isfinite(volume.array)).sum())
        todo = "Replace them (for example by the background value) and try again"
        raise InputError(who, "it has NaN or infinite values", "finite voxels", f"{count} that are not", todo)
    low, high = volume.array.min(), volume.array.max()
    if max(abs(float(low)), abs(float(high))) > LARGEST:
        todo = "Scale its values, or repair the file"
        raise InputError(who, "its values are too large", f"up to {LARGEST:.0e}", f"{low:.2e} to {high:.2e}", todo)
    if low == high:
        got = f"{volume.array.flat[0]} everywhere"
        raise InputError(who, "it is constant", "an image with contrast", got, "Check that the right volume was picked")


def _check_geometry(volume: Volume, who: str) -> None:
    if volume.array.ndim != volume.grid.ndim:
        got, todo = f"array shape {volume.array.shape}", "Convert color or vectors to one channel"
        raise InputError(who, "it is not a scalar image", "one component", got, todo)
    if min(volume.grid.size) < MIN_VOXELS:
        expected = f"at least {MIN_VOXELS} voxels along each axis"
        todo = "Use a 2-D image with a 2-D checkpoint, or a full volume"
        raise InputError(who, "it is empty or too thin", expected, f"size {volume.grid.size}", todo)
    low, high = SPACING_RANGE_MM
    if not all(low <= s <= high for s in volume.grid.spacing):
        todo = "Correct the spacing in the image's header"
        raise InputError(who, "its spacing is impossible", f"{low} to {high} mm", f"{volume.grid.spacing} mm", todo)
