"""The training cache: what it stores, where it comes from, and that it is never stale."""

import dataclasses
import os
import shutil
import subprocess
import sys
import tracemalloc

import h5py
import numpy as np
import pytest
from command import files_in, small_config, subject
from ISTNRegistrationLib.core.augment import AugmentConfig
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.preprocess import Prepared
from ISTNRegistrationLib.data import cache, pair_source
from ISTNRegistrationLib.data.cache import cache_grid, changes, prepare
from ISTNRegistrationLib.data.images import read_image
from ISTNRegistrationLib.data.pair_source import CachedPairs
from ISTNRegistrationLib.data.scans import DataConfig, PublishedConfig, Scan, Study, read_study
from ISTNRegistrationLib.data.structures import draw, read_structures

STILL = AugmentConfig(0.0, 0.0, 1.0, 0.0, gamma=0.0, noise=0.0, bias=0.0)
OTHER_MODEL = "the cache was made with another [model], or without [synthesis]"
EDGES = (("a", "b", "train"), ("c", "b", "train"), ("a", "c", "val"))  # moving, fixed, split


def pair_list(folder, ndim=2):
    """Three scans and three pairs, as a list of pairs and in the published layout."""
    names = {name: subject(folder, name, ndim, 2.0 * k) for k, name in enumerate("abc")}
    rows = ["fixed,moving,fixed_soi,moving_soi,split"]
    for moving, fixed, split in EDGES:
        (m, m_soi), (f, f_soi) = names[moving], names[fixed]
        rows.append(f"{f.name},{m.name},{f_soi.name},{m_soi.name},{split}")
    (folder / "pairs.csv").write_text("\n".join(rows) + "\n")
    for split in ("train", "val"):
        for which, suffix in enumerate(("", ".seg")):
            lines = [f"{names[m][which].name},{names[f][which].name}" for m, f, s in EDGES if s == split]
            (folder / f"{split}{suffix}.csv").write_text("\n".join(["src,trg", *lines]) + "\n")
    return read_study(DataConfig(pairs="pairs.csv"), folder)


def prepared(folder, ndim=2, offset=()):
    study, config = pair_list(folder, ndim), small_config(ndim)
    config = dataclasses.replace(config, grid=dataclasses.replace(config.grid, offset=offset))
    prepare(study, config, folder / "cache.h5")
    return study, config, folder / "cache.h5"


def datasets(path, index):
    with h5py.File(path) as file:
        return {key: file[f"scans/{index:05d}/{key}"][:] for key in ("image", "soi")}


def test_the_published_layout_is_read_as_the_same_pairs(tmp_path):
    study = pair_list(tmp_path)
    (tmp_path / "configs").mkdir()
    published = PublishedConfig("train.csv", "train.seg.csv", "val.csv", "val.seg.csv", root="..")
    assert read_study(DataConfig(published=published), tmp_path / "configs") == study
    assert study.pairs == {"train": ((0, 1), (2, 1)), "val": ((0, 2),)}


@pytest.mark.parametrize("keys", [{}, {"subjects": "s.csv", "pairs": "p.csv"}])
def test_exactly_one_list_is_asked_for(keys):
    with pytest.raises(InputError, match="exactly one of subjects, pairs, published"):
        DataConfig(**keys)


@pytest.mark.parametrize(
    "name, old, new, complaint",
    [
        ("pairs.csv", ",val", ",test", "unknown split"),
        ("pairs.csv", ",val", ",train", "no pairs in split 'val'"),
        ("pairs.csv", "a.nii.gz", "z.nii.gz", "no such file"),
        ("pairs.csv", "moving_soi", "soi", "columns are missing"),
    ],
)
def test_a_wrong_list_of_pairs_is_refused(name, old, new, complaint, tmp_path):
    pair_list(tmp_path)
    (tmp_path / name).write_text((tmp_path / name).read_text().replace(old, new))
    with pytest.raises(InputError, match=complaint):
        read_study(DataConfig(pairs="pairs.csv"), tmp_path)


def test_published_lists_of_different_length_are_refused(tmp_path):
    pair_list(tmp_path)
    with pytest.raises(InputError, match="do not match"):
        config = PublishedConfig("train.csv", "val.seg.csv", "val.csv", "val.seg.csv")
        read_study(DataConfig(published=config), tmp_path)


@pytest.mark.parametrize(("ndim", "offset"), [(2, ()), (3, ()), (2, (5.0, -3.0)), (3, (5.0, -3.0, 4.0))])
def test_a_scan_is_stored_once_as_the_networks_would_see_it(ndim, offset, tmp_path):
    study, config, path = prepared(tmp_path, ndim, offset)
    with h5py.File(path) as file:
        assert len(file["scans"]) == 3
    for index, scan in enumerate(study.scans):
        image, found = read_image(scan.image), datasets(path, index)
        middle = Prepared(image).anchor(config.grid.anchor) + (np.array(offset) if offset else 0.0)
        grid = Grid.centered(middle, cache_grid(config).size, config.grid.spacing)
        expected = Prepared(image).network_input(grid, np.eye(ndim + 1), config.normalization)[0, 0].numpy()
        np.testing.assert_allclose(found["image"].astype(np.float32), expected, atol=1e-3)
        soi = draw(read_structures(scan.labels, config.channels, grid.ndim), config.channels, grid)[0].numpy()
        np.testing.assert_allclose(found["soi"] / 255, soi, atol=0.5 / 255 + 1e-6)
        assert found["image"].dtype == np.float16 and found["soi"].dtype == np.uint8


