"""Headers of NRRD, MetaImage, GIPL and VTK files: as much of them as tells where the voxels are, and how many bytes."""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path

from ..core.errors import InputError
from .voxels import SOURCE, Voxels

LONGEST_HEADER = 1 << 20
GIPL_HEADER = 256
GIPL_MAGIC = (0xEFFFE9B0, 719555000)
GIPL_BYTES = {1: 1, 7: 1, 8: 1, 15: 2, 16: 2, 31: 4, 32: 4, 64: 4, 65: 8}
META_BYTES = dict(CHAR=1, UCHAR=1, SHORT=2, USHORT=2, INT=4, UINT=4, LONG=4, ULONG=4, LONG_LONG=8, ULONG_LONG=8)
META_BYTES |= dict(FLOAT=4, DOUBLE=8, STRING=1)
WORDS = {"char": 1, "short": 2, "longlong": 8, "long": 8, "int64": 8, "int": 4, "float": 4, "double": 8}
FIXED = re.compile(r"u?int(8|16|32|64)(_t)?$")
NRRD_PACKING = {"raw": "plain", "gzip": "gzip", "gz": "gzip", "bzip2": "bzip2", "bz2": "bzip2"}
NRRD_PACKING |= dict.fromkeys(("ascii", "text", "txt"), "text")


def nrrd_voxels(path: Path, who: str) -> Voxels:
    """Voxels of an NRRD file (https://teem.sourceforge.net/nrrd/format.html), attached or in one other file.

    Raises:
        InputError: the header is damaged, or the voxels are in several files.
    """
    text, end = _text_header(path, (b"\n\n", b"\r\n\r\n"))
    lines = [line for line in text.splitlines()[1:] if ":" in line and ":=" not in line and not line.startswith("#")]
    pairs = (line.split(":", 1) for line in lines)
    fields = {key.strip().lower().replace(" ", ""): value.strip() for key, value in pairs}
    packing = NRRD_PACKING.get(fields.get("encoding", "").lower())
    sizes = _numbers(fields.get("sizes", ""))
    width = _bytes_of(fields.get("type", ""))
    if packing is None or not width or not sizes or str(len(sizes)) != fields.get("dimension"):
        raise _damaged(who, "fields type, dimension, sizes and encoding (raw, gzip, bzip2 or ascii)", text)
    count = math.prod(sizes) * (1 if packing == "text" else width)
    name = fields.get("datafile")
    if name is None:
        return Voxels(path, count, end, packing)
    skip = int(fields.get("byteskip", "0") or 0)
    beside = _beside(path, name, who)
    if packing == "plain" and skip < 0:
        return Voxels(beside, count)
    return Voxels(beside, count, 0, packing, max(skip, 0))


def meta_voxels(path: Path, who: str) -> Voxels:
    """Voxels of a MetaImage (.mha, or .mhd with one other file).

    Raises:
        InputError: the header is damaged, or the voxels are in several files.
    """
    text, end = _text_header(path, (b"ElementDataFile",))
    fields = dict(map(str.strip, line.split("=", 1)) for line in text.splitlines() if "=" in line)
    sizes, name = _numbers(fields.get("DimSize", "")), fields.get("ElementDataFile", "")
    width = META_BYTES.get(fields.get("ElementType", "").removeprefix("MET_").removesuffix("_ARRAY"))
    channels = _numbers(fields.get("ElementNumberOfChannels", "1"))
    if not width or not sizes or len(channels) != 1 or str(len(sizes)) != fields.get("NDims") or not name:
        raise _damaged(who, "fields NDims, DimSize, ElementType and ElementDataFile", text)
    numbers = math.prod(sizes) * channels[0]
    if fields.get("BinaryData", "True").lower().startswith("f"):
        packing, numbers = "text", numbers
    else:
        packing = "zlib" if fields.get("CompressedData", "False").lower().startswith("t") else "plain"
        numbers *= width
    if name.upper() == "LOCAL":
        return Voxels(path, numbers, end, packing)
    skip = _numbers(fields.get("HeaderSize", "0").replace("-1", "0"))
    return Voxels(_beside(path, name, who), numbers, (skip or [0])[0], packing)


