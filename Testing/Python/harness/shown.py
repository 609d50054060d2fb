"""What the slice views of the harness's layout show."""

import slicer


def composite(view):
    """Composite node of a view, by its name."""
    return slicer.app.layoutManager().views[view].composite


def shown(scene, view):
    """Background and foreground node of a view."""
    ids = (composite(view).GetBackgroundVolumeID(), composite(view).GetForegroundVolumeID())
    return [scene.GetNodeByID(i) if i else None for i in ids]
