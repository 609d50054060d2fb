"""A few kills, seeded; many of them by hand: `python -m fuzz.kills 60` (fuzz/kills.py)."""

import pytest
from fuzz.kills import Kills


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return Kills(tmp_path_factory.mktemp("kills"), steps=6, pairs=2)


@pytest.mark.parametrize("command", ["train", "batch"])
def test_a_killed_run_goes_on_to_the_result_of_an_undisturbed_one_and_leaves_nothing(runs, command):
    """On a busy machine a process may end before its kill: then another one is tried."""
    for seed in range(2, 12):
        case = runs.case(seed, command)
        assert case["wrong"] == []
        if case["kills"]:
            return
    raise AssertionError("no kill met a running process")
