"""Masks that hide what the networks look for: how much they leave, and where it is said."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from constellations import LARGE, Oracle, known, picture, stars
from ISTNRegistrationLib.core.checkpoint import load_checkpoint
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.grid import apply_matrix
from ISTNRegistrationLib.core.options import RegisterOptions
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data import masks
from ISTNRegistrationLib.data.images import read_image
from ISTNRegistrationLib.data.run import Request, Side, run

SAMPLES = Path(__file__).parents[3] / "ISTNRegistration" / "Resources" / "SampleData"
ONE_PASS = RegisterOptions(initial="none", refine="none", device="cpu")


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_shares_are_those_of_the_structures_that_the_mask_covers(ndim, monkeypatch):
    """Of an image that lies turned and shifted; the mask hides two structures and half of a third."""
    matrix, points = known(ndim, 5, 20), LARGE[ndim]
    image = picture(ndim, matrix)
    local = apply_matrix(np.linalg.inv(matrix), image.grid.points())
    nearest = np.linalg.norm(local[..., None, :] - points, axis=-1).argmin(-1)
    hidden = np.isin(nearest, (1, 4)) | ((nearest == 3) & (local[..., 1] > points[3][1]))
    side = Side(image, Volume((~hidden).astype(np.uint8), image.grid, "mask"))
    monkeypatch.setattr(masks, "canonical_of", lambda checkpoint: stars(ndim, points))
    left = masks.shares_left(side, SimpleNamespace(model=Oracle(ndim, False)), "cpu")
    expected = np.ones(len(points))
    expected[[1, 4, 3]] = 0, 0, 0.5
    np.testing.assert_allclose(left, expected, atol=0.1)


def test_of_an_image_in_which_the_structures_are_not_found_nothing_is_known(monkeypatch):
    image = picture(3, known(3, 5, 15), half=-12.0)
    monkeypatch.setattr(masks, "canonical_of", lambda checkpoint: stars(3, LARGE[3]))
    side = Side(image, Volume(np.ones(image.grid.shape, np.uint8), image.grid, "mask"))
    assert masks.shares_left(side, SimpleNamespace(model=Oracle(3, False)), "cpu") is None


@pytest.mark.parametrize("least, said", [(0.1, 1), (0.79, 1), (0.81, 0)])
def test_the_structure_of_which_least_is_left_is_named(monkeypatch, least, said):
    monkeypatch.setattr(masks, "shares_left", lambda *_: np.array([0.9, least, 1.0]))
    channels = [SimpleNamespace(name=name) for name in ("caudate", "putamen", "thalamus")]
    checkpoint = SimpleNamespace(config=SimpleNamespace(uses_itn=True, channels=channels))
    stage = SimpleNamespace(name="affine", agreement=0.4, expected=None)
    result = SimpleNamespace(stages=[stage], kept="affine", options=ONE_PASS)
    request = SimpleNamespace(fixed=SimpleNamespace(mask=None), moving=SimpleNamespace(mask=1))
    left = f"{(190 + 100 * least) / 3:.0f} % of the structures ({100 * least:.0f} % of putamen)"
    expected = f"The mask of the moving image leaves {left}: make it larger."
    assert masks.hiding_masks(request, checkpoint, result) == (expected,) * said


@pytest.fixture(scope="module")
def brains():
    """The bundled pair, and the checkpoint."""
    return *(read_image(SAMPLES / name) for name in ("mni152.nii.gz", "colin27.nii.gz")), load_checkpoint("brain")


def left_half(image):
    """A mask of the patient's left half, which no structure lies in as a whole."""
    return Volume((image.grid.points()[..., 0] > 0).astype(np.uint8), image.grid, "left")


def whole(image):
    return Volume(np.ones(image.grid.shape, np.uint8), image.grid, "whole")


@pytest.mark.parametrize("role", ["fixed", "moving"])
def test_a_mask_that_hides_half_is_a_warning_and_the_next_thing_to_try(brains, role):
    fixed, moving, checkpoint = brains
    of = {"fixed": (left_half, whole), "moving": (whole, left_half)}[role]
    sides = (Side(image, mask(image)) for image, mask in zip((fixed, moving), of, strict=True))
    outcome = run(Request(*sides, checkpoint, ONE_PASS))
    (said,) = (text for text in outcome.warnings if "mask" in text)
    found = re.fullmatch(rf"The mask of the {role} image leaves (\d+) % of the structures \((\d+) % of \S+\): .*", said)
    assert 40 <= int(found[2]) <= int(found[1]) <= 60
    assert outcome.verdict.light == "red" and outcome.verdict.reason.endswith(said)
    assert "another initial alignment" not in outcome.verdict.reason


def test_a_mask_under_a_good_result_is_not_looked_into(brains, monkeypatch):
    fixed, moving, checkpoint = brains
    monkeypatch.setattr(masks, "shares_left", None)
    outcome = run(Request(Side(fixed, whole(fixed)), Side(moving), checkpoint, ONE_PASS))
    assert outcome.verdict.light == "green" and outcome.warnings == outcome.masks == ()


def test_a_mask_that_leaves_next_to_nothing_is_refused_and_named(brains):
    fixed, moving, checkpoint = brains
    tiny = (np.abs(fixed.grid.points()) < 5).all(-1).astype(np.uint8)
    with pytest.raises(InputError, match=r"'mni152.nii.gz, masked': nothing of it lies.*or a larger mask"):
        run(Request(Side(fixed, Volume(tiny, fixed.grid, "tiny")), Side(moving), checkpoint, ONE_PASS))
