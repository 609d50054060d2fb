"""The tab Batch: pairs of files, volumes of the scene, or the frames of a sequence, one after the other."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from ..bridge.batch import fileBatch, registerPairs
from ..bridge.registration import SideNodes
from ..bridge.sequences import SequenceRequest, framesOf, registerSequence
from ..core.errors import InputError, RegistrationCancelled
from .background import BackgroundRun
from .batch_table import BatchTable, Line
from .events import handleEvents
from .parameters import chosenOutputs


class BatchTab:
    """Runs many registrations with the choices of the tab Register.

    Args:
        page: the empty tab; Batch.ui is loaded into it.
        registerTab: gives checkpoint, options and the fixed volume.
        turn: of the panel's tabs.
        uiPath: of Batch.ui.
    """

    def __init__(self, page, registerTab, turn, uiPath: str) -> None:
        panel = slicer.util.loadUI(uiPath)
        page.layout().addWidget(panel)
        panel.setMRMLScene(slicer.mrmlScene)
        self.panel, self.ui = panel, slicer.util.childWidgetVariables(panel)
        self._registerTab, self._turn = registerTab, turn
        self._running, self._run, self._stopped = False, None, False
        self.table = BatchTable(self.ui.batchTable, self.ui.batchMessageLabel)
        self.ui.runFilesButton.connect("clicked(bool)", self.onRunFiles)
        self.ui.runVolumesButton.connect("clicked(bool)", self.onRunVolumes)
        self.ui.runSequenceButton.connect("clicked(bool)", self.onRunSequence)
        self.ui.batchStopButton.connect("clicked(bool)", self.stop)
        self.ui.pairsPathLineEdit.connect("currentPathChanged(QString)", self.update)
        self.ui.outputPathLineEdit.connect("currentPathChanged(QString)", self.update)
        self.ui.sequenceSelector.connect("currentNodeChanged(vtkMRMLNode*)", self.update)

    def setParameters(self, _parameters) -> None:
        """The settings are those of the tab Register: only what can be run may change."""
        self.update()

    def update(self) -> None:
        """What can be pressed, and why not."""
        ui, sequence = self.ui, self.ui.sequenceSelector.currentNode()
        free = not self._running and self._turn.isFreeFor(self)
        files = ui.pairsPathLineEdit.currentPath and ui.outputPathLineEdit.currentPath
        missing = "" if files else _("Choose a list and a folder first")
        _allow(ui.runFilesButton, free, missing, _("Register every pair"))
        _allow(ui.runVolumesButton, free, "", _("To the fixed volume of the tab Register"))
        missing = "" if sequence is not None else _("Choose a sequence first")
        _allow(ui.runSequenceButton, free, missing, _("Register every frame"))
        ui.batchStopButton.enabled = self._running

    def stop(self) -> None:
        """End the present registration and start no other; what is done stays."""
        self._stopped = True
        if self._run is not None:
            self._run.cancel()

    def onRunFiles(self) -> None:
        """Register the pairs of the list that are not done yet."""
        with slicer.util.tryWithErrorDisplay(_("The batch could not be run.")):
            pairs, output = Path(self.ui.pairsPathLineEdit.currentPath), Path(self.ui.outputPathLineEdit.currentPath)
            heatmaps = self.ui.batchHeatmapsCheckBox.checked
            with fileBatch(pairs, output, self._registerTab.request(), heatmaps) as batch:
                self.table.fill([row.folder for row in batch.rows])
                for index, row in enumerate(batch.rows):
                    self._showRow(index, row)

                def register(index):
                    return self._inBackground(lambda report: batch.register(index, report))

                self._each(batch.todo(), register, self._showRow)

    def onRunVolumes(self) -> None:
        """Register the ticked volumes to the fixed volume of the tab Register."""
        with slicer.util.tryWithErrorDisplay(_("The batch could not be run.")):
            asked, nodes = self._registerTab.request(), self.ui.movingVolumesSelector.checkedNodes()
            fixed = asked.fixed.image
            if fixed is None or not nodes:
                expected = "a fixed volume (tab Register) and ticked volumes"
                raise InputError("Batch", "there is nothing to register", expected, f"{len(nodes)} ticked volumes")
            outputs = replace(chosenOutputs(self._registerTab.parameters), transformNode=None)
            self.table.fill([f"{node.GetName()} to {fixed.GetName()}" for node in nodes])
            # mask, structures and landmarks belong to one volume
            alone = replace(asked, options=_withoutLandmarks(asked.options))
            requests = [replace(alone, moving=SideNodes(node)) for node in nodes]
            with self._batch(len(nodes)) as announce:

                def onRow(index, result):
                    failed = Line("failed", message=result.message)
                    self.table.show(index, _line(result.nodes.outcome) if result.nodes else failed)
                    announce(index + 1)
                    return not self._stopped

                registerPairs(slicer.mrmlScene, requests, outputs, onRow, self._inBackground)

    def onRunSequence(self) -> None:
        """Register every frame of the sequence; its results come together or not at all."""
        with slicer.util.tryWithErrorDisplay(_("The sequence could not be registered.")):
            sequence, asked = self.ui.sequenceSelector.currentNode(), self._registerTab.request()
            self.table.fill([f"{sequence.GetName()} {k}" for k in range(len(framesOf(sequence)))])
            options = _withoutLandmarks(asked.options)
            request = SequenceRequest(asked.checkpoint, options, self.ui.registerReferenceCheckBox.checked)
            reached, kept = [], []

            def onFrame(number, outcome):
                reached.append(number)
                self.table.show(number, _line(outcome) if outcome else Line("left out"))

            def register(_index):
                reference = int(self.ui.referenceSpinBox.value)
                return registerSequence(slicer.mrmlScene, sequence, reference, request, onFrame, self._inBackground)

            self._each([0], register, lambda _index, result: kept.append(result), lambda _index: len(reached))
            for number in [] if kept else reached:
                self.table.show(number, Line("not kept"))

    def _each(self, indices, register, show, failedRow=lambda index: index) -> None:
        """Register one after the other; a failure is shown in its row and does not end the batch."""
        indices = list(indices)
        with self._batch(len(indices)) as announce:
            for done, index in enumerate(indices):
                announce(done)
                try:
                    show(index, register(index))
                except (InputError, MemoryError, RuntimeError) as error:
                    self.table.show(min(failedRow(index), self.table.lastRow), Line("failed", message=str(error)))
                if self._stopped:
                    break

    @contextmanager
    def _batch(self, count: int):
        """Within this block the batch has its turn; a cancelled registration ends it. Gives what says how far it is."""

        def announce(done):
            if done < count:
                self.ui.batchStatusLabel.text = _("Registering {n} of {count}").format(n=done + 1, count=count)

        self._stopped, self._running = False, True
        self._turn.take(self, _("Wait: the tab Batch is registering"))
        try:
            announce(0)
            yield announce
        except RegistrationCancelled:
            self._stopped = True
        finally:
            self._running = False
            self._turn.giveBack()
        self.ui.batchStatusLabel.text = _("Stopped") if self._stopped else _("Done")

    def _inBackground(self, work):
        if self._stopped:
            raise RegistrationCancelled("The batch was stopped")
        self._run = BackgroundRun()
        try:
            return self._run.execute(work, lambda _progress: None, handleEvents)
        finally:
            self._run = None

    def _showRow(self, index: int, row) -> None:
        numbers = (row.agreement_before, row.agreement, row.uncertainty_mm, row.dice, row.folded, row.seconds)
        self.table.show(index, Line(row.state, row.light, *numbers, row.message))


def _withoutLandmarks(options: dict) -> dict:
    """Landmarks belong to one volume: they do not pull others."""
    return {**options, "landmark_weight": 0.0}


def _line(outcome) -> Line:
    """Light, numbers of the kept stage and what the run says about itself."""
    kept, before = outcome.kept, outcome.result.stages[0].agreement
    said = " ".join((*outcome.warnings, *outcome.notes))
    numbers = (before, kept.agreement, kept.uncertainty_mm, kept.dice, kept.folded, outcome.seconds)
    return Line("done", outcome.verdict.light, *numbers, said)


def _allow(button, free: bool, missing: str, help: str) -> None:
    """Enable a button, or say in its tooltip why not."""
    button.enabled = free and not missing
    button.toolTip = missing or (help if free else _("Wait until the registration has ended"))
