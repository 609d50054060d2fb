"""The whole way through the real panel, inside Slicer, with the mouse and the keyboard; one line per step.

From the repository, with any Slicer 5.10 or newer that has PyTorch; exits with 0 only if every step went well:

    Slicer --testing --no-splash --additional-module-paths "$PWD/ISTNRegistration" \\
        --python-script Testing/Slicer/test_in_slicer.py

The steps build on each other: the first that fails ends the test. Nothing is written but a scene in a temporary folder.
"""

import faulthandler
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

import judge_steps
import qt
import slicer
from hands import check, choose, chosen, click, cockpitIsShown, settle, show, ui, views, whileRunning

LIMIT, CLOSING_LIMIT, GONE = 900, 3, 30  # s: for everything; for a run to end when Slicer closes; for Slicer to go


# -- the steps


def theModuleOpens() -> None:
    """The module opens: its panel is shown, its selectors have the scene, and Apply says what is missing."""
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    slicer.util.selectModule("ISTNRegistration")
    settle()
    check(ui().tabs.visible, "the panel cannot be seen")
    selectors = [widget for name, widget in vars(ui()).items() if name.endswith("Selector")]
    check(len(selectors) > 8, f"only {len(selectors)} selectors were found")
    check(all(selector.mrmlScene() for selector in selectors), "a selector has no scene")
    check(not ui().applyButton.enabled, "Apply can be pressed without volumes")


def theSamplePairIsShown() -> None:
    """The sample pair: one click loads it, selects it and shows it."""
    click(ui().sampleButton)
    check(chosen() == ["ISTNFixedBrain", "ISTNMovingBrain"], f"the selectors show {chosen()}")
    check(views()["Red"][0] is not None, "the view Red is black")


def theTransformIsChosen() -> None:
    """A transform and a preset are chosen with the keyboard, and kept in the scene."""
    parameters = slicer.modules.ISTNRegistrationWidget.parameters
    for transform in ("bspline", "affine"):
        choose(ui().transformComboBox, transform)
        check(parameters.transform == transform, f"{transform} was chosen, the scene says {parameters.transform}")
    choose(ui().presetComboBox, "fast")
    check(parameters.refine == "none", f"the preset Fast set refine to {parameters.refine}")


def applyRegisters() -> None:
    """Apply: the run ends, the tab Judge shows numbers, and the result is in the scene."""
    click(ui().applyButton)
    check(not ui().cancelButton.visible, "the run has not ended")
    check(ui().tabs.currentIndex == ui().tabs.indexOf(ui().judgeTab), f"no result: {ui().statusLabel.text}")
    check(ui().qualityTable.rowCount > 1, "the table is empty")
    nodes = slicer.modules.ISTNRegistrationWidget.judgeTab.nodes
    check(nodes.transform.IsLinear(), "the affine transform is not linear")
    check(nodes.quality[-1].agreement > nodes.quality[0].agreement + 0.02, "the structures agree no better than before")
    sizes = [n.GetImageData().GetDimensions() for n in (nodes.volume, slicer.util.getNode("ISTNFixedBrain"))]
    check(sizes[0] == sizes[1], f"the registered volume has {sizes[0]} voxels, the fixed one {sizes[1]}")


def compareGivesTheViewsBack() -> None:
    """Compare: the cockpit opens in every comparison and closes; the user's own views are what they were."""
    before = views()
    for count in range(ui().comparisonComboBox.count):
        click(ui().cockpitButton)
        check(cockpitIsShown(), "the cockpit cannot be seen")
        choose(ui().comparisonComboBox, count)
        settle(0.5)
        click(ui().cockpitButton)
        check(not cockpitIsShown(), "the cockpit is still there")
        check(views() == before, f"'{ui().comparisonComboBox.currentText}' changed the views: {before} to {views()}")
    check(slicer.mrmlScene.GetFirstNodeByName("ISTNFixedBrain"), "the fixed volume is gone")


def theBatchSeesTheScene() -> None:
    """Batch: both selectors have the scene and follow nodes that come and go."""
    show(ui().batchTab)
    widgets = slicer.util.childWidgetVariables(ui().batchTab)
    volumes, sequences = widgets.movingVolumesSelector, widgets.sequenceSelector
    check(volumes.mrmlScene() and sequences.mrmlScene(), "a selector of the tab Batch has no scene")
    check(volumes.nodeCount() >= 2, f"{volumes.nodeCount()} volumes can be ticked")
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "4D")
    check(sequences.nodeCount() == 1, "a new sequence is not offered")
    slicer.mrmlScene.RemoveNode(node)
    check(sequences.nodeCount() == 0, "a removed sequence is still offered")
    show(ui().registerTab)


