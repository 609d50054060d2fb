"""Slicer's views as its layout node asks for them: the real layout logic, views drawn by the real managers.

What a layout needs is made when it is shown first, and stays: Libs/MRML/Widgets/qMRMLLayoutManager.cxx.
"""

import xml.etree.ElementTree as ET

import slicer
import vtk
from headless.sliceview import SliceView
from headless.threedview import ThreeDView

from . import slice_controllers

CONVENTIONAL = 2


class LayoutManager:
    """Libs/MRML/Widgets/qMRMLLayoutManager.cxx:660-695, 1090-1115, 1177-1183, without its widgets."""

    def __init__(self, scene, size=(200, 200)):
        self._scene, self._size, self.views, self.controllers = scene, size, {}, {}
        self._link = slice_controllers.link(scene)
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)
        self._logic = slicer.vtkMRMLLayoutLogic()
        self._logic.SetMRMLScene(scene)
        self._node = self._logic.GetLayoutNode()
        self._node.SetViewArrangement(CONVENTIONAL)
        self._tag = self._node.AddObserver("ModifiedEvent", self._update)
        self._update()

    def layoutLogic(self):
        return self._logic

    @property
    def layout(self):
        return self._node.GetViewArrangement()

    def setLayout(self, number):
        if number != self.layout:
            known = self._node.IsLayoutDescription(number)
            self._node.RemoveAllMaximizedViewNodes()
            self._node.SetViewArrangement(number if known else CONVENTIONAL)

    def shown(self):
        """Class and name of each view of the present layout."""
        description = self._node.GetCurrentLayoutDescription()
        views = ET.fromstring(description).iter("view") if description else ()  # none while a scene closes
        return [(view.get("class"), view.get("singletontag")) for view in views]

    def _update(self, *_event):
        for kind, name in self.shown():
            if name in self.views:
                continue
            if kind == "vtkMRMLSliceNode":
                self.views[name] = SliceView(self._scene, name, self._size)
                logic = self.views[name].logic
                self.controllers[name] = slice_controllers.SliceController(self._scene, logic)
            elif kind == "vtkMRMLViewNode":
                self.views[name] = ThreeDView(self._scene.GetSingletonNode(name, kind), self._size)

    def resetSliceViews(self):
        """All slice views, also those that the present layout does not show."""
        for view in self.views.values():
            if isinstance(view, SliceView):
                view.fit()

    def mrmlSliceLogics(self):
        return slicer.app.applicationLogic().GetSliceLogics() or vtk.vtkCollection()

    def close(self):
        self._node.RemoveObserver(self._tag)
        self._link.SetMRMLScene(None)
        for controller in self.controllers.values():
            controller.close()
        for view in self.views.values():
            view.close()
        self._logic.SetMRMLScene(None)
