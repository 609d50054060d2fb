"""The section Adjust of the tab Judge: what counts is changed, and the answer follows; variants, undo."""

from __future__ import annotations

import time

import qt
import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..bridge.again import keepAsNode, registerAgain, showOutcome
from ..bridge.structures import POINT_EVENTS
from ..bridge.variants import Variants
from ..core.errors import RegistrationCancelled
from .adjust_tables import StructuresTable, VariantsTable
from .background import BackgroundRun
from .events import handleEvents
from .weighting import Weighting, ownShare, save, weightingOf

PAUSE_MS = 250  # without a further change, before the answer follows


class Adjust(VTKObservationMixin):
    """Refines the result that the tab Judge shows on, and shows another one of its variants.

    Args:
        page: an empty widget with a layout; Adjust.ui is loaded into it.
        uiPath: of Adjust.ui.
        turn: of the panel's tabs.
        onAnswer: called with the RegistrationNodes when they show another answer.
    """

    def __init__(self, page, uiPath: str, turn, onAnswer) -> None:
        VTKObservationMixin.__init__(self)
        panel = slicer.util.loadUI(uiPath)
        page.layout().addWidget(panel)
        self.ui = ui = slicer.util.childWidgetVariables(panel)
        self.parameters = self.variants = self._run = None
        self._turn, self._onAnswer = turn, onAnswer
        self._wanted, self._filling, self._share, self._landmarks = False, False, None, ()
        self.structures = StructuresTable(ui.structuresTable, self.onChanged)
        self.table = VariantsTable(ui.variantsTable)
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(PAUSE_MS)
        self._timer.connect("timeout()", self.onPause)
        ui.imageShareSlider.connect("valueChanged(double)", self.onShare)
        ui.pullSpinBox.connect("valueChanged(double)", self.onPull)
        ui.adjustNextCheckBox.connect("toggled(bool)", self.onNext)
        ui.variantsTable.connect("cellClicked(int,int)", self.onVariant)
        ui.undoButton.connect("clicked(bool)", self.onUndo)
        ui.keepButton.connect("clicked(bool)", self.onKeep)
        self.stop()

    def setParameters(self, parameters) -> None:
        """Follow a parameter node; None lets go."""
        self.parameters = parameters
        self.update()

    def show(self, nodes) -> None:
        """There is a new result: RegistrationNodes."""
        self.stop()
        self.variants = Variants(nodes, _("First answer"))
        self._tell()

    def stop(self) -> None:
        """There is no result; a computation that is going on ends."""
        self._timer.stop()
        self.cancel()
        self.variants = None
        self.table.fill([], None)
        self.structures.fill((), {})
        self.ui.adjustStatusLabel.text = ""
        self.update()

    def cancel(self) -> None:
        """End a computation that is going on; what is shown stays."""
        self._wanted = False
        if self._run is not None:
            self._run.cancel()

    def update(self) -> None:
        """What can be changed, and why not; which landmarks are followed."""
        ui, reason = self.ui, self._reason()
        ui.adjustReasonLabel.text, ui.adjustReasonLabel.visible = reason, bool(reason)
        for widget in (ui.imageShareSlider, ui.structuresTable, ui.variantsTable, ui.keepButton):
            widget.enabled = not reason
        ui.undoButton.enabled = not reason and self.variants.before is not None
        ui.adjustNextCheckBox.enabled = self.parameters is not None
        if self.parameters is not None:
            ui.adjustNextCheckBox.checked = self.parameters.adjustNext
            self._fill(ui.pullSpinBox, self.parameters.landmarkWeight)
        self._observeLandmarks()
        ui.pullSpinBox.enabled = not reason and None not in self._landmarks

    def onShare(self, value: float) -> None:
        """The user moved the slider."""
        if not self._filling:
            self._share = round(value, 2)
            self.onChanged()

    def onPull(self, value: float) -> None:
        """The user changed how much landmarks count, here and in the tab Register."""
        if not self._filling and self.parameters is not None:
            self.parameters.landmarkWeight = value
            self.onChanged()

    def onLandmark(self, *_event) -> None:
        """A landmark was moved, placed or removed."""
        if self.ui.pullSpinBox.value > 0:
            self.onChanged()

    def onChanged(self, *_what) -> None:
        """The user changed what counts: after a pause the answer follows."""
        if self.variants is not None:
            self._save()
            self._timer.start()

    def onPause(self) -> None:
        """Begin, in the place of what is being computed."""
        if self._run is not None:
            self._wanted = True
            self._run.cancel()
        elif self.variants is not None and self._turn.isFreeFor(self):
            self._follow()

    def onNext(self, wanted: bool) -> None:
        """Whether the next registration begins with what is chosen here."""
        if self.parameters is not None:
            self.parameters.adjustNext = wanted
            self._save()

    def onVariant(self, row: int, _column: int) -> None:
        """Show the variant that was clicked."""
        variant = self.variants.all[row]
        if variant is not self.variants.shown:
            self._show(variant, lambda nodes: self.variants.show(nodes, variant))

    def onUndo(self) -> None:
        """Show what was shown before."""
        self._show(self.variants.before, self.variants.undo)

    def onKeep(self) -> None:
        """A transform node of its own for what is shown."""
        with slicer.util.tryWithErrorDisplay(_("The variant could not be kept.")):
            nodes = self.variants.nodes
            node = keepAsNode(nodes, f"{nodes.transform.GetName()}, {self.variants.shown.name}")
            self.ui.adjustStatusLabel.text = _("Kept as {name}").format(name=node.GetName())

    def _reason(self) -> str:
        if self.variants is None:
            return _("Register first, in this session: then you can change here what counts, and the answer follows.")
        return self._turn.reasonFor(self)

    def _weighting(self) -> Weighting:
        """What the widgets say."""
        pull = self.ui.pullSpinBox.value if self._landmarks and None not in self._landmarks else 0.0
        return Weighting(self._share, self.structures.weights(), pull)

    def _save(self) -> None:
        """For the next registration, if it is wanted."""
        if self.variants is not None and self.parameters is not None and self.parameters.adjustNext:
            save(self.parameters, self._weighting())

    def _tell(self) -> None:
        """Show the variants and, unless the user has changed it meanwhile, what counts in the one that is shown."""
        self.table.fill(self.variants.all, self.variants.shown)
        if not self._timer.isActive():
            self._showWeighting(self.variants.shown.outcome)
        self.update()

    def _showWeighting(self, outcome) -> None:
        """What counted in an Outcome."""
        weighting = weightingOf(outcome.request.options)
        self.structures.fill(self.variants.nodes.structures, weighting.weights)
        self._share = weighting.share
        self._fill(self.ui.imageShareSlider, ownShare(outcome) if self._share is None else self._share)
        if self.parameters is not None:
            self.parameters.landmarkWeight = weighting.landmarks
        self._save()

    def _fill(self, widget, value: float) -> None:
        """Show a value that the user has not just chosen."""
        self._filling = True
        widget.value = value
        self._filling = False

    def _observeLandmarks(self) -> None:
        """A dragged landmark changes what counts, too."""
        p = self.parameters
        nodes = () if p is None or self.variants is None else (p.fixedLandmarks, p.movingLandmarks)
        if nodes == self._landmarks:
            return
        self.removeObservers(self.onLandmark)
        self._landmarks = nodes
        for node in {node for node in nodes if node is not None}:
            for event in POINT_EVENTS:
                self.addObserver(node, event, self.onLandmark)

    def _follow(self) -> None:
        """Refine on, and again where something has changed meanwhile."""
        self._wanted = True
        while self._wanted and self.variants is not None:
            self._wanted = False
            self._refine()

    def _refine(self) -> None:
        variants, weighting, lists = self.variants, self._weighting(), self._landmarks or (None, None)
        name, options = weighting.name(), weighting.options
        self._compute(
            lambda run: registerAgain(variants.nodes, landmarks=lists, inBackground=run, **options),
            lambda nodes: variants.add(nodes, name),
        )

    def _show(self, variant, note) -> None:
        if variant is not None and self._run is None:
            nodes = self.variants.nodes
            self._compute(lambda run: showOutcome(nodes, variant.outcome, inBackground=run), note)

    def _compute(self, work, note) -> None:
        """Let ``work(inBackground)`` put an answer into the nodes, and ``note(nodes)`` it; errors are shown."""
        variants, began = self.variants, time.monotonic()
        with slicer.util.tryWithErrorDisplay(_("The result could not be adjusted.")):
            nodes = self._computed(work)
            if nodes is None or self.variants is not variants:
                return
            note(nodes)
            self._tell()
            self._onAnswer(nodes)
            text = _("{name}: {seconds:.1f} s").format(name=variants.shown.name, seconds=time.monotonic() - began)
            self.ui.adjustStatusLabel.text = text

    def _computed(self, work):
        """What ``work`` returns; None where it was cancelled."""
        run = self._run = BackgroundRun()
        self._turn.take(self, _("Wait: the result is being adjusted"))
        try:
            return work(lambda task: run.execute(task, _ignore, handleEvents))
        except RegistrationCancelled:
            return None
        finally:
            self._run = None
            self._turn.giveBack()


def _ignore(_progress) -> None:
    """What the worker says; the answer is there in a moment."""
