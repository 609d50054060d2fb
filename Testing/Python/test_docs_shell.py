"""The shell commands of docs/scripting.md about `istn apply` run as they stand, on small files of those names."""

import json
import re
import shlex
from pathlib import Path

import builders
import numpy as np
import pytest
import SimpleITK as sitk
from command import run
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data.exchange import write_linear
from ISTNRegistrationLib.data.images import write_image
from ISTNRegistrationLib.data.mapping import field_image
from ISTNRegistrationLib.data.transforms import write_transform

TEXT = (Path(__file__).parents[2] / "docs" / "scripting.md").read_text("utf-8")
SHELL = "\n".join(re.findall(r"```sh\n(.*?)```", TEXT, re.S)).replace("\\\n", " ")
COMMANDS = [line for line in SHELL.splitlines() if line.startswith("istn apply")]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """All the inputs that the page names."""
    monkeypatch.chdir(tmp_path)
    grids = {"fixed": builders.make_grid(3, "oblique"), "moving": builders.make_grid(3, "RAS")}
    transform = builders.random_transform(grids["fixed"])
    write_transform("transform.h5", transform)
    warp = transform.residual.on_grid(grids["fixed"])
    sitk.WriteImage(field_image(warp, grids["fixed"]), "1Warp.nii.gz")
    write_linear("0GenericAffine.mat", SpatialTransform(transform.linear))
    for name, grid in grids.items():
        volume = builders.blob_volume(grid, dtype=np.int16)
        write_image(f"{name}.nii.gz", volume)
        write_image(f"{name}_labels.nii.gz", Volume((volume.array > 40).astype(np.uint8), grid))
    markup = {"type": "Fiducial", "coordinateSystem": "LPS", "controlPoints": [{"position": [9.0, -7.0, 5.0]}]}
    (tmp_path / "landmarks.mrk.json").write_text(json.dumps({"markups": [markup]}))
    (tmp_path / "points.csv").write_text("x,y,z\n9,-7,5\n")
    return tmp_path


def write_model(path):
    pytest.importorskip("vtkmodules")
    from vtkmodules.vtkFiltersSources import vtkSphereSource
    from vtkmodules.vtkIOXML import vtkXMLPolyDataWriter

    sphere, writer = vtkSphereSource(), vtkXMLPolyDataWriter()
    writer.SetInputConnection(sphere.GetOutputPort())
    writer.SetFileName(str(path))
    writer.Write()


def test_the_page_has_commands():
    assert len(COMMANDS) >= 6


@pytest.mark.parametrize("command", COMMANDS, ids=range(len(COMMANDS)))
def test_a_command_of_the_page_runs_and_writes_what_it_says(folder, command):
    if "--surfaces" in command:
        write_model(folder / "model.vtp")
    words = shlex.split(command)[1:]
    assert run(*words) == 0
    output = folder / words[-1]
    assert output.is_file() or len(list(output.iterdir())) == 5
