"""The demo as run.py starts it, on a tiny pair with a tiny checkpoint: what it leaves behind and how it fails."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    "affine.h5",
    "bspline.h5",
    "moving-warped.nii.gz",
    "heatmap-fixed.nii.gz",
    "heatmap-moving.nii.gz",
    "heatmap-moving-warped.nii.gz",
    "overview.png",
    "report.json",
    "scene.mrb",
}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    from harness.models import tiny_pair
    from ISTNRegistrationLib.data.images import write_image

    folder = tmp_path_factory.mktemp("images")
    for volume in tiny_pair():
        write_image(folder / f"{volume.name}.nii.gz", volume)
    return folder / "fixed.nii.gz", folder / "moving.nii.gz"


@pytest.fixture(scope="module")
def demo(images, checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "demo-output"
    options = ["--fixed", images[0], "--moving", images[1], "--checkpoint", checkpoint, "--output", folder]
    command = [sys.executable, str(ROOT / "scripts" / "pictures" / "demo.py"), *map(str, options)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_the_demo_leaves_exactly_its_files(demo):
    assert {path.name for path in demo[0].iterdir()} == FILES


def test_it_prints_the_table_of_the_stages_that_the_report_holds(demo):
    stages = json.loads((demo[0] / "report.json").read_text())["stages"]
    assert [stage["name"] for stage in stages][0] == "initial" and stages[-1]["name"] == "bspline refined"
    for stage in stages:
        assert f"{stage['agreement']:.3f}" in demo[1] and stage["name"] in demo[1]


def test_the_picture_has_something_in_every_cell(demo):
    pixels = sitk.GetArrayFromImage(sitk.ReadImage(str(demo[0] / "overview.png")))
    assert pixels.shape[1] > 1500
    for row in np.array_split(pixels[112:-46], 3):
        for cell in np.array_split(row[:, 36:], 6, axis=1):
            assert cell.std() > 10


def test_the_scene_opens_aligned_and_equals_the_files(demo, scene):
    import slicer
    from harness.geometry import itk_points, mrml_from_world, points_in
    from ISTNRegistrationLib.bridge.heatmaps import heatColors
    from ISTNRegistrationLib.bridge.volumes import volumeFromNode

    path = str(demo[0] / "scene.mrb")
    scene.SetURL(path)
    assert scene.ReadFromMRB(path, False)
    fixed, moving = (slicer.util.getNode(name) for name in ("fixed", "moving"))
    transform = moving.GetParentTransformNode()
    points = points_in(volumeFromNode(fixed).grid)
    written = sitk.ReadTransform(str(demo[0] / "bspline.h5"))
    np.testing.assert_allclose(mrml_from_world(transform, points), itk_points(written, points), atol=1e-3)
    assert transform.GetNodeReference("spatialRegistrationFixed") is fixed
    assert transform.GetDisplayNode().GetVisibility2D()
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    shown = {node.GetLayoutName(): node for node in composites}
    for node in (shown["Red"], shown["Green"], shown["Yellow"]):
        assert node.GetBackgroundVolumeID() == fixed.GetID()
        heat = scene.GetNodeByID(node.GetForegroundVolumeID())
        assert heat.GetName() == "M' warped"
    color = [0.0] * 4
    assert heat.GetDisplayNode().GetColorNode().GetColor(255, color)
    np.testing.assert_allclose(color[:3], heatColors()[255], atol=0.01)
    assert not slicer.util.getNodesByClass("vtkMRMLSegmentationDisplayNode")  # the picture's outlines are gone


def test_ctrl_c_is_one_line_and_exit_code_130(scene, images, checkpoint, tmp_path, capsys, monkeypatch):
    from pictures import demo  # in scripts/

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo.ProgressBar, "__call__", interrupt)
    options = {"--fixed": images[0], "--moving": images[1], "--checkpoint": checkpoint, "--output": tmp_path / "out"}
    assert demo.main([str(part) for option in options.items() for part in option]) == 130
    assert capsys.readouterr().err.strip() == "demo: interrupted"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "wrong, words",
    [
        ({"--fixed": "nowhere.nii.gz"}, "no such file"),
        ({"--checkpoint": "liver"}, "no such name or file"),
        ({"--output": __file__}, "cannot be written to"),
    ],
)
def test_wrong_input_is_one_clear_line_and_exit_code_2(scene, images, checkpoint, tmp_path, capsys, wrong, words):
    options = {"--fixed": images[0], "--moving": images[1], "--checkpoint": checkpoint, "--output": tmp_path / "out"}
    from pictures import demo  # in scripts/

    assert demo.main([str(part) for option in {**options, **wrong}.items() for part in option]) == 2
    error = capsys.readouterr().err
    assert words in error and len(error.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
