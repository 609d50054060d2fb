"""Hostile transform files, ITK's in every format: an initial alignment, or what ``istn apply`` is given."""

import re
from pathlib import Path

import h5py
import numpy as np
import SimpleITK as sitk
from builders import affine_matrix, bspline_field, make_grid
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.data.mapping import map_points, matrix_transform, read_mapping
from ISTNRegistrationLib.data.transforms import read_transform, to_sitk_transform

from .bytes import damaged
from .checkpoints import ODD
from .places import clear, no_plain_file

ENDS = ("h5", "tfm", "txt", "mat", "h5", "h5")
MARKS = (b"TransformGroup", b"TransformType", b"TransformParameters", b"TREE", b"HEAP", b"SNOD", b"Version")
WAYS = ("bytes", "bytes", "cut", "marks", "content", "content", "no plain file")


class Transforms:
    """Cases of a matrix and of a matrix with a B-spline in each format."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bases = folder, []
        grid = make_grid(3, "oblique", (8, 7, 6))
        warped = SpatialTransform(affine_matrix(3), bspline_field(grid))
        for transform in (matrix_transform(affine_matrix(3)), to_sitk_transform(warped)):
            for end in ENDS:
                if end == "mat" and not transform.IsLinear():
                    continue
                path = folder / f"base.{end}"
                sitk.WriteTransform(transform, str(path))
                self.bases.append((end, path.read_bytes(), transform))
        self.points = grid.points().reshape(-1, 3)

    def write(self, seed: int) -> str:
        """Write case ``seed``; its kind."""
        rng = np.random.default_rng([4, seed])
        end, data, self.wanted = self.bases[seed % len(self.bases)]
        self.way = WAYS[rng.integers(len(WAYS))]
        self.path = self.folder / f"case.{end}"
        clear(self.path)
        if self.way == "no plain file":
            no_plain_file(self.path, data, rng)
        elif self.way == "content" and end == "h5":
            self.path.write_bytes(data)
            with h5py.File(self.path, "r+") as file:
                _spoil(file, rng)
        else:
            self.path.write_bytes(self._bytes(data, rng))
        return f"{end} {self.way}"

    def _bytes(self, data: bytes, rng) -> bytes:
        if self.way == "cut":
            return data[: int(rng.integers(len(data)))]
        if self.way == "marks" and MARKS[0] in data:
            return damaged(data, rng, near=MARKS)
        if self.way == "content":
            numbers = list(re.finditer(rb"-?\d[\d.e+-]*", data))
            odd = [b"nan", b"inf", b"1e400", b"99999999999", b"-1", b"", b"x", b"0"][rng.integers(8)]
            found = numbers[rng.integers(len(numbers))]
            return data[: found.start()] + odd + data[found.end() :]
        return damaged(data, rng)

    def judge(self, kind: str) -> str:
        """Read it as an initial alignment and as any mapping: ``read`` or ``wrong``; raises InputError.

        Wrong is what maps points to nowhere, and a cut or linked file that maps them elsewhere than the good one.
        """
        found = read_mapping([str(self.path)])
        there = map_points(found, self.points[:, : found.GetDimension()])
        ours = read_transform(self.path)
        again = ours.map_points(self.points[:, : found.GetDimension()])
        if not (np.isfinite(there).all() and np.isfinite(again).all()):
            return "wrong"
        if self.way in ("cut", "no plain file"):
            return "read" if np.allclose(there, map_points(self.wanted, self.points), atol=1e-6) else "wrong"
        return "read"


def _spoil(file: h5py.File, rng) -> None:
    """One dataset of ITK's has another type, shape or value, is kept elsewhere, or is a link."""
    names = []
    file.visititems(lambda name, found: names.append(name) if isinstance(found, h5py.Dataset) else None)
    name = names[rng.integers(len(names))]
    shape, old = file[name].shape, file[name][()]
    del file[name]
    value = ODD[rng.integers(len(ODD))]
    ways = (
        lambda: file.__setitem__(name, h5py.SoftLink("/TransformGroup")),
        lambda: file.__setitem__(name, h5py.ExternalLink("/dev/zero", "/x")),
        lambda: file.create_dataset(name, shape, "f8", external=[("/etc/passwd", 0, 8 * max(1, int(np.prod(shape))))]),
        lambda: file.create_dataset(name, (1 << int(rng.integers(10, 40)),), "f8", chunks=(1024,)),
        lambda: file.create_dataset(name, data=np.zeros(tuple(rng.integers(0, 4, int(rng.integers(4)))))),
        lambda: file.create_dataset(name, data=value if isinstance(value, (float, str)) else np.arange(9)),
        lambda: file.create_dataset(name, data=_with(old, value)),
        lambda: file.create_dataset(name, data=_with(old, 1e30)),
        lambda: None,
    )
    ways[rng.integers(len(ways))]()


def _with(old, value):
    """The same array with one number changed, if they are numbers."""
    if not isinstance(value, float) or not isinstance(old, np.ndarray) or old.dtype.kind != "f" or not old.size:
        return old
    changed = old.copy()
    changed.flat[int(abs(hash(str(old.size)))) % old.size] = value
    return changed
