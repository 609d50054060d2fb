"""Panel, logic, `istn register` and plain Python give one and the same transform for the same input."""

import csv
import json

import numpy as np
import pytest

pytest.importorskip("PySide6", reason="the panel needs PySide6-Essentials in place of Slicer's Qt")
from command import checkpoint_file, run, small_config, subject  # noqa: E402
from harness.panel import module, pick_bspline  # noqa: E402
from ISTNRegistrationLib import api  # noqa: E402
from ISTNRegistrationLib.bridge.volumes import volumeFromNode  # noqa: E402
from ISTNRegistrationLib.core.checkpoint import load_checkpoint  # noqa: E402
from ISTNRegistrationLib.core.register import RegisterOptions, register_pair  # noqa: E402
from ISTNRegistrationLib.core.transform import SpatialTransform  # noqa: E402
from ISTNRegistrationLib.data.images import read_image, read_labels, write_image  # noqa: E402
from ISTNRegistrationLib.data.quality import measure  # noqa: E402
from ISTNRegistrationLib.data.run import Request, Runner, Side  # noqa: E402
from ISTNRegistrationLib.data.transforms import write_transform  # noqa: E402

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


CHOSEN = {"transform": "affine", "iterations": 12, "device": "cpu"}
LIST = """fixed,moving,moving_mask,fixed_labels,moving_labels
fixed.nii.gz,moving.nii.gz,moving_soi.nii.gz,fixed_soi.nii.gz,moving_soi.nii.gz
"""


@pytest.fixture
def study(tmp_path):
    """Images, labels, a mask, an initial transform, a list of the pair and a checkpoint, as files; the plain Outcome."""
    for number, name in enumerate(("fixed", "moving")):
        subject(tmp_path, name, 3, 3.0 * number)
    start = np.eye(4)
    start[0, 3] = -4.0
    write_transform(tmp_path / "start.tfm", SpatialTransform(start))
    (tmp_path / "pairs.csv").write_text(LIST)
    checkpoint = checkpoint_file(tmp_path / "tiny.h5", small_config(3, method="stn-u"))
    options = RegisterOptions(**CHOSEN, initial=tmp_path / "start.tfm", keep_best=False)
    moving = Side(read_image(tmp_path / "moving.nii.gz"), mask=read_labels(tmp_path / "moving_soi.nii.gz"))
    request = Request(Side(read_image(tmp_path / "fixed.nii.gz")), moving, checkpoint, options)
    return Runner().run(request), {**CHOSEN, "initial": tmp_path / "start.tfm", "checkpoint": checkpoint}


def test_plain_python_and_api_take_masks_an_initial_transform_and_keep_best(study):
    plain, words = study
    fixed, moving = plain.request.fixed, plain.request.moving
    found = api.register(fixed, moving, keep_best=False, **words).result
    np.testing.assert_array_equal(found.transform.linear, plain.result.transform.linear)
    without = api.register(fixed, Side(moving.image), keep_best=False, **words).result
    assert not np.array_equal(without.moving_map.array, plain.result.moving_map.array)  # the mask counts
    assert not np.array_equal(plain.result.transform.linear, plain.result.initial)  # and something was found


def test_register_and_batch_take_masks_an_initial_transform_and_keep_best(study, tmp_path):
    plain, words = study
    files = {key: tmp_path / f"{key}.nii.gz" for key in ("fixed", "moving")}
    more = {"moving_mask": tmp_path / "moving_soi.nii.gz", "output_transform": tmp_path / "t.h5"}
    assert run("register", "--no-keep-best", **files, **words, **more, json=tmp_path / "r.json") == 0
    assert run("batch", "--no-keep-best", pairs=tmp_path / "pairs.csv", output=tmp_path / "out", **words) == 0
    (by_batch,) = (tmp_path / "out").glob("*/report.json")
    for path in (tmp_path / "r.json", by_batch):
        said = json.loads(path.read_text())
        np.testing.assert_array_equal(said["linear_fixed_to_moving_LPS"], plain.result.transform.linear)
        assert said["options"] == plain.request.options.as_dict()
        assert said["verdict"]["light"] == plain.verdict.light


def test_evaluate_takes_masks_an_initial_transform_and_keep_best(study, tmp_path):
    plain, words = study
    output = tmp_path / "r.csv"
    assert run("evaluate", "--no-keep-best", pairs=tmp_path / "pairs.csv", output=output, **words) == 0
    last = list(csv.DictReader(output.open()))[-1]
    labels = [read_labels(tmp_path / f"{key}_soi.nii.gz") for key in ("fixed", "moving")]
    expected = np.mean([score.dice for score in measure(plain.result.transform, *labels)])
    assert float(last["dice"]) == pytest.approx(expected, abs=1e-5) and last["stage"] == "refined"
