"""Where the cockpit looks: an off-center structure on one side only, so that a wrong sign or axis goes astray."""

from types import SimpleNamespace

import numpy as np
import pytest
import slicer
from builders import affine_matrix, blob_volume, make_grid
from harness.geometry import FLIP
from headless.sliceview import SliceView
from ISTNRegistrationLib.bridge.cockpit import Cockpit, Look
from ISTNRegistrationLib.bridge.heatmaps import heatmapNode, smallLegend
from ISTNRegistrationLib.bridge.layout import VIEWS
from ISTNRegistrationLib.bridge.transforms import transformNodeFor
from ISTNRegistrationLib.bridge.volumes import nodeFromVolume, numpyMatrix, volumeFromNode, vtkMatrix
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.core.warp import warp_volume

# LPS mm: a structure in the fixed image, the same in the moving one at the start, and where the two differ most after
SEEN, BEFORE, WORST = np.array([9.0, -14.0, 21.0]), np.array([14.0, -10.0, 19.0]), np.array([-12.0, 5.0, 16.0])


def ball(grid, center, radius=4.0):
    away = np.linalg.norm(grid.points() - center, axis=-1)
    return np.clip(1.5 - away / radius, 0, 1).astype(np.float32)


@pytest.fixture
def result():
    """A result with one structure seen in both images, and one place where only the moving map has something."""
    grid = Grid.centered((1.0, -3.0, 15.0), (30, 32, 34), (2.0, 2.0, 2.0))
    fixed = ball(grid, SEEN)
    warped = np.maximum(fixed, 0.9 * ball(grid, WORST, 2.5))
    initial = affine_matrix(3, 1, grid.center)
    there = make_grid(3, "oblique", (40, 42, 44), SEEN)  # not the fixed grid carried over, as when an alignment scales
    moving = SpatialTransform(initial).map_points(BEFORE[None])[0]
    return SimpleNamespace(
        fixed_map=Volume(fixed[None], grid, "F'"),
        warped_map=Volume(warped[None], grid, "M' warped"),
        moving_map=Volume(ball(there, moving)[None], there, "M'"),
        initial=initial,
        transform=SpatialTransform(initial @ affine_matrix(3, 2, grid.center)),
    )


@pytest.fixture
def cockpit(scene, result):
    """An open cockpit over images of another grid, with its four slice views."""
    views = {name: SliceView(scene, name, (64, 64)) for name in VIEWS}
    fixed = nodeFromVolume(scene, blob_volume(make_grid(3, "oblique", center=tuple(SEEN))), "fixed")
    moving = nodeFromVolume(scene, blob_volume(make_grid(3, "LAS", center=tuple(SEEN)), seed=3), "moving")
    images = [SimpleNamespace(image=volumeFromNode(node)) for node in (fixed, moving)]
    registered = warp_volume(images[1].image, result.transform, images[0].image.grid)
    request = SimpleNamespace(fixed=images[0], moving=images[1])
    nodes = SimpleNamespace(
        result=result,
        outcome=SimpleNamespace(request=request, result=result),
        volume=nodeFromVolume(scene, registered, "registered"),
        heatmaps={"warped": heatmapNode(scene, Volume(result.warped_map.array[0], result.warped_map.grid), "M'")},
        transform=transformNodeFor(scene, result.transform, "T"),
    )
    opened = Cockpit(scene, (fixed, moving), nodes)
    opened.views, opened.pair = views, (fixed, moving)
    yield opened
    opened.close()
    for view in views.values():
        view.close()


def from_slice(view, point):
    """Distance (mm) of a point (LPS mm) from a view's slice."""
    toRas = numpyMatrix(view.node.GetSliceToRAS())
    return abs(np.linalg.solve(toRas, [*(point * FLIP), 1.0])[2])


@pytest.mark.parametrize("orientation", ["Axial", "Coronal", "Sagittal"])
def test_all_slices_go_through_what_is_seen_and_to_the_worst_place(cockpit, orientation):
    cockpit.show(Look(orientation=orientation))
    for look, expected in ((cockpit.lookAtStructures, SEEN), (cockpit.lookAtWorst, WORST)):
        look()
        assert max(from_slice(view, expected) for view in cockpit.views.values()) < 1.01  # half a voxel of the maps
        assert min(from_slice(view, -expected) for view in cockpit.views.values()) > 5.0


def test_before_lies_where_the_initial_alignment_puts_the_moving_image(cockpit, result):
    toRas = vtkMatrix(np.eye(4))
    cockpit.before.GetIJKToRASMatrix(toRas)
    index = np.array([3.0, 11.0, 7.0])
    moving = volumeFromNode(cockpit.pair[1]).grid.index_to_physical(index[None])
    expected = SpatialTransform(np.linalg.inv(result.initial)).map_points(moving)[0]
    np.testing.assert_allclose((numpyMatrix(toRas) @ [*index, 1.0])[:3] * FLIP, expected, atol=1e-6)


