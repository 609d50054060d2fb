"""Checkpoints are found by name or path, and cards are read without torch; what is no file is not waited for."""

import os
import shutil

import pytest
from command import checkpoint_file, small_config
from ISTNRegistrationLib.app.card_text import cardText
from ISTNRegistrationLib.cli.info import lines
from ISTNRegistrationLib.core import card as module
from ISTNRegistrationLib.core import container
from ISTNRegistrationLib.core.card import find_checkpoint, models_folder, read_card, shipped
from ISTNRegistrationLib.core.checkpoint import load_checkpoint, save_checkpoint
from ISTNRegistrationLib.core.errors import InputError


@pytest.fixture
def saved(tmp_path):
    return checkpoint_file(tmp_path / "tiny.h5", small_config(2))


def test_every_file_in_the_folder_of_models_is_a_shipped_name(saved, monkeypatch):
    monkeypatch.setattr(module, "models_folder", lambda: saved.parent)
    shutil.copy(saved, saved.with_name("liver.h5"))
    assert shipped() == {"liver": saved.with_name("liver.h5"), "tiny": saved}
    assert find_checkpoint("liver") == saved.with_name("liver.h5") and read_card("liver").name == "liver"
    with pytest.raises(InputError, match="no such name or file.*shipped one .liver, tiny.*got heart"):
        find_checkpoint("heart")


def test_shipped_checkpoints_are_in_the_modules_resources_and_hold_a_digest():
    assert models_folder().parts[-3:] == ("ISTNRegistration", "Resources", "Models")
    assert {"brain", "hippocampus"} <= set(shipped())
    assert all(read_card(name).verified for name in shipped())


@pytest.mark.parametrize("name", ["", "a\0b", "x" * 300, "nowhere/x.h5", "\udcff.h5"])
def test_names_that_cannot_be_are_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError):
        read_card(name)


def test_folders_pipes_and_devices_are_refused_at_once(tmp_path):
    names = [tmp_path]
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.h5")
        names += [tmp_path / "pipe.h5", "/dev/zero"]
    for name in names:
        with pytest.raises(InputError, match="got a folder, pipe or device"):
            read_card(name)


def test_a_file_larger_than_any_checkpoint_is_not_read(saved, monkeypatch):
    monkeypatch.setattr(container, "LARGEST_FILE", 1 << 10)
    with pytest.raises(InputError, match="it is too large"):
        read_card(saved)


@pytest.mark.parametrize("first", [b"PK\x03\x04rest", b"\x80\x02rest"])
def test_a_file_of_torch_is_to_be_converted(first, tmp_path):
    (tmp_path / "old.pt").write_bytes(first)
    with pytest.raises(InputError, match=r"a file of torch.save \(.pt\)\. Convert it with istn convert"):
        read_card(tmp_path / "old.pt")


def test_without_h5py_the_message_says_what_to_install(saved, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(InputError, match="Expected the package h5py.*Install what is missing"):
        read_card(saved)


MEASURED = {"methods": {"a": {"pairs": 1, "dice": [0.5, 0.1]}}}
LEFT_OUT = [{"steps": 3}, {"results": MEASURED}, {"steps": 3, "results": None, "best": None}]


@pytest.mark.parametrize("card", LEFT_OUT)
def test_a_card_that_says_less_is_shown_by_shell_and_panel(tmp_path, card):
    path = checkpoint_file(tmp_path / "tiny.h5", small_config(2))
    save_checkpoint(path, load_checkpoint(path).model, card)
    assert lines(load_checkpoint(path)) and cardText(read_card(path))


PLACES = {"points_mm": [[1.0, 2.0], [3.0, 4.0]], "weights": [1.0, 0.5]}
SPOILED = [{"points_mm": [[1.0, 2.0]]}, {"points_mm": [[1.0], [2.0]]}, {"weights": [1.0, None]}, {"weights": [-1, 1]}]
CARDS = [{"augment": []}, {"constellation": "x"}, *({"constellation": PLACES | change} for change in SPOILED)]


@pytest.mark.parametrize("card", CARDS)
def test_what_a_registration_could_not_use_is_refused_when_it_is_read(tmp_path, card):
    path = checkpoint_file(tmp_path / "tiny.h5", small_config(2))
    model = load_checkpoint(path).model
    save_checkpoint(path, model, {"constellation": PLACES})
    assert read_card(path).card["constellation"] == PLACES
    save_checkpoint(path, model, card)
    with pytest.raises(InputError, match="augment|constellation"):
        read_card(path)
