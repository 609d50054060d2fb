"""Surfaces and grid lines lie where maps and transform say, with off-center structures on oblique grids."""

from types import SimpleNamespace

import numpy as np
import pytest
import slicer
from builders import affine_matrix, bspline_field, make_grid
from harness.geometry import FLIP, mrml_from_world
from ISTNRegistrationLib.bridge.surfaces import (
    DISTANCE,
    GRID_SPACING_MM,
    MovingSurface,
    registeredPoints,
    structureSurface,
    surfaceNode,
    warpedGridLines,
)
from ISTNRegistrationLib.bridge.transforms import transformNodeFor
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.volume import Volume
from vtk.util.numpy_support import vtk_to_numpy

GRID = Grid.centered((4.0, -7.0, 12.0), (24, 26, 28), (2.0, 2.0, 2.0))


def points(surface):
    """LPS mm."""
    return vtk_to_numpy(surface.GetPoints().GetData()) * FLIP


def ball(grid, center, radius=5.0):
    return np.clip(1.0 - 0.5 * np.linalg.norm(grid.points() - center, axis=-1) / radius, 0, 1).astype(np.float32)


@pytest.mark.parametrize("orientation", ["LPS", "RAS", "oblique"])
def test_a_surface_runs_where_the_map_crosses_its_cut(orientation):
    grid = make_grid(3, orientation)
    corner = grid.index_to_physical(np.array([0.66, 0.4, 0.58]) * (np.array(grid.size) - 1))
    surface = points(structureSurface(Volume(ball(grid, corner, 4.0)[None], grid, "F'")))
    np.testing.assert_allclose(np.linalg.norm(surface - corner, axis=1), 4.0, atol=0.3)
    np.testing.assert_allclose(surface.mean(axis=0), corner, atol=0.3)


def test_each_structure_has_a_surface_and_nothing_has_none():
    first, second = np.array([12.0, -15.0, 4.0]), np.array([-6.0, 2.0, 20.0])
    maps = Volume(np.stack([ball(GRID, first), ball(GRID, second), np.zeros(GRID.shape, np.float32)]), GRID, "F'")
    surface = points(structureSurface(maps))
    near = np.linalg.norm(surface - first, axis=1) < 7
    assert near.any() and (np.linalg.norm(surface[~near] - second, axis=1) < 7).all()
    assert structureSurface(Volume(maps.array[2:], GRID, "nothing")).GetNumberOfPoints() == 0


@pytest.mark.parametrize("orientation, across", [("Axial", (0, 1)), ("Coronal", (0, 2)), ("Sagittal", (1, 2))])
def test_grid_lines_run_where_the_moving_coordinate_is_a_multiple_of_the_spacing(orientation, across):
    shift = np.eye(4)
    shift[:3, 3] = [2.5, -1.5, 3.0]  # a wrong sign would move the lines by twice as much
    transform = SpatialTransform(shift, bspline_field(GRID))
    result = SimpleNamespace(fixed_map=Volume(np.zeros((1, *GRID.shape)), GRID), transform=transform)
    lines = points(warpedGridLines(result, orientation))
    moving = transform.map_points(lines.astype(float))[:, list(across)] / GRID_SPACING_MM
    off = np.abs(moving - np.rint(moving)).min(axis=1) * GRID_SPACING_MM
    assert len(lines) > 100 and np.percentile(off, 99) < 0.25
    wrong = (lines - (transform.map_points(lines.astype(float)) - lines))[:, list(across)] / GRID_SPACING_MM
    assert np.percentile(np.abs(wrong - np.rint(wrong)).min(axis=1) * GRID_SPACING_MM, 50) > 0.5


@pytest.fixture
def nodes(scene):
    initial = affine_matrix(3, 1, GRID.center)
    transform = SpatialTransform(initial @ affine_matrix(3, 2, GRID.center), bspline_field(GRID))
    result = SimpleNamespace(initial=initial, transform=transform)
    return SimpleNamespace(result=result, transform=transformNodeFor(scene, transform, "T"))


def test_structures_go_where_the_registration_shows_them(nodes):
    start = np.array([[6.0, -9.0, 14.0], [-3.0, 1.0, 5.0], [12.0, -20.0, 22.0]])
    there = registeredPoints(nodes, start * FLIP) * FLIP
    moving = SpatialTransform(nodes.result.initial).map_points(start)
    np.testing.assert_allclose(nodes.result.transform.map_points(there), moving, atol=1e-2)
    np.testing.assert_allclose(mrml_from_world(nodes.transform, there), moving, atol=1e-2)


def test_on_the_way_color_is_the_distance_to_the_fixed_structures(scene, nodes):
    target = structureSurface(Volume(ball(GRID, np.array([6.0, -9.0, 14.0]))[None], GRID, "F'"))
    start = structureSurface(Volume(ball(GRID, np.array([6.0, -4.0, 14.0]))[None], GRID, "M'"))
    nodes.result.initial = np.eye(4)
    back = np.eye(4)
    back[1, 3] = 5.0  # T(x) = x + 5 mm to the back: what lies at y = -4 comes from y = -9
    nodes.transform = transformNodeFor(scene, SpatialTransform(back), "shift")
    moving = MovingSurface(scene, nodes, start, target, [])
    distances = slicer.util.arrayFromModelPointData(moving.node, DISTANCE)
    assert distances.max() < 0.3
    moving.move(0.0)
    np.testing.assert_allclose(points(moving.node.GetPolyData()), points(start), atol=1e-4)
    assert slicer.util.arrayFromModelPointData(moving.node, DISTANCE).max() == pytest.approx(5.0, abs=0.4)
    moving.move(0.5)
    assert slicer.util.arrayFromModelPointData(moving.node, DISTANCE).max() == pytest.approx(2.5, abs=0.4)
    assert moving.node.GetDisplayNode().GetScalarRange() == (0.0, moving.furthest) and moving.furthest >= 5.0


def test_a_surface_node_is_hidden_and_shown_only_where_it_is_wanted(scene):
    surface = structureSurface(Volume(ball(GRID, np.array(GRID.center))[None], GRID, "F'"))
    node = surfaceNode(scene, surface, "outline", (1, 0, 0), ["vtkMRMLSliceNodeA"])
    display = node.GetDisplayNode()
    assert display.GetVisibility2D() and not display.GetVisibility3D()
    assert display.IsDisplayableInView("vtkMRMLSliceNodeA") and not display.IsDisplayableInView("vtkMRMLSliceNodeRed")
    assert all(n.GetHideFromEditors() and not n.GetSaveWithScene() for n in (node, display))
