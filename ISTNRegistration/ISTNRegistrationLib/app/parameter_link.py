"""The panel's widgets and the scene's parameter node: connected while the module is shown and the scene is whole."""

from __future__ import annotations

import vtk
from slicer.util import VTKObservationMixin

LAST = -10.0  # after the selectors, which list a scene's nodes only when all of it is there


class ParameterLink(VTKObservationMixin):
    """Connects the panel to the parameter node, and its tabs; lets go while a scene is closed, read or restored.

    A node's references lead nowhere until its scene is read to the end, and Slicer's typed parameter node keeps what it
    has read: so it is made anew each time. Nothing is connected to a panel that nobody sees.

    Attributes:
        parameters: the typed parameter node, None while there is no connection.

    Args:
        scene: the MRML scene.
        ui: the widgets, some of them with the property SlicerParameterName.
        getParameters: makes a typed parameter node.
        isShown: whether the module is shown.
        tabs: each has ``setParameters`` and ``update``.
    """

    def __init__(self, scene, ui, getParameters, isShown, tabs) -> None:
        VTKObservationMixin.__init__(self)
        self.parameters, self._tags = None, []
        self._ui, self._getParameters, self._isShown, self._tabs = ui, getParameters, isShown, tabs
        for event in (scene.StartCloseEvent, scene.StartImportEvent, scene.StartRestoreEvent):
            self.addObserver(scene, event, self.release)
        for event in (scene.EndCloseEvent, scene.EndImportEvent, scene.EndRestoreEvent):
            self.addObserver(scene, event, self.renew, priority=LAST)

    def renew(self, *_sceneEvent) -> None:
        """Connect to the scene's parameter node, read afresh, if the module is shown."""
        self.release()
        if self._isShown():
            self.parameters = self._getParameters()
            self._guiTag = self._connect()
            self._tags.append(self.parameters.AddObserver(vtk.vtkCommand.ModifiedEvent, self.update))
            self._tell()

    def release(self, *_sceneEvent) -> None:
        """Let go of the parameter node."""
        if self.parameters is None:
            return
        self.parameters.disconnectGui(self._guiTag)
        for tag in self._tags:
            self.parameters.RemoveObserver(tag)
        self.parameters, self._tags = None, []
        self._tell()

    def close(self) -> None:
        """Let go of everything, for good."""
        self.release()
        self.removeObservers()

    def update(self, *_nodeEvent) -> None:
        """A parameter, or what else the tabs depend on, has changed."""
        for tab in self._tabs:
            tab.update()

    def _connect(self):
        """The tag of the connection; the observers that it adds are noted.

        Slicer 5.10 leaves them behind in disconnectGui. They hold the typed node in a circle that only Python's
        collector sees: it frees them, and Slicer crashes when the node calls them.
        """
        parameters, add = self.parameters, self.parameters.AddObserver
        parameters.AddObserver = lambda *what: self._tags.append(add(*what)) or self._tags[-1]
        tag = parameters.connectGui(self._ui)
        del parameters.AddObserver
        return tag

    def _tell(self) -> None:
        for tab in self._tabs:
            tab.setParameters(self.parameters)