def gipl_voxels(path: Path, head: bytes, packing: str, who: str) -> Voxels:
    """Voxels of a GIPL file from its unpacked first bytes.

    Raises:
        InputError: the header is damaged.
    """
    sizes = [size for size in struct.unpack_from(">4H", head) if size > 0]
    kind = struct.unpack_from(">H", head, 8)[0]
    if kind not in GIPL_BYTES or not sizes:
        raise _damaged(who, "sizes and a type that GIPL knows", f"sizes {sizes}, type {kind}")
    return Voxels(path, math.prod(sizes) * GIPL_BYTES[kind], 0, packing, GIPL_HEADER)


def vtk_voxels(path: Path, who: str) -> Voxels:
    """Voxels of a legacy VTK file of structured points.

    Raises:
        InputError: the header is damaged, or it holds no scalars.
    """
    with path.open("rb") as file:
        head = file.read(4096)
    found = re.search(rb"^SCALARS +\S+ +(\S+)(?: +(\d+))?[ \r]*\n(?:LOOKUP_TABLE[^\n]*\n)?", head, re.M)
    sizes = re.search(rb"^DIMENSIONS +(\d+) +(\d+) +(\d+)", head, re.M)
    if not found or not sizes or b"STRUCTURED_POINTS" not in head:
        raise _damaged(who, "structured points with scalars", head[:200].decode("latin-1"))
    width = _bytes_of(found[1].decode("latin-1").replace("_", " ").removeprefix("vtktype"))
    count = math.prod(map(int, sizes.groups())) * int(found[2] or 1)
    if not width:
        raise _damaged(who, "a type of numbers that VTK knows", found[1].decode("latin-1"))
    if re.search(rb"^ASCII", head, re.M):
        return Voxels(path, count, found.end(), "text")
    return Voxels(path, count * width, found.end())


def _text_header(path: Path, ends: tuple[bytes, ...]) -> tuple[str, int]:
    """The lines up to the one that ends the header, and where the bytes after it begin."""
    with path.open("rb") as file:
        head = file.read(LONGEST_HEADER)
    places = [place + len(end) for end in ends if (place := head.find(end)) >= 0]
    end = min(places, default=len(head))
    if ends == (b"ElementDataFile",):
        end = head.find(b"\n", end) + 1 or len(head)
    return head[:end].decode("latin-1"), end


def _beside(path: Path, name: str, who: str) -> Path:
    """The one other file that a header names."""
    if name.split()[0].upper() == "LIST" or "%" in name:
        todo = "Convert it to .nii.gz or .nrrd"
        raise InputError(who, "its voxels are in several files", "one file", name, todo)
    beside = path.parent / name
    if not beside.is_file():
        raise InputError(who, "the file of its voxels is missing", "an existing file", str(beside), SOURCE)
    return beside


def _bytes_of(kind: str) -> int:
    """Bytes of a number by the name of its type in NRRD or VTK; 0 if unknown."""
    words = kind.lower().split()
    name = "".join(word for word in words if word not in ("signed", "unsigned"))
    if found := FIXED.match(name):
        return int(found[1]) // 8
    name = name[1:] if name[:1] == "u" else name
    name = name.removesuffix("int") if name in ("shortint", "longlongint") else name
    return WORDS.get(name, 0)


def _numbers(text: str) -> list[int]:
    """Whole numbers, none of which is negative; an empty list if it is anything else."""
    words = text.split()
    return [int(word) for word in words] if all(word.isdecimal() and len(word) < 20 for word in words) else []


def _damaged(who: str, expected: str, got: str) -> InputError:
    return InputError(who, "its header is damaged", expected, got[:200], SOURCE)
