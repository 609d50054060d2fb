"""Pictures of the panel in its states and of the heatmap cockpit, for the README, the tutorial and Slicer's catalogue.

python scripts/pictures/screenshots.py            into Resources/Screenshots

The real .ui files, MRML and registration of the bundled pair; Qt's widgets stand in for Slicer's
(Testing/Python/harness), the slices are drawn by Slicer's own displayable managers.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import ROOT, SAMPLE

sys.path.insert(0, str(ROOT / "Testing" / "Python"))

from harness.panel import open_panel, pick_bspline
from harness.scene import empty_scene
from headless.figure import Sheet
from ISTNRegistrationLib.bridge.layout import VIEW_3D, VIEWS

import slicer  # isort: skip
import qt  # isort: skip

FOLDER = ROOT / "Resources" / "Screenshots"
WIDTH, VIEW, GAP, TEXT = 560, 460, 10, 26
NARROW = 380
CAPTIONS = {
    "ISTNFixed": "Fixed, with what the networks see",
    "ISTNBefore": "Before: fixed green, moving magenta",
    "ISTNAfter": "After: fixed green, registered magenta, warped grid",
    "ISTNHeat": "Heatmap: structures seen in the registered volume",
    VIEW_3D: "Structures in place; color: mm to those of the fixed one",
}
PLACES = {"ISTNFixed": (0, 0), "ISTNBefore": (1, 0), "ISTNAfter": (0, 1), "ISTNHeat": (1, 1), VIEW_3D: (2, 0)}


def grab(panel, tab, name: str, height: int) -> None:
    """One tab of the panel as a picture."""
    panel.ui.tabs.currentIndex = panel.ui.tabs.indexOf(tab)
    panel.parent.resize(WIDTH, height)
    panel.parent.show()
    qt.application.processEvents()
    panel.parent.grab().save(str(FOLDER / f"{name}.png"))


def cockpit_picture(name: str, **captions: str) -> None:
    """All views with captions, as the layout has them."""
    captions = CAPTIONS | captions
    views = slicer.app.layoutManager().views
    views[VIEW_3D].window.SetSize(VIEW, 2 * VIEW + TEXT + GAP)
    sheet = Sheet(3 * VIEW + 4 * GAP, 2 * (VIEW + TEXT) + 3 * GAP)
    for view, (column, row) in PLACES.items():
        left, top = GAP + column * (VIEW + GAP), GAP + row * (VIEW + TEXT + GAP)
        sheet.write(captions[view], (left, top), size=15)
        sheet.paste(views[view].picture(), left, top + TEXT)
    sheet.save(FOLDER / f"{name}.png")


def while_running(panel) -> None:
    """Take the picture of the running panel at the B-spline's twentieth iteration."""
    deliver, taken = panel.registerTab.onReport, []

    def watching(message):
        deliver(message)
        if message.progress.stage == "bspline refined" and message.progress.iteration == 20 and not taken:
            taken.append(1)
            grab(panel, panel.ui.registerTab, "panel-running", 1180)

    panel.registerTab.onReport = watching


def judge_pictures(panel) -> None:
    """The cockpit in its ways of comparing, and the tab Judge."""
    panel.ui.cockpitButton.click()
    assert set(VIEWS) <= set(slicer.app.layoutManager().views)
    cockpit_picture("cockpit")
    panel.parameters.orientation, panel.parameters.comparison = "Coronal", "checkerboard"
    panel.parameters.heatmap, panel.parameters.showGrid = "difference", False
    panel.ui.waySlider.value = 0.0
    panel.ui.worstButton.click()
    cockpit_picture(
        "cockpit-checkerboard",
        ISTNBefore="Before: checkerboard of fixed and moving",
        ISTNAfter="After: checkerboard of fixed and registered",
        ISTNHeat="Heatmap: where the two still disagree most",
        ISTN3D="Structures as they lay at the start",
    )
    grab(panel, panel.ui.judgeTab, "judge", 1640)


def adjust_picture(panel) -> None:
    """The tab Judge after a structure was switched off, and the images were given a share."""
    adjust = panel.judgeTab.adjust
    for change in (
        lambda ui: ui.structuresTable.item(0, 0).setCheckState(qt.Qt.Unchecked),
        lambda ui: setattr(ui.imageShareSlider, "value", 0.3),
    ):
        change(adjust.ui)
        adjust.onPause()  # what the timer does a quarter of a second later
    adjust._timer.stop()
    grab(panel, panel.ui.judgeTab, "adjust", 1640)


def batch_picture(panel, folder: Path) -> None:
    """The tab Batch after a list of two pairs, of which one fails."""
    pairs = folder / "pairs.csv"
    lines = [f"{SAMPLE / 'mni152.nii.gz'},{SAMPLE / 'colin27.nii.gz'}", f"{SAMPLE / 'mni152.nii.gz'},missing.nii.gz"]
    pairs.write_text("\n".join(["fixed,moving", *lines]) + "\n", encoding="utf-8")
    ui = panel.batchTab.ui
    ui.pairsPathLineEdit.currentPath, ui.outputPathLineEdit.currentPath = str(pairs), str(folder / "results")
    ui.runFilesButton.click()
    grab(panel, panel.ui.batchTab, "batch", 700)


def main() -> None:
    """All pictures."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, empty_scene() as scene:
        with open_panel(scene, Path(folder) / "settings.ini", (VIEW, VIEW)) as panel:
            grab(panel, panel.ui.registerTab, "panel-empty", 1040)
            panel.ui.sampleButton.click()
            pick_bspline(panel.ui)
            while_running(panel)
            panel.ui.applyButton.click()
            grab(panel, panel.ui.registerTab, "panel", 1150)
            judge_pictures(panel)
            adjust_picture(panel)
            batch_picture(panel, Path(folder))
            grab(panel, panel.ui.trainingTab, "training", 800)


if __name__ == "__main__":
    main()