def test_listed_pairs_keep_their_direction(tmp_path):
    study, config, path = prepared(tmp_path)
    with h5py.File(path, "r+") as file:
        for index in range(3):
            file[f"scans/{index:05d}/image"][...] = 0.25 * (index + 1)
    source = CachedPairs(path, config, STILL)

    def ends(pair):
        return tuple(round(float(pair[role].mean()) / 0.25) - 1 for role in ("moving", "fixed"))

    assert {ends(source.random_pair(np.random.default_rng(k))) for k in range(20)} == set(study.pairs["train"])
    assert [ends(pair) for pair in source.validation_pairs()] == list(study.pairs["val"])


def test_the_same_random_numbers_give_the_same_pair(tmp_path):
    _, config, path = prepared(tmp_path)
    first, second = (CachedPairs(path, config, AugmentConfig()).random_pair(np.random.default_rng(3)) for _ in "ab")
    assert all(np.array_equal(first[key], second[key]) for key in first)


def test_of_subjects_nobody_is_paired_with_themselves(tmp_path, monkeypatch):
    config, path = small_config(2), tmp_path / "cache.h5"
    files = subject(tmp_path, "a", 2)
    people = (("a", "train"), ("a", "train"), ("b", "train"), ("c", "val"), ("d", "val"))
    prepare(Study(tuple(Scan(*files, *who) for who in people)), config, path)
    source, drawn = CachedPairs(path, config, STILL), set()
    monkeypatch.setattr(pair_source, "_pair", lambda moving, fixed: drawn.add((moving, fixed)))
    source._view, source._plain = lambda key, rng, step: int(key), int
    for seed in range(60):
        source.random_pair(np.random.default_rng(seed))
    assert drawn == {(0, 2), (1, 2), (2, 0), (2, 1)}
    drawn.clear()
    list(source.validation_pairs())
    assert drawn == {(3, 4), (4, 3)}


def test_only_a_scan_that_has_changed_is_prepared_again(tmp_path, monkeypatch):
    study, config, path = prepared(tmp_path)
    assert changes(path, study, config) == []
    os.utime(study.scans[0].image, ns=(1, 1))
    assert changes(path, study, config) == [], "another time, but the same content"
    before, write, written = datasets(path, 1), cache._write_scan, []
    subject(tmp_path, "a", 2, 5.0)
    assert any("a.nii.gz has changed" in found for found in changes(path, study, config))
    monkeypatch.setattr(cache, "_write_scan", lambda group, scan, *_: (written.append(scan), write(group, scan, *_)))
    prepare(study, config, path)
    assert written == [study.scans[0]] and changes(path, study, config) == []
    after = datasets(path, 1)
    assert all(np.array_equal(before[key], after[key]) for key in before)


def test_other_pairs_another_model_and_a_damaged_file_are_noticed(tmp_path):
    study, config, path = prepared(tmp_path)
    swapped = Study(study.scans, {**study.pairs, "val": ((2, 0),)})
    assert changes(path, swapped, config) == ["the list of scans or pairs has changed"]
    assert changes(path, study, small_config(2, normalization="none")) == [OTHER_MODEL]
    path.write_bytes(path.read_bytes()[:100])
    assert changes(path, study, config) == ["the cache cannot be read"]
    prepare(study, config, path)
    assert changes(path, study, config) == []


def test_a_failed_run_leaves_nothing_and_keeps_what_was_there(tmp_path):
    study, config, path = prepared(tmp_path)
    before, files = path.read_bytes(), files_in(tmp_path)
    study.scans[2].labels.write_bytes(b"not an image")
    with pytest.raises(InputError):
        prepare(study, config, path)
    assert path.read_bytes() == before and files_in(tmp_path) == files


def test_an_image_of_another_dimension_is_refused(tmp_path):
    study = pair_list(tmp_path, 3)
    with pytest.raises(InputError, match="another dimension"):
        prepare(study, small_config(2), tmp_path / "cache.h5")


def test_the_attributes_tell_where_a_scan_comes_from(tmp_path):
    study, _, path = prepared(tmp_path)
    with h5py.File(path) as file:
        scan = dict(file["scans/00000"].attrs)
        assert {"format", "configuration", "created", "versions"} <= set(file.attrs)
        assert file["scans/00000/image"].chunks and file["scans/00000/image"].compression == "gzip"
    assert scan["image"] == str(study.scans[0].image) and len(scan["image_sha256"]) == 64
    assert scan["labels_bytes"] == study.scans[0].labels.stat().st_size
    np.testing.assert_array_equal(scan["original_size"], read_image(study.scans[0].image).grid.size)
    assert scan["intensity_range"][0] < scan["intensity_range"][1]


def test_memory_does_not_grow_with_the_number_of_scans(tmp_path):
    config, files, peaks = small_config(3), subject(tmp_path, "a", 3), []
    volume = 4 * np.prod(cache_grid(config).size)
    for count in (4, 24):
        scans = []
        for number in range(count):
            image, labels = (shutil.copy(path, tmp_path / f"{number}{path.name}") for path in files)
            scans.append(Scan(image, labels, f"{number}", "train" if number < count // 2 else "val"))
        prepare(Study(tuple(scans)), config, tmp_path / "cache.h5")
        source = CachedPairs(tmp_path / "cache.h5", config, AugmentConfig())
        source.random_pair(np.random.default_rng(0))
        tracemalloc.start()
        for seed in range(count):
            source.random_pair(np.random.default_rng(seed))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        source.file.close()
    assert volume / 4 < peaks[0] and peaks[1] - peaks[0] < volume


def test_several_processes_read_at_once(tmp_path):
    _, config, path = prepared(tmp_path)
    source = CachedPairs(path, config, STILL)
    code = "import h5py, sys; print(len(h5py.File(sys.argv[1], 'r')['scans']))"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "3", done.stderr
    assert len(source.channel_energies()) == 2
