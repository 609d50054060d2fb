"""Disks that are full or read-only, files in the place of folders, long names: one line, exit 2, nothing changed."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders import make_grid
from command import checkpoint_file, files_in, run, small_config, subject
from disks import fill, read_only, state
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.files import clear_leftovers, temporary_name, write_bytes, write_text
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data.images import write_image
from ISTNRegistrationLib.data.markups import write_markups
from ISTNRegistrationLib.data.transforms import write_transform
from messy import write_messy
from study import write_study

MODULE = Path(__file__).resolve().parents[2] / "ISTNRegistration"
COMMANDS = ["register", "register-all", "batch", "evaluate", "prepare", "train", "synthesize", "apply", "init"]


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Input of every command, on a disk with room."""
    folder = tmp_path_factory.mktemp("given")
    pairs = [subject(folder, name, 3, shift) for name, shift in (("fixed", 0.0), ("moving", 3.0))]
    names = ",".join(path.name for path in (pairs[0][0], pairs[1][0], pairs[0][1], pairs[1][1]))
    (folder / "pairs.csv").write_text(f"fixed,moving,fixed_soi,moving_soi\n{names}\n")
    checkpoint_file(folder / "tiny.h5", small_config(3))
    write_transform(folder / "t.h5", SpatialTransform(np.eye(4)))
    (folder / "study").mkdir()
    write_study(folder / "study", 3, steps=3)
    (folder / "messy").mkdir()
    write_messy(folder / "messy", 2, count=6)
    return folder


def words(command, given, out):
    """A call of ``istn`` that writes to ``out``: a file for evaluate and register, a folder for others."""
    checkpoint = ["--checkpoint", given / "tiny.h5", "--iterations", 2, "--device", "cpu"]
    config = ["--config", given / "study" / "config.toml", "--output", out]
    images = ["--fixed", given / "fixed.nii.gz", "--moving", given / "moving.nii.gz"]
    images += ["--output-transform", out.with_name("t.tfm")]
    beside = {"output-field": "u.nii.gz", "output-inverse": "i.h5", "output-linear": "a.mat", "report": "r.html"}
    beside |= {"output-heatmaps": "maps", "pictures": "pictures"}
    every = [word for key, name in beside.items() for word in (f"--{key}", out.with_name(name))]
    calls = {
        "register-all": [*images, *checkpoint, "--output-volume", out, *every],
        "init": [given / "messy", "--output", out],
        "register": [*images, *checkpoint, "--output-volume", out, "--json", Path(f"{out}.json")],
        "batch": ["--pairs", given / "pairs.csv", *checkpoint, "--output", out],
        "evaluate": ["--pairs", given / "pairs.csv", *checkpoint, "--output", out],
        "prepare": config,
        "train": [*config, "--device", "cpu"],
        "synthesize": ["--count", 3, "--size", 64, "--dimension", 3, "--output", out],
        "apply": [
            *["--transform", given / "t.h5", "--reference", given / "fixed.nii.gz"],
            *["--images", given / "moving.nii.gz", "--output-folder", out],
        ],
    }
    return [command.split("-")[0], *map(str, calls[command])]


def output(command, folder):
    return folder / {"register": "w.nii", "register-all": "w.nii", "evaluate": "results.csv"}.get(command, "out")


def lines(text):
    """What is said besides progress."""
    return [
        line
        for line in text.replace("\r", "\n").splitlines()
        if line.strip() and "%|" not in line and "it/s" not in line
    ]


@pytest.mark.slow
@pytest.mark.parametrize("free", [0, 9_000, 40_000])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_is_one_line_and_leaves_what_was_there(command, free, given, disk):
    """Another process runs the command: the libraries below end theirs when they are not looked after."""
    target = output(command, disk)
    older = {"w.nii": b"older", "w.nii.json": b"older"} if command == "register" else {}
    for name, content in older.items():
        (disk / name).write_bytes(content)
    fill(disk, free)
    before = state(disk)
    call = [sys.executable, "-m", "ISTNRegistrationLib.cli", *words(command, given, target)]
    done = subprocess.run(call, cwd=MODULE, capture_output=True, encoding="utf-8", check=False)
    assert "Traceback" not in done.stderr and done.returncode >= 0
    if done.returncode == 0 and free == 40_000:
        return  # it fits
    if (command, done.returncode) in (("batch", 1), ("evaluate", 1), ("evaluate", 0)):
        return  # the table fits: all is well, or the pair that does not fit is a failed one
    said = lines(done.stderr)
    assert done.returncode == 2, done.stderr
    assert f"istn {command.split('-')[0]}: error: " in said[-1]
    after = state(disk)
    assert {name: after[name] for name in before} == before
    assert not [name for name in after if ".istn-" in name or name.startswith(".")]


