"""Images painted from label maps: of any contrast, structures where the labels are, the same for the same numbers."""

import dataclasses

import numpy as np
import pytest
import torch
from ISTNRegistrationLib.core.augment import AugmentConfig, mirrored_order
from ISTNRegistrationLib.core.config import Channel, GridConfig, ModelConfig, from_dict
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.synthesis import SynthesisConfig, Synthesizer, quarter_voxels

STILL = AugmentConfig(0.0, 0.0, 1.0, 0.0, gamma=0.0, noise=0.0, bias=0.0)
PERFECT = SynthesisConfig(
    stripped=0, bright_air=0, texture=0, bias=0, gamma=0, noise=0, voxel_mm=0, slice_mm=0, cropped=0
)
CHANNELS = (Channel("left marker", (5,)), Channel("right marker", (9,)))
MARKER = {2: (slice(13, 19), slice(20, 28)), 3: (slice(8, 12), slice(13, 19), slice(20, 28))}  # array order, off-center


def config(ndim):
    grid = GridConfig(size=(20, 18, 16)[:ndim], spacing=(2.0,) * ndim)
    return ModelConfig("istn-e", ("affine",), grid, CHANNELS)


def label_map(ndim, swap=False):
    """A head (1) with a marker (5) off its middle on the left, one (9) on the right, a skull (7) at the rim; 1 mm."""
    labels = np.ones((32, 36, 40)[-ndim:], np.float32)
    labels[MARKER[ndim]] = 5
    labels[(*MARKER[ndim][:-1], slice(6, 9))] = 9
    labels[..., :3], labels[..., -3:] = 7, 0
    if swap:
        labels = np.choose(labels.astype(int) % 10, [0, 7, 2, 3, 4, 9, 6, 5, 8, 1]).astype(np.float32)
    source = Grid.centered((0.0,) * ndim, labels.shape[::-1], (1.0,) * ndim)
    return torch.from_numpy(labels)[None, None], source


def draw(ndim, synthesis, seed=0, step=None, augment=STILL, labels=None):
    return Synthesizer(synthesis, augment, config(ndim))(
        *(labels or label_map(ndim)), np.random.default_rng(seed), step
    )


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_same_numbers_give_the_same_image_and_others_another(ndim):
    harsh, augment = SynthesisConfig(outside=((7,),)), AugmentConfig(mirror=True)
    first, again, other = (draw(ndim, harsh, seed, 10**6, augment) for seed in ([0, 3, 1], [0, 3, 1], [0, 4, 1]))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0]) and not torch.equal(first[1], other[1])
    assert first[0].shape == (1, 1, *config(ndim).grid.size[::-1]) and first[1].shape[1] == 2
    assert 0 <= first[0].min() and first[0].max() <= 1


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_map_lies_where_the_marker_is_painted(ndim):
    """Deformed, mirrored and at every resolution, the marker's color is found where the map says, not elsewhere."""
    augment = AugmentConfig(mirror=True, elastic_mm=2.0, elastic_spacing_mm=15.0)
    elsewhere = []
    for seed in range(8):
        image, soi = draw(ndim, dataclasses.replace(PERFECT, classes=((5, 9),)), seed, 0, augment)
        inside, around = soi.amax(dim=1, keepdim=True) == 1, soi.amax(dim=1, keepdim=True) == 0
        colors = image[inside]
        assert inside.sum() > 4 and colors.std() < 0.01
        elsewhere.append(float(((image[around] - colors.mean()).abs() < 0.01).float().mean()))
    assert np.median(elsewhere) < 0.05, "some neighbors may look like the marker by chance"


