"""The tab Judge: numbers and a light, the heatmap cockpit, exports, and copies of other nodes."""

from __future__ import annotations

import re
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from ..bridge.carry import carry
from ..bridge.provenance import asPython, provenance
from ..bridge.report import writeHtml
from ..bridge.saving import IMAGE_FORMATS, resultFolder, saveAll
from ..bridge.scene import checkPresent
from ..bridge.views import showVolumes, viewsOfPair
from ..core.colors import FIXED_COLOR, MOVING_COLOR
from ..core.files import is_file, is_folder, write_text
from ..core.quality import HEADINGS, cells, structure_cells, table_csv
from .adjust import Adjust
from .comparison import Comparison
from .tables import tableItem
from .verdict import lamp, lightWord, measureTexts, reasonText, stageName, structureTexts, verdictText

FRAME = 4  # pixels around the table


class JudgeTab:
    """Shows one finished registration; empty until ``show``, and again when the scene is closed.

    Args:
        ui: the panel's widgets.
        turn: of the panel's tabs.
        adjustUi: path of Adjust.ui.
        onAnswer: called with the RegistrationNodes when they show another answer.
    """

    def __init__(self, ui, turn, adjustUi: str, onAnswer) -> None:
        self.ui, self._onAnswer = ui, onAnswer
        self.parameters = self.nodes = self.pair = self.light = self._inViews = None
        self.comparison, self.adjust = Comparison(ui), Adjust(ui.adjustPage, adjustUi, turn, self.onAnswer)
        ui.exportCsvButton.connect("clicked(bool)", self.onExportCsv)
        ui.exportHtmlButton.connect("clicked(bool)", self.onExportHtml)
        ui.saveAllButton.connect("clicked(bool)", self.onSaveAll)
        ui.imageFormatComboBox.addItems(list(IMAGE_FORMATS))
        ui.copyPythonButton.connect("clicked(bool)", self.onCopyPython)
        ui.carryButton.connect("clicked(bool)", self.onCarry)
        ui.qualityTable.verticalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        ui.qualityTable.horizontalHeader().setSectionResizeMode(qt.QHeaderView.Stretch)
        ui.legendLabel.text = _legend()
        self.stop()

    def setParameters(self, parameters) -> None:
        """Follow a parameter node; None lets go."""
        self.parameters = self.comparison.parameters = parameters
        self.adjust.setParameters(parameters)

    def show(self, pair, nodes) -> None:
        """Show a finished registration: fixed and moving node, RegistrationNodes; the views show what came out."""
        self.stop()
        self.pair = pair
        self._tell(nodes)
        self._enable(True)
        self.comparison.ready(pair, nodes)
        self.adjust.show(nodes)
        self._showResult()

    def onAnswer(self, nodes) -> None:
        """The nodes show another answer."""
        self._tell(nodes)
        self.comparison.renew(nodes)
        self._onAnswer(nodes)

    def _tell(self, nodes) -> None:
        """Numbers and words of what the nodes show."""
        self.nodes, self.light, pair = nodes, nodes.outcome.verdict, self.pair
        self.ui.judgeTextLabel.text = _("{moving} registered to {fixed}. Kept stage: {kept}.").format(
            moving=pair[1].GetName(), fixed=pair[0].GetName(), kept=stageName(nodes.result.kept)
        )
        if nodes.inverse is not None:
            self.ui.judgeTextLabel.text += " " + _inverseText(nodes.inverse)
        self.ui.reasonLabel.text = verdictText(self.light)
        self._note(nodes.outcome)
        self.ui.lightLabel.setPixmap(lamp(self.light.light))
        self.ui.lightLabel.toolTip = lightWord(self.light.light)
        self._fillTable(nodes.quality)

    def _note(self, outcome) -> None:
        """Warnings and notes that the light's reason does not tell."""
        said = [*((text, "\u26a0 ") for text in outcome.warnings), *((text, "") for text in outcome.notes)]
        lines = [sign + reasonText(text) for text, sign in said if text not in self.light.reason]
        self.ui.notesLabel.text = "\n".join(dict.fromkeys(lines))
        self.ui.notesLabel.visible = bool(self.ui.notesLabel.text)

    def stop(self) -> None:
        """Show nothing: at the start, before the next run, and when the scene is closed."""
        self.comparison.stop()
        self.adjust.stop()
        self.nodes = self.pair = self.light = None
        self.ui.qualityTable.setRowCount(0)
        self.ui.judgeTextLabel.text = _("Register first: the result appears here.")
        self.ui.reasonLabel.text = self.ui.notesLabel.text = ""
        self.ui.lightLabel.setPixmap(qt.QPixmap())
        self._enable(False)

    def update(self) -> None:
        """A choice has changed: the cockpit follows."""
        self.comparison.update()
        self.adjust.update()

    def onExportCsv(self) -> None:
        """Save the table."""
        path = _saveName(_("Save the table"), "registration.csv", "CSV (*.csv)")
        if path:
            with slicer.util.tryWithErrorDisplay(_("The table could not be saved.")):
                write_text(path, table_csv(self.nodes.quality), f"Table '{path}'")

    def onExportHtml(self) -> None:
        """Save the report."""
        path = _saveName(_("Save the report"), "registration.html", "HTML (*.html)")
        if path:
            with slicer.util.tryWithErrorDisplay(_("The report could not be saved."), waitCursor=True):
                writeHtml(path, self.nodes)

    def onSaveAll(self) -> None:
        """Save everything into a folder, after asking where, and whether to replace what is there."""
        chosen = qt.QFileDialog.getExistingDirectory(None, _("Folder for the results"))
        if not chosen:
            return
        path, question = resultFolder(chosen, self.pair), _("Replace the results in {path}?")
        if is_folder(path) and not slicer.util.confirmOkCancelDisplay(question.format(path=path)):
            return
        with slicer.util.tryWithErrorDisplay(_("The results could not be saved."), waitCursor=True):
            checkPresent(slicer.mrmlScene, self.nodes.all(), "after the registration", "Register again")
            kind, harden = self.ui.imageFormatComboBox.currentText, self.ui.hardenCheckBox.checked
            files = saveAll(chosen, self.pair, self.nodes, kind, harden)
            slicer.util.showStatusMessage(_("{count} files are in {path}").format(count=len(files), path=path), 5000)

    def onCopyPython(self) -> None:
        """Put the script that repeats the registration on the clipboard."""
        qt.QApplication.clipboard().setText(asPython(provenance(self.nodes.transform)))
        slicer.util.showStatusMessage(_("The script is on the clipboard."), 3000)

    def onCarry(self) -> None:
        """Make registered copies of the ticked nodes."""
        with slicer.util.tryWithErrorDisplay(_("The registered copies could not be made."), waitCursor=True):
            scene, nodes = slicer.mrmlScene, self.nodes
            checkPresent(scene, [nodes.transform, self.pair[0]], "after the registration", "Register again")
            carry(scene, self.ui.carrySelector.checkedNodes(), nodes.transform, self.pair[0], nodes.result.transform)

    def _showResult(self) -> None:
        """The result over the fixed volume, in views where the user has chosen nothing else."""
        views = viewsOfPair(slicer.mrmlScene, self.pair, self._inViews)
        if showVolumes(slicer.mrmlScene, views, self.pair[0], self.nodes.volume, opacity=None):
            slicer.util.resetSliceViews()
        self._inViews = self.nodes.volume

    def _enable(self, known: bool) -> None:
        ui = self.ui
        for button in (ui.exportCsvButton, ui.exportHtmlButton, ui.saveAllButton, ui.copyPythonButton, ui.carryButton):
            button.enabled = known

    def _fillTable(self, quality) -> None:
        """A column for each stage and a row for each measure that is known, so that it fits a narrow panel."""
        table = self.ui.qualityTable
        columns = [dict(zip(HEADINGS, cells(stage), strict=True)) | structure_cells(stage) for stage in quality]
        wanted = measureTexts() | structureTexts(quality[-1])
        texts = {key: text for key, text in wanted.items() if any(c[key] != "–" for c in columns)}
        table.setColumnCount(len(quality))
        table.setRowCount(len(texts))
        for row, (key, (heading, explanation)) in enumerate(texts.items()):
            table.setVerticalHeaderItem(row, tableItem(heading, explanation))
            for column, stage in enumerate(quality):
                number = columns[column][key]
                tip = f"{stageName(stage.stage)}, {heading}: {number}. {explanation}"
                table.setItem(row, column, tableItem(_short(number), tip, stage.kept))
        for column, stage in enumerate(quality):
            name = stageName(stage.stage)
            kept = _("This stage's transform is the result") if stage.kept else _("This stage was not kept")
            table.setHorizontalHeaderItem(column, tableItem(name.replace(" ", "\n", 1), f"{name}. {kept}"))
        table.setMinimumHeight(table.horizontalHeader().height + table.verticalHeader().length() + FRAME)


