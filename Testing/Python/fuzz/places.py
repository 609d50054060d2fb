"""Names that are no plain file: what opens them may wait for ever, or read without end."""

import os
from pathlib import Path

import numpy as np


def clear(path: Path) -> None:
    """Take away whatever stands at ``path``."""
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def no_plain_file(path: Path, data: bytes, rng: np.random.Generator) -> None:
    """Make a pipe, a device, a folder, a link (to itself, to nothing, to a good file) or an empty file at ``path``."""
    clear(path)
    aim = path.with_name(f"aim{path.suffix}")
    aim.unlink(missing_ok=True)
    ways = (
        path.mkdir,
        lambda: os.mkfifo(path),
        lambda: path.symlink_to("/dev/zero"),
        lambda: path.symlink_to("/dev/stdin"),
        lambda: path.symlink_to(path.name),
        lambda: path.symlink_to("nowhere"),
        path.touch,
        lambda: (os.mkfifo(aim), path.symlink_to(aim.name)),
        lambda: (aim.write_bytes(data), path.symlink_to(aim.name)),
        lambda: path.write_bytes(bytes(1 << int(rng.integers(20)))),
    )
    ways[rng.integers(len(ways))]()
