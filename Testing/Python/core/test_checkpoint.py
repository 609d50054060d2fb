"""Checkpoints come back bit for bit; every damaged one is an InputError; reading one runs nothing."""

import ast
import dataclasses
import hashlib
import json
import pickle
import typing
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from command import checkpoint_file, small_config
from ISTNRegistrationLib.core import checkpoint as module
from ISTNRegistrationLib.core.checkpoint import find_checkpoint, load_checkpoint, models_folder, save_checkpoint
from ISTNRegistrationLib.core.config import ModelConfig
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.istn import ISTN

CARD = {"title": "tiny", "license": "CC0", "history": [{"step": 1, "loss": 0.25}], "ä": "ö"}


@pytest.fixture
def saved(tmp_path):
    return checkpoint_file(tmp_path / "tiny.h5", small_config(2))


def edit(path, change):
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def replace(file, key, value):
    """Another dataset in the place of one; an empty group for None."""
    del file[key]
    if value is None:
        file.create_group(key)
    else:
        file[key] = value


def configure(**changes):
    """A change of the configuration that the file holds."""

    def change(file):
        file.attrs["config"] = json.dumps({**json.loads(file.attrs["config"]), **changes})

    return change


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("method", ["istn-e", "stn-u"])
@pytest.mark.parametrize("transforms", [("affine", "bspline"), ("rigid",)])
def test_a_model_comes_back_bit_for_bit(ndim, method, transforms, tmp_path):
    torch.manual_seed(1)
    model = ISTN(small_config(ndim, method=method, transforms=transforms))
    save_checkpoint(tmp_path / "a.h5", model, CARD)
    loaded = load_checkpoint(tmp_path / "a.h5")
    assert loaded.config == model.config and loaded.card == CARD and loaded.name == "a"
    first, second = model.state_dict(), loaded.model.state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not loaded.model.training and not any(p.requires_grad for p in loaded.model.parameters())


def test_the_hash_is_that_of_the_file(saved):
    assert load_checkpoint(saved).sha256 == hashlib.sha256(saved.read_bytes()).hexdigest()


def test_saving_twice_gives_the_same_tensors_and_leaves_nothing_else(saved):
    model = load_checkpoint(saved).model
    save_checkpoint(saved, model, {})
    assert [path.name for path in saved.parent.iterdir()] == ["tiny.h5"]
    again = load_checkpoint(saved).model.state_dict()
    assert all(torch.equal(value, again[key]) for key, value in model.state_dict().items())


