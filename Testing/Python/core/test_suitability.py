"""Brains with `hippocampus`, crops with `brain`, inverted brains with `brain` are said; the right ones are silent."""

import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import brains
from command import run
from ISTNRegistrationLib.core.card import read_card
from ISTNRegistrationLib.core.checks import warnings
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.suitability import ImageFacts, doubts, middle_over_rim, suggestion
from ISTNRegistrationLib.core.volume import Volume

SHARED = Path(os.environ.get("ISTN_SHARED", Path(__file__).resolve().parents[4] / "shared")) / "data"
CURVE = ([0.0, 0.25, 0.5, 0.7, 0.9, 1.0], [1.0, 0.9, 0.6, 0.55, 0.3, 0.25])  # about T2


def facts(volume):
    return ImageFacts.of(volume.array, volume.grid)


def said(volumes, name):
    card = read_card(name)
    return " ".join(warnings(*map(facts, volumes), card.config, card.card, "auto"))


def suggested(volumes, name):
    card = read_card(name)
    return suggestion(map(facts, volumes), card.config, card.card)


def inverted(volume, curve=([0.0, 1.0], [1.0, 0.05])):
    bright = np.percentile(volume.array[volume.array > 0], 99.5)
    values = np.interp(volume.array / bright, *curve) * bright
    return replace(volume, array=np.where(volume.array > 0, values, 0).astype(np.float32))


def crop(volume, millimetres=(36, 52, 36)):
    """Of the right half, off the middle, filled with brain."""
    size = np.round(np.divide(millimetres, volume.grid.spacing)).astype(int)
    low = (np.array(volume.grid.size) // 2 - size // 2) + [6, 0, 0]
    box = tuple(slice(a, a + n) for a, n in zip(low[::-1], size[::-1], strict=True))
    grid = Grid.from_matrix(size.tolist(), volume.grid.matrix)
    return Volume(np.ascontiguousarray(volume.array[box]), grid, volume.name)


def test_the_bundled_pair_is_for_brain_and_not_for_hippocampus():
    pair = brains()
    assert said(pair, "brain") == said(pair, "head") == ""
    text = said(pair, "hippocampus")
    assert "(158 x 194 x 168 mm) shows far more" in text and "(40 x 56 x 40 mm)" in text
    assert text.endswith("The checkpoint 'brain' fits these images better.")


def test_crops_are_for_hippocampus_and_not_for_brain():
    pair = [crop(volume) for volume in brains()]
    assert said(pair, "hippocampus") == ""
    assert "shows much less" in said(pair, "brain") and suggested(pair, "brain") == "hippocampus"


def test_one_odd_side_is_enough_and_another_contrast_is_for_head():
    fixed, moving = brains()
    pair = [fixed, inverted(moving)]
    assert said(pair, "head") == ""
    text = said(pair, "brain")
    assert "moving image is darker inside" in text and "fixed image is darker" not in text
    assert suggested(pair, "brain") == "head" and suggested([fixed, crop(moving)], "brain") is None


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_the_rim_is_millimetres_wide_whatever_the_voxels(axes):
    """A ball of radius 40 mm, twice as bright inside 30 mm, with voxels of 1 x 2 x 4 mm in any order."""
    spacing = (1.0, 2.0, 4.0)
    lines = [np.arange(-48, 48.1, step) for step in spacing[::-1]]
    radius = np.sqrt(sum(x**2 for x in np.meshgrid(*lines, indexing="ij")))
    ball = np.where(radius < 40, 1.0, 0.0) + np.where(radius < 30, 1.0, 0.0)
    turned = np.transpose(ball, axes)
    found = middle_over_rim(turned, [spacing[::-1][axis] for axis in axes][::-1])
    assert found == pytest.approx(middle_over_rim(ball, spacing)) and found > 1.4
    dark = np.where(radius < 40, 2.0, 0.0) - np.where(radius < 30, 1.0, 0.0)
    assert middle_over_rim(dark, spacing) < 0.7


def test_what_has_no_rim_is_not_judged():
    assert math.isnan(middle_over_rim(np.random.default_rng(0).random((20, 20, 20)) + 5, (1, 1, 1)))
    assert math.isnan(middle_over_rim(np.zeros((1, 30, 30)), (1, 1, 1)))
    crop_of_tissue = np.full((48, 48, 48), 3.0)
    crop_of_tissue[12:36, 12:36, 12:36], crop_of_tissue[:2] = 2.0, 0.0
    assert math.isnan(middle_over_rim(crop_of_tissue, (1, 1, 1)))


def test_the_command_says_which_checkpoint_fits_and_what_its_networks_see(tmp_path, capsys):
    from ISTNRegistrationLib.data.images import write_image

    write_image(tmp_path / "a.nii.gz", brains()[0])
    assert run("info", "--for", str(tmp_path / "a.nii.gz")) == 0
    lines = dict(line.split(":", 1) for line in capsys.readouterr().out.splitlines())
    assert "Size and intensities fit. Its structures are found with score 0." in lines["brain"]
    assert "far more" in lines["hippocampus"]
    assert run("info", "brain", "--for", str(tmp_path / "none.nii.gz")) == 2
    assert run("info") == 2 and "none is named" in capsys.readouterr().err


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the data beside the project (../shared or ISTN_SHARED) are not here")
def test_real_brains_and_crops_are_told_apart():
    from ISTNRegistrationLib.data.images import read_image

    heads = [read_image(SHARED / "brain" / "images" / f"brain_{n}.nii.gz") for n in (1013, 1017, 1119)]
    crops = [read_image(path) for path in sorted((SHARED / "hippocampus" / "images").glob("*.nii.gz"))[:10]]
    brain, hippocampus = read_card("brain"), read_card("hippocampus")
    for volume in heads:
        assert doubts("", facts(volume), brain.config, brain.card) == []
        assert suggested([volume] * 2, "hippocampus") == "brain"
        for curve in (CURVE, ([0.0, 1.0], [1.0, 0.05])):
            assert suggested([inverted(volume, curve)] * 2, "brain") == "head"
    for volume in crops:
        assert doubts("", facts(volume), hippocampus.config, hippocampus.card) == []
        assert suggested([volume] * 2, "brain") == "hippocampus"
