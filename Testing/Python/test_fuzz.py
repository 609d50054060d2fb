"""A few hostile checkpoints and images, seeded; many of them by hand: `python -m fuzz.run` (fuzz/run.py)."""

import sys

import pytest

pytest.importorskip("resource", reason="the memory of a process is read where Python can tell it")
from fuzz.run import fuzz  # noqa: E402


@pytest.mark.skipif(sys.platform == "win32", reason="processes are ended by signals")
@pytest.mark.parametrize("what", ["checkpoints", "images"])
def test_a_hostile_file_is_refused_in_one_line_or_read_as_it_was_written(what):
    found = fuzz(what, 40, first=1000)
    assert found["failures"] == [] and sum(found["outcomes"].values()) == 40