@pytest.mark.parametrize("ndim", [2, 3])
def test_an_undeformed_map_has_its_marker_at_the_marker_s_place(ndim):
    _, soi = draw(ndim, PERFECT)
    positions = torch.stack(torch.meshgrid(*(torch.arange(n) for n in soi.shape[2:]), indexing="ij")).float()
    for channel, columns in enumerate((MARKER[ndim][-1], slice(6, 9))):
        weight = soi[0, channel]
        found = (positions * weight).flatten(1).sum(dim=1) / weight.sum()
        place = [(s.start + s.stop - 1) / 2 for s in (*MARKER[ndim][:-1], columns)]
        middle = [(n - 1) / 2 for n in label_map(ndim)[0].shape[2:]]
        expected = [(p - m) / 2 + (n - 1) / 2 for p, m, n in zip(place, middle, soi.shape[2:], strict=True)]
        np.testing.assert_allclose(found, expected, atol=0.26)
        volume = np.prod([s.stop - s.start for s in (*MARKER[ndim][:-1], columns)])
        assert float(weight.sum()) * 2**ndim == pytest.approx(volume, rel=0.15)


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_mirror_makes_left_of_right(ndim):
    augment = dataclasses.replace(STILL, mirror=True)
    centers = []
    for seed in range(12):
        _, soi = draw(ndim, PERFECT, seed, 0, augment)
        columns = torch.arange(soi.shape[-1], dtype=torch.float32)
        sums = soi[0].flatten(1, -2).sum(dim=1)
        centers.append(((sums * columns).sum(dim=1) / sums.sum(dim=1)).numpy())
    assert all(left > right for left, right in centers), "the left marker stays on the left"
    sizes = {round(float(left + right), 1) for left, right in centers}
    assert len(sizes) == 2, "some are mirrored and some are not"


def test_the_partner_of_a_channel_is_found_by_its_name():
    names = ("left a", "stem", "right a", "b left", "b right", "left c")
    assert mirrored_order(tuple(Channel(name, (1,)) for name in names)) == [2, 1, 0, 4, 3, 5]


def test_contrast_is_of_any_kind_and_does_not_depend_on_the_labels_order():
    """Which of two classes is brighter is a coin, and so is it when the labels have other values."""
    for swap in (False, True):
        labels, source = label_map(2, swap)
        head, marker = (9, 7) if swap else (1, 5)
        synthesizer = Synthesizer(PERFECT, STILL, config(2))
        differences = []
        for seed in range(120):
            mean = synthesizer._intensities(np.random.default_rng(seed), 1.0)[0]
            differences.append(float(mean[marker] - mean[head]))
            assert mean[0] == 0
        brighter = np.mean(np.array(differences) > 0)
        assert 0.35 < brighter < 0.65 and np.std(differences) > 0.3
        assert set(labels.unique().int().tolist()) >= {head, marker}


def test_contrast_begins_near_the_typical_one_and_ends_anywhere():
    synthesis = dataclasses.replace(PERFECT, classes=((5, 9), (1,)), typical=(0.8, 0.2))
    synthesizer = Synthesizer(synthesis, STILL, config(2))
    plain = Synthesizer(PERFECT, STILL, config(2))
    means = [synthesizer._intensities(np.random.default_rng(k), 0.25)[0][[5, 9, 1]].numpy() for k in range(40)]
    assert np.ptp(means, axis=0).max() <= 0.25 and np.ptp(means, axis=0).min() > 0.15
    assert all(m[0] == m[1] and 0.6 <= m[0] <= 0.85 and 0.15 <= m[2] <= 0.4 for m in means)
    for k in range(5):
        anywhere, free = (s._intensities(np.random.default_rng(k), 1.0)[0] for s in (synthesizer, plain))
        torch.testing.assert_close(anywhere[[5, 1, 7]], free[[5, 1, 7]])


def test_labels_of_one_class_look_alike_and_others_do_not():
    synthesizer = Synthesizer(dataclasses.replace(PERFECT, classes=((5, 9),)), STILL, config(2))
    mean, _ = synthesizer._intensities(np.random.default_rng(0), 1.0)
    assert mean[5] == mean[9] != mean[1] != mean[7]


