"""A few hostile files of every kind, seeded; many of them by hand: `python -m fuzz.run` (fuzz/run.py)."""

import sys

import pytest

pytest.importorskip("resource", reason="the memory of a process is read where Python can tell it")
from fuzz.run import fuzz  # noqa: E402


@pytest.mark.skipif(sys.platform == "win32", reason="processes are ended by signals")
@pytest.mark.parametrize(("what", "count"), [("checkpoints", 20), ("images", 60), ("lists", 60), ("transforms", 60)])
def test_a_hostile_file_is_refused_in_one_line_or_read_as_it_was_written(what, count):
    found = fuzz(what, count, first=1000)
    assert found["failures"] == [] and sum(found["outcomes"].values()) == found["cases"] == count
    assert any(key.endswith(": refused") for key in found["outcomes"])
    assert any(key.endswith((": read", ": loaded")) for key in found["outcomes"])
