"""Checkpoints of older versions: no digest, compressed tensors.

Nothing tells whether their bytes are those that were written, and bytes that are not can crash the HDF5 library. So
another process reads them and hands over the same content as a file with a digest: what crashes is that process.
"""

from __future__ import annotations

import io
import math
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np

from .container import (
    EXPECTED,
    LARGEST_FILE,
    REPAIR,
    hdf5,
    packed,
    read_attributes,
    sealed,
    tensor,
    values_of,
    weights_of,
)
from .errors import InputError

GZIP, SHUFFLE, FLETCHER32 = 1, 2, 3  # H5Zpublic.h
CHILD = "import sys; sys.path[0] = sys.argv[1]; from {} import answer_parent; answer_parent(sys.argv[2])"
CHILD_S = 30
WORK_S, BYTES_PER_S = 0.7, 10e6
REFUSED = 2


def resealed(data: bytes, who: str) -> bytes:
    """The content of a file without a digest, read by another process, as a file with one.

    Raises:
        InputError: it cannot be read.
    """
    hdf5()
    command = [_python(), "-c", CHILD.format(__name__), str(Path(__file__).resolve().parents[2]), who]
    hidden = {"creationflags": getattr(subprocess, "CREATE_NO_WINDOW", 0)}
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=CHILD_S, check=False, **hidden)
    except (OSError, subprocess.SubprocessError) as error:
        got = f"a file without a digest that another process could not read ({error})"
        raise InputError(who, "it cannot be read", EXPECTED, got, REPAIR) from error
    if done.returncode == REFUSED:
        refused = InputError(who, "it cannot be read")
        refused.args = (done.stderr.decode("utf-8", "replace"),)
        raise refused
    if done.returncode or sealed(done.stdout) != done.stdout:
        raise InputError(who, "it cannot be read", EXPECTED, "bytes that stop the HDF5 library", REPAIR)
    return done.stdout


def _python() -> str:
    """A Python to run; in Slicer the program itself is none."""
    beside = shutil.which("PythonSlicer", path=str(Path(sys.executable).parent))
    return shutil.which("PythonSlicer") or beside or sys.executable


def answer_parent(who: str) -> None:
    """The other process: a file without a digest from stdin, sealed, to stdout; else exit code 2 and one line."""
    h5py, data = hdf5(), sys.stdin.buffer.read()
    _limit_resources(len(data))
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            attributes = {key: value for key, value in read_attributes(file, who).items() if value is not None}
            answer = packed(attributes, _weights(file, who))
    except Exception as error:  # whatever the library says of damaged bytes
        is_ours = isinstance(error, InputError)
        said = error if is_ours else InputError(who, "it cannot be read", EXPECTED, str(error), REPAIR)
        sys.stderr.buffer.write(str(said).encode("utf-8", "replace"))
        sys.exit(REFUSED)
    sys.stdout.buffer.write(answer)


def _limit_resources(size: int) -> None:
    """Some time and memory, more than any checkpoint of ``size`` bytes needs, where the system can limit them."""
    try:
        import resource
        import signal

        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError):
        return
    signal.setitimer(signal.ITIMER_PROF, WORK_S + size / BYTES_PER_S)  # then SIGPROF ends the process
    memory = pages * resource.getpagesize() + 3 * LARGEST_FILE
    resource.setrlimit(resource.RLIMIT_AS, (memory, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _weights(file, who: str) -> dict[str, np.ndarray]:
    """All tensors, in chunks or not."""
    found, left = {}, LARGEST_FILE
    group = weights_of(file, who) if "weights" in file else {}
    for key in group:
        dataset = tensor(group, key, who)
        left -= 4 * math.prod(dataset.shape)
        if left < 0:
            raise InputError(who, "it is too large", f"at most {LARGEST_FILE >> 20} MiB of tensors", "more", REPAIR)
        found[key] = values_of(dataset, who) if dataset.chunks is None else _from_chunks(dataset, who)
    return found


def _from_chunks(dataset, who: str) -> np.ndarray:
    """Compressed values, each chunk unpacked to its own size and no further."""
    values, chunk, stored = np.zeros(dataset.shape, np.float32), dataset.chunks, dataset.id.get_create_plist()
    filters = [stored.get_filter(i)[0] for i in range(stored.get_nfilters())]
    count = math.prod(-(-s // c) for s, c in zip(dataset.shape, chunk, strict=True))
    if dataset.id.get_num_chunks() != count or 4 * math.prod(chunk) > LARGEST_FILE:
        raise InputError(who, f"tensor '{dataset.name}' is damaged", f"{count} chunks", "others", REPAIR)
    for i in range(count):
        offset = dataset.id.get_chunk_info(i).chunk_offset
        skipped, raw = dataset.id.read_direct_chunk(offset)
        block = np.frombuffer(_plain(raw, filters, skipped, 4 * math.prod(chunk)), "<f4").reshape(chunk)
        room = tuple(slice(o, min(o + c, s)) for o, c, s in zip(offset, chunk, dataset.shape, strict=True))
        values[room] = block[tuple(slice(0, r.stop - r.start) for r in room)]
    return values


def _plain(raw: bytes, filters: list[int], skipped: int, size: int) -> bytes:
    """Undo the filters of a chunk, last first; ``skipped`` has a bit for each that was not used."""
    for place, kind in reversed(list(enumerate(filters))):
        if skipped >> place & 1:
            continue
        raw = UNDO[kind](raw, size)
    return raw


def _inflated(raw: bytes, size: int) -> bytes:
    """Unpacked to ``size`` bytes, its checksum compared."""
    stream = zlib.decompressobj()
    data = stream.decompress(raw, size + 1)
    if len(data) != size or not stream.eof:
        raise ValueError("a chunk is damaged")
    return data


UNDO = {
    GZIP: _inflated,
    SHUFFLE: lambda raw, _: np.frombuffer(raw, np.uint8).reshape(4, -1).T.tobytes(),
    FLETCHER32: lambda raw, _: raw[:-4],  # gzip has a checksum of its own
}
