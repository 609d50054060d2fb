"""Checkpoints come back bit for bit; every damaged one is an InputError; reading one runs nothing."""

import ast
import dataclasses
import hashlib
import json
import os
import pickle
import typing
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from command import checkpoint_file, small_config
from ISTNRegistrationLib.core import card, checkpoint, container, legacy
from ISTNRegistrationLib.core.card import read_card
from ISTNRegistrationLib.core.checkpoint import load_checkpoint, save_checkpoint
from ISTNRegistrationLib.core.config import ModelConfig
from ISTNRegistrationLib.core.container import sealed
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.istn import ISTN

CARD = {"title": "tiny", "license": "CC0", "history": [{"step": 1, "loss": 0.25}], "ä": "ö"}


@pytest.fixture
def saved(tmp_path):
    return checkpoint_file(tmp_path / "tiny.h5", small_config(2))


def edit(path, change):
    """What a program of this format could have written: changed, with the digest of what it is now."""
    with h5py.File(path, "r+") as file:
        change(file)
    path.write_bytes(sealed(path.read_bytes()))
    return path


def replace(file, key, value):
    """Another dataset in the place of one; an empty group for None."""
    del file[key]
    if value is None:
        file.create_group(key)
    else:
        file[key] = value


BIAS = "weights/itn.out.bias"


def carded(text):
    """A change of the card's text."""
    return lambda file: file.attrs.__setitem__("card", text)


def linked(key, link):
    """A link in the place of what is there."""
    return lambda file: replace(file, key, link)


def compress(file):
    values = file[BIAS][()]
    del file[BIAS]
    file.create_dataset(BIAS, data=values, compression="gzip")


def external(file):
    """A name that would be waited for if it were opened."""
    os.mkfifo(Path(file.filename).with_name("pipe")) if hasattr(os, "mkfifo") else None
    del file[BIAS]
    name = str(Path(file.filename).with_name("pipe"))
    file.create_dataset(BIAS, (2,), "f4", external=[(name, 0, 8)])


