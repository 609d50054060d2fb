"""What the tables of the paper are made with: scores, paired differences, configurations."""

try:
    import tomllib
except ImportError:
    import tomli as tomllib
from pathlib import Path

import numpy as np
import pytest
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.volume import Volume
from paper import datasets, experiments, methods, table1_peers, table1_report

SHARED = Path(__file__).resolve().parents[3] / "shared"


def test_the_average_hausdorff_distance_is_small_where_masks_overlap():
    """A cube of 10 voxels shifted by one: its filled mask has a tenth of the voxels one voxel outside the other."""
    first, second = np.zeros((14, 14, 14), bool), np.zeros((14, 14, 14), bool)
    first[2:12, 2:12, 2:12], second[3:13, 2:12, 2:12] = True, True
    assert datasets.average_hausdorff(first, second, (2.0, 2.0, 2.0)) == pytest.approx(0.1 * 2.0)
    assert np.isnan(datasets.average_hausdorff(first, first & False, (1.0, 1.0, 1.0)))


def test_a_crop_around_structures_keeps_every_voxel_in_its_place():
    grid = Grid.centered((3.0, -2.0, 5.0), (60, 70, 80), (1.0, 1.5, 2.0))
    labels = np.zeros(grid.shape, np.uint8)
    labels[40, 35, 30] = 7
    small = datasets.around_structures(Volume(labels, grid, "labels"))
    assert small.array.shape == (41, 41, 41) and small.array[20, 20, 20] == 7
    np.testing.assert_allclose(small.grid.index_to_physical([20.0] * 3), grid.index_to_physical([30.0, 35.0, 40.0]))


@pytest.mark.parametrize(("mean", "word"), [(0.05, "holds"), (-0.05, "does not hold"), (0.015, "undecided")])
def test_a_difference_within_two_standard_errors_decides_nothing(mean, word):
    assert table1_report.verdict(mean, 0.01) == word


def test_differences_are_paired():
    first = {("a", "b"): {"dice": "0.9"}, ("c", "d"): {"dice": "0.5"}, ("e", "f"): {"dice": "0.1"}}
    second = {("a", "b"): {"dice": "0.8"}, ("c", "d"): {"dice": "0.3"}}
    mean, error, sentence = table1_report.difference(first, second)
    assert mean == pytest.approx(0.15) and error == pytest.approx(0.05) and "2 of 2 pairs" in sentence


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the data beside the project (../shared) are not here")
def test_every_experiment_has_a_configuration_of_its_own_method(tmp_path):
    names = [e.name for e in experiments.experiments()]
    assert len(set(names)) == len(names)
    for experiment in experiments.experiments():
        if not experiment.corruption:
            config = tomllib.loads(experiments.configuration(experiment, tmp_path / experiment.name))
            assert config["model"]["method"] == experiment.method


def test_the_shipped_checkpoint_is_compared_on_the_pairs_that_both_have():
    def row(dice, seconds, folded):
        return {"dice": dice, "asd": "1.0", "seconds": seconds, "folded": folded}

    scores = {
        ("shipped", "dense"): {("a", "b"): row("0.8", "6", "0"), ("b", "a"): row("0.9", "4", "2")},
        ("greedy", "bspline"): {("a", "b"): row("0.7", "40", ""), ("c", "a"): row("0.1", "90", "")},
    }
    greedy, dense = table1_peers.table(scores).splitlines()[2:]
    assert greedy == "| Greedy: deformable | 1 | 0.700 ± 0.000 | 1.00 ± 0.00 | +0.100 | 1 of 1 | - | 40.0 |"
    assert dense == "| **ISTN, shipped: dense** | 2 | 0.850 ± 0.071 | 1.00 ± 0.00 |  |  | 1 | 5.0 |"


def test_zeros_around_a_crop_leave_its_voxels_in_their_places():
    grid = Grid.centered((3.0, -2.0, 5.0), (4, 5, 6), (1.0, 1.5, 2.0))
    whole = methods.padded(Volume(np.ones(grid.shape), grid, "crop"), 2)
    assert whole.array.shape == (10, 9, 8) and whole.array.sum() == 4 * 5 * 6 and whole.array[2, 2, 2] == 1
    np.testing.assert_allclose(whole.grid.index_to_physical([2.0] * 3), grid.origin)
