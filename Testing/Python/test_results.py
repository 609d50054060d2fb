"""scripts/paper/results*.py and peers.py: the parts of the results table that can go wrong unseen."""

import csv

import numpy as np
import pytest
import SimpleITK as sitk
from paper import datasets, measuring, peers, results_tables


def row(method, fixed, moving, dice, version="1", seconds=1.0):
    measures = {"dice": dice, "asd_mm": 1.0, "hd95_mm": 3.0, "union_dice": 0.8, "union_asd_mm": 1.2, "folded": 0}
    names = {"method": method, "version": version, "fixed": fixed, "moving": moving}
    return names | measures | {"seconds": seconds, "threads": 2}


def save(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_the_page_shows_means_of_the_last_version_and_the_paired_difference(tmp_path):
    rows = [row("istn_affine_theta", "a", "b", 0.1, "old")]
    rows += [row("istn_affine_theta", "a", "b", 0.7, "new"), row("istn_affine_theta", "b", "a", 0.9, "new")]
    rows += [row("intensity_affine", "a", "b", 0.6), row("intensity_affine", "b", "a", 0.7)]
    save(tmp_path / "develop-test.csv", rows)
    results_tables.write(tmp_path, tmp_path, "develop-test")
    page = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert "| ISTN-e affine, refined (`theta`) | 2 | 0.800 ± 0.141 |" in page
    assert "Dice +0.150 ± 0.071 (better in 2 of 2 pairs)" in page
    assert "not for comparison" in page
    assert len((tmp_path / "results_pairs.csv").read_text().splitlines()) == 1 + 4


def test_seconds_come_from_the_idle_machine_once_measured(tmp_path):
    save(tmp_path / "develop-test.csv", [row("identity", "a", "b", 0.5, seconds=99.0)])
    save(tmp_path / "develop-test_seconds.csv", [row("identity", "a", "b", "", seconds=0.25)])
    results_tables.write(tmp_path, tmp_path, "develop-test")
    page = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert "| 0.25 |" in page
    assert "idle machine, 2 threads" in page


def test_timing_a_method_again_keeps_the_others(tmp_path):
    path = tmp_path / "seconds.csv"
    save(path, [row("identity", "a", "b", 0.5), row("best_affine", "a", "b", 0.5)])
    results_tables.forget(path, {"identity"})
    assert [kept["method"] for kept in measuring.read(path)] == ["best_affine"]


def test_subdividing_a_bspline_changes_nothing_but_its_control_points():
    image = sitk.Image([30, 28, 26], sitk.sitkFloat32)
    image.SetSpacing([1.5, 2.0, 1.0])
    image.SetDirection([-1, 0, 0, 0, -1, 0, 0, 0, 1])
    coarse = sitk.BSplineTransformInitializer(image, [3, 4, 5], 3)
    rng = np.random.default_rng(0)
    coarse.SetParameters(rng.normal(size=coarse.GetNumberOfParameters()).tolist())
    fine = peers.subdivided(coarse)
    assert fine.GetTransformDomainMeshSize() == (6, 8, 10)
    for index in rng.uniform(0, 1, (50, 3)) * [29, 27, 25]:
        point = image.TransformContinuousIndexToPhysicalPoint(index.tolist())
        assert np.allclose(coarse.TransformPoint(point), fine.TransformPoint(point), atol=1e-9)


@pytest.mark.shared
def test_pairs_are_all_ordered_ones_of_different_people():
    if not (datasets.DATA / "brain").is_dir():
        pytest.skip("needs ../shared/data/brain")
    pairs = datasets.datasets()["brain"].pairs("test")
    assert len(pairs) == len(set(pairs)) == 28
    assert all(fixed.person != moving.person for fixed, moving in pairs)
