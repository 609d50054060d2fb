"""The tab Register: inputs, checkpoint, options, outputs; Apply with progress, preview, Stop and Cancel."""

from __future__ import annotations

import time
from typing import NamedTuple

import qt
import slicer
from slicer.i18n import tr as _

from ..bridge.checks import pairWarnings, suggestedCheckpoint
from ..bridge.preview import Preview
from ..bridge.registration import NodeRequest, SideNodes
from ..core.errors import InputError, RegistrationCancelled
from ..core.options import PRESETS, Preset
from .background import BackgroundRun
from .events import handleEvents
from .models import ModelChooser
from .parameters import (
    chosenOutputs,
    labels,
    missingChoice,
    ownPreset,
    presetLabels,
    presetName,
    rememberSeconds,
    saveOwnPreset,
    transformLabels,
)
from .plot import curvesPixmap
from .verdict import progressText, signedVerdict, stageName
from .weighting import chosenOptions

PLOT_HEIGHT = 120


class Message(NamedTuple):
    """What the worker says: a Progress, and the transform as it stands where the preview wants one."""

    progress: object
    transform: object


class RegisterTab:
    """Glue between the widgets ``ui`` (of ISTNRegistration.ui), the parameter node and the logic.

    Args:
        ui: the panel's widgets.
        logic: has ``register``.
        turn: of the panel's tabs.
        onResult: called with the RegistrationNodes of a finished run.
    """

    def __init__(self, ui, logic, turn, onResult) -> None:
        self.ui, self.logic, self.onResult, self._turn = ui, logic, onResult, turn
        self.parameters = self._run = self._preview = self._suggested = None
        self._curves, self._began, self._done = {}, 0.0, ""
        self.models = ModelChooser(ui, self._onModelChanged)
        ui.applyButton.connect("clicked(bool)", self.onApply)
        ui.cancelButton.connect("clicked(bool)", self.stop)
        ui.stopButton.connect("clicked(bool)", self.finish)
        ui.savePresetButton.connect("clicked(bool)", self.onSavePreset)
        ui.presetComboBox.connect("activated(int)", self.onPreset)
        ui.transformComboBox.connect("activated(int)", self.onTransform)
        ui.suggestionButton.connect("clicked(bool)", self.onSuggestion)
        for name, text in presetLabels().items():
            ui.presetComboBox.addItem(text, name)
        ui.runFrame.visible = False

    def setParameters(self, parameters) -> None:
        """Follow a parameter node that is connected to the widgets already; None lets go."""
        self.parameters = parameters
        if parameters is None:
            return
        for comboBox, texts in labels().items():
            for index, text in enumerate(texts):
                getattr(self.ui, comboBox).setItemText(index, text)
        self.models.refresh()
        self.update()

    def update(self) -> None:
        """Show what follows from the parameters: model, preset, warnings, and whether Apply can be pressed."""
        p = self.parameters
        if p is None:
            return
        self.models.select(p.checkpoint)
        self._showTransforms()
        name = presetName(Preset(p.refine, p.iterations, "dense" if p.transform == "dense" else None))
        for index, text in enumerate(presetLabels(p.transform).values()):
            self.ui.presetComboBox.setItemText(index, text)
        self.ui.presetComboBox.currentIndex = self.ui.presetComboBox.findData(name)
        self.ui.initialTransformSelector.enabled = p.initial == "transform"
        missing, busy = missingChoice(p) or self.models.problem, self._busy()
        self.ui.applyButton.enabled = not (missing or busy)
        self.ui.applyButton.text = busy or missing or _("Apply")
        self.ui.applyButton.toolTip = busy or missing or _("Register the moving volume to the fixed one")
        said = [] if missing else self._warnings()
        self.ui.warningsLabel.text = "\n".join(f"⚠ {text}" for text in said)
        self.ui.warningsLabel.visible = bool(said)
        self._suggest(None if missing else suggestedCheckpoint(p.fixedVolume, p.movingVolume, self.models.card))

    def _suggest(self, name: str | None) -> None:
        self._suggested = name
        self.ui.suggestionButton.text = _("Use '{name}', which fits these images").format(name=name) if name else ""
        self.ui.suggestionButton.visible = bool(name)

    def onSuggestion(self) -> None:
        """Choose the checkpoint that was suggested."""
        if self._suggested:
            self._onModelChanged(self._suggested)

    def _busy(self) -> str:
        if self._run is not None:
            return _("Registering...")
        return self._turn.reasonFor(self)

    def _warnings(self) -> list[str]:
        p = self.parameters
        card = self.models.card
        return [*card.warnings, *pairWarnings(p.fixedVolume, p.movingVolume, card, p.initial)]

    def _showTransforms(self) -> None:
        names, box, offered = transformLabels(), self.ui.transformComboBox, self.models.transforms
        if [box.itemData(k) for k in range(box.count)] != list(offered):
            box.clear()
            for name in offered:
                box.addItem(names[name], name)
        if offered and self.parameters.transform not in offered:
            self.parameters.transform = offered[0]
        box.currentIndex = box.findData(self.parameters.transform)

    def _onModelChanged(self, checkpoint: str) -> None:
        if self.parameters is not None:
            self.parameters.checkpoint = checkpoint
            self.update()

    def onTransform(self, index: int) -> None:
        """The user picked a transform."""
        self.parameters.transform = self.ui.transformComboBox.itemData(index)

    def onPreset(self, index: int) -> None:
        """The user picked a preset: set what it stands for."""
        name = self.ui.presetComboBox.itemData(index)
        preset = ownPreset() if name == "own" else PRESETS.get(name)
        if preset is not None:
            self.parameters.refine, self.parameters.iterations = preset.refine, preset.iterations
            others = [transform for transform in self.models.transforms if transform != "dense"]
            if preset.transform:
                self.parameters.transform = preset.transform
            elif name != "own" and self.parameters.transform == "dense" and others:
                self.parameters.transform = others[-1]
        self.update()

    def onSavePreset(self) -> None:
        """Keep the present choice as the user's own."""
        saveOwnPreset(Preset(self.parameters.refine, self.parameters.iterations))
        self.update()

    def request(self) -> NodeRequest:
        """What the panel's choices ask for."""
        p = self.parameters
        initial = p.initialTransform if p.initial == "transform" else p.initial
        options = {key: getattr(p, key) for key in ("transform", "refine", "iterations", "device")}
        options |= {"initial": initial, "keep_best": p.keepBest, "landmark_weight": p.landmarkWeight}
        return NodeRequest(
            SideNodes(p.fixedVolume, p.fixedMask, p.fixedStructures, p.fixedLandmarks, p.fixedCorrected, p.rigidRegion),
            SideNodes(p.movingVolume, p.movingMask, p.movingStructures, p.movingLandmarks, p.movingCorrected),
            p.checkpoint,
            options | chosenOptions(p, self.models.card),
        )

    def onApply(self) -> None:
        """Register; errors are shown, a cancelled run leaves no trace."""
        with slicer.util.tryWithErrorDisplay(_("Registration failed.")):
            self._register()

    def _register(self) -> None:
        p = self.parameters
        request, outputs, every = self.request(), chosenOutputs(p), p.previewEvery
        preset = self.ui.presetComboBox.currentData
        self._start(Preview(slicer.mrmlScene, *request.pair) if p.preview else None)
        try:
            nodes = self.logic.run(request, outputs, inBackground=lambda work: self._inBackground(work, every))
            seconds = time.monotonic() - self._began
            self._done = _("Done in {seconds:.1f} s.").format(seconds=seconds)
            if not self._run.ending:
                rememberSeconds(preset, p.transform, seconds)
            self._end(self._done)
            self.tell(nodes)
        except RegistrationCancelled:
            self._end(_("Cancelled: nothing was changed"))
            return
        except InputError:
            self._end(_("Not registered"))
            raise
        except BaseException:
            self._end(_("Failed"))
            raise
        self.onResult(request.pair, nodes)

    def tell(self, nodes) -> None:
        """Show the light of the answer that is in the RegistrationNodes: the run's own, or one of the tab Judge."""
        did = _("Adjusted in the tab Judge.") if nodes.outcome.changes else self._done
        self.ui.statusLabel.text = f"{did} {signedVerdict(nodes.outcome.verdict)}"

    def _inBackground(self, work, every: int):
        def inWorker(report):
            def onProgress(progress):
                wanted = self._preview is not None and progress.iteration % every == 0
                return report(Message(progress, progress.transform() if wanted else None))

            return work(onProgress)

        return self._run.execute(inWorker, self.onReport, handleEvents)

    def onReport(self, message: Message) -> None:
        """Show where the run stands (main thread)."""
        progress = message.progress
        curve = self._curves.setdefault(progress.stage, [])
        curve.append(progress.loss)
        if len(curve) == 1:
            self._stageBegan = time.monotonic()
        left = (time.monotonic() - self._stageBegan) / len(curve) * (progress.iterations - progress.iteration)
        self.ui.progressBar.maximum = max(progress.iterations, 1)
        self.ui.progressBar.value = progress.iteration
        self.ui.statusLabel.text = progressText(progress, left)
        width = max(self.ui.runFrame.width - 30, 200)
        curves = {stageName(name): values for name, values in self._curves.items()}
        self.ui.lossPlotLabel.setPixmap(curvesPixmap(curves, width, PLOT_HEIGHT))
        if message.transform is not None and not self._run.ending:
            self._preview.update(message.transform)

    def finish(self) -> None:
        """End the run and keep the best so far."""
        if self._run is not None:
            self._run.stop()
            self.ui.statusLabel.text = _("Stopping...")

    def stop(self) -> None:
        """End the run and leave the scene as it was."""
        if self._run is not None:
            self._run.cancel()
            self.ui.statusLabel.text = _("Cancelling...")

    def _start(self, preview) -> None:
        self._run, self._preview = BackgroundRun(), preview
        self._curves, self._began = {}, time.monotonic()
        self.ui.runFrame.visible = True
        self._showButtons(True)
        self.ui.progressBar.maximum = 0  # busy: the networks look at the images
        self.ui.statusLabel.text = _("The networks look at the images...")
        self.ui.lossPlotLabel.setPixmap(qt.QPixmap())
        self._turn.take(self, _("Wait: the tab Register is registering"))

    def _end(self, text: str) -> None:
        if self._preview is not None:
            self._preview.remove()
        self._run = self._preview = None
        self._showButtons(False)
        self.ui.statusLabel.text = text
        self._turn.giveBack()

    def _showButtons(self, running: bool) -> None:
        for widget in (self.ui.progressBar, self.ui.stopButton, self.ui.cancelButton):
            widget.visible = running