def theSceneKeepsTheChoices() -> None:
    """A scene is saved while comparing and loaded, the module shown or not: selectors and layout are as saved."""
    layout, names = slicer.app.layoutManager(), chosen()
    own = layout.layout
    show(ui().judgeTab)
    click(ui().cockpitButton)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "scene.mrb")
        check(slicer.util.saveScene(path), "the scene was not saved")
        for module in ("ISTNRegistration", "SampleData"):
            slicer.mrmlScene.Clear(0)
            slicer.util.selectModule(module)
            check(slicer.util.loadScene(path), "the scene was not loaded")
            slicer.util.selectModule("ISTNRegistration")
            settle()
            check(chosen() == names, f"loaded with {module} shown, the selectors show {chosen()}")
            check(layout.layout == own, f"the layout is {layout.layout}, it was {own}")
    show(ui().registerTab)
    check(ui().applyButton.enabled, f"Apply says: {ui().applyButton.text}")


def aClosedSceneEndsTheRun() -> None:
    """Closing the scene during a run ends the run and leaves nothing behind."""
    choose(ui().presetComboBox, "accurate")
    whileRunning(lambda: slicer.mrmlScene.Clear(0))
    click(ui().applyButton)
    left = [n.GetName() for n in slicer.util.getNodesByClass("vtkMRMLTransformNode") if not n.GetHideFromEditors()]
    check(not left, f"left behind: {left}")


def slicerCloses() -> None:
    """Closing the window during a run ends the run, and Slicer."""
    click(ui().sampleButton)
    choose(ui().presetComboBox, "accurate")
    closed = []
    whileRunning(lambda: (closed.append(time.monotonic()), close()))
    click(ui().applyButton)
    check(closed, "the run was over before Slicer could be closed")
    took = time.monotonic() - closed[0] - 0.3  # the question whether to save
    check(took < CLOSING_LIMIT, f"the run went on for {took:.1f} s")


STEPS = (theModuleOpens, theSamplePairIsShown, theTransformIsChosen, applyRegisters, compareGivesTheViewsBack,
         *judge_steps.STEPS, theBatchSeesTheScene, theSceneKeepsTheChoices, aClosedSceneEndsTheRun,
         slicerCloses)  # fmt: skip


# -- the test


def say(text: str) -> None:
    """A line that is read by people and by CTest, past Slicer's own console."""
    print(text, file=sys.__stdout__ or sys.stdout, flush=True)


def failAfter(seconds: float) -> None:
    """End the process with an error unless it has ended by then, also while Slicer waits with Python's lock."""
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or Path(os.devnull).open("w"))  # noqa: SIM115


def discard() -> None:
    """Slicer asks whether to save: do not."""
    for box in [w for w in slicer.app.topLevelWidgets() if w.visible and w.inherits("QMessageBox")]:
        next(b for b in box.buttons() if b.text.strip("&") == "OK" or b.text.startswith("Exit")).click()


def close() -> None:
    """Close Slicer's window, as a user does; what fails afterwards still changes how Slicer ends."""
    say(f"        Slicer closes; one that is still there in {GONE} s ends with an error")
    failAfter(GONE)
    slicer.app.commandOptions().runPythonAndExit = False  # else --testing ends Slicer whatever the panel does
    qt.QTimer.singleShot(300, discard)
    slicer.util.mainWindow().close()


def main() -> None:
    """Every step; the first that fails says so and ends Slicer with an error."""
    failAfter(LIMIT)
    for number, step in enumerate(STEPS, 1):
        sentence, began = step.__doc__.splitlines()[0], time.monotonic()
        try:
            step()
        except Exception as error:
            traceback.print_exc()
            say(f"FAILED  {number} of {len(STEPS)}  {sentence}  {error}")
            return slicer.util.exit(slicer.util.EXIT_FAILURE)
        say(f"ok      {number} of {len(STEPS)}  {sentence}  ({time.monotonic() - began:.1f} s)")


main()
