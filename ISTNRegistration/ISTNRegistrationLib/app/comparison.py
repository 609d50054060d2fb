"""The heatmap cockpit's controls: opens it, follows the choices, flickers, plays the way, and gives the views back."""

from __future__ import annotations

import qt
import slicer
from slicer.i18n import tr as _

from ..bridge.cockpit import Cockpit, Look
from ..bridge.layout import VIEWS, BorrowedLayout, layoutXml
from ..bridge.scene import checkPresent

FLICKER_MS, PLAY_MS, PLAY_STEP = 600, 50, 0.05


class Comparison:
    """Shows one finished registration in views of its own, while its button is pressed.

    Args:
        ui: the panel's widgets.
    """

    def __init__(self, ui) -> None:
        self.ui = ui
        self.parameters = self.cockpit = self._layout = self._result = self._look = None
        self._flicker, self._play = _timer(FLICKER_MS, self._onFlicker), _timer(PLAY_MS, self._onPlay)
        ui.cockpitButton.connect("toggled(bool)", self.onCockpit)
        ui.worstButton.connect("clicked(bool)", self.onWorst)
        ui.playButton.connect("toggled(bool)", self.onPlay)
        ui.waySlider.connect("valueChanged(double)", self.update)

    def ready(self, pair, nodes) -> None:
        """There is a result to compare: fixed and moving node, RegistrationNodes."""
        self.stop()
        self._result = pair, nodes
        possible = bool(nodes.heatmaps) and nodes.volume is not None
        self.ui.cockpitButton.enabled = possible
        self.ui.cockpitButton.toolTip = (
            _("Linked views of fixed, before, after, heatmap and 3-D. Press again to go back to your layout")
            if possible
            else _("Register with the outputs Registered volume and Heatmaps to compare them")
        )

    def renew(self, nodes) -> None:
        """The nodes show another answer: open views follow, and stay where they are."""
        pair, _before = self._result
        if self.cockpit is None or not nodes.heatmaps or nodes.volume is None:
            return self.ready(pair, nodes)
        self._result, cockpit = (pair, nodes), self.cockpit
        self.cockpit = None
        cockpit.close()
        self.cockpit, self._look = Cockpit(slicer.mrmlScene, pair, nodes), None
        self.update()

    def stop(self) -> None:
        """Close the views; there is nothing to compare."""
        self.ui.cockpitButton.checked = False
        self.ui.cockpitButton.enabled = False
        self._result = None

    def update(self, _value=None) -> None:
        """A choice has changed: the views follow."""
        p = self.parameters
        if self.cockpit is None or p is None or not self._present():
            return
        look = Look(
            heatmap=p.heatmap,
            comparison=p.comparison,
            opacity=p.opacity,
            heatRange=(p.heatLow, max(p.heatHigh, p.heatLow + 0.01)),
            orientation=p.orientation,
            outlines=p.showOutlines,
            grid=p.showGrid,
            way=self.ui.waySlider.value,
        )
        if look == self._look:
            return
        self._look = look
        self.cockpit.show(look)
        _run(self._flicker, look.comparison == "flicker")

    def onCockpit(self, wanted: bool) -> None:
        """Open the views, or close them and go back to the layout before."""
        with slicer.util.tryWithErrorDisplay(_("The comparison could not be shown.")):
            if wanted and self._result is not None:
                self._open(*self._result)
            elif not wanted and self.cockpit is not None:
                self._close()
        self._enable(self.cockpit is not None)

    def onWorst(self) -> None:
        """Go to the place where the structures differ most."""
        if self._present():
            self.cockpit.lookAtWorst()

    def onPlay(self, wanted: bool) -> None:
        """Let the structures in 3-D move into place, or stop them where they are."""
        if wanted and self.ui.waySlider.value >= self.ui.waySlider.maximum:
            self.ui.waySlider.value = self.ui.waySlider.minimum
        _run(self._play, wanted)

    def _present(self) -> bool:
        """Whether all that is compared is still in the scene; without it the views close."""
        pair, nodes = self._result
        present = all(map(slicer.mrmlScene.IsNodePresent, (*pair, *nodes.compared)))
        if not present:
            self.ui.cockpitButton.checked = False
        return present

    def _open(self, pair, nodes) -> None:
        checkPresent(slicer.mrmlScene, (*pair, *nodes.compared), "after the registration", "Register again")
        self._layout = BorrowedLayout(slicer.mrmlScene, layoutXml(), self._onLeft)
        try:
            self.cockpit = Cockpit(slicer.mrmlScene, pair, nodes)
        except BaseException:
            self._layout.giveBack()
            raise
        self._look = None
        self.update()
        self._fit()
        self.cockpit.lookAtStructures()

    def _close(self) -> None:
        cockpit, self.cockpit = self.cockpit, None
        self.ui.playButton.checked = False
        self._flicker.stop()
        try:
            cockpit.close()
        finally:
            self._layout.giveBack()

    def _onLeft(self) -> None:
        """The user has gone to another layout."""
        self.ui.cockpitButton.checked = False

    def _onFlicker(self) -> None:
        if self._present():
            self.cockpit.flick()

    def _onPlay(self) -> None:
        slider = self.ui.waySlider
        slider.value = min(slider.value + PLAY_STEP, slider.maximum)
        if slider.value >= slider.maximum:
            self.ui.playButton.checked = False

    def _enable(self, isOpen: bool) -> None:
        for widget in (self.ui.worstButton, self.ui.playButton, self.ui.waySlider):
            widget.enabled = isOpen

    @staticmethod
    def _fit() -> None:
        """Fit the cockpit's slices alone; Slicer's resetSliceViews would change the user's views, too."""
        logic = slicer.app.applicationLogic()
        for name in VIEWS:
            node = slicer.mrmlScene.GetSingletonNode(name, "vtkMRMLSliceNode")
            view = logic.GetSliceLogic(node) if node is not None else None
            if view is not None:
                view.FitSliceToBackground()


def _timer(interval: int, action):
    timer = qt.QTimer()
    timer.setInterval(interval)
    timer.connect("timeout()", action)
    return timer


def _run(timer, wanted: bool) -> None:
    if wanted:
        timer.start()
    else:
        timer.stop()