def test_before_and_after_are_the_same_kind_of_picture(cockpit):
    """Wiped all the way, the picture is the moving image at the start, and the registered one."""
    cockpit.show(Look(comparison="wipe", opacity=0.0))
    fixed, moving = map(volumeFromNode, cockpit.pair)
    for view, transform in (("ISTNBefore", cockpit.nodes.result.initial), ("ISTNAfter", None)):
        node = cockpit.scene.GetNodeByID(cockpit.views[view].composite.GetBackgroundVolumeID())
        chosen = SpatialTransform(transform) if transform is not None else cockpit.nodes.result.transform
        expected = warp_volume(moving, chosen, fixed.grid, fill=float(moving.array.min())).array
        assert np.corrcoef(volumeFromNode(node).array.ravel(), expected.ravel())[0, 1] > 0.999


def test_outlines_are_drawn_in_their_views_in_two_colors(cockpit):
    cockpit.show(Look())
    drawn = {}
    for node in cockpit.outlines:
        display = node.GetDisplayNode()
        for view in VIEWS:
            if display.IsDisplayableInView(f"vtkMRMLSliceNode{view}") and display.GetVisibility2D():
                drawn.setdefault(view, []).append(display.GetColor())
    cyan, yellow = cockpit.outlines[0].GetDisplayNode().GetColor(), cockpit.outlines[1].GetDisplayNode().GetColor()
    assert cyan != yellow
    assert drawn == {"ISTNFixed": [cyan], "ISTNBefore": [cyan, yellow], "ISTNAfter": [cyan, yellow], "ISTNHeat": [cyan]}


def test_outlines_lie_where_the_structures_do(cockpit):
    middles = [np.mean(slicer.util.arrayFromModelPoints(node), axis=0) * FLIP for node in cockpit.outlines[:2]]
    np.testing.assert_allclose(middles, [SEEN, BEFORE], atol=0.5)


def test_the_heatmap_s_legend_is_in_its_view_alone(cockpit):
    (legend,) = [node for node in cockpit.legends if node.GetDisplayableNode().IsA("vtkMRMLVolumeNode")]
    assert [view for view in VIEWS if legend.IsDisplayableInView(f"vtkMRMLSliceNode{view}")] == ["ISTNHeat"]


def test_the_heatmap_s_legend_is_drawn_beside_it(cockpit):
    cockpit.show(Look(outlines=False))
    drawn = cockpit.views["ISTNHeat"].picture().astype(int)
    for legend in cockpit.legends:
        legend.SetVisibility(False)
    assert np.abs(drawn - cockpit.views["ISTNHeat"].picture()).max() > 60


def test_a_legend_is_hidden_from_selectors_and_files(scene, result):
    legend = smallLegend(heatmapNode(scene, Volume(result.fixed_map.array[0], result.fixed_map.grid), "F'"), "", [])
    assert legend.GetHideFromEditors() and not legend.GetSaveWithScene()


def test_a_comparison_that_does_not_exist_is_refused(cockpit):
    with pytest.raises(ValueError, match="comparison is one of"):
        cockpit.show(Look(comparison="sideways"))


def test_the_pictures_show_what_their_layers_are(cockpit):
    """Drawn by Slicer's own managers: gray anatomy alone, colors in the comparison, lines in the outline's color."""
    cockpit.show(Look(comparison="colors"))
    for view in cockpit.views.values():
        view.fit()
    cockpit.lookAtStructures()
    pictures = {name: view.picture().astype(int) for name, view in cockpit.views.items()}
    colorful = {name: np.ptp(picture, axis=-1).max(axis=(0, 1)) for name, picture in pictures.items()}
    assert min(colorful.values()) > 50  # the outline is in every view
    cockpit.show(Look(comparison="overlay", outlines=False, heatmap="none"))
    pictures = {name: view.picture().astype(int) for name, view in cockpit.views.items()}
    assert all(np.ptp(picture, axis=-1).max() <= 2 and picture.max() > 60 for picture in pictures.values())
    assert slicer.mrmlScene is cockpit.scene


def test_turned_slices_show_one_place_even_if_each_was_elsewhere_before(cockpit):
    nodes = [view.node for view in cockpit.views.values()]
    cockpit.show(Look(orientation="Coronal"))
    for number, node in enumerate(nodes):
        node.SetSliceOffset(3.0 * number - 4.0)
    cockpit.show(Look(orientation="Axial"))
    offsets = [node.GetSliceOffset() for node in nodes]
    assert max(offsets) - min(offsets) < 1e-6