@pytest.mark.parametrize("free", [0, 30_000])
def test_training_on_on_a_full_disk_is_one_line_and_leaves_the_finished_run(free, given, disk, capsys):
    out, config = disk / "out", ["--config", given / "study" / "config.toml"]
    call = ["train", *map(str, config), "--device", "cpu", "--output", str(out)]
    assert run(*call) in (0, 3) and (out / "training.html").is_file()
    fill(disk, free)
    before = state(disk)
    capsys.readouterr()
    assert run(*call, "--steps", "3") == 2
    assert "istn train: error: " in lines(capsys.readouterr().err)[-1]
    after = state(disk)
    assert {name: after[name] for name in before if "tensorboard" not in name} == {
        name: content for name, content in before.items() if "tensorboard" not in name
    }
    assert not [name for name in after if ".istn-" in name]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_read_only_disk_is_one_line(command, given, disk, capsys):
    read_only(disk)
    assert run(*words(command, given, output(command, disk))) == 2
    assert len(lines(capsys.readouterr().err)) == 1 and not files_in(disk)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_in_the_place_of_a_folder_is_one_line(command, given, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert run(*words(command, given, output(command, tmp_path / "file"))) == 2
    assert len(lines(capsys.readouterr().err)) == 1
    assert files_in(tmp_path) == {"file"} and (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_name_of_300_letters_is_one_line(command, given, tmp_path, capsys):
    name = output(command, tmp_path)
    assert run(*words(command, given, name.with_name("x" * 300 + name.suffix))) == 2
    assert len(lines(capsys.readouterr().err)) == 1 and not files_in(tmp_path)


WRITERS = {
    "i.nii": lambda path: write_image(path, noise()),
    "i.nii.gz": lambda path: write_image(path, noise()),
    "i.nrrd": lambda path: write_image(path, noise()),
    "i.mha": lambda path: write_image(path, noise()),
    "i.gipl": lambda path: write_image(path, noise()),
    "t.h5": lambda path: write_transform(path, SpatialTransform(np.eye(4))),
    "t.tfm": lambda path: write_transform(path, SpatialTransform(np.eye(4))),
    "m.mrk.json": lambda path: write_markups(path, [("Curve", np.zeros((1000, 3)))]),
    "t.txt": lambda path: write_text(path, "text" * 5000, "Text"),
}


def noise():
    grid = make_grid(3)
    return Volume(np.random.default_rng(0).integers(0, 60000, grid.shape).astype(np.uint16), grid)


@pytest.mark.parametrize("name", WRITERS)
def test_every_writer_notices_a_full_disk_and_keeps_the_older_file(name, disk):
    (disk / name).write_bytes(b"older")
    fill(disk, 0)
    with pytest.raises(InputError, match="cannot be written"):
        WRITERS[name](disk / name)
    assert state(disk) == {name: b"older"}
    (disk / "fill").unlink()
    WRITERS[name](disk / name)
    assert len((disk / name).read_bytes()) > 100


def test_what_a_killed_run_left_is_cleared_by_the_next_one_of_the_same_file(tmp_path):
    """The number of a process that has ended; files of other outputs and of running processes stay."""
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    ended, mine = done.stdout.strip(), str(os.getpid())
    path = tmp_path / "a.nii.gz"
    one = temporary_name(path)
    left = [one.name.replace(mine, ended), temporary_name(one).name.replace(mine, ended)]
    running = one.name.replace(mine, str(os.getppid()))
    other = temporary_name(tmp_path / "b.nii.gz").name.replace(mine, ended)
    for name in (*left, running, other):
        (tmp_path / name).touch()
    (tmp_path / f"{one.name.replace(mine, ended).split('.nii')[0]}-abc").mkdir()
    clear_leftovers(path)
    assert files_in(tmp_path) == {running, other}
    write_bytes(path, b"x", "File")
    assert files_in(tmp_path) == {running, other, "a.nii.gz"}


def test_a_long_name_that_the_system_allows_can_be_written(tmp_path):
    write_bytes(tmp_path / ("x" * 240 + ".bin"), b"x", "File")
    assert len(list(tmp_path.iterdir())) == 1
