"""The tab Train: data and configuration, a training in its own process with live curves, the new checkpoint."""

from __future__ import annotations

from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from ..bridge.training import exportScene, readHistory, writeConfiguration
from .install import checkInstalled
from .plot import curvesPixmap
from .process import TrainingProcess

METHODS = ("istn-e", "istn-i", "stn-s", "stn-u")
CURVES = ("loss", "val/affine", "val/bspline")
WATCH_MS, PLOT_HEIGHT, PLOT_WIDTH = 1000, 140, 400


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
        self._onCheckpoint, self._process = onCheckpoint, None
        self.ui.methodComboBox.addItems(METHODS)
        self.ui.exportSceneButton.connect("clicked(bool)", self.onExportScene)
        self.ui.writeConfigButton.connect("clicked(bool)", self.onWriteConfig)
        self.ui.startTrainingButton.connect("clicked(bool)", self.onStart)
        self.ui.stopTrainingButton.connect("clicked(bool)", self.stop)
        for name in ("subjectsPathLineEdit", "configPathLineEdit", "trainingOutputPathLineEdit"):
            getattr(self.ui, name).connect("currentPathChanged(QString)", self.update)
        self._timer = qt.QTimer()
        self._timer.setInterval(WATCH_MS)
        self._timer.connect("timeout()", self.watch)

    def setParameters(self, _parameters) -> None:
        """Nothing of this tab is in the scene."""
        self.update()

    def update(self) -> None:
        """What can be pressed, and why not."""
        ui, running = self.ui, self._process is not None
        ui.writeConfigButton.enabled = bool(ui.subjectsPathLineEdit.currentPath)
        ready = bool(ui.configPathLineEdit.currentPath and ui.trainingOutputPathLineEdit.currentPath)
        ui.startTrainingButton.enabled = ready and not running
        resumes = ready and (self._output() / "state.pt").is_file()
        ui.startTrainingButton.text = _("Go on") if resumes else _("Start")
        ui.startTrainingButton.toolTip = (
            _("Train in the background") if ready else _("Choose a configuration and a folder first")
        )
        ui.stopTrainingButton.enabled = running

    def onExportScene(self) -> None:
        """Write the scene's segmented volumes to a folder and use the list."""
        folder = qt.QFileDialog.getExistingDirectory(None, _("Folder for the training data"))
        if folder:
            with slicer.util.tryWithErrorDisplay(_("The scene could not be exported."), waitCursor=True):
                self.ui.subjectsPathLineEdit.currentPath = str(exportScene(slicer.mrmlScene, Path(folder)))

    def onWriteConfig(self) -> None:
        """Write the configuration beside the list, and use it."""
        ui = self.ui
        with slicer.util.tryWithErrorDisplay(_("The configuration could not be written.")):
            path = writeConfiguration(
                Path(ui.subjectsPathLineEdit.currentPath),
                channels=ui.channelsLineEdit.text,
                size=ui.gridSizeSpinBox.value,
                spacing=ui.gridSpacingSpinBox.value,
                method=ui.methodComboBox.currentText,
                steps=ui.stepsSpinBox.value,
            )
            ui.configPathLineEdit.currentPath = str(path)
            if not ui.trainingOutputPathLineEdit.currentPath:
                ui.trainingOutputPathLineEdit.currentPath = str(path.with_name("training"))

    def onStart(self) -> None:
        """Start, or go on with, the training."""
        with slicer.util.tryWithErrorDisplay(_("The training could not be started.")):
            checkInstalled()
            self._process = TrainingProcess(Path(self.ui.configPathLineEdit.currentPath), self._output())
            self.ui.trainingStatusLabel.text = _("Training...")
            self._timer.start()
            self.update()

    def stop(self) -> None:
        """End the training; it can go on later."""
        if self._process is not None:
            self._process.stop()
            self.watch()

    def watch(self) -> None:
        """Show the curves and the last lines, and whether it has ended."""
        if self._process is not None:
            self.ui.trainingLog.setPlainText(self._process.lastLines())
        history = readHistory(self._output() / "history.csv")
        shown = {name: history[name] for name in CURVES if name in history}
        if shown:
            width = max(self.ui.trainingLog.width, PLOT_WIDTH)
            self.ui.trainingPlotLabel.setPixmap(curvesPixmap(shown, width, PLOT_HEIGHT))
        if self._process is not None and not self._process.running:
            self._finished()

    def _finished(self) -> None:
        self._timer.stop()
        process, self._process = self._process, None
        if process.stopped:
            text = _("Stopped; Go on continues from the last validation")
        elif process.succeeded:
            text = _("Done: the checkpoint is in the list of the tab Register")
            self._onCheckpoint(self._output() / "best.h5")
        else:
            text = _("The training failed: see the last lines")
        self.ui.trainingStatusLabel.text = text
        self.update()

    def _output(self) -> Path:
        return Path(self.ui.trainingOutputPathLineEdit.currentPath)
