"""Fixtures for tests that need a MRML scene: import them into the test file or its conftest."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("slicer", reason="needs slicer-core (pip install '.[test]')")
sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "scripts"))

import slicer  # noqa: E402
import vtk  # noqa: E402
from headless.application import boot  # noqa: E402


@pytest.fixture
def scene():
    """An empty scene; an error that VTK or MRML logs fails the test."""
    boot()
    slicer.mrmlScene.Clear(0)
    log, before = vtk.vtkStringOutputWindow(), vtk.vtkOutputWindow.GetInstance()
    vtk.vtkOutputWindow.SetInstance(log)
    yield slicer.mrmlScene
    vtk.vtkOutputWindow.SetInstance(before)
    text = log.GetOutput() or ""
    assert "ERROR" not in text.upper(), text


def node_ids(scene):
    return [scene.GetNthNode(k).GetID() for k in range(scene.GetNumberOfNodes())]
