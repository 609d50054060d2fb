"""A sequence registered to one of its frames: transforms and frames under the same index values."""

import gc
import weakref

import numpy as np
import pytest
import torch
from harness.geometry import mrml_from_world, points_in
from harness.models import tiny_pair
from harness.requests import register
from harness.scene import node_ids
from ISTNRegistrationLib.bridge.sequences import SequenceRequest, registerSequence
from ISTNRegistrationLib.bridge.volumes import nodeFromVolume, volumeFromNode
from ISTNRegistrationLib.core.checkpoint import load_checkpoint
from ISTNRegistrationLib.core.errors import InputError, RegistrationCancelled
from ISTNRegistrationLib.core.volume import Volume

QUICK = {"iterations": 2, "device": "cpu"}
IMAGES = (Volume, torch.Tensor)


@pytest.fixture
def sequence(scene):
    """Three frames, 0, 10 and 20 s; the first and the last are the same image."""
    node = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "cine")
    node.SetIndexName("time")
    node.SetIndexUnit("s")
    fixed, moving = tiny_pair()
    for value, volume in zip(("0", "10", "20"), (fixed, moving, fixed), strict=True):
        frame = nodeFromVolume(scene, volume, "frame")
        node.SetDataNodeAtValue(frame, value)
        scene.RemoveNode(frame.GetDisplayNode())
        scene.RemoveNode(frame)
    return node


def test_every_frame_lies_on_the_reference_afterwards(scene, sequence, checkpoint):
    found = registerSequence(scene, sequence, 0, SequenceRequest(checkpoint, QUICK))
    grid = volumeFromNode(sequence.GetNthDataNode(0)).grid
    for made in (found.transforms, found.frames):
        assert [made.GetNthIndexValue(k) for k in range(3)] == ["0", "10", "20"]
        assert made.GetIndexName() == "time" and made.GetIndexUnit() == "s"
    assert all(volumeFromNode(found.frames.GetNthDataNode(k)).grid.size == grid.size for k in range(3))
    assert all(found.transforms.GetNthDataNode(k).IsLinear() for k in range(3))
    first, last = (volumeFromNode(found.frames.GetNthDataNode(k)).array for k in (0, 2))
    np.testing.assert_array_equal(first, last)  # the reference is treated like any other frame
    assert len(found.quality) == 3 and found.quality[0]
    browser = scene.GetFirstNodeByClass("vtkMRMLSequenceBrowserNode")
    assert browser.GetMasterSequenceNode() is found.frames and browser.IsSynchronizedSequenceNode(found.transforms)


def test_the_reference_frame_can_be_left_out(scene, sequence, checkpoint):
    found = registerSequence(scene, sequence, 0, SequenceRequest(checkpoint, QUICK, registerReference=False))
    original = volumeFromNode(sequence.GetNthDataNode(0)).array
    np.testing.assert_array_equal(volumeFromNode(found.frames.GetNthDataNode(0)).array, original)
    assert found.quality[0] == () and found.quality[1]


def test_a_cancelled_sequence_leaves_no_trace(scene, sequence, checkpoint):
    def stop(number, outcome):
        raise RegistrationCancelled("enough")

    before = node_ids(scene)
    with pytest.raises(RegistrationCancelled):
        registerSequence(scene, sequence, 0, SequenceRequest(checkpoint, QUICK), stop)
    assert node_ids(scene) == before


def test_a_frame_that_is_not_there_and_an_empty_sequence_are_named(scene, sequence, checkpoint):
    with pytest.raises(InputError, match="0 to 2"):
        registerSequence(scene, sequence, 3, SequenceRequest(checkpoint, QUICK))
    with pytest.raises(InputError, match="cannot be registered"):
        registerSequence(scene, scene.AddNewNodeByClass("vtkMRMLSequenceNode", "empty"), 0, SequenceRequest())


def test_another_volume_can_be_the_reference_and_warps_are_kept(scene, sequence, checkpoint):
    fixed, moving = (nodeFromVolume(scene, volume, volume.name) for volume in tiny_pair())
    found = registerSequence(scene, sequence, fixed, SequenceRequest(checkpoint, {**QUICK, "transform": "bspline"}))
    alone = register(scene, (fixed, moving), checkpoint, {**QUICK, "transform": "bspline"})
    points = points_in(volumeFromNode(fixed).grid, margin=0.3)
    kept = found.transforms.GetNthDataNode(1)
    np.testing.assert_array_equal(mrml_from_world(kept, points), mrml_from_world(alone.transform, points))
    assert not kept.IsLinear()


def test_a_frame_that_fails_leaves_no_trace(scene, sequence, checkpoint):
    sequence.GetNthDataNode(1).GetImageData().GetPointData().GetScalars().Fill(1.0)
    before = node_ids(scene)
    with pytest.raises(InputError):
        registerSequence(scene, sequence, 0, SequenceRequest(checkpoint, QUICK))
    assert node_ids(scene) == before


def test_no_frame_leaves_images_or_maps_behind(scene, sequence, checkpoint):
    """Not even until Python's garbage collector comes: what a frame took is free when the next one begins."""
    for value in range(30, 120, 10):
        sequence.SetDataNodeAtValue(sequence.GetNthDataNode(value % 3), str(value))
    outcomes, images = [], []

    def count(number, outcome):
        outcomes.append(weakref.ref(outcome))
        images.append(sum(type(found) in IMAGES for found in gc.get_objects()))
        assert sum(reference() is not None for reference in outcomes) == 1

    gc.disable()
    try:
        found = registerSequence(scene, sequence, 0, SequenceRequest(load_checkpoint(checkpoint), QUICK), count)
    finally:
        gc.enable()
    assert len(images) == 12 == found.frames.GetNumberOfDataNodes() and max(images[1:]) <= images[1]
