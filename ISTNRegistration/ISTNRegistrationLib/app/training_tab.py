"""The tab Train: data and configuration, a training in its own process with live curves, the new checkpoint."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from ..bridge.training import Study, TrainingChoice, exportScene, lookAt, readHistory, writeConfiguration
from ..core.errors import InputError
from ..core.files import is_file
from .install import WHO, checkInstalled
from .process import TrainingProcess, canResume
from .training_plot import trainingPixmap

METHODS = ("istn-e", "istn-i", "stn-s", "stn-u")
SMALL_PACKAGES = ("tqdm", *(() if sys.version_info >= (3, 11) else ("tomli",)))
WATCH_MS, PLOT_HEIGHT, PLOT_WIDTH = 1000, 160, 400


class TrainingTab:
    """Glue between Training.ui and the process of ``istn train``.

    Args:
        page: the empty tab.
        onCheckpoint: called with the path of a new checkpoint.
        uiPath: of Training.ui.
    """

    def __init__(self, page, onCheckpoint, uiPath: str) -> None:
        panel = slicer.util.loadUI(uiPath)
        page.layout().addWidget(panel)
        self.panel, self.ui = panel, slicer.util.childWidgetVariables(panel)
        self._onCheckpoint, self._process, self._study = onCheckpoint, None, None
        self.ui.methodComboBox.addItems(METHODS)
        self.ui.dataFolderButton.connect("clicked(bool)", self.onDataFolder)
        self.ui.exportSceneButton.connect("clicked(bool)", self.onExportScene)
        self.ui.writeConfigButton.connect("clicked(bool)", self.onWriteConfig)
        self.ui.startTrainingButton.connect("clicked(bool)", self.onStart)
        self.ui.stopTrainingButton.connect("clicked(bool)", self.onStop)
        for name in ("subjectsPathLineEdit", "configPathLineEdit", "trainingOutputPathLineEdit"):
            getattr(self.ui, name).connect("currentPathChanged(QString)", self.update)
        self._timer = qt.QTimer()
        self._timer.setInterval(WATCH_MS)
        self._timer.connect("timeout()", self.watch)
        self.update()

    def setParameters(self, _parameters) -> None:
        """Nothing of this tab is in the scene."""
        self.update()

    def stop(self) -> None:
        """The module is reloaded or Slicer closes: end a training, without asking; it can go on later."""
        self._timer.stop()
        process, self._process = self._process, None
        if process is not None:
            process.end()

    def update(self) -> None:
        """What can be pressed, and why not."""
        ui, running = self.ui, self._process is not None
        listed = bool(ui.subjectsPathLineEdit.currentPath)
        ui.writeConfigButton.enabled = listed
        ui.writeConfigButton.toolTip = (
            _("Writes training.toml beside the list and uses it below")
            if listed
            else _("Choose a list of subjects first")
        )
        missing = self._missing()
        resumes = not missing and canResume(self._output())
        ui.startTrainingButton.enabled = not missing and not running
        ui.startTrainingButton.text = missing or (_("Go on") if resumes else _("Start"))
        ui.startTrainingButton.toolTip = missing or _("Train in the background; Slicer can be used meanwhile")
        ui.initPathLineEdit.enabled = not resumes and not running
        ui.stopTrainingButton.enabled = running and not self._process.stopped

    def _missing(self) -> str:
        if not self.ui.configPathLineEdit.currentPath:
            return _("Choose or write a configuration")
        return "" if self.ui.trainingOutputPathLineEdit.currentPath else _("Choose an output folder")

    def onDataFolder(self) -> None:
        """Pick a folder that holds the data, look at it and propose."""
        folder = qt.QFileDialog.getExistingDirectory(None, _("Folder of the training data"))
        if folder:
            with slicer.util.tryWithErrorDisplay(_("The folder cannot be used."), waitCursor=True):
                self._show(lookAt(Path(folder)))

    def onExportScene(self) -> None:
        """Write the scene's annotated volumes to a folder, look at them and propose."""
        folder = qt.QFileDialog.getExistingDirectory(None, _("Folder for the training data"))
        if folder:
            with slicer.util.tryWithErrorDisplay(_("The scene could not be exported."), waitCursor=True):
                self._show(lookAt(exportScene(slicer.mrmlScene, Path(folder))))

    def onWriteConfig(self) -> None:
        """Write the configuration beside the list, and use it."""
        ui = self.ui
        with slicer.util.tryWithErrorDisplay(_("The configuration could not be written."), waitCursor=True):
            listed = Path(ui.subjectsPathLineEdit.currentPath)
            if self._study is None or self._study.path != listed:
                self._study = lookAt(listed)
                self._fillChannels()
            path = writeConfiguration(self._study, self.choice())
            ui.configPathLineEdit.currentPath = str(path)
            if not ui.trainingOutputPathLineEdit.currentPath:
                ui.trainingOutputPathLineEdit.currentPath = str(path.with_name("training"))

    def _show(self, study: Study) -> None:
        """What was found, and the proposal in the widgets."""
        self._study, ui, choice = study, self.ui, study.choice
        ui.channelsLineEdit.text = choice.channels
        ui.gridSpacingSpinBox.value = choice.spacing
        ui.controlSpacingSpinBox.value = choice.controlSpacing
        ui.stepsSpinBox.value = choice.steps
        ui.trainingLog.setPlainText(study.findings)
        ui.subjectsPathLineEdit.currentPath = str(study.path)

    def _fillChannels(self) -> None:
        """The proposed structures where the user has named none."""
        if not self.ui.channelsLineEdit.text.strip():
            self.ui.channelsLineEdit.text = self._study.choice.channels

    def choice(self) -> TrainingChoice:
        """What the widgets say."""
        ui = self.ui
        boxes = {"rigid": ui.rigidCheckBox, "affine": ui.affineCheckBox, "bspline": ui.bsplineCheckBox}
        return TrainingChoice(
            channels=ui.channelsLineEdit.text,
            spacing=ui.gridSpacingSpinBox.value,
            method=ui.methodComboBox.currentText,
            transforms=tuple(name for name, box in boxes.items() if box.checked),
            controlSpacing=ui.controlSpacingSpinBox.value,
            steps=ui.stepsSpinBox.value,
        )

    def onStart(self) -> None:
        """Start, or go on with, the training."""
        with slicer.util.tryWithErrorDisplay(_("The training could not be started.")):
            checkInstalled()
            _installSmallPackages()
            ui = self.ui
            self._process = TrainingProcess(
                Path(ui.configPathLineEdit.currentPath), self._output(), ui.initPathLineEdit.currentPath
            )
            ui.trainingStatusLabel.text = _("Preparing the images and loading torch...")
            self._timer.start()
            self.update()

    def onStop(self) -> None:
        """End the training; it can go on later."""
        if self._process is not None:
            self._process.stop()
            self.ui.trainingStatusLabel.text = _("Stopping...")
            self.update()

    def watch(self) -> None:
        """Show the curves and the last lines, and whether it has ended."""
        process = self._process
        process.killIfLate()
        ended = not process.running
        self.ui.trainingLog.setPlainText(process.lastLines())
        progress = process.progress()
        if progress is not None and not process.stopped:
            done, last, left = progress
            text = _("Step {done} of {last}, {left} left").format(done=done, last=last, left=left)
            self.ui.trainingStatusLabel.text = text
        self._showCurves(progress)
        if ended:
            self._finished()

    def _showCurves(self, progress) -> None:
        history = readHistory(self._output() / "history.csv")
        if history:
            last = progress[1] if progress is not None else history["step"][-1]
            width = max(self.ui.trainingLog.width, PLOT_WIDTH)
            self.ui.trainingPlotLabel.setPixmap(trainingPixmap(history, last, width, PLOT_HEIGHT))

    def _finished(self) -> None:
        self._timer.stop()
        process, self._process = self._process, None
        best = process.output / "best.h5"
        if process.stopped:
            text = _("Stopped: Go on continues from the last validation")
            text = text if canResume(process.output) else _("Stopped before the first validation: nothing was kept")
        elif process.succeeded and is_file(best):
            text = _("Done: the checkpoint is in the list of the tab Register")
            self._onCheckpoint(best)
        elif process.worse:
            text = _("Trained, but worse than doing nothing: see training.html in the output folder")
        else:
            text = _("The training failed: see the last lines")
        self.ui.trainingStatusLabel.text = text
        self.update()

    def _output(self) -> Path:
        if self._process is not None:
            return self._process.output
        return Path(self.ui.trainingOutputPathLineEdit.currentPath)


def _installSmallPackages() -> None:
    """Install, after asking, what only the training needs and Slicer has not."""
    missing = [name for name in SMALL_PACKAGES if importlib.util.find_spec(name) is None]
    if not missing:
        return
    names = " ".join(missing)
    if not slicer.util.confirmOkCancelDisplay(
        _("Install what the training needs ({names}, 0.1 MB)?").format(names=names)
    ):
        raise InputError(
            WHO, "the training needs Python packages", names, "they are not installed", "Press Start again"
        )
    slicer.util.pip_install(names)
    importlib.invalidate_caches()
