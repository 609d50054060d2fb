"""ISTNRegistrationLib.mrml on plain slicer-core: no stand-ins, nothing of Slicer's own Python; README and docs run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from harness.models import tiny_pair
from ISTNRegistrationLib.data.images import read_image, write_image
from ISTNRegistrationLib.data.markups import write_markups
from ISTNRegistrationLib.data.transforms import read_transform

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "ISTNRegistration" / "Resources" / "SampleData"
README = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S)
NOTHING_ELSE = """
import sys, slicer
absent = ("ScriptedLoadableModule", "i18n", "parameterNodeWrapper", "app", "modules")
assert not [name for name in absent if hasattr(slicer, name)]
assert not {"qt", "ctk", "harness", "headless"} & set(sys.modules)
"""


def alone(code, folder):
    """Run code in a Python of its own that knows the extension's folder and nothing from Testing."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "ISTNRegistration"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture
def brains(tmp_path, monkeypatch):
    """The two files that the README names."""
    shutil.copy(SAMPLES / "mni152.nii.gz", tmp_path / "F.nii.gz")
    shutil.copy(SAMPLES / "colin27.nii.gz", tmp_path / "M.nii.gz")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def own_scene(scene, monkeypatch):
    """The scene of the other tests, as ``slicer.mrmlScene``: where Slicer has its own."""
    import slicer

    monkeypatch.setattr(slicer, "mrmlScene", scene)
    return scene


@pytest.mark.slow
def test_the_lines_of_the_readme_run_on_plain_slicer_core_as_they_stand(brains):
    assert "ISTNRegistrationLib.mrml" in README[0]
    done = alone(README[0] + NOTHING_ELSE + "assert moving.GetParentTransformNode() is nodes.transform", brains)
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "initial",
        "affine",
        "affine",
        "bspline",
        "bspline",
    ]
    ours = read_transform(brains / "T.h5")
    assert ours.residual is not None
    seen = sitk.ReadTransform(str(brains / "T.h5")).TransformPoint((12.0, -20.0, 7.0))
    np.testing.assert_allclose(ours.map_points(np.array([[12.0, -20.0, 7.0]]))[0], seen, atol=1e-6)


@pytest.mark.slow
def test_the_same_lines_run_in_a_scene_that_is_there_already(brains, own_scene):
    exec(README[0], {})
    assert own_scene.GetFirstNodeByName("M to F") is not None and (brains / "T.h5").is_file()


def test_a_node_is_read_where_the_file_says_it_lies(tmp_path):
    fixed = tiny_pair("oblique")[1]
    write_image(tmp_path / "a.nii.gz", fixed)
    write_image(tmp_path / "labels.nii.gz", type(fixed)((fixed.array > 40).astype(np.uint8), fixed.grid))
    code = """
from ISTNRegistrationLib.mrml import loadLabels, loadVolume, saveNode, scene
from ISTNRegistrationLib.bridge.volumes import volumeFromNode
from ISTNRegistrationLib.data.images import write_image
import slicer
node, labels = loadVolume("a.nii.gz"), loadLabels("labels.nii.gz")
assert node.GetName() == "a" and labels.IsA("vtkMRMLLabelMapVolumeNode") and slicer.util.getNode("a") is node
assert slicer.mrmlScene is scene() is node.GetScene()
write_image("b.nii.gz", volumeFromNode(node))
saveNode(node, "c.nrrd")
"""
    alone(code, tmp_path)
    for name in ("b.nii.gz", "c.nrrd"):
        again = read_image(tmp_path / name)
        np.testing.assert_allclose(again.grid.matrix, fixed.grid.matrix, atol=1e-4)
        np.testing.assert_allclose(again.array, fixed.array, atol=1e-4)


def test_masks_and_landmarks_are_taken_and_a_node_without_a_scene_is_refused(tmp_path, checkpoint):
    for volume in tiny_pair():
        write_image(tmp_path / f"{volume.name}.nii.gz", volume)
        write_image(
            tmp_path / f"{volume.name}_mask.nii.gz", type(volume)((volume.array > 5).astype(np.uint8), volume.grid)
        )
    write_markups(tmp_path / "f.mrk.json", [("Fiducial", np.array([[1.0, 2.0, 3.0]]))])
    write_markups(tmp_path / "m.mrk.json", [("Fiducial", np.array([[5.0, 2.0, 6.0]]))])
    code = f"""
from ISTNRegistrationLib.mrml import InputError, SideNodes, loadLabels, loadPoints, loadVolume, register
import slicer
sides = []
for name, points in (("fixed", "f"), ("moving", "m")):
    mask = loadLabels(name + "_mask.nii.gz")
    sides.append(SideNodes(loadVolume(name + ".nii.gz"), mask=mask, landmarks=loadPoints(points + ".mrk.json")))
nodes = register(*sides, checkpoint={str(checkpoint)!r}, iterations=1, device="cpu", initial="none")
print(nodes.quality[0].tre_mm)
for wrong in (None, slicer.vtkMRMLScalarVolumeNode()):
    try:
        register(wrong, wrong, checkpoint={str(checkpoint)!r})
    except InputError as error:
        print(error)
"""
    said = alone(code, tmp_path).stdout.splitlines()
    assert float(said[0]) == pytest.approx(5.0)
    assert all("it is in no scene" in line for line in said[1:]) and len(said) == 3


def test_a_file_that_cannot_be_read_or_written_is_one_sentence_and_leaves_the_scene(tmp_path):
    for name in ("bad.mrk.json", "bad.nii.gz"):
        (tmp_path / name).write_text("nothing")
    code = """
from ISTNRegistrationLib.mrml import InputError, loadPoints, loadVolume, saveNode, scene
count, node = scene().GetNumberOfNodes(), scene().AddNewNodeByClass("vtkMRMLLinearTransformNode", "t")
tries = (loadVolume, "none.nii.gz"), (loadVolume, "bad.nii.gz"), (loadPoints, "bad.mrk.json")
for call, *words in (*tries, (saveNode, node, "none/t.h5")):
    try:
        call(*words)
    except InputError as error:
        print(error)
assert scene().GetNumberOfNodes() == count + 1
"""
    said = alone(code, tmp_path).stdout.splitlines()
    assert ["none.nii.gz" in said[0], "bad.nii.gz" in said[1], "bad.mrk.json" in said[2], "none/t.h5" in said[3]] == [
        True
    ] * 4


def test_every_kept_name_is_there_and_in_the_page():
    from ISTNRegistrationLib import mrml

    page = (ROOT / "docs" / "python.md").read_text("utf-8")
    assert all(hasattr(mrml, name) and f"`{name}" in page for name in mrml.__all__)
