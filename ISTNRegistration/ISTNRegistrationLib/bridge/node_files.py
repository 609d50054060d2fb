"""Nodes into files, by MRML itself, verified: MRML calls a file that a full disk has cut written."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import slicer

from ..core.files import check_space, write_atomically

AROUND = 1 << 16  # bytes of an HDF5 file besides its numbers


def saveNode(node, path) -> None:
    """Write a node (transform, volume, points, ...) in the format of one file that the extension of ``path`` says.

    It is read again before it takes its name.

    Raises:
        InputError: MRML cannot write it there, or not read it again; an older file is as it was.
    """
    path = Path(path).absolute()

    def write(name: str) -> None:
        if path.suffix == ".h5":  # HDF5 does not survive a full disk
            check_space(name, AROUND + 8 * sum(array.size for array in _arrays(node)))
        prefix = f".{Path(name).name.split('.')[1]}-"
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=prefix) as folder:  # MRML leaves things beside
            storage = node.CreateDefaultStorageNode()
            storage.SetFileName(str(Path(folder) / path.name))
            if not storage.WriteData(node):
                raise OSError(f"MRML cannot write a {node.GetClassName()} as {path.name}")
            (Path(folder) / path.name).replace(name)

    write_atomically(
        path, write, f"Node '{node.GetName()}' as '{path}'", lambda name: _checkSame(node, name, path.name)
    )


def _checkSame(node, file: str, name: str) -> None:
    """Raise OSError if MRML cannot read from ``file`` what the node holds."""
    apart = slicer.vtkMRMLScene()
    apart.RegisterNodeClass(slicer.vtkMRMLMarkupsJsonStorageNode())
    back = apart.AddNewNodeByClass(node.GetClassName())
    back.AddDefaultStorageNode(file)
    read = back.GetStorageNode().ReadData(back)
    if not read or not all(map(np.array_equal, *map(_arrays, (node, back)))):
        raise OSError(f"MRML does not read what it wrote to {name}")


def _arrays(node) -> list[np.ndarray]:
    """The voxels of a volume, or the vectors of a displacement field; of other nodes nothing."""
    if node.IsA("vtkMRMLGridTransformNode"):
        return [slicer.util.arrayFromGridTransform(node)]
    return [slicer.util.arrayFromVolume(node)] if node.IsA("vtkMRMLVolumeNode") else []
