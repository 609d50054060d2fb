"""A ROI limits where an image counts: the box that Slicer draws, in the scene and in its file."""

import json

import numpy as np
import pytest
import slicer
import vtk
from builders import make_grid
from command import checkpoint_file, run, small_config, subject
from harness.geometry import FLIP
from harness.requests import register
from ISTNRegistrationLib.bridge.outputs import OutputOptions
from ISTNRegistrationLib.bridge.provenance import asPython, provenance
from ISTNRegistrationLib.bridge.structures import maskFromNode
from ISTNRegistrationLib.bridge.volumes import numpyMatrix, volumeFromNode
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.roi import RoiBox
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.core.warp import masked
from ISTNRegistrationLib.data.images import read_image, write_image
from ISTNRegistrationLib.data.markups import read_roi
from vtk.util.numpy_support import vtk_to_numpy

GRID = make_grid(3, "oblique")


def roi(scene, middle_lps, size=(18.0, 9.0, 13.0)):
    """A ROI node turned about three axes."""
    node, pose = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "ROI"), vtk.vtkTransform()
    pose.Translate(np.asarray(middle_lps) * FLIP)
    pose.RotateZ(30)
    pose.RotateX(20)
    pose.RotateY(-10)
    node.SetAndObserveObjectToNodeMatrix(pose.GetMatrix())
    node.SetSize(size)
    return node


def under(scene, node, stretched=False):
    """Put a node under a rotation and a shift, or also a stretch along an oblique axis."""
    parent, pose = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode"), vtk.vtkTransform()
    pose.Translate(3.0, -2.0, 1.5)
    pose.RotateX(35)
    if stretched:
        pose.Scale(1.7, 0.8, 1.2)
    parent.SetMatrixTransformToParent(pose.GetMatrix())
    node.SetAndObserveTransformNodeID(parent.GetID())
    return node


def written(node, path):
    writer = slicer.vtkMRMLMarkupsROIJsonStorageNode()
    writer.SetScene(node.GetScene())
    writer.SetFileName(str(path))
    assert writer.WriteData(node)
    return path


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("inside_out", [False, True])
def test_the_mask_is_what_slicer_says_of_every_voxel(scene, moved, inside_out):
    node = roi(scene, GRID.center + [4.0, -3.0, 2.0])
    node.SetInsideOut(inside_out)
    node = under(scene, node) if moved else node
    mask = maskFromNode(node, GRID)
    points = GRID.points().reshape(-1, 3) * FLIP
    expected = [node.IsPointInROIWorld(list(point)) for point in points]
    assert mask.grid == GRID and 100 < sum(expected) < len(points) - 100
    assert np.array_equal(mask.array.ravel() > 0, expected)


def test_under_a_stretch_it_is_the_box_that_slicer_draws(scene):
    node = under(scene, roi(scene, GRID.center), stretched=True)
    box = RoiBox(np.diag([-1.0, -1.0, 1.0, 1.0]) @ numpyMatrix(node.GetObjectToWorldMatrix()), node.GetSize())
    corners = vtk_to_numpy(node.CreateROIBoxPolyDataWorld().GetPoints().GetData())
    middle = corners.mean(axis=0)
    mask = maskFromNode(node, GRID)
    assert np.array_equal(mask.array, box.mask(GRID).array) and mask.array.sum() > 100
    for share, inside in ((0.999, 1), (1.001, 0)):  # just in and just beyond each corner
        for corner in middle + share * (corners - middle):
            one = GRID.centered(corner * FLIP, (1, 1, 1), (0.1,) * 3)
            assert maskFromNode(node, one).array.item() == inside


