"""Files of nodes: MRML calls cut files written; what takes the name is what the node holds."""

from contextlib import contextmanager

import numpy as np
import pytest

slicer = pytest.importorskip("slicer")
import vtk  # noqa: E402
from builders import make_grid  # noqa: E402
from command import files_in  # noqa: E402
from disks import fill, state  # noqa: E402
from ISTNRegistrationLib.bridge.node_files import saveNode  # noqa: E402
from ISTNRegistrationLib.bridge.transforms import gridTransformNode  # noqa: E402
from ISTNRegistrationLib.bridge.volumes import nodeFromVolume  # noqa: E402
from ISTNRegistrationLib.core.errors import InputError  # noqa: E402
from ISTNRegistrationLib.core.transform import DenseField, SpatialTransform  # noqa: E402
from ISTNRegistrationLib.core.volume import Volume  # noqa: E402

GRID = make_grid(3, "oblique", (32, 30, 28))


def volume(scene):
    return nodeFromVolume(scene, Volume(np.random.default_rng(1).random(GRID.shape).astype(np.float32), GRID, "v"), "v")


def field(scene):
    small = make_grid(3, "oblique", (10, 9, 8))
    transform = SpatialTransform(np.eye(4), DenseField(small, np.random.default_rng(1).random((3, *small.shape))))
    return gridTransformNode(scene, transform, small, "field")


def points(scene):
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "points")
    for number in range(400):
        node.AddControlPoint((number, 2.0, 3.0), f"point {number}")
    return node


FILES = {"v.nii": volume, "v.nii.gz": volume, "v.nrrd": volume, "u.nii.gz": field, "u.h5": field, "p.mrk.json": points}


@contextmanager
def unheard():
    """What MRML says of its own errors is no failure."""
    before = vtk.vtkOutputWindow.GetInstance()
    vtk.vtkOutputWindow.SetInstance(vtk.vtkStringOutputWindow())
    yield
    vtk.vtkOutputWindow.SetInstance(before)


@pytest.mark.parametrize("name", FILES)
def test_a_full_disk_keeps_the_older_file_and_with_room_the_node_is_in_it(name, scene, disk):
    node = FILES[name](scene)
    count = scene.GetNumberOfNodes()
    (disk / name).write_bytes(b"older")
    for free in (8_000, 0):
        fill(disk, free)
        with unheard(), pytest.raises(InputError, match=rf"^Node '{node.GetName()}' as '.*{name}': .*space"):
            saveNode(node, disk / name)
        assert state(disk) == {name: b"older"} and files_in(disk) == {name, "fill"}
    (disk / "fill").unlink()
    saveNode(node, disk / name)
    assert files_in(disk) == {name} and scene.GetNumberOfNodes() == count
    back = scene.AddNewNodeByClass(node.GetClassName())
    back.AddDefaultStorageNode(str(disk / name))
    assert back.GetStorageNode().ReadData(back)
    if node.IsA("vtkMRMLVolumeNode"):
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(back), slicer.util.arrayFromVolume(node))
