"""Hostile image files of every format that is read: damaged, cut, named as another format, placed twice or askew."""

import gzip
import re
import zlib
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from ISTNRegistrationLib.data.images import read_image

from .bytes import damaged
from .headers import nifti_positions, nifti_width, placed_anew, with_field, with_text
from .places import clear, no_plain_file

FORMATS = (
    *(("nii", np.int16), ("nii.gz", np.int16), ("nii", np.float32), ("hdr", np.int16), ("nrrd", np.int16)),
    *(("nhdr", np.int16), ("mha", np.int16), ("mhd", np.uint8), ("gipl", np.int16), ("gipl.gz", np.int16)),
    *(("vtk", np.float32), ("dcm", np.uint16), ("png", np.uint8), ("tif", np.uint16), ("jpg", np.uint8)),
)
NIFTI, TEXTS = ("nii", "nii.gz", "hdr"), ("nrrd", "nhdr", "mha", "mhd", "vtk")
ENDS = sorted({end for end, _ in FORMATS})


class Images:
    """Cases of one base file per format, packed or not."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bases, self.wanted = folder, [], []
        for packed in (False, True):
            for number, (end, kind) in enumerate(FORMATS):
                place = folder / f"base{number}{packed}"
                place.mkdir()
                values = np.random.default_rng(number).random((5, 12, 13)) * 200
                values = values[:1] if end == "dcm" else values[0] if end in ("png", "jpg") else values
                image = sitk.GetImageFromArray(values.astype(kind))
                image.SetSpacing((1.5, 1.25, 2.0)[: image.GetDimension()])
                sitk.WriteImage(image, str(place / f"a.{end}"), packed)
                self.bases.append((end, {path.name: path.read_bytes() for path in place.iterdir()}))
                self.wanted.append(read_image(place / f"a.{end}"))

    def write(self, seed: int) -> str:
        """Write case ``seed``; its kind."""
        rng = np.random.default_rng([2, seed])
        self.number = seed % len(self.bases)
        self.end, self.files = self.bases[self.number]
        self.case = self.folder / "case"
        self.case.mkdir(exist_ok=True)
        for old in self.case.iterdir():
            clear(old)
        self.path, self.way = self.case / f"a.{self.end}", self._way(rng)
        victim = str(rng.choice(sorted(self.files)))
        for name, data in self.files.items():
            is_header = name == f"a.{self.end}"
            if self.way == "no plain file" and name == victim:
                no_plain_file(self.case / name, data, rng)
            elif is_header if self.way in ("field", "place") else name == victim:
                (self.case / name).write_bytes(self._changed(name, data, rng))
            else:
                (self.case / name).write_bytes(data)
        if self.way == "renamed":
            self.path = self.path.rename(self.case / f"a.{rng.choice([end for end in ENDS if end != self.end])}")
        return f"{self.end} {self.way}"

    def _way(self, rng) -> str:
        """How the file is made hostile: a field of its header where it is known which bytes that is."""
        ways = ["bytes", "bytes", "cut", "renamed", "no plain file"]
        ways += ["field"] * 3 * (self.end in (*NIFTI, *TEXTS)) + ["place"] * 2 * (self.end in NIFTI)
        return ways[rng.integers(len(ways))]

    def _changed(self, name: str, data: bytes, rng) -> bytes:
        """Packed files are changed inside and packed again with a right checksum, or as they are."""
        if self.way == "renamed":
            return data
        packed = name.endswith(".gz")
        if packed and (self.way in ("field", "place") or rng.random() < 0.7):
            return gzip.compress(self._changed(name[:-3], gzip.decompress(data), rng))
        if self.way == "cut":
            return data[: int(rng.integers(len(data)))]
        if self.way == "place":
            return placed_anew(data, rng)
        if self.way == "field":
            return with_field(data, rng) if self.end in NIFTI else with_text(data, rng)
        return damaged(data, rng)

    def judge(self, kind: str) -> str:
        """Read the case: ``read``, or ``wrong``; raises InputError.

        Wrong are voxels that the files do not hold, an impossible grid, a cut or renamed file read as something else,
        and a position that is not quite that of the header without a warning.
        """
        volume = read_image(self.path)
        wanted, grid = self.wanted[self.number], volume.grid
        axes = np.asarray(grid.direction)
        finite = np.isfinite([*grid.spacing, *grid.origin]).all() and min(grid.spacing) > 0
        if not finite or not np.allclose(axes.T @ axes, np.eye(grid.ndim), atol=3e-3):
            return "wrong"
        if not volume.array.size or self._is_filled_up(volume):
            return "wrong"
        if self.way in ("cut", "renamed") or (self.way == "no plain file" and len(self.files) == 1):
            same = np.array_equal(volume.array, wanted.array)
            return "read" if same and np.allclose(grid.matrix, wanted.grid.matrix, atol=1e-4) else "wrong"
        return self._judge_place(volume) if self.way == "place" else "read"

    def _judge_place(self, volume) -> str:
        """By the distances of all voxels from where each position of the header puts them."""
        index = np.stack(np.meshgrid(*map(np.arange, volume.grid.size), [1], indexing="ij"), -1).reshape(-1, 4)
        places = [index @ matrix.T for matrix in nifti_positions(unpacked(self.path.read_bytes()))]
        off = min(_farthest(index @ volume.grid.matrix.T, place) for place in places)
        apart = _farthest(places[0], places[-1])
        tenth = 0.1001 * max(volume.grid.spacing)
        is_told = volume.warnings or max(off, apart) < tenth
        return "read" if off < tenth and is_told else "wrong"

    def _is_filled_up(self, volume) -> bool:
        """Whether there are more voxels than the files hold."""
        kind, stored = self.path.name.partition(".")[2], volume.array.nbytes
        held = sum(_held(path.read_bytes()) for path in self.case.iterdir() if path.is_file())
        if self.end in NIFTI:  # ITK makes whole numbers with a slope floating-point ones
            stored = volume.array.size * nifti_width(unpacked(self.path.read_bytes()))
        text = re.search(rb"encoding: (ascii|text|txt)|^ASCII|BinaryData = F", self.path.read_bytes(), re.M)
        return not text and kind not in ("png", "jpg", "tif", "dcm") and stored > held


def _farthest(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.linalg.norm(first - second, axis=1).max())


def unpacked(data: bytes) -> bytes:
    """The bytes of a file that may be packed by gzip."""
    return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data


def _held(data: bytes) -> int:
    """Bytes of a file once unpacked: of gzip, or of what may be a zlib or gzip stream behind a header of text."""
    if data.startswith(b"\x1f\x8b"):
        return len(gzip.decompress(data))
    found = [len(data)]
    for mark, bits in ((b"\x1f\x8b", 31), (b"\x78", 15)):
        place = data.find(mark)
        while 0 <= place < 2000:
            try:
                found.append(len(zlib.decompressobj(bits).decompress(data[place:])))
            except zlib.error:
                pass
            place = data.find(mark, place + 1)
    return max(found)
