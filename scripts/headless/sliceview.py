"""Slice views rendered offscreen by Slicer's own displayable managers: volumes, heat, transforms, color legends."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

MANAGERS = (
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLTransformsDisplayableManager2D",
    "vtkMRMLColorLegendDisplayableManager",
)
VIEWS = {"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}


class SliceView:
    """One slice view: its slice and composite nodes are the scene's (``Red`` and so on), as in desktop Slicer."""

    def __init__(self, scene, name: str, size: tuple[int, int]) -> None:
        self.window, renderer = _offscreenWindow(size)
        self._interactor = vtk.vtkRenderWindowInteractor()
        self._interactor.SetRenderWindow(self.window)
        self._interactor.Initialize()
        self._managers = _displayableManagers(renderer)
        self.logic = _sliceLogic(scene)
        self.node = scene.GetSingletonNode(name, "vtkMRMLSliceNode")
        if self.node is None:
            self.node = self.logic.AddSliceNode(name)
        else:  # a layout has made it
            self.logic.SetSliceNode(self.node)
        self._managers.SetMRMLDisplayableNode(self.node)
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)
        self.node.SetOrientation(VIEWS.get(name, "Axial"))
        self.logic.ResizeSliceNode(*size)
        self.composite = self.logic.GetSliceCompositeNode()
        self._mapper = _imageMapper(renderer)

    def lookAt(self, ras, fieldOfViewMm: float) -> None:
        """Put the slice through a point (RAS mm), show it in the middle, and ``fieldOfViewMm`` from side to side."""
        width, height = self.window.GetSize()
        self.node.SetFieldOfView(fieldOfViewMm, fieldOfViewMm * height / width, 1.0)
        self.node.JumpSliceByCentering(*ras)

    def fit(self) -> None:
        """Show the whole background."""
        self.logic.FitSliceToBackground()

    def close(self) -> None:
        """Let go of the scene; the nodes of the view stay, as in desktop Slicer."""
        self._managers.SetMRMLDisplayableNode(None)
        slicer.app.applicationLogic().GetSliceLogics().RemoveItem(self.logic)
        self.logic.SetMRMLScene(None)

    def picture(self) -> np.ndarray:
        """(height, width, 3) uint8, first row on top."""
        self._mapper.SetInputConnection(self.logic.GetImageDataConnection())
        return grabbed(self.window)


def grabbed(window) -> np.ndarray:
    """What a window shows, rendered now: (height, width, 3) uint8, first row on top."""
    window.Render()
    grab = vtk.vtkWindowToImageFilter()
    grab.SetInput(window)
    grab.ReadFrontBufferOff()
    grab.Update()
    image = grab.GetOutput()
    width, height, _ = image.GetDimensions()
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, 3)[::-1].copy()


def _offscreenWindow(size):
    """A window with the two layers that slice views have; the slice is drawn in the lower one."""
    window = vtk.vtkRenderWindow()
    renderers = [vtk.vtkRenderer(), vtk.vtkRenderer()]
    for layer, renderer in enumerate(renderers):
        renderer.SetLayer(layer)
        renderer.GetActiveCamera().ParallelProjectionOn()
        window.AddRenderer(renderer)
    window.SetNumberOfLayers(2)
    window.SetAlphaBitPlanes(1)
    window.SetMultiSamples(0)
    window.SetOffScreenRendering(1)
    window.SetSize(*size)
    return window, renderers[0]


def _displayableManagers(renderer):
    factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
    factory.SetMRMLApplicationLogic(slicer.app.applicationLogic())
    for manager in MANAGERS:
        if not factory.IsDisplayableManagerRegistered(manager):
            factory.RegisterDisplayableManager(manager)
    group = slicer.vtkMRMLDisplayableManagerGroup()
    group.SetRenderer(renderer)
    group.Initialize(factory, renderer)
    return group


def _sliceLogic(scene):
    applicationLogic = slicer.app.applicationLogic()
    if applicationLogic.GetSliceLogics() is None:
        applicationLogic.SetSliceLogics(vtk.vtkCollection())
    logic = slicer.vtkMRMLSliceLogic()
    logic.SetMRMLApplicationLogic(applicationLogic)
    applicationLogic.GetSliceLogics().AddItem(logic)
    logic.SetMRMLScene(scene)
    return logic


def _imageMapper(renderer):
    mapper = vtk.vtkImageMapper()
    mapper.SetColorWindow(255)
    mapper.SetColorLevel(127.5)
    actor = vtk.vtkActor2D()
    actor.SetMapper(mapper)
    actor.GetProperty().SetDisplayLocationToBackground()
    renderer.AddViewProp(actor)
    return mapper
