"""The tab Judge: numbers and a light, the heatmap cockpit, exports, and what is brought along."""

from __future__ import annotations

import html

import qt
import slicer
from slicer.i18n import tr as _

from ..bridge.carry import carry
from ..bridge.cockpit import LAYOUT_ID, STRUCTURE_COLORS, Cockpit, layoutXml
from ..bridge.provenance import asPython, provenance
from ..bridge.report import writeHtml
from ..bridge.volumes import volumeFromNode
from ..core.files import write_text
from ..core.quality import HEADINGS, cells, table_csv

LIGHT = {"green": "#009e73", "yellow": "#e69f00", "red": "#d55e00"}
LIGHT_SIZE, ROW_HEIGHT = 16, 22
SHOWN = ("heatmap", "comparison", "orientation", "opacity", "heatLow", "heatHigh", "showGrid", "showOutlines")


class JudgeTab:
    """Shows one finished registration; empty until ``show``, and again when its nodes leave the scene."""

    def __init__(self, ui) -> None:
        self.ui = ui
        self.parameters = self.nodes = self.pair = self.light = self._cockpit = self._shown = None
        self._layoutBefore = None
        ui.cockpitButton.connect("toggled(bool)", self.onCockpit)
        ui.exportCsvButton.connect("clicked(bool)", self.onExportCsv)
        ui.exportHtmlButton.connect("clicked(bool)", self.onExportHtml)
        ui.copyPythonButton.connect("clicked(bool)", self.onCopyPython)
        ui.carryButton.connect("clicked(bool)", self.onCarry)
        ui.qualityTable.setColumnCount(len(HEADINGS))
        ui.qualityTable.setHorizontalHeaderLabels([_(text).replace(" ", "\n") for text in HEADINGS.values()])
        ui.qualityTable.verticalHeader().hide()
        ui.qualityTable.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        self.stop()

    def setParameters(self, parameters) -> None:
        """Follow a parameter node; None lets go."""
        self.parameters = parameters

    def show(self, pair, nodes) -> None:
        """Show a finished registration: fixed and moving node, RegistrationNodes."""
        self.stop()
        self.pair, self.nodes = pair, nodes
        self.light = nodes.outcome.verdict
        self.ui.judgeTextLabel.text = _("{moving} registered to {fixed}: '{kept}' was kept.").format(
            moving=pair[1].GetName(), fixed=pair[0].GetName(), kept=nodes.result.kept
        )
        if nodes.inverse is not None:
            self.ui.judgeTextLabel.text += " " + _inverseText(nodes.inverse)
        self.ui.legendLabel.text = _legend(nodes.structures) if nodes.heatmaps else ""
        self.ui.reasonLabel.text = self.light.reason
        self.ui.lightLabel.setPixmap(_lamp(LIGHT[self.light.light]))
        self.ui.lightLabel.toolTip = self.light.light
        self._fillTable(nodes.quality)
        self._enable(True)
        self.ui.cockpitButton.enabled = bool(nodes.heatmaps) and nodes.volume is not None
        self.ui.cockpitButton.toolTip = (
            _("Four linked views: fixed, before, after and heatmap. Press again to go back to your layout")
            if self.ui.cockpitButton.enabled
            else _("Register with the outputs Registered volume and Heatmaps to compare them")
        )

    def stop(self) -> None:
        """Show nothing: at the start, before the next run, and when the scene is closed."""
        self.ui.cockpitButton.checked = False
        self.nodes = self.pair = self.light = None
        self.ui.qualityTable.setRowCount(0)
        self.ui.judgeTextLabel.text = _("Register first: the result appears here.")
        self.ui.reasonLabel.text = self.ui.legendLabel.text = ""
        self.ui.lightLabel.setPixmap(qt.QPixmap())
        self._enable(False)

    def update(self) -> None:
        """A choice has changed: the cockpit follows."""
        p = self.parameters
        if self._cockpit is None or p is None:
            return
        choice = [getattr(p, name) for name in SHOWN]
        if choice == self._shown:
            return
        self._shown = choice
        self._cockpit.show(p.heatmap, p.comparison, p.opacity)
        self._cockpit.setHeatRange(p.heatLow, max(p.heatHigh, p.heatLow + 0.01))
        self._cockpit.turn(p.orientation)
        self._cockpit.showGrid(p.showGrid, p.orientation)
        self._cockpit.showOutlines(p.showOutlines)

    def onCockpit(self, wanted: bool) -> None:
        """Open the four views, or close them and go back to the layout before."""
        with slicer.util.tryWithErrorDisplay(_("The comparison could not be shown.")):
            if wanted and self.nodes is not None:
                self._openCockpit()
            elif not wanted and self._cockpit is not None:
                self._closeCockpit()

    def _openCockpit(self) -> None:
        self._layoutBefore = showLayout()
        cockpit = Cockpit(slicer.mrmlScene, *self.pair, self.nodes)
        cockpit.open(self.nodes.structures)
        self._cockpit, self._shown = cockpit, None
        self.update()
        slicer.util.resetSliceViews()
        cockpit.lookAtStructures()

    def _closeCockpit(self) -> None:
        cockpit, self._cockpit = self._cockpit, None
        cockpit.close()
        if self._layoutBefore is not None:
            slicer.app.layoutManager().setLayout(self._layoutBefore)

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
                writeHtml(path, [volumeFromNode(node) for node in self.pair], self.nodes, self.light)

    def onCopyPython(self) -> None:
        """Put the script that repeats the registration on the clipboard."""
        qt.QApplication.clipboard().setText(asPython(provenance(self.nodes.transform)))
        slicer.util.showStatusMessage(_("The script is on the clipboard."), 3000)

    def onCarry(self) -> None:
        """Bring the ticked nodes along."""
        with slicer.util.tryWithErrorDisplay(_("The nodes could not be brought along."), waitCursor=True):
            carry(slicer.mrmlScene, self.ui.carrySelector.checkedNodes(), self.nodes.transform, self.pair[0])

    def _enable(self, known: bool) -> None:
        ui = self.ui
        for button in (ui.exportCsvButton, ui.exportHtmlButton, ui.copyPythonButton, ui.carryButton, ui.cockpitButton):
            button.enabled = known

    def _fillTable(self, quality) -> None:
        table = self.ui.qualityTable
        table.setRowCount(len(quality))
        for row, stage in enumerate(quality):
            for column, text in enumerate(cells(stage)):
                item = qt.QTableWidgetItem(text)
                font = item.font()
                font.setBold(stage.kept)
                item.setFont(font)
                table.setItem(row, column, item)
        table.resizeColumnsToContents()