def test_a_failing_write_leaves_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()
    model = load_checkpoint(saved).model
    monkeypatch.setattr(module.json, "dumps", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(InputError, match="cannot be written.*disk full"):
        save_checkpoint(saved, model, {})
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["tiny.h5"]


FILES = {
    "empty": lambda data: b"",
    "cut in half": lambda data: data[: len(data) // 2],
    "cut by a byte": lambda data: data[:-1],
    "random": lambda data: np.random.default_rng(0).bytes(len(data)),
    "text": lambda data: b"weights, honestly\n" * 100,
    "a pickle": lambda data: pickle.dumps({"weights": [1.0]}),
    "zeros inside": lambda data: data[:100] + bytes(2000) + data[2100:],
}
CONTENT = {
    "of another kind": (lambda f: f.attrs.clear(), "another kind"),
    "of a later version": (lambda f: f.attrs.__setitem__("format_version", 2), "unknown format version.*1; got 2"),
    "without a version": (lambda f: f.attrs.__delitem__("format_version"), "unknown format version"),
    "without configuration": (lambda f: f.attrs.__delitem__("config"), "cannot be read"),
    "with broken JSON": (lambda f: f.attrs.__setitem__("config", "{"), "cannot be read"),
    "with a surplus key": (configure(colour="red"), "unknown key"),
    "with an unknown method": (configure(method="magic"), "one of stn-u"),
    "of a four-dimensional grid": (configure(grid={"size": [4] * 4, "spacing": [1.0] * 4}), "2 or 3 numbers"),
    "with a missing tensor": (lambda f: f.__delitem__("weights/itn.out.weight"), "a tensor is missing.*itn.out.weight"),
    "without weights": (lambda f: f.__delitem__("weights"), "a tensor is missing"),
    "with a misshapen tensor": (
        lambda f: replace(f, "weights/itn.out.bias", np.zeros(5)),
        r"wrong shape.*\(2,\); got \(5,\)",
    ),
    "with NaN": (lambda f: replace(f, "weights/itn.out.bias", [0.0, np.nan]), "NaN or infinite"),
    "with infinity": (lambda f: replace(f, "weights/itn.out.bias", [np.inf, 0.0]), "NaN or infinite"),
}


MADE_ON_PURPOSE = {
    "version that is no number": lambda f: f.attrs.__setitem__("format_version", "one"),
    "configuration that is no text": lambda f: f.attrs.__setitem__("config", 3),
    "group in a tensor's place": lambda f: replace(f, "weights/itn.out.bias", None),
    "text in a tensor's place": lambda f: replace(f, "weights/itn.out.bias", ["a", "b"]),
    "complex tensor": lambda f: replace(f, "weights/itn.out.bias", [1j, 2.0]),
    "spacing of zero": configure(grid={"size": [16, 16], "spacing": [0.0, 0.0]}),
    "spacing that is no number": configure(grid={"size": [16, 16], "spacing": [float("nan")] * 2}),
    "control points of no spacing": configure(bspline={"spacing_mm": 0.0}),
    "networks without a layer": configure(net={"itn_widths": []}),
}


@pytest.mark.parametrize("damage", FILES.values(), ids=FILES)
def test_a_damaged_file_is_an_input_error_that_names_it(damage, saved):
    saved.write_bytes(damage(saved.read_bytes()))
    with pytest.raises(InputError, match=r"'tiny.h5'.*Expected .*; got .*\. .*istn train\.$"):
        load_checkpoint(saved)


@pytest.mark.parametrize("change, message", CONTENT.values(), ids=CONTENT)
def test_wrong_content_is_an_input_error_that_says_what(change, message, saved):
    with pytest.raises(InputError, match=message):
        load_checkpoint(edit(saved, change))


@pytest.mark.parametrize("change", MADE_ON_PURPOSE.values(), ids=MADE_ON_PURPOSE)
def test_what_only_malice_writes_is_an_input_error_too(change, saved):
    edit(saved, change)
    with pytest.raises(InputError):
        load_checkpoint(saved)


@pytest.mark.parametrize("seed", range(20))
def test_flipped_bytes_are_an_input_error_or_harmless(seed, saved):
    rng, data = np.random.default_rng(seed), bytearray(saved.read_bytes())
    for place in rng.integers(0, len(data), 30):
        data[place] = rng.integers(256)
    saved.write_bytes(bytes(data))
    try:
        load_checkpoint(saved)
    except InputError:
        pass


def test_a_name_that_is_none_lists_the_shipped_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "models_folder", lambda: tmp_path)
    (tmp_path / "brain.h5").touch()
    assert find_checkpoint("brain") == tmp_path / "brain.h5"
    with pytest.raises(InputError, match="no such name or file.*brain.*got liver"):
        find_checkpoint("liver")


def test_shipped_checkpoints_are_looked_for_in_the_modules_resources():
    assert models_folder().parts[-3:] == ("ISTNRegistration", "Resources", "Models")


def keys_of(kind, prefix=""):
    """Every key that a configuration may have, as `grid.size`."""
    for field, hint in typing.get_type_hints(kind).items():
        if dataclasses.is_dataclass(hint):
            yield from keys_of(hint, f"{prefix}{field}.")
        else:
            yield prefix + field


@pytest.mark.parametrize("key", list(keys_of(ModelConfig)))
def test_the_document_explains_every_key(key):
    document = Path(__file__).resolve().parents[3] / "docs" / "checkpoint.md"
    assert f"\n| `{key}` | " in document.read_text(encoding="utf-8")


def test_reading_executes_nothing(saved, monkeypatch):
    """Nothing is unpickled, and no part of the file is a Python object."""

    def forbidden(*_, **__):
        raise AssertionError("reading must not execute anything")

    for owner, name in ((torch, "load"), (pickle, "load"), (pickle, "loads"), (pickle, "Unpickler"), (np, "load")):
        monkeypatch.setattr(owner, name, forbidden)
    load_checkpoint(saved)
    kinds = []
    with h5py.File(saved) as file:
        file.visititems(lambda _, item: kinds.append(item.dtype) if isinstance(item, h5py.Dataset) else None)
        attributes = {key: type(value) for key, value in file.attrs.items()}
    assert kinds and all(kind == np.float32 for kind in kinds)
    assert attributes == {"format": str, "format_version": np.int64, "config": str, "card": str}


def test_the_reader_has_no_means_to_execute_anything():
    nodes = list(ast.walk(ast.parse(Path(module.__file__).read_text(encoding="utf-8"))))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    called = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
    assert not names & {"pickle", "eval", "exec", "compile", "__import__", "importlib", "marshal"}
    assert not called & {"torch.load", "np.load", "numpy.load"}
