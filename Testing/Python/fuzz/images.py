"""Hostile image files of every format that is read."""

import gzip
import zlib
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from ISTNRegistrationLib.data.images import read_image

from .bytes import damaged

FORMATS = (
    *(("nii", np.int16), ("nii.gz", np.int16), ("nii", np.float32), ("hdr", np.int16), ("nrrd", np.int16)),
    *(("nhdr", np.int16), ("mha", np.int16), ("mhd", np.uint8), ("gipl", np.int16), ("gipl.gz", np.int16)),
    *(("vtk", np.float32), ("dcm", np.uint16), ("png", np.uint8), ("tif", np.uint16), ("jpg", np.uint8)),
)


class Images:
    """Cases of one base file per format, packed or not."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bases = folder, []
        for packed in (False, True):
            for number, (end, kind) in enumerate(FORMATS):
                place = folder / f"base{number}{packed}"
                place.mkdir()
                values = np.random.default_rng(number).random((5, 12, 13)) * 200
                values = values[:1] if end == "dcm" else values[0] if end in ("png", "jpg") else values
                sitk.WriteImage(sitk.GetImageFromArray(values.astype(kind)), str(place / f"a.{end}"), packed)
                self.bases.append((end, {path.name: path.read_bytes() for path in place.iterdir()}))

    def write(self, seed: int) -> str:
        """Write case ``seed``; its kind."""
        rng = np.random.default_rng([2, seed])
        self.end, files = self.bases[seed % len(self.bases)]
        self.case = self.folder / "case"
        self.case.mkdir(exist_ok=True)
        for old in self.case.iterdir():
            old.unlink()
        victim = str(rng.choice(list(files)))
        for name, data in files.items():
            (self.case / name).write_bytes(self._damaged(name, data, rng) if name == victim else data)
        self.path = self.case / f"a.{self.end}"
        return self.end

    def _damaged(self, name: str, data: bytes, rng) -> bytes:
        """Packed files are also damaged inside, and packed again with a right checksum."""
        if name.endswith(".gz") and rng.random() < 0.7:
            return gzip.compress(damaged(gzip.decompress(data), rng))
        return damaged(data, rng)

    def judge(self, kind: str) -> str:
        """Read the case: ``read``, or ``wrong`` where it has more voxels than the files hold; raises InputError."""
        volume = read_image(self.path)
        held = sum(_held(path.read_bytes()) for path in self.case.iterdir())
        stored = volume.array.nbytes
        if kind in ("nii", "nii.gz", "hdr"):  # ITK makes whole numbers with a slope floating-point ones
            data = self.path.read_bytes()
            header = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
            bits = min(int.from_bytes(header[72:74], order) for order in ("little", "big"))
            stored = volume.array.size * bits // 8
        is_filled_up = kind not in ("png", "jpg", "tif", "dcm") and stored > held
        return "wrong" if is_filled_up or not volume.array.size else "read"


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
