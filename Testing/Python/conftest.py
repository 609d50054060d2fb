"""Fixtures of the Slicer-side tests. They import Slicer when they are used, so that other tests run without it."""

import pytest


@pytest.fixture
def scene():
    """An empty MRML scene."""
    from harness.scene import empty_scene

    with empty_scene() as scene:
        yield scene


@pytest.fixture
def pair(scene):
    """Fixed and moving volume nodes of different geometry that show the same blobs."""
    from harness.models import tiny_pair
    from ISTNRegistrationLib.bridge.volumes import nodeFromVolume

    return tuple(nodeFromVolume(scene, volume, volume.name) for volume in tiny_pair())


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """Path of a tiny untrained 3-D checkpoint with both transforms."""
    from harness.models import tiny_checkpoint

    return tiny_checkpoint(tmp_path_factory.mktemp("models"))