def _short(number: str) -> str:
    """At most two decimals: five stages fit a narrow panel; the tip has them all."""
    return f"{float(number):.2f}" if re.fullmatch(r"-?\d+\.\d{3,}", number) else number


def _inverseText(node) -> str:
    mean, largest = (float(node.GetAttribute(f"ISTNRegistration.inverseError{key}Mm")) for key in ("Mean", "Max"))
    text = _("The inverse transform is right to {mean:.4f} mm on average, {largest:.4f} mm at most.")
    return text.format(mean=mean, largest=largest)


def _legend() -> str:
    """Rich text: what the colors of the cockpit mean, each after a square of it."""
    entries = (
        ("#3cc83c", _("fixed")),
        ("#e650e6", _("moving")),
        (_hex(FIXED_COLOR), _("outline in fixed (F')")),
        (_hex(MOVING_COLOR), _("outline in moving (M')")),
    )
    return "  ".join(f'<span style="color:{color}">\u25a0</span>&nbsp;{name}' for color, name in entries)


def _hex(color) -> str:
    return "#" + "".join(f"{round(255 * c):02x}" for c in color)


def _saveName(title: str, name: str, kind: str) -> str:
    """Path that the user chose, with the ending of the proposed name if it has none; empty: none was chosen."""
    chosen = qt.QFileDialog.getSaveFileName(None, title, name, kind)
    path = chosen[0] if isinstance(chosen, tuple) else chosen
    if not path or Path(path).suffix:
        return path
    path += Path(name).suffix
    replace = not is_file(path) or slicer.util.confirmOkCancelDisplay(_("Replace {path}?").format(path=path))
    return path if replace else ""
