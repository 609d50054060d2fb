"""Small disks, and how much is left on them."""

import os
import shutil
import subprocess
from contextlib import contextmanager

import pytest
from command import files_in


def mounted(folder, options):
    """A small disk of its own; the test is skipped where none can be had."""
    words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")


@contextmanager
def small_disk(folder):
    """A new folder on a disk of 3 MB."""
    folder.mkdir()
    mounted(folder, "size=3000k")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def read_only(folder):
    """Nothing can be written on the disk any more."""
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)


def fill(folder, free):
    """Leave ``free`` bytes."""
    (folder / "fill").unlink(missing_ok=True)
    left = os.statvfs(folder)
    (folder / "fill").write_bytes(bytes(max(left.f_bavail * left.f_bsize - free, 0)))


def state(folder):
    """Names and contents of all files but the filling."""
    return {
        name: (folder / name).read_bytes() for name in files_in(folder) if (folder / name).is_file() and name != "fill"
    }
