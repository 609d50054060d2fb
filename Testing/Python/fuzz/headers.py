"""Headers with one field changed: numbers that cannot be, other positions, lines of text that are gone or twice."""

import re
import struct

import numpy as np

NIFTI_FIELDS = {  # of nifti1.h: type and place
    **{"sizeof_hdr": ("i", 0), "dim_info": ("b", 39), "intent": ("h", 68), "datatype": ("h", 70), "bitpix": ("h", 72)},
    **{f"dim[{i}]": ("h", 40 + 2 * i) for i in range(8)},
    **{f"pixdim[{i}]": ("f", 76 + 4 * i) for i in range(8)},
    **{"vox_offset": ("f", 108), "slope": ("f", 112), "inter": ("f", 116), "units": ("b", 123)},
    **{"cal_max": ("f", 124), "cal_min": ("f", 128), "qform": ("h", 252), "sform": ("h", 254)},
    **{f"quaternion[{i}]": ("f", 256 + 4 * i) for i in range(6)},
    **{f"row[{i}]": ("f", 280 + 4 * i) for i in range(12)},
    **{"magic": ("i", 344), "extension": ("i", 348)},
}
WHOLE = [0, -1, 1, 2, 4, 5, 7, 8, 16, 64, 127, 128, 256, 512, 1024, 2304, 32767, -32768]
REAL = [0.0, -1.0, 1.0, np.nan, np.inf, -np.inf, 1e-30, 1e30, 348.0, 352.0, 353.0, 1e6, -1e6, 3e38, 0.001, 256.5]
WORDS = [
    *(b"", b"0", b"-1", b"1", b"999999999", b"4294967296", b"99999999999999999999", b"nan", b"inf", b"1e400", b"0.0"),
    *(b"none", b"\xff\xfe", b"13 12", b"13 12 5 1", b"0 12 5", b"-13 12 5", b"(0,0,0)", b"(nan,0,0)", b"../a.raw"),
    *(b"LIST", b"LOCAL", b"a%d.raw 1 9 1", b"/dev/zero", b"float", b"double", b"block", b"gzip", b"ascii", b"big"),
]
WIDTHS = {2: 1, 4: 2, 8: 4, 16: 4, 64: 8, 256: 1, 512: 2, 768: 4, 1024: 8, 1280: 8}
HEADER_END = re.compile(rb"\r?\n\r?\n|ElementDataFile[^\n]*\n|LOOKUP_TABLE[^\n]*\n")


def with_field(data: bytes, rng: np.random.Generator) -> bytes:
    """A NIfTI file with one to two fields changed, or its header in the other order of bytes."""
    changed = bytearray(data)
    if rng.random() < 0.1:
        for kind, at in NIFTI_FIELDS.values():
            size = struct.calcsize(kind)
            if at + size <= len(changed) and at != NIFTI_FIELDS["magic"][1]:
                changed[at : at + size] = changed[at : at + size][::-1]
        return bytes(changed)
    for name in rng.choice(list(NIFTI_FIELDS), int(rng.integers(1, 3))):
        kind, at = NIFTI_FIELDS[str(name)]
        if at + struct.calcsize(kind) > len(changed):
            continue
        value = REAL[rng.integers(len(REAL))] if kind == "f" else WHOLE[rng.integers(len(WHOLE))]
        value = max(-128, min(127, value)) if kind == "b" else value
        struct.pack_into("<" + kind, changed, at, value)
    return bytes(changed)


def placed_anew(data: bytes, rng: np.random.Generator) -> bytes:
    """A NIfTI file with both positions; the sform shifted, turned or sheared: a little, or a lot."""
    changed = bytearray(data)
    size = 10.0 ** rng.uniform(-4, 1.5)
    matrix = np.diag([1.5, 1.25, 2.0]) * [-1, -1, 1]
    offset = np.zeros(3)
    if rng.random() < 0.4:
        offset = rng.standard_normal(3) * size
    else:
        matrix = matrix @ (np.eye(3) + rng.standard_normal((3, 3)) * size / 10)
    struct.pack_into("<2h", changed, 252, int(rng.integers(0, 3)), int(rng.integers(1, 3)))
    struct.pack_into("<12f", changed, 280, *np.column_stack([matrix, offset]).ravel())
    return bytes(changed)


def with_text(data: bytes, rng: np.random.Generator) -> bytes:
    """A file with a header of text in which a line is gone, twice, moved, or has another value."""
    found = HEADER_END.search(data)
    end = found.end() if found else min(len(data), 600)
    lines = data[:end].split(b"\n")
    for _ in range(int(rng.integers(1, 3))):
        place = int(rng.integers(len(lines)))
        way = rng.integers(8)
        if way == 0:
            del lines[place]
        elif way == 1:
            lines.insert(int(rng.integers(len(lines) + 1)), lines[place])
        elif way == 2:
            lines.append(lines.pop(place))
        else:
            lines[place] = _another_value(lines[place], rng)
        lines = lines or [b""]
    return b"\n".join(lines) + data[end:]


def _another_value(line: bytes, rng) -> bytes:
    """One word of a line changed: most often what stands after a colon or an equals sign."""
    words = re.split(rb"([ :=,()]+)", line)
    places = range(0, len(words), 2)
    first = 2 if len(words) > 2 and rng.random() < 0.9 else 0
    words[int(rng.choice([place for place in places if place >= first]))] = WORDS[rng.integers(len(WORDS))]
    return b"".join(words)


def nifti_width(data: bytes) -> int:
    """Bytes of a voxel by the type in a NIfTI header; the smallest of both orders of bytes."""
    found = [WIDTHS.get(struct.unpack_from(order + "h", data, 70)[0]) for order in "<>"]
    return min(width for width in found if width)


def nifti_positions(data: bytes) -> list[np.ndarray]:
    """Index to LPS mm (4, 4) of the sform and, if its code is not 0, of the qform of :func:`placed_anew`."""
    rows = np.reshape(struct.unpack_from("<12f", data, 280), (3, 4))
    found = [np.diag([-1.0, -1, 1, 1]) @ np.vstack([rows, [0, 0, 0, 1]])]
    return found + [np.diag([1.5, 1.25, 2.0, 1])] * (struct.unpack_from("<h", data, 252)[0] > 0)
