"""A 3-D view rendered offscreen by Slicer's own displayable managers: models, their color legends, the camera."""

from __future__ import annotations

import numpy as np
import slicer
import vtk

from .sliceview import grabbed

MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
)


class ThreeDView:
    """One 3-D view of a view node that is in the scene already."""

    def __init__(self, viewNode, size: tuple[int, int]) -> None:
        self.node, self.window, renderer = viewNode, vtk.vtkRenderWindow(), vtk.vtkRenderer()
        self.window.SetOffScreenRendering(1)
        self.window.SetSize(*size)
        self.window.AddRenderer(renderer)
        self._interactor = vtk.vtkRenderWindowInteractor()
        self._interactor.SetRenderWindow(self.window)
        self._interactor.Initialize()
        factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
        factory.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        for manager in MANAGERS:
            if not factory.IsDisplayableManagerRegistered(manager):
                factory.RegisterDisplayableManager(manager)
        self._managers = slicer.vtkMRMLDisplayableManagerGroup()
        self._managers.SetRenderer(renderer)
        self._managers.Initialize(factory, renderer)
        self._managers.SetMRMLDisplayableNode(viewNode)

    def picture(self) -> np.ndarray:
        """(height, width, 3) uint8, first row on top."""
        return grabbed(self.window)

    def close(self) -> None:
        """Let go of the scene; the view node stays, as in desktop Slicer."""
        self._managers.SetMRMLDisplayableNode(None)
