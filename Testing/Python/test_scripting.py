"""The shell example of docs/scripting.md does what the page says (with a tiny checkpoint in place of ``brain``)."""

import csv
import re
import shlex
from pathlib import Path

from command import run, subject

PAGE = (Path(__file__).parents[2] / "docs" / "scripting.md").read_text(encoding="utf-8")


def test_the_batch_of_the_page_runs_and_runs_again(checkpoint, tmp_path, monkeypatch):
    for number, name in enumerate("ab"):
        subject(tmp_path, name, 3, 3.0 * number)
    lines = ["a.nii.gz,b.nii.gz,a_soi.nii.gz,b_soi.nii.gz", "a.nii.gz,missing.nii.gz,,"]
    (tmp_path / "pairs.csv").write_text("\n".join(["fixed,moving,fixed_soi,moving_soi", *lines]) + "\n")
    monkeypatch.chdir(tmp_path)
    command = re.search(r"```\n(istn batch .*)\n```", PAGE).group(1)
    words = [str(checkpoint) if word == "brain" else word for word in shlex.split(command)[1:]]
    assert run(*words, "--device", "cpu", "--iterations", "2") == 1
    with Path("results/batch.csv").open(newline="", encoding="utf-8") as file:
        done, failed = csv.DictReader(file)
    assert done["state"] == "done" and 0 < float(done["dice"]) <= 1 and done["agreement"] and done["seconds"]
    assert failed["state"] == "failed" and "missing.nii.gz" in failed["message"]
    written = Path("results", done["folder"], "transform.h5").stat().st_mtime_ns
    (tmp_path / "missing.nii.gz").write_bytes((tmp_path / "b.nii.gz").read_bytes())
    assert run(*words, "--device", "cpu", "--iterations", "2") == 0
    assert Path("results", done["folder"], "transform.h5").stat().st_mtime_ns == written
