"""istn convert and istn info: the published networks' own numbers (paper/published_fixtures.py) come out of ours."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from command import run
from ISTNRegistrationLib.core.bspline import expand, field_on_grid, pad_ring
from ISTNRegistrationLib.core.checkpoint import load_checkpoint
from ISTNRegistrationLib.core.config import BSplineConfig, Channel, GridConfig, ModelConfig, NetConfig
from ISTNRegistrationLib.core.istn import ISTN, identity
from published_weights import SIZES, images, random_weights

RECORDED = Path(__file__).resolve().parents[1] / "data" / "published.npz"
CASES = [(ndim, kind, seed) for ndim in (2, 3) for kind in ("affine", "bspline") for seed in (1, 2)]
SPACING = 2.0


def published_files(folder, ndim, kind, seed):
    """itn.pt, stn.pt and config.json as the published code leaves them."""
    config = ModelConfig(
        method="istn-e",
        transforms=(kind,),
        grid=GridConfig(size=(SIZES[ndim],) * ndim, spacing=(SPACING,) * ndim, anchor="center"),
        channels=(Channel("structure", (1,)),),
        net=NetConfig(preset="published"),
        bspline=BSplineConfig(spacing_mm=10 * SPACING),
        convention="published",
    )
    model = ISTN(config)
    for number, (name, network) in enumerate((("itn", model.itn), ("stn", model.stns[kind]))):
        shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
        weights = random_weights(shapes, [seed, number])
        torch.save({key: torch.from_numpy(value) for key, value in weights.items()}, folder / f"{name}.pt")
    settings = {"size": [SIZES[ndim]] * ndim, "spacing": [SPACING] * ndim, "normalizer_img": "none", "epochs": 1}
    (folder / "config.json").write_text(json.dumps(settings))
    return {"itn": folder / "itn.pt", "stn": folder / "stn.pt", "config": folder / "config.json"}


@pytest.fixture(params=CASES, ids=lambda case: "-".join(map(str, case)))
def converted(request, tmp_path):
    ndim, kind, seed = request.param
    assert run("convert", **published_files(tmp_path, ndim, kind, seed), output=tmp_path / "model.h5") == 0
    model = load_checkpoint(tmp_path / "model.h5").model
    with np.load(RECORDED) as arrays:
        recorded = {
            key: arrays[f"{ndim}/{kind}/{seed}/{key}"] for key in ("moving_map", "fixed_map", "warped", "theta")
        }
    with torch.no_grad():
        moving, fixed = (model.maps(torch.from_numpy(image)) for image in images(ndim, seed))
        theta = model.theta(kind, moving, fixed)
    return model, kind, (moving, fixed), theta, recorded


def thin(values):
    return values[(..., *[slice(None, None, 3)] * (values.ndim - 2))].numpy()


def test_maps_are_those_of_the_published_networks(converted):
    _, _, maps, _, recorded = converted
    for values, name in zip(maps, ("moving_map", "fixed_map"), strict=True):
        assert np.abs(thin(values) - recorded[name]).max() < 1e-4


def test_theta_is_that_of_the_published_networks(converted):
    model, kind, _, theta, recorded = converted
    if kind == "affine":
        cube = model.cube_inverse @ model.linear(theta) @ model.cube
        ours = cube[:, :-1].detach().numpy()
    else:
        half = (model.grid.size[0] - 1) / 2 * SPACING
        ours = model.coefficients(theta).detach().numpy() / half
    assert np.abs(ours - recorded["theta"]).max() < 1e-4


def test_the_warped_map_is_that_of_the_published_networks(converted):
    model, kind, (moving, _), theta, recorded = converted
    with torch.no_grad():
        parts = (model.linear(theta), None) if kind == "affine" else (identity(model), model.coefficients(theta))
        warped = model.warp(moving, *parts)
    assert np.abs(thin(warped) - recorded["warped"]).max() < 1e-4 * max(1.0, np.abs(recorded["warped"]).max())


def test_what_leaves_as_a_bspline_transform_is_the_published_field_to_a_few_per_cent(converted):
    model, kind, _, theta, _ = converted
    if kind == "bspline":
        with torch.no_grad():
            coefficients = model.coefficients(theta)
            field = expand(coefficients, [getattr(model, f"basis{axis}") for axis in range(model.config.ndim)])[
                0
            ].numpy()
        ring = pad_ring(coefficients[0].detach().numpy(), model.config.ndim)
        cubic = field_on_grid(ring, model.lattice, model.grid)
        assert np.abs(cubic - field).max() < 0.05 * np.abs(field).max()


def test_info_tells_what_a_converted_checkpoint_is(tmp_path, capsys):
    files = published_files(tmp_path, 2, "affine", 1)
    assert run("convert", **files, output=tmp_path / "model.h5", structure="vessels") == 0
    capsys.readouterr()
    assert run("info", str(tmp_path / "model.h5")) == 0
    text = capsys.readouterr().out
    assert all(word in text for word in ("istn-e", "2-D", "affine", "vessels", "44 x 2 mm", "published"))
    assert run("info", str(tmp_path / "model.h5"), "--json") == 0
    assert json.loads(capsys.readouterr().out)["config"]["convention"] == "published"


def test_info_prints_the_shipped_checkpoints_card(capsys):
    assert run("info", "brain") == 0
    text = capsys.readouterr().out
    assert all(word in text for word in ("thalamus", "OASIS", "non-commercial", "Dice"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda files: files | {"stn": files["itn"]}, ["itn.pt", "do not fit"]),
        (lambda files: files | {"itn": files["config"]}, ["config.json", "cannot be read"]),
        (lambda files: files | {"config": files["stn"]}, ["stn.pt", "JSON"]),
        (lambda files: files | {"method": "stn-u"}, ["method", "does not fit"]),
        (lambda files: files | {"stn": files["stn"].parent / "none.pt"}, ["none.pt", "no such file"]),
    ],
)
def test_files_that_are_something_else_are_one_line_and_exit_code_2(change, words, tmp_path, capsys):
    files = change(published_files(tmp_path, 2, "affine", 1))
    assert run("convert", **files, output=tmp_path / "model.h5") == 2
    error = capsys.readouterr().err
    assert all(word in error for word in words) and len(error.strip().splitlines()) == 1
    assert not (tmp_path / "model.h5").exists()