def test_a_stripped_image_is_dark_where_the_shell_was_and_its_map_is_whole():
    labels = label_map(2)
    whole, stripped = (
        draw(2, dataclasses.replace(PERFECT, outside=((7,), (1,)), stripped=share), 5, labels=labels)
        for share in (0, 1)
    )
    assert whole[0][..., 0].min() > 0 and stripped[0][..., 0].max() == 0
    assert torch.equal(whole[1], stripped[1])


def test_air_is_not_always_dark():
    bright = dataclasses.replace(PERFECT, bright_air=1.0)
    airs = [Synthesizer(bright, STILL, config(2))._intensities(np.random.default_rng(k), 1.0)[0][0] for k in range(9)]
    assert min(airs) > 0 and np.std(airs) > 0.1


def test_imperfections_grow_with_the_step():
    synthesis = dataclasses.replace(PERFECT, noise=0.2, mild=0.1, harsh_from=100)
    assert synthesis.harshness(0) == pytest.approx(0.1) and synthesis.harshness(50) == pytest.approx(0.55)
    assert synthesis.harshness(100) == synthesis.harshness(None) == 1
    clean = draw(2, PERFECT, 3)[0].flatten()
    images = [draw(2, synthesis, 3, step)[0].flatten() for step in (0, 50, 100)]
    likeness = [float(torch.corrcoef(torch.stack([clean, image]))[0, 1]) for image in images]
    assert likeness[0] > likeness[1] > likeness[2]


@pytest.mark.parametrize("key", ["bias", "texture", "gamma", "voxel_mm", "slice_mm", "noise"])
def test_every_imperfection_changes_the_image_and_not_the_map(key):
    harsh = dataclasses.replace(PERFECT, **{key: 8.0 if key.endswith("mm") else 0.5})
    pairs = [(draw(3, PERFECT, seed), draw(3, harsh, seed)) for seed in range(4)]
    assert any(not torch.allclose(clean[0], changed[0], atol=0.02) for clean, changed in pairs)
    assert all(torch.equal(clean[1], changed[1]) for clean, changed in pairs)


@pytest.mark.parametrize("ndim", [2, 3])
def test_the_points_of_a_voxel_balance_around_its_middle(ndim):
    source = Grid.centered((0.0,) * ndim, (9, 11, 13)[:ndim], (1.0,) * ndim)
    spacing = (4.0, 2.0, 3.0)[-ndim:]
    mm = quarter_voxels(source, spacing).numpy() * (np.asarray(source.size) - 1) / 2
    assert mm.mean(axis=0) == pytest.approx([0] * ndim, abs=1e-6)
    np.testing.assert_allclose(np.abs(mm), np.broadcast_to(np.asarray(spacing[::-1]) / 4, mm.shape), atol=1e-6)
    assert len(np.unique(mm.round(6), axis=0)) == 2 ** (ndim - 1)


@pytest.mark.parametrize(
    "table, complaint",
    [
        ({"stripped": 1.5}, "'synthesis.stripped': it is not a share. Expected 0 to 1; got 1.5"),
        ({"noise": -0.1}, "'synthesis.noise': it cannot be used. Expected 0 or more; got -0.1"),
        ({"classes": [[2, 41], [41]]}, r"'synthesis.classes': labels cannot be used. .*each label once.* got \[41\]"),
        (
            {"classes": [[2], [3]], "typical": [0.5]},
            "'synthesis.typical': another number of means. .*the 2 classes.* got 1",
        ),
        ({"outside": [[0]]}, r"'synthesis.outside': labels cannot be used. .*1 to 65535; got \[0\]"),
        ({"contrast": 1.0}, "unknown key"),
    ],
)
def test_a_wrong_table_names_its_key(table, complaint):
    with pytest.raises(InputError, match=complaint):
        from_dict(SynthesisConfig, table, "synthesis.")


def test_only_channels_of_labels_can_be_painted():
    centroid = dataclasses.replace(config(2), channels=(Channel("tip", (5,), "centroid"),))
    with pytest.raises(InputError, match="Channel 'tip': it cannot be synthesized. Expected kind binary; got centroid"):
        Synthesizer(PERFECT, STILL, centroid)
