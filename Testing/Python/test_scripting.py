"""The shell example of docs/scripting.md does what the page says (with a tiny checkpoint in place of ``brain``)."""

import csv
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from command import run, subject
from ISTNRegistrationLib.cli.main import whole_parser
from ISTNRegistrationLib.data.pairs import read_pairs

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


def test_the_slurm_example_does_every_pair_once(tmp_path):
    """Ten tasks, with plain bash in the place of Slurm and a stand-in that notes what istn is asked for."""
    if shutil.which("awk") is None or shutil.which("bash") is None:
        pytest.skip("needs bash and awk")
    script = re.search(r"```bash\n(#!/bin/bash\n#SBATCH.*?)```", PAGE, re.S).group(1)
    join = re.search(r"`(awk 'FNR[^`]*)`", PAGE).group(1)
    pairs = [f"/data/f{k}.nii.gz,/data/m{k}.nii.gz,p{k}" for k in range(100)]
    (tmp_path / "pairs.csv").write_text("\n".join(["fixed,moving,id", *pairs]) + "\n")
    stand_in = 'istn() { mkdir "$9"; cp "$3" "$9/batch.csv"; echo "$@" >> asked.txt; }\n'
    for task in range(10):
        environment = {**os.environ, "SLURM_ARRAY_TASK_ID": str(task), "SLURM_CPUS_PER_TASK": "4"}
        subprocess.run(["bash", "-c", stand_in + script], cwd=tmp_path, env=environment, check=True)
    assert [len(read_pairs(tmp_path / f"part-{task}.csv")) for task in range(10)] == [10] * 10
    subprocess.run(["bash", "-c", join], cwd=tmp_path, check=True)
    assert sorted((tmp_path / "all.csv").read_text().splitlines()) == sorted(["fixed,moving,id", *pairs])
    asked = (tmp_path / "asked.txt").read_text().splitlines()
    parser = whole_parser()
    outputs = [parser.parse_args(shlex.split(line)) for line in asked]
    assert len({str(args.output) for args in outputs}) == 10 and {args.threads for args in outputs} == {4}