def showLayout() -> int | None:
    """Switch to the cockpit's layout; returns the layout before, None where there is no layout manager."""
    manager = slicer.app.layoutManager()
    if manager is None:
        return None
    before = manager.layout
    node = manager.layoutLogic().GetLayoutNode()
    if not node.IsLayoutDescription(LAYOUT_ID):
        node.AddLayoutDescription(LAYOUT_ID, layoutXml())
    manager.setLayout(LAYOUT_ID)
    return before


def _inverseText(node) -> str:
    mean, largest = (float(node.GetAttribute(f"ISTNRegistration.inverseError{key}Mm")) for key in ("Mean", "Max"))
    text = _("The inverse transform is right to {mean:.4f} mm on average, {largest:.4f} mm at most.")
    return text.format(mean=mean, largest=largest)


def _legend(structures) -> str:
    """Rich text: the structures' names, each after a dot in the colour of its outline."""
    parts = []
    for number, name in enumerate(structures):
        red, green, blue = (round(255 * c) for c in STRUCTURE_COLORS[number % len(STRUCTURE_COLORS)])
        parts.append(f'<span style="color:#{red:02x}{green:02x}{blue:02x}">\u25a0</span>&nbsp;{html.escape(name)}')
    return "  ".join(parts)


def _saveName(title: str, name: str, kind: str) -> str:
    chosen = qt.QFileDialog.getSaveFileName(None, title, name, kind)
    return chosen[0] if isinstance(chosen, tuple) else chosen


def _lamp(color: str):
    pixmap = qt.QPixmap(LIGHT_SIZE, LIGHT_SIZE)
    pixmap.fill(qt.QColor(color))
    return pixmap
