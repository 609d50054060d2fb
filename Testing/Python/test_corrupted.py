"""Corrupted labels are corrupted as they say."""

import numpy as np
from paper import corrupted


def blob() -> np.ndarray:
    labels = np.zeros((16, 20, 14), np.uint8)
    labels[5:11, 4:10, 4:9] = 1
    labels[5:11, 10:16, 4:9] = 2
    return labels


def test_an_eroded_structure_loses_its_outermost_voxel_and_no_label_changes():
    labels, result = blob(), corrupted.eroded(blob())
    expected = np.zeros_like(labels)
    expected[6:10, 5:15, 5:8] = labels[6:10, 5:15, 5:8]
    assert np.array_equal(result, expected)


def test_a_shifted_structure_is_the_same_one_about_three_voxels_away():
    labels, result = blob(), corrupted.shifted(blob(), np.random.default_rng(1))
    moved = np.argwhere(result).mean(axis=0) - np.argwhere(labels).mean(axis=0)
    assert 2 <= np.linalg.norm(moved) <= 4
    assert np.bincount(result.ravel()).tolist()[1:] == np.bincount(labels.ravel()).tolist()[1:]


def test_half_of_the_scans_lose_half_of_their_structure_at_one_end():
    whole = (blob() > 0).sum()
    shares = [(corrupted.missing(blob(), np.random.default_rng(i)) > 0).sum() / whole for i in range(200)]
    assert 0.4 <= np.mean(np.array(shares) == 1.0) <= 0.6
    assert all(0.4 <= share <= 0.6 for share in shares if share < 1.0)