@pytest.mark.parametrize("system", ["LPS", "RAS"])
def test_its_file_says_the_same_as_the_node(scene, tmp_path, system):
    node = roi(scene, GRID.center + [4.0, -3.0, 2.0])
    path = written(node, tmp_path / "roi.mrk.json")
    if system == "RAS":
        said = json.loads(path.read_text())
        flip = np.diag(FLIP)
        markup = said["markups"][0]
        markup["coordinateSystem"] = "RAS"
        markup["center"] = (flip @ markup["center"]).tolist()
        markup["orientation"] = (flip @ np.reshape(markup["orientation"], (3, 3))).ravel().tolist()
        path.write_text(json.dumps(said))
    assert np.array_equal(read_roi(path).mask(GRID).array, maskFromNode(node, GRID).array)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"type": "Fiducial"}, "it is no region of interest"),
        ({"size": [1.0, 2.0]}, "it cannot be read"),
        ({"size": [1.0, 0.0, 2.0]}, "it cannot be read"),
        ({"orientation": [0.0] * 9}, "it cannot be read"),
        ({"coordinateSystem": "XYZ"}, "it cannot be read"),
    ],
)
def test_a_file_that_holds_no_box_is_named(scene, tmp_path, change, said):
    path = written(roi(scene, GRID.center), tmp_path / "roi.mrk.json")
    whole = json.loads(path.read_text())
    whole["markups"][0].update(change)
    path.write_text(json.dumps(whole))
    with pytest.raises(InputError, match=f"ROI 'roi.mrk.json': {said}"):
        read_roi(path)


def test_a_registration_sees_only_what_is_in_the_box(scene, pair, checkpoint):
    grid = volumeFromNode(pair[0]).grid
    node = roi(scene, grid.center + [3.0, 2.0, -2.0], (25.0, 20.0, 22.0))
    options, none = {"iterations": 2, "initial": "none", "device": "cpu"}, OutputOptions(volume=False, heatmaps=False)
    limited = register(scene, pair, str(checkpoint), options, none, mask=(node, None))
    cut = masked(volumeFromNode(pair[0]), maskFromNode(node, grid))
    assert limited.outcome.request.fixed.mask.name == "ROI"
    pair[0].GetImageData().GetPointData().GetScalars().DeepCopy(_scalars(cut))
    same = register(scene, pair, str(checkpoint), options, none)
    np.testing.assert_array_equal(limited.result.fixed_map.array, same.result.fixed_map.array)
    assert f"mask=getNode({node.GetName()!r})" in asPython(provenance(limited.transform))


def _scalars(volume):
    from vtk.util.numpy_support import numpy_to_vtk

    return numpy_to_vtk(volume.array.ravel(), deep=True)


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_shell_and_lists_take_a_box_as_a_mask(scene, tmp_path, ndim):
    files = {k: subject(tmp_path, k, ndim, shift)[0] for k, shift in (("fixed", 0.0), ("moving", 2.0))}
    image = read_image(files["fixed"])
    middle = np.append(image.grid.center, 0.0)[:3] + [2.0, 1.0, 0.0]
    path = written(roi(scene, middle, (26.0, 22.0, 24.0)), tmp_path / "roi.mrk.json")
    mask = read_roi(path).mask(image.grid)
    assert 0.1 < mask.array.mean() < 0.9
    write_image(tmp_path / "mask.nii.gz", Volume(mask.array, image.grid))
    (tmp_path / "pairs.csv").write_text("fixed,moving,fixed_mask\nfixed.nii.gz,moving.nii.gz,roi.mrk.json\n")
    words = {"checkpoint": checkpoint_file(tmp_path / "tiny.h5", small_config(ndim)), "iterations": 3, "device": "cpu"}
    for k, given in enumerate((path, tmp_path / "mask.nii.gz", None)):
        more = {"output_transform": tmp_path / f"{k}.h5", "json": tmp_path / f"{k}"}
        more |= {"fixed_mask": given} if given else {}
        assert run("register", **files, **words, **more) == 0
    assert run("batch", pairs=tmp_path / "pairs.csv", output=tmp_path / "out", **words) == 0
    reports = [tmp_path / "0", tmp_path / "1", tmp_path / "2", *(tmp_path / "out").glob("*/report.json")]
    found = [json.loads(report.read_text())["linear_fixed_to_moving_LPS"] for report in reports]
    assert found[0] == found[1] == found[3] != found[2]