def virtual(file):
    del file[BIAS]
    layout = h5py.VirtualLayout((2,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (2,))
    file.create_virtual_dataset(BIAS, layout)


def unwritten(file):
    del file[BIAS]
    file.create_dataset(BIAS, (2,), "f4")


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
    before, model = saved.read_bytes(), load_checkpoint(saved).model
    monkeypatch.setattr(Path, "write_bytes", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(InputError, match="cannot be written.*disk full"):
        save_checkpoint(saved, model, {})
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["tiny.h5"]


def test_numbers_that_are_not_finite_do_not_enter_a_card(saved):
    save_checkpoint(saved, load_checkpoint(saved).model, {"history": [{"loss": float("nan"), "step": 1}]})
    assert load_checkpoint(saved).card == {"history": [{"loss": None, "step": 1}]}


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
    "without configuration": (lambda f: f.attrs.__delitem__("config"), "configuration is damaged"),
    "with broken JSON": (lambda f: f.attrs.__setitem__("config", "{"), "configuration is damaged"),
    "with a card that is a list": (carded("[]"), "card is damaged. Expected a JSON object"),
    "with a card of bottomless JSON": (carded("[" * 100000), "card is damaged"),
    "with half a megabyte of nonsense": (carded("[" + "7" * 500000 + "]"), "damaged"),
    "with results that are a list": (carded('{"results": [1]}'), "'results' of its card"),
    "with steps that are text": (carded('{"steps": "many"}'), "'steps' of its card"),
    "with a title that is no text": (carded('{"title": 3}'), "'title' of its card"),
    "with half a character": (carded('{"title": "\\ud800"}'), "card is damaged"),
    "with bounds of NaN": (configure(affine={"translation_mm": float("nan")}), "affine.translation_mm"),
    "with an infinite offset": (
        configure(grid={"size": [16] * 2, "spacing": [2.0] * 2, "offset": [1e999, 0]}),
        "offset",
    ),
    "with a huge grid": (configure(grid={"size": [2000, 2000, 2000], "spacing": [1.0] * 3}), "too large"),
    "with a long grid": (configure(grid={"size": [12, 4000000], "spacing": [1.0] * 2}), "too large"),
    "with countless control points": (configure(bspline={"spacing_mm": 1e-4}), "bspline.spacing_mm"),
    "with huge layers": (configure(net={"itn_widths": [100000, 100000]}), r"wrong shape. Expected \(100000, 3"),
    "with a surplus key": (configure(color="red"), "unknown key"),
    "with an unknown method": (configure(method="magic"), "one of stn-u"),
    "of a four-dimensional grid": (configure(grid={"size": [4] * 4, "spacing": [1.0] * 4}), "2 or 3 numbers"),
    "with a missing tensor": (lambda f: f.__delitem__("weights/itn.out.weight"), "a tensor is missing.*itn.out.weight"),
    "without weights": (lambda f: f.__delitem__("weights"), "a tensor is missing"),
    "with a misshapen tensor": (
        lambda f: replace(f, "weights/itn.out.bias", np.zeros(5, np.float32)),
        r"wrong shape.*\(2,\); got \(5,\)",
    ),
    "with NaN": (lambda f: replace(f, BIAS, np.float32([0.0, np.nan])), "NaN or infinite"),
    "with infinity": (lambda f: replace(f, BIAS, np.float32([np.inf, 0.0])), "NaN or infinite"),
    "with a huge weight": (lambda f: replace(f, BIAS, np.float32([1e30, 0.0])), "no training reaches.*got 1e\\+30"),
    "with another kind of number": (lambda f: replace(f, BIAS, np.zeros(2)), "wrong type. Expected float32"),
    "with a compressed tensor": (compress, "not stored as one block"),
    "with a soft link": (linked(BIAS, h5py.SoftLink("/weights/itn.out.weight")), "link to somewhere else"),
    "with an external link": (linked(BIAS, h5py.ExternalLink("other.h5", "/x")), "link to somewhere else"),
    "with linked weights": (linked("weights", h5py.ExternalLink("other.h5", "/x")), "link to somewhere else"),
    "with values in another file": (external, "kept in other files"),
    "with virtual values": (virtual, "kept in other files"),
    "with a tensor that was never written": (unwritten, "not stored as one block"),
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


def test_every_flipped_bit_is_noticed(saved):
    """In text, digest, padding, HDF5's own bytes, configuration and weights."""
    data, rng = saved.read_bytes(), np.random.default_rng(0)
    for place in [0, 10, 60, 130, 500, 511, *range(512, 560), *rng.integers(512, len(data), 150)]:
        changed = bytearray(data)
        changed[place] ^= 1 << int(rng.integers(8))
        saved.write_bytes(changed)
        with pytest.raises(InputError, match="'tiny.h5': it cannot be read"):
            load_checkpoint(saved)


def test_a_card_says_the_same_as_the_loaded_checkpoint_and_has_no_warnings(saved):
    card, loaded = read_card(saved), load_checkpoint(saved)
    assert (card.config, card.card, card.sha256, card.name) == (loaded.config, loaded.card, loaded.sha256, loaded.name)
    assert card.verified and card.warnings == loaded.warnings == ()


@pytest.mark.parametrize("change, message", CONTENT.values(), ids=CONTENT)
def test_errors_are_short(change, message, saved):
    with pytest.raises(InputError) as error:
        load_checkpoint(edit(saved, change))
    assert len(str(error.value)) < 1000 and "\n" not in str(error.value)


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


@pytest.mark.parametrize("module", [card, checkpoint, container, legacy], ids=lambda module: module.__name__)
def test_the_reader_has_no_means_to_execute_anything(module):
    nodes = list(ast.walk(ast.parse(Path(module.__file__).read_text(encoding="utf-8"))))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    called = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
    assert not names & {"pickle", "eval", "exec", "compile", "__import__", "importlib", "marshal"}
    assert not called & {"torch.load", "np.load", "numpy.load"}
