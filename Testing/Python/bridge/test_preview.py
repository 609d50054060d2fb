"""The live preview shows the moving image under the transform and leaves no trace."""

import numpy as np
import slicer
from harness.geometry import mrml_from_world, points_in, transforms_over
from harness.scene import contents
from headless.sliceview import SliceView
from ISTNRegistrationLib.bridge.preview import Preview
from ISTNRegistrationLib.bridge.volumes import volumeFromNode


def test_the_preview_follows_the_transform_and_leaves_the_scene_as_it_was(scene, pair):
    view = SliceView(scene, "Red", (64, 64))
    view.composite.SetBackgroundVolumeID(pair[1].GetID())
    shift = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = slicer.util.arrayFromTransformMatrix(shift)
    matrix[:3, 3] = [3.0, 0.0, -2.0]
    slicer.util.updateTransformMatrixFromArray(shift, matrix)
    pair[1].SetAndObserveTransformNodeID(shift.GetID())
    before = contents(scene)
    preview = Preview(scene, *pair)
    grid = volumeFromNode(pair[1]).grid
    for transform in transforms_over(grid).values():
        preview.update(transform)
        copy = scene.GetNodeByID(view.composite.GetForegroundVolumeID())
        assert copy.GetImageData() is pair[1].GetImageData() and copy.GetHideFromEditors()
        points = points_in(grid)
        shown = mrml_from_world(copy.GetParentTransformNode(), points)
        np.testing.assert_allclose(shown, transform.map_points(points), atol=1e-3)
    copy.SetAndObserveTransformNodeID(None)
    np.testing.assert_allclose(volumeFromNode(copy).grid.matrix, grid.matrix, atol=1e-9)
    assert view.composite.GetBackgroundVolumeID() == pair[0].GetID()
    preview.remove()
    assert contents(scene) == before
    assert view.composite.GetBackgroundVolumeID() == pair[1].GetID()
    assert view.composite.GetForegroundVolumeID() is None
    view.close()
