"""The names for scripts: they are kept, need nothing to be imported, and do what the commands do."""

import inspect
import pydoc
import re
import subprocess
import sys
from pathlib import Path

import builders
import numpy as np
import pytest
import SimpleITK as sitk
from command import checkpoint_file, run, small_config, subject
from ISTNRegistrationLib import api
from ISTNRegistrationLib.data.exchange import write_linear
from ISTNRegistrationLib.data.images import read_image, write_image
from ISTNRegistrationLib.data.transforms import read_transform, to_sitk_transform

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "python.md").read_text("utf-8")
KEPT = {
    "Grid InputError Outcome RegisterOptions RegistrationCancelled Side SpatialTransform Volume",
    "apply apply_points load_checkpoint register register_again",
    "read_image read_labels read_transform",
    "write_field write_image write_inverse write_linear write_transform",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A pair, a checkpoint, and a transform with a B-spline."""
    monkeypatch.chdir(tmp_path)
    for name, shift in (("fixed", 0.0), ("moving", 3.0)):
        subject(tmp_path, name, 3, shift)
        (tmp_path / f"{name}_soi.nii.gz").rename(f"{name}_labels.nii.gz")
    checkpoint_file(tmp_path / "model.h5", small_config(3))
    api.write_transform("transform.h5", builders.random_transform(read_image("fixed.nii.gz").grid))
    return tmp_path


def test_no_name_goes_away():
    assert set(api.__all__) == set(" ".join(KEPT).split())
    assert all(getattr(api, name).__doc__ for name in api.__all__)
    assert set(dir(api)) == set(api.__all__)
    with pytest.raises(AttributeError, match="no attribute 'regster'"):
        _ = api.regster


def test_every_function_has_type_hints():
    for name in api.__all__:
        if inspect.isfunction(getattr(api, name)) and getattr(api, name).__module__ == api.__name__:
            signature = inspect.signature(getattr(api, name))
            assert signature.return_annotation is not inspect.Signature.empty
            assert all(p.annotation is not inspect.Parameter.empty for p in signature.parameters.values()), name


def test_the_import_takes_nothing_heavy():
    code = "import sys; from ISTNRegistrationLib.api import register, apply, load_checkpoint\n"
    code += "assert not {'torch', 'SimpleITK', 'numpy', 'h5py'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=Path(api.__file__).parents[1], check=True)


def test_register_is_the_command(folder):
    options = {"transform": "bspline", "iterations": 3, "device": "cpu"}
    words = {"fixed": "fixed.nii.gz", "moving": "moving.nii.gz", "checkpoint": "model.h5"}
    assert run("register", output_transform="command.h5", **words, **options) == 0
    expected = read_transform("command.h5")
    checkpoint = api.load_checkpoint("model.h5")
    moving = api.Side(read_image("moving.nii.gz"), labels=api.read_labels("moving_labels.nii.gz"))
    for inputs in (("fixed.nii.gz", "moving.nii.gz", "model.h5"), (Path("fixed.nii.gz"), moving, checkpoint)):
        found = api.register(*inputs, **options).result.transform
        np.testing.assert_allclose(found.linear, expected.linear, atol=1e-9)
        np.testing.assert_allclose(found.residual.coefficients, expected.residual.coefficients, atol=1e-9)


def test_register_reports_and_can_be_cancelled(folder):
    seen = []
    api.register("fixed.nii.gz", "moving.nii.gz", "model.h5", seen.append, iterations=2, device="cpu")
    assert seen and seen[0].stage

    def cancel(progress):
        raise api.RegistrationCancelled

    with pytest.raises(api.RegistrationCancelled):
        api.register("fixed.nii.gz", "moving.nii.gz", "model.h5", cancel, iterations=2, device="cpu")
    with pytest.raises(api.InputError, match="no such option.*'transfrom'"):
        api.register("fixed.nii.gz", "moving.nii.gz", "model.h5", transfrom="affine")


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("kind", ["linear", "nearest", "cubic", "sinc", "label"])
def test_apply_is_the_command(folder, kind, inverse):
    moving, fixed = ("fixed", "moving") if inverse else ("moving", "fixed")
    words = ["--transform", "transform.h5", "--reference", f"{fixed}.nii.gz", "--output", "o.nii.gz"]
    words += ["--inverse"] if inverse else []
    if kind == "label":
        image, more = f"{moving}_labels.nii.gz", ["--label-interpolation", "linear", "--labels"]
    else:
        image, more = f"{moving}.nii.gz", ["--interpolation", kind, "--images"]
    assert run("apply", *words, *more, image) == 0
    expected = read_image("o.nii.gz")
    transform = read_transform("transform.h5")
    for given in (transform, "transform.h5", ["transform.h5"]):
        found = api.apply(given, image, f"{fixed}.nii.gz", kind, inverse)
        assert found.array.dtype == expected.array.dtype
        np.testing.assert_allclose(found.array, expected.array, atol=1e-4)
        np.testing.assert_allclose(found.grid.matrix, expected.grid.matrix, atol=1e-5)


def test_apply_takes_a_background_and_a_chain(folder):
    transform = read_transform("transform.h5")
    far = np.eye(4)
    far[0, 3] = 1000.0
    write_linear("far.mat", api.SpatialTransform(far))
    found = api.apply(["transform.h5", "far.mat"], "moving.nii.gz", "fixed.nii.gz", background=-7.0)
    assert (found.array == -7.0).all()
    assert not (api.apply(transform, "moving.nii.gz", "fixed.nii.gz", background=-7.0).array == -7.0).all()


def test_apply_refuses_what_does_not_fit(folder):
    write_image("flat.nii.gz", builders.blob_volume(builders.make_grid(2)))
    with pytest.raises(api.InputError, match="does not fit the transform"):
        api.apply("transform.h5", "moving.nii.gz", "flat.nii.gz")
    with pytest.raises(api.InputError, match="unknown.*'spline'"):
        api.apply("transform.h5", "moving.nii.gz", "fixed.nii.gz", "spline")


def test_points_stay_on_what_they_mark(folder):
    transform, points = read_transform("transform.h5"), np.array([[9.0, -7.0, 5.0], [1.0, 2.0, -3.0]])
    found = api.apply_points(transform, points)
    assert np.abs(found - points).max() > 1
    np.testing.assert_allclose(transform.map_points(found), points, atol=1e-3)
    itk = to_sitk_transform(transform)
    expected = [itk.TransformPoint(p) for p in points.tolist()]
    np.testing.assert_allclose(api.apply_points("transform.h5", points, inverse=True), expected, atol=1e-6)


@pytest.mark.parametrize("number", range(PAGE.count("```python")))
def test_the_python_of_the_page_runs(folder, number):
    text = re.findall(r"```python\n(.*?)```", PAGE, re.S)[number]
    exec(text.replace('"brain"', '"model.h5"'), {})
    assert sitk.ReadTransform("result.h5").GetDimension() == 3


def test_the_page_names_all_of_them():
    assert [name for name in api.__all__ if f"`{name}" not in PAGE] == []


def test_the_reference_has_all_of_them_and_nothing_that_is_not_there():
    text = (ROOT / "docs" / "reference.md").read_text("utf-8")
    found = set()
    for place, members in re.findall(r"^::: (\S+)(?:\n    options:\n      members: \[(.*)\])?$", text, re.M):
        base = pydoc.locate(place)
        assert base is not None, place
        names = members.split(", ") if members else [n for n in api.__all__ if hasattr(base, n)] or [base.__name__]
        assert all(hasattr(base, name) for name in names if name != getattr(base, "__name__", "")), place
        found |= set(names)
    assert set(api.__all__) <= found


def test_mkdocs_builds_the_reference(tmp_path):
    for name in ("mkdocs", "mkdocstrings_handlers"):
        pytest.importorskip(name)
    command = [sys.executable, "-m", "mkdocs", "build", "-q", "-f", str(ROOT / "mkdocs.yml"), "-d", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "reference" / "index.html").read_text("utf-8")
    assert all(f"{name}" in page for name in api.__all__) and "abandons the run" in page
