"""Steps of the test inside Slicer: the section Adjust, constraints, warnings, the suggestion, Save all."""

import tempfile
from pathlib import Path

import numpy as np
import qt
import slicer
from hands import answer, check, choose, click, pressKeys, show, tick, ui, waitFor

POINTS, ROI = "vtkMRMLMarkupsFiducialNode", "vtkMRMLMarkupsROINode"
PLACE = (20.0, -15.0, 30.0)  # RAS mm, in both sample brains


def judge():
    """The tab Judge."""
    return slicer.modules.ISTNRegistrationWidget.judgeTab


def variants() -> list:
    """Names in the table of variants, a star before the one in bold."""
    table = judge().adjust.ui.variantsTable
    items = [table.item(row, 0) for row in range(table.rowCount)]
    return [("*" if item.font().bold() else "") + item.text() for item in items]


def matrix() -> np.ndarray:
    """Of the registration's transform node, which is linear."""
    return slicer.util.arrayFromTransformMatrix(judge().nodes.transform)


def waitForVariant(name: str) -> None:
    """The answer with this name is shown, in the transform node, too; it says how long it took."""
    before = matrix()
    waitFor(lambda: variants()[-1:] == [f"*{name}"], f"Adjust: '{name}' in {variants()}")
    check(not np.array_equal(matrix(), before), f"'{name}' is the transform that was there before")
    status = judge().adjust.ui.adjustStatusLabel.text
    check(status.startswith(f"{name}: ") and status.endswith(" s"), f"'{name}': the status says '{status}'")


def selectors(**nodes) -> None:
    """Choose nodes in selectors of the tab Register: keyword ``fixedMask`` is ``fixedMaskSelector``."""
    show(ui().registerTab)
    for name, node in nodes.items():
        selector = getattr(ui(), f"{name}Selector")
        selector.setCurrentNode(node)
        check(selector.currentNode() is node, f"{name} cannot be chosen")


def apply() -> None:
    """Press Apply; afterwards there is a result."""
    show(ui().registerTab)
    click(ui().applyButton)
    check(ui().tabs.currentIndex == ui().tabs.indexOf(ui().judgeTab), f"no result: {ui().statusLabel.text}")


# -- the steps


def theSliderMovesTheAnswer() -> None:
    """Adjust: the slider is moved with the keyboard; the answer follows with a variant of its own."""
    widgets = judge().adjust.ui
    check(variants() == ["*First answer"], f"the variants are {variants()}")
    check(not widgets.undoButton.enabled, "there is something to undo")
    slider = widgets.imageShareSlider.findChildren(qt.QSlider)[0]
    pressKeys(slider, *[qt.Qt.Key_Right] * 4)
    check(abs(widgets.imageShareSlider.value - 0.2) < 1e-6, f"the slider is at {widgets.imageShareSlider.value}")
    waitForVariant("images 20 %")
    check(judge().nodes.outcome.request.options.image_share == 0.2, "the nodes hold another share")


def aStructureIsSwitchedOffAndOnAgain() -> None:
    """Adjust: a click switches a structure off, Undo gives the answer before back, a click on a row the other one."""
    before, widgets = matrix(), judge().adjust.ui
    tick(widgets.structuresTable, 0)
    name = widgets.structuresTable.item(0, 0).text()
    waitForVariant(f"images 20 %, {name} off")
    after = matrix()
    click(widgets.undoButton)
    check(np.array_equal(matrix(), before), "Undo gave another transform")
    check(variants()[1] == "*images 20 %", f"after Undo the variants are {variants()}")
    check(judge().adjust.structures.weights() == {}, f"{name} is not ticked again")
    widgets.variantsTable.cellClicked(2, 0)
    check(np.array_equal(matrix(), after), "the clicked variant is another transform")
    click(widgets.undoButton)


def theVariantIsKept() -> None:
    """Keep as a node: a transform node of its own, which the next change does not reach."""
    nodes, shown = judge().nodes, matrix()
    click(judge().adjust.ui.keepButton)
    kept = slicer.mrmlScene.GetFirstNodeByName(f"{nodes.transform.GetName()}, images 20 %")
    check(kept is not None, f"not kept: {judge().adjust.ui.adjustStatusLabel.text}")
    click(judge().adjust.ui.undoButton)
    check(not np.array_equal(matrix(), shown), "Undo changed nothing")
    check(np.array_equal(slicer.util.arrayFromTransformMatrix(kept), shown), "the kept node has changed")


