"""The examples of docs/scripting.md run as they stand, with a tiny checkpoint in place of ``brain``."""

import csv
import re
import shlex
from pathlib import Path

import pytest
import slicer
from command import run, subject
from harness.models import tiny_pair
from ISTNRegistrationLib.bridge.volumes import nodeFromVolume

PAGE = Path(__file__).resolve().parents[2] / "docs" / "scripting.md"


def example(name):
    """The block of the page below ``<!-- tested: name -->``."""
    found = re.search(rf"<!-- tested: {name} -->\n```\w*\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return found.group(1)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with the page's files."""
    for number, name in enumerate(("anna", "ben", "carl")):
        _, labels = subject(tmp_path, name, 3, 3.0 * number)
        labels.rename(tmp_path / f"{name}_labels.nii.gz")
    (tmp_path / "pairs.csv").write_text(example("pairs"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shell(checkpoint):
    """Exit code of the page's command."""
    words = shlex.split(example("shell").replace("brain", str(checkpoint)))
    assert words[0] == "istn"
    return run(*words[1:], "--device", "cpu", "--iterations", "2")


def states(folder):
    with (folder / "results" / "batch.csv").open(newline="", encoding="utf-8") as file:
        return [row["state"] for row in csv.DictReader(file)]


def test_the_batch_in_a_shell(folder, checkpoint, capsys):
    assert shell(checkpoint) == 1
    assert states(folder) == ["done", "done", "failed"] and (folder / "results/0001-ben-to-anna/transform.h5").is_file()
    capsys.readouterr()
    exec(compile(example("table"), "table", "exec"), {})
    first, second, third = capsys.readouterr().out.splitlines()
    name, state, _, dice = first.split()
    assert (name, state) == ("0001-ben-to-anna", "done") and 0 < float(dice) <= 1
    assert second.startswith("0002-carl-to-anna done") and "missing.nii.gz" in third


def test_the_batch_in_plain_python(folder, checkpoint, capsys):
    code = example("python").replace('"brain"', repr(str(checkpoint)))
    exec(compile(code.replace('"bspline"', '"bspline", iterations=2'), "python", "exec"), {})
    assert states(folder) == ["done", "done", "failed"]
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["done", "done", "failed"]


def test_pairs_and_a_sequence_of_the_scene(scene, checkpoint, capsys):
    fixed, moving = tiny_pair()
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode", "cine")
    for number, (name, volume) in enumerate({"fixed": fixed, "monday": moving, "friday": moving}.items()):
        sequence.SetDataNodeAtValue(nodeFromVolume(scene, volume, name), str(number))
    exec(compile(example("scene").replace('"brain"', repr(str(checkpoint))), "scene", "exec"), {"slicer": slicer})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["monday", "friday"] and lines[0].split()[1] == lines[1].split()[
        1
    ]
    assert lines[2] == "cine transforms cine registered"
