"""Panel, logic, `istn register` and plain Python give one and the same transform for the same input."""

import numpy as np
import pytest

pytest.importorskip("PySide6", reason="the panel needs PySide6-Essentials in place of Slicer's Qt")
from command import run  # noqa: E402
from harness.panel import module, pick_bspline  # noqa: E402
from ISTNRegistrationLib.bridge.volumes import volumeFromNode  # noqa: E402
from ISTNRegistrationLib.core.checkpoint import load_checkpoint  # noqa: E402
from ISTNRegistrationLib.core.register import RegisterOptions, register_pair  # noqa: E402
from ISTNRegistrationLib.data.images import write_image  # noqa: E402

import slicer  # noqa: E402  isort: skip

ITERATIONS = 6


def by_plain_python(pair, checkpoint):
    fixed, moving = (volumeFromNode(node) for node in pair)
    options = RegisterOptions(transform="bspline", iterations=ITERATIONS, device="cpu")
    return register_pair(fixed, moving, load_checkpoint(checkpoint), options).transform


def by_logic(pair, checkpoint):
    options = {"transform": "bspline", "iterations": ITERATIONS, "device": "cpu"}
    return module.ISTNRegistrationLogic().register(*pair, str(checkpoint), **options).result.transform


def by_panel(ready):
    pick_bspline(ready.ui)
    ready.ui.iterationsSpinBox.setValue(ITERATIONS)
    ready.ui.deviceComboBox.setCurrentIndex(1)
    ready.ui.previewCheckBox.setChecked(True)
    ready.ui.applyButton.click()
    return ready.judgeTab.nodes.result.transform


def by_command(pair, checkpoint, folder):
    """The transform node that Slicer reads from the command's file."""
    files = {role: folder / f"{role}.nrrd" for role in ("fixed", "moving")}
    for path, node in zip(files.values(), pair, strict=True):
        write_image(path, volumeFromNode(node))
    options = {"checkpoint": checkpoint, "transform": "bspline", "iterations": ITERATIONS, "device": "cpu"}
    assert run("register", output_transform=folder / "t.h5", **files, **options) == 0
    return slicer.modules.transforms.logic().AddTransform(str(folder / "t.h5"), slicer.mrmlScene)


def test_four_ways_one_transform(ready, pair, checkpoint, tmp_path):
    from harness.geometry import mrml_from_world, points_in

    plain = by_plain_python(pair, checkpoint)
    for other in (by_logic(pair, checkpoint), by_panel(ready)):
        np.testing.assert_array_equal(other.linear, plain.linear)
        np.testing.assert_array_equal(other.residual.coefficients, plain.residual.coefficients)
        np.testing.assert_array_equal(other.residual.grid.matrix, plain.residual.grid.matrix)
    points = points_in(volumeFromNode(pair[0]).grid)
    by_file = mrml_from_world(by_command(pair, checkpoint, tmp_path), points)
    np.testing.assert_allclose(by_file, plain.map_points(points), atol=1e-5)
