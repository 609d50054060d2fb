"""The cockpit's layout in place of the user's, in a way that neither scene nor settings ever hear of it."""

from __future__ import annotations

from collections.abc import Callable

import slicer
import vtk

VIEWS = {"ISTNFixed": "F", "ISTNBefore": "B", "ISTNAfter": "A", "ISTNHeat": "H"}
VIEW_3D = "ISTN3D"
FALLBACK = 3  # Four-Up
# Slicer writes the compare layouts' descriptions again whenever the layout node changes; the others have none.
FIXED = (12, 23, 14, 98, 99)  # SlicerLayoutCompareView, CompareGridView, None, MaximizedView, CustomView


class BorrowedLayout:
    """Shows other views under the number of the user's layout.

    A number of our own would be saved in the scene and in the settings, and a Slicer without this module shows no view
    at all then ("Can't find layout"). So the number stays and only its description is changed, until ``giveBack``.

    Args:
        scene: the MRML scene.
        xml: description as Slicer's layout manager wants it.
        onLeft: called when the user goes to another layout meanwhile.
    """

    def __init__(self, scene: slicer.vtkMRMLScene, xml: str, onLeft: Callable) -> None:
        self._node = scene.GetFirstNodeByClass("vtkMRMLLayoutNode")
        self._onLeft, self._tag = onLeft, None
        if self._node is None:  # no views at all
            return
        self._users = self._node.GetViewArrangement()
        count = self._node.GetNumberOfMaximizedViewNodes()
        self._maximized = [self._node.GetMaximizedViewNode(k) for k in range(count)]
        self._number = FALLBACK if self._users in FIXED else self._users
        self._description = self._node.GetLayoutDescription(self._number)
        with slicer.util.NodeModify(self._node):
            self._node.RemoveAllMaximizedViewNodes()
            self._node.SetLayoutDescription(self._number, xml)
            self._node.SetViewArrangement(self._number)
        self._tag = self._node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._watch)

    def giveBack(self) -> None:
        """The user's layout again, or the one that the user has gone to meanwhile."""
        if self._tag is None:
            return
        self._node.RemoveObserver(self._tag)
        self._tag = None
        stayed = self._node.GetViewArrangement() == self._number
        with slicer.util.NodeModify(self._node):
            self._node.SetLayoutDescription(self._number, self._description)
            if stayed:
                self._node.SetViewArrangement(self._users)
                for view in self._maximized:
                    self._node.AddMaximizedViewNode(view)

    def _watch(self, _caller, _event) -> None:
        if self._node.GetViewArrangement() != self._number:
            self._onLeft()


def layoutXml() -> str:
    """The views as Slicer's layout manager wants them: two by two slices, and 3-D beside them."""
    slices = [
        f'<item><view class="vtkMRMLSliceNode" singletontag="{name}">'
        f'<property name="orientation" action="default">Axial</property>{_properties(label)}</view></item>'
        for name, label in VIEWS.items()
    ]
    rows = (f'<item><layout type="horizontal">{"".join(slices[k : k + 2])}</layout></item>' for k in (0, 2))
    view = f'<view class="vtkMRMLViewNode" singletontag="{VIEW_3D}">{_properties("3")}</view>'
    return (
        f'<layout type="horizontal" split="true"><item splitSize="640"><layout type="vertical">{"".join(rows)}'
        f'</layout></item><item splitSize="360">{view}</item></layout>'
    )


def _properties(label: str) -> str:
    values = {"viewlabel": label, "viewcolor": "#5a7da0"}
    return "".join(f'<property name="{name}" action="default">{value}</property>' for name, value in values.items())