def landmarksPull() -> None:
    """Landmarks: a pair is chosen, it pulls, and the answer follows when one is dragged."""
    lists = [slicer.mrmlScene.AddNewNodeByClass(POINTS, f"{side} points") for side in ("fixed", "moving")]
    for points in lists:
        points.AddControlPoint(PLACE, "A")
    selectors(fixedLandmarks=lists[0], movingLandmarks=lists[1])
    show(ui().judgeTab)
    pull, moved = judge().adjust.ui.pullSpinBox, np.add(PLACE, (0.0, 12.0, 0.0))
    check(pull.enabled, "landmarks cannot pull")
    pressKeys(pull, qt.Qt.Key_PageUp)
    waitForVariant("landmarks 1")
    before = judge().nodes.transform
    lists[1].SetNthControlPointPosition(0, *moved)
    count = len(variants())
    waitFor(lambda: len(variants()) > count, "the answer to a dragged landmark")
    check(judge().nodes.transform is before, "there is another node")
    asked = judge().nodes.outcome.request.moving.landmarks.points[0] * (-1, -1, 1)
    check(np.allclose(asked, moved), f"the landmark is at {moved}, the registration knows {asked}")
    check(np.isfinite(judge().nodes.quality[-1].tre_mm), "no error of the landmarks")
    selectors(fixedLandmarks=None, movingLandmarks=None)
    check("landmarks" in ui().applyButton.text, f"nothing can pull, Apply says: {ui().applyButton.text}")
    ui().landmarkWeightSpinBox.value = 0
    check(ui().applyButton.enabled, f"Apply says: {ui().applyButton.text}")


def everythingIsSaved() -> None:
    """Save all: the folder is chosen in a dialog, and every result is there."""
    qt.QCoreApplication.setAttribute(qt.Qt.AA_DontUseNativeDialogs)
    show(ui().judgeTab)
    with tempfile.TemporaryDirectory() as folder:

        def accept(dialog):
            dialog.findChild(qt.QLineEdit, "fileNameEdit").text = folder
            pressKeys(dialog.findChild(qt.QLineEdit, "fileNameEdit"), qt.Qt.Key_Return)

        answer("QFileDialog", accept)
        click(ui().saveAllButton)
        there = {path.name for path in Path(folder, "ISTNMovingBrain to ISTNFixedBrain").iterdir()}
    wanted = {
        "transform.h5",
        "inverse transform.h5",
        "displacement field.nii.gz",
        "table.csv",
        "report.html",
        "repeat.py",
    }
    check(wanted <= there, f"not saved: {wanted - there}")


def aRoiIsAMask() -> None:
    """A ROI is chosen as a mask of the fixed volume: the registration has it."""
    roi = slicer.mrmlScene.AddNewNodeByClass(ROI, "half")
    roi.SetCenterWorld(PLACE)
    roi.SetSize(80.0, 140.0, 120.0)
    selectors(fixedMask=roi)
    apply()
    mask = judge().nodes.outcome.request.fixed.mask
    check(judge().nodes.request.fixed.mask is roi and mask is not None, "the ROI was not taken")
    share = float(np.mean(mask.array > 0))
    check(0.05 < share < 0.9, f"the mask has {share:.0%} of the voxels")
    selectors(fixedMask=None)


def aRegionStaysRigid() -> None:
    """A label map is chosen as rigid region of a B-spline: the table has a stage for it."""
    fixed = slicer.util.getNode("ISTNFixedBrain")
    region = slicer.modules.volumes.logic().CreateAndAddLabelVolume(fixed, "region")
    array = slicer.util.arrayFromVolume(region)
    array[tuple(slice(n // 3, n // 3 + n // 6) for n in array.shape)] = 1
    slicer.util.arrayFromVolumeModified(region)
    selectors(rigidRegion=region)
    check("B-spline" in ui().applyButton.text, f"an affine transform has no rigid region: {ui().applyButton.text}")
    choose(ui().transformComboBox, "bspline")
    apply()
    stages = [row.stage for row in judge().nodes.quality]
    check("rigid region" in stages, f"the stages are {stages}")
    selectors(rigidRegion=None)
    choose(ui().transformComboBox, "affine")


def theSuggestionIsTaken() -> None:
    """An inverted image: a warning stands below the light; a click takes the checkpoint that fits, and it goes."""
    fixed = slicer.util.getNode("ISTNFixedBrain")
    inverted = slicer.modules.volumes.logic().CloneVolume(slicer.mrmlScene, fixed, "inverted")
    array = slicer.util.arrayFromVolume(inverted)
    array[array > 0] = array.max() - array[array > 0] + 1
    slicer.util.arrayFromVolumeModified(inverted)
    selectors(fixed=inverted)
    button, warning = ui().suggestionButton, "darker inside than at its rim"
    check(button.visible and "'head'" in button.text, f"the suggestion is '{button.text}'")
    apply()
    check(ui().notesLabel.visible and warning in ui().notesLabel.text, f"below the light: '{ui().notesLabel.text}'")
    show(ui().registerTab)
    click(button)
    check(slicer.modules.ISTNRegistrationWidget.parameters.checkpoint == "head", "the suggestion was not taken")
    check(not button.visible, f"the button still says '{button.text}'")
    apply()
    check(warning not in ui().notesLabel.text, f"below the light: '{ui().notesLabel.text}'")
    selectors(fixed=fixed)
    choose(ui().checkpointComboBox, "brain")


STEPS = (theSliderMovesTheAnswer, aStructureIsSwitchedOffAndOnAgain, theVariantIsKept, landmarksPull, everythingIsSaved,
         aRoiIsAMask, aRegionStaysRigid, theSuggestionIsTaken)  # fmt: skip
