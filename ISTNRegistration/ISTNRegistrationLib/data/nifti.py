"""NIfTI and Analyze headers: where the voxels are, and where in the world the header says that they lie.

Silently, ITK fills up a truncated file, turns NaN into 0 and no spacing into 1 mm, and takes one of two positions.
"""

from __future__ import annotations

import itertools
import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.errors import InputError
from ..core.grid import apply_matrix
from .voxels import SOURCE, Voxels

HEADER = 540
LARGEST_OFFSET = 1 << 40
# header size, then type and place of dim, pixdim, vox_offset, (datatype, bitpix), codes, quaternion, sform, magic:
# nifti1.h, nifti2.h
LAYOUTS = (
    (348, ("8h", 40), ("8f", 76), ("f", 108), ("2h", 70), ("2h", 252), ("6f", 256), ("12f", 280), ("4s", 344)),
    (540, ("8q", 16), ("8d", 104), ("q", 168), ("2h", 12), ("2i", 344), ("6d", 352), ("12d", 400), ("4s", 4)),
)
FLOATS = {16: "f4", 64: "f8"}
# bits of a voxel by datatype code; what else there is (long double, complex, color) is not registered anyway
BITS = {2: 8, 4: 16, 8: 32, 16: 32, 32: 64, 64: 64, 128: 24, 256: 8, 512: 16, 768: 32, 1024: 64, 1280: 64, 2304: 32}
IN_ONE_FILE, IN_TWO_FILES, ANALYZE = (b"n+1\0", b"n+2\0"), (b"ni1\0", b"ni2\0"), b"\0\0\0\0"
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # NIfTI is RAS


@dataclass(frozen=True)
class Header:
    """What decides where the voxels are and how large; ``order`` is ``<`` or ``>``; the rest as in the file."""

    order: str
    end: int
    dim: tuple[int, ...]
    pixdim: tuple[float, ...]
    offset: float
    datatype: int
    bits: int
    codes: tuple[int, int]
    quaternion: tuple[float, ...]
    sform: tuple[float, ...]
    magic: bytes

    @property
    def width(self) -> int:
        """Bits of a voxel."""
        return BITS.get(self.datatype, self.bits)

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along each axis."""
        return self.dim[1 : self.dim[0] + 1]

    @property
    def placing(self) -> tuple[float, ...]:
        """All numbers of the positions that the header gives."""
        sform, qform = self.codes[1] > 0, self.codes[0] > 0
        return self.sform * sform + (*self.quaternion, *self.pixdim[:4]) * qform

    def positions(self) -> dict[str, np.ndarray]:
        """Index-to-LPS matrices (4, 4) of the positions that the header gives: ``sform``, ``qform``, both or none."""
        found = {}
        if self.codes[1] > 0:
            found["sform"] = LPS @ np.vstack([np.reshape(self.sform, (3, 4)), [0, 0, 0, 1]])
        if self.codes[0] > 0:
            found["qform"] = LPS @ _quaternion_matrix(self.quaternion, self.pixdim)
        return found


def read_header(data: bytes) -> Header | None:
    """The header at the beginning of ``data``, None if it is not one of NIfTI or Analyze."""
    for order in "<>":
        for size, *fields in LAYOUTS:
            if len(data) >= size and struct.unpack_from(order + "i", data)[0] == size:
                dim, pixdim, (offset,), kind, *rest = (struct.unpack_from(order + t, data, at) for t, at in fields)
                return Header(order, size, dim, pixdim, offset, *kind, *rest[:3], rest[3][0])
    return None


def nifti_voxels(path: Path, header: Header, packing: str, who: str) -> Voxels:
    """Where the voxels are, once the header is seen to be possible; of a pair, in the .img beside.

    Raises:
        InputError: a size, spacing, type or place of the voxels that cannot be.
    """
    _check_header(header, who)
    _check_spacing(header, who)
    floats = header.order + FLOATS[header.datatype] if header.datatype in FLOATS else ""
    count = math.prod(header.shape) * header.width // 8
    if path.name.lower().endswith((".nii", ".nii.gz")) or header.magic in IN_ONE_FILE:
        return Voxels(path, count, 0, packing, max(int(header.offset), header.end), floats)
    image = _image_of_pair(path, who)
    return Voxels(image, count, 0, "gzip" if image.suffix.lower() == ".gz" else "plain", int(header.offset), floats)


def _check_header(header: Header, who: str) -> None:
    for fine, expected, got in (
        (1 <= header.dim[0] <= 7, "1 to 7 axes", f"dim[0] = {header.dim[0]}"),
        (all(size > 0 for size in header.shape), "at least one voxel along each axis", f"dim = {header.shape}"),
        (header.width > 0, "a type of voxels that NIfTI knows", f"datatype {header.datatype}"),
        (np.isfinite(header.placing).all(), "a finite position", f"sform {header.sform}, qform {header.quaternion}"),
        (0 <= header.offset < LARGEST_OFFSET, "the number of bytes before the voxels", f"vox_offset {header.offset:g}"),
    ):
        if not fine:
            raise InputError(who, "its header is damaged", expected, got, SOURCE)


def check_mark(path: Path, header: Header, who: str) -> None:
    """Raise InputError where the mark is not that of the kind of file: the header would be read as an older one's."""
    is_pair = path.name.lower().endswith((".hdr", ".img", ".img.gz"))
    allowed = (*IN_TWO_FILES, ANALYZE) if is_pair else IN_ONE_FILE
    if header.magic not in allowed:
        raise InputError(who, "its header is damaged", f"one of the marks {allowed}", f"{header.magic!r}", SOURCE)


def _check_spacing(header: Header, who: str) -> None:
    todo = "Repair the header (pixdim) or convert the image from its source again"
    for length, spacing in zip(header.shape[:3], header.pixdim[1:4], strict=False):
        if length > 1 and (spacing == 0 or not math.isfinite(spacing)):
            got = " x ".join(f"{value:g}" for value in header.pixdim[1:4])
            raise InputError(who, "its spacing is impossible", "finite, non-zero mm", got, todo)


def _image_of_pair(path: Path, who: str) -> Path:
    """The .img of a .hdr."""
    name = path.name[: -len(".hdr")] if path.suffix.lower() == ".hdr" else path.name
    for image in (path.with_name(name + end) for end in (".img", ".IMG", ".img.gz")):
        if image.is_file():
            return image
    todo = "Put both files of the pair into one folder"
    raise InputError(who, "the voxels of the pair are missing", "a .img beside the .hdr", str(path), todo)


def _quaternion_matrix(quaternion: tuple[float, ...], pixdim: tuple[float, ...]) -> np.ndarray:
    """Index to RAS mm (4, 4): method 2 of nifti1.h."""
    b, c, d, *offset = quaternion
    a = math.sqrt(max(0.0, 1.0 - (b * b + c * c + d * d)))
    rotation = [
        [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
        [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
        [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
    ]
    scale = np.abs(pixdim[1:4]) * [1, 1, -1 if pixdim[0] < 0 else 1]
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = np.array(rotation) * scale, offset
    return matrix


def farthest_mm(first: np.ndarray, second: np.ndarray, size: tuple[int, ...]) -> float:
    """Largest distance between the places that two index-to-LPS matrices give to a corner of the image."""
    corners = np.array(list(itertools.product(*((0, s - 1) for s in size))), dtype=float)
    return float(np.linalg.norm(apply_matrix(first, corners) - apply_matrix(second, corners), axis=-1).max())
