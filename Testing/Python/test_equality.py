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


def test_every_door_of_files_takes_masks_an_initial_transform_and_keep_best(tmp_path):
    """Plain Python, api, `istn register`, `istn batch` and `istn evaluate`: one request, one transform, bit for bit."""
    for number, name in enumerate(("fixed", "moving")):
        subject(tmp_path, name, 3, 3.0 * number)
    start = np.eye(4)
    start[0, 3] = -4.0
    write_transform(tmp_path / "start.tfm", SpatialTransform(start))
    checkpoint = checkpoint_file(tmp_path / "tiny.h5", small_config(3, method="stn-u"))
    files = {key: tmp_path / f"{key}.nii.gz" for key in ("fixed", "moving")}
    mask = tmp_path / "moving_soi.nii.gz"
    chosen = {"transform": "affine", "initial": tmp_path / "start.tfm", "iterations": 12, "device": "cpu"}

    sides = Side(read_image(files["fixed"])), Side(read_image(files["moving"]), mask=read_labels(mask))
    options = RegisterOptions(**chosen, keep_best=False)
    plain = Runner().run(Request(*sides, checkpoint, options))
    by_api = api.register(*sides, checkpoint, keep_best=False, **chosen)
    np.testing.assert_array_equal(by_api.result.transform.linear, plain.result.transform.linear)
    without = Runner().run(Request(Side(sides[0].image), Side(sides[1].image), checkpoint, options))
    assert not np.array_equal(without.result.moving_map.array, plain.result.moving_map.array)  # the mask counts
    assert not np.array_equal(plain.result.transform.linear, plain.result.initial)  # and something was found

    words = {**chosen, "checkpoint": checkpoint}
    report = tmp_path / "r.json"
    more = {"moving_mask": mask, "output_transform": tmp_path / "t.h5", "json": report}
    assert run("register", "--no-keep-best", **files, **words, **more) == 0
    (tmp_path / "pairs.csv").write_text(
        "fixed,moving,moving_mask,fixed_labels,moving_labels\n"
        "fixed.nii.gz,moving.nii.gz,moving_soi.nii.gz,fixed_soi.nii.gz,moving_soi.nii.gz\n"
    )
    assert run("batch", "--no-keep-best", pairs=tmp_path / "pairs.csv", output=tmp_path / "out", **words) == 0
    (by_batch,) = (tmp_path / "out").glob("*/report.json")
    for path in (report, by_batch):
        said = json.loads(path.read_text())
        np.testing.assert_array_equal(said["linear_fixed_to_moving_LPS"], plain.result.transform.linear)
        assert said["options"] == options.as_dict() and said["verdict"]["light"] == plain.verdict.light
    output = tmp_path / "r.csv"
    assert run("evaluate", "--no-keep-best", pairs=tmp_path / "pairs.csv", output=output, **words) == 0
    rows = list(csv.DictReader(output.open()))
    labels = [read_labels(tmp_path / f"{key}_soi.nii.gz") for key in ("fixed", "moving")]
    expected = np.mean([score.dice for score in measure(plain.result.transform, *labels)])
    assert float(rows[-1]["dice"]) == pytest.approx(expected, abs=1e-5) and rows[-1]["stage"] == "refined"
