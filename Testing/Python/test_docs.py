"""The Python of docs/scripting.md runs as it stands (with the tiny checkpoint in place of the shipped one)."""

import ast
import csv
import re
from pathlib import Path

import pytest
import slicer
from command import subject
from harness import scripted
from ISTNRegistrationLib.data.images import read_image
from ISTNRegistrationLib.data.transforms import read_transform

scripted.install()
BLOCKS = re.findall(
    r"```python\n(.*?)```", (Path(__file__).parents[2] / "docs" / "scripting.md").read_text("utf-8"), re.S
)


def test_the_plain_python_of_the_page_runs_from_files(checkpoint, tmp_path, monkeypatch, capsys):
    for name, shift in (("fixed", 0.0), ("moving", 3.0)):
        for path, end in zip(subject(tmp_path, name, 3, shift), ("", "_labels"), strict=True):
            path.rename(tmp_path / f"{name}{end}.nii.gz")
    monkeypatch.chdir(tmp_path)
    exec(BLOCKS[0].replace('"brain"', repr(str(checkpoint))), {})
    said = capsys.readouterr().out
    assert all(stage in said for stage in ("initial", "bspline refined")) and read_transform("transform.h5").residual
    assert read_image("warped.nii.gz").grid.size == read_image("fixed.nii.gz").grid.size


@pytest.mark.parametrize("number", range(1, len(BLOCKS)))
def test_an_example_of_the_scripting_page_runs(scene, pair, checkpoint, tmp_path, monkeypatch, number):
    monkeypatch.chdir(tmp_path)
    text = BLOCKS[number].replace('checkpoint="brain"', f"checkpoint={str(checkpoint)!r}")
    assert str(checkpoint) in text
    exec(text, {"slicer": slicer})
    assert slicer.util.getNode("moving to fixed").IsLinear()


def test_the_batch_example_leaves_a_row_for_each_volume(scene, pair, checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(BLOCKS[2].replace('"brain"', repr(str(checkpoint))), {"slicer": slicer})
    rows = list(csv.DictReader((tmp_path / "batch.csv").open()))
    assert [(row["moving"], row["state"]) for row in rows] == [("moving", "done")]


DOCS = Path(__file__).parents[2] / "docs"
ROOT = DOCS.parent


def test_every_page_is_linked_from_the_index():
    pages = {path.name for path in DOCS.glob("*.md")} - {"index.md"}
    assert set(re.findall(r"\]\((\w+\.md)\)", (DOCS / "index.md").read_text("utf-8"))) == pages


def test_every_script_that_is_named_anywhere_exists():
    folders = [ROOT / name for name in ("docs", "scripts", "Testing", "ISTNRegistration", "Resources")]
    files = [*ROOT.glob("*"), *(path for folder in folders for path in folder.rglob("*"))]
    files = [path for path in files if path.suffix in (".py", ".md", ".toml", ".txt")]
    named = {name for path in files for name in re.findall(r"\bscripts/[\w/]+\.py\b", path.read_text("utf-8"))}
    assert len(named) > 30 and sorted(name for name in named if not (ROOT / name).is_file()) == []


def test_every_script_that_is_started_on_its_own_and_every_page_that_one_makes_is_in_the_list():
    page = (DOCS / "making.md").read_text("utf-8")
    started = [p for p in (ROOT / "scripts").glob("*/*.py") if '__name__ == "__main__"' in p.read_text("utf-8")]
    names = [f"`python {path.relative_to(ROOT).as_posix()}" for path in started]
    assert len(names) > 25 and [name for name in names if name not in page] == []
    made = re.compile(r"(Written|Made) by `(python )?scripts")
    made = [path.name for path in DOCS.glob("*.md") if made.search(path.read_text("utf-8"))]
    assert len(made) > 5 and [name for name in made if f"]({name})" not in page] == []


def test_the_page_of_checkpoints_names_every_key_of_a_card():
    source = ROOT / "ISTNRegistration" / "ISTNRegistrationLib" / "cli" / "training_outputs.py"
    tree = ast.parse(source.read_text("utf-8"))
    (card,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "model_card"]
    keys = {key.value for node in ast.walk(card) if isinstance(node, ast.Dict) for key in node.keys if key is not None}
    page = (DOCS / "checkpoint.md").read_text("utf-8")
    assert len(keys) > 10 and [key for key in keys - {"python", "torch", "numpy"} if f"`{key}`" not in page] == []


def test_no_page_and_no_configuration_names_a_folder_that_only_we_have():
    files = [*DOCS.glob("*.md"), ROOT / "README.md", *(ROOT / "Resources" / "Configs").glob("*.toml")]
    assert len(files) > 25 and [path.name for path in files if "../shared" in path.read_text("utf-8")] == []
