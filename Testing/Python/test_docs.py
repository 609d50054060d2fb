"""The Python of docs/scripting.md runs as it stands (with the tiny checkpoint in place of the shipped one)."""

import csv
import re
from pathlib import Path

import pytest
import slicer
from harness import scripted

scripted.install()
BLOCKS = re.findall(
    r"```python\n(.*?)```", (Path(__file__).parents[2] / "docs" / "scripting.md").read_text("utf-8"), re.S
)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_an_example_of_the_scripting_page_runs(scene, pair, checkpoint, tmp_path, monkeypatch, number):
    monkeypatch.chdir(tmp_path)
    text = BLOCKS[number].replace('checkpoint="brain"', f"checkpoint={str(checkpoint)!r}")
    assert str(checkpoint) in text
    exec(text, {"slicer": slicer})
    assert slicer.util.getNode("moving to fixed").IsLinear()


def test_the_batch_example_leaves_a_row_for_each_volume(scene, pair, checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(BLOCKS[1].replace('"brain"', repr(str(checkpoint))), {"slicer": slicer})
    rows = list(csv.DictReader((tmp_path / "batch.csv").open()))
    assert [(row["moving"], row["state"]) for row in rows] == [("moving", "done")]
