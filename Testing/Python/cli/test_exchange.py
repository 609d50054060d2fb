"""istn register writes the files for other programs; they say the same as its own transform."""

import builders
import numpy as np
import pytest
from command import checkpoint_file, files_in, run, small_config, subject
from ISTNRegistrationLib.data.images import read_image
from ISTNRegistrationLib.data.mapping import map_points, read_mapping
from ISTNRegistrationLib.data.transforms import read_linear, read_transform


@pytest.fixture(params=[2, 3], ids=["2-D", "3-D"])
def words(request, tmp_path, monkeypatch):
    """A quick registration with a B-spline in the working folder."""
    monkeypatch.chdir(tmp_path)
    for name, shift in (("fixed", 0.0), ("moving", 3.0)):
        subject(tmp_path, name, request.param, shift)
    checkpoint_file(tmp_path / "model.h5", small_config(request.param))
    method = ["--checkpoint", "model.h5", "--transform", "bspline", "--iterations", "3", "--device", "cpu"]
    return ["register", "--fixed", "fixed.nii.gz", "--moving", "moving.nii.gz", *method, "--output-transform", "t.h5"]


@pytest.mark.parametrize("inverse", ["i.h5", "i.nii.gz"])
def test_field_inverse_and_linear_part_say_the_same(words, inverse, capsys):
    more = ["--output-field", "u.nii.gz", "--output-inverse", inverse, "--output-linear", "a.mat"]
    assert run(*words, *more) == 0
    assert "inverse: error mean" in capsys.readouterr().out
    grid, transform = read_image("fixed.nii.gz").grid, read_transform("t.h5")
    assert transform.residual is not None
    points = builders.points_inside(grid)
    there = transform.map_points(points)
    assert np.abs(map_points(read_mapping(["u.nii.gz"]), points) - there).max() < 0.3 * min(grid.spacing)
    inside = np.linalg.norm(points - grid.center, axis=1) < 8.0
    assert inside.sum() > 3
    back = map_points(read_mapping([inverse]), there)[inside]
    assert np.abs(back - points[inside]).max() < 0.3 * min(grid.spacing)
    assert np.allclose(read_linear("a.mat"), transform.linear, atol=1e-9)


REFUSED = {
    "field": (["--output-field", "u.h5"], "--output-field|format is unknown"),
    "inverse": (["--output-inverse", "i.png"], "format is unknown"),
    "linear": (["--output-linear", "a.nii.gz"], "format is unknown"),
    "folder": (["--output-field", "missing/u.nii.gz"], "no folder"),
    "same": (["--output-inverse", "t.h5"], "same file"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_written_is_said_before_the_work(words, tmp_path, name, capsys):
    more, complaint = REFUSED[name]
    before = files_in(tmp_path)
    assert run(*words, *more) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1 and any(part in error for part in complaint.split("|")), error
    assert files_in(tmp_path) == before
