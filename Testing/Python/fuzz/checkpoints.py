"""Hostile checkpoints: bytes flipped, cut, moved; contents that no program of ours would write, with a right digest."""

import json
import math
from pathlib import Path

import h5py
import numpy as np
import torch
from command import checkpoint_file, small_config
from harness.models import tiny_pair
from ISTNRegistrationLib.app.card_text import cardText
from ISTNRegistrationLib.cli.info import lines
from ISTNRegistrationLib.core.card import read_card
from ISTNRegistrationLib.core.checkpoint import load_checkpoint, save_checkpoint
from ISTNRegistrationLib.core.container import sealed
from ISTNRegistrationLib.core.options import RegisterOptions
from ISTNRegistrationLib.core.pose import Constellation
from ISTNRegistrationLib.core.pose import to_card as pose_card
from ISTNRegistrationLib.core.trust import FEATURES, LOOKS, TrustModel, to_card
from ISTNRegistrationLib.data.page import write_page
from ISTNRegistrationLib.data.run import Request, Side, run

from .bytes import damaged
from .places import clear, no_plain_file

ODD = [math.nan, math.inf, -math.inf, -1, 0, 1e300, 10**30, 2**31, 1e-300, "", "x" * 1000, None, True, [], {}, [[[]]]]
KINDS = (
    *("bytes", "bytes of an older file", "resealed bytes", "attribute headers", "older attribute headers"),
    *("configuration", "card", "content", "older content", "no plain file"),
)
MARKS = (b"config", b"card", b"format", b"weights", b"TREE", b"HEAP", b"SNOD", b"itn", b"stn")


class Checkpoints:
    """Cases of one base file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "case.h5"
        self.page = folder / "page.html"
        base = checkpoint_file(folder / "base.h5", small_config(3))
        save_checkpoint(base, load_checkpoint(base).model, full_card())
        self.base, self.wanted = base.read_bytes(), load_checkpoint(base)
        self.older = older(base, folder / "older.h5").read_bytes()
        self.pair = [Side(volume) for volume in tiny_pair()]

    def write(self, seed: int) -> str:
        """Write case ``seed``; its kind."""
        rng = np.random.default_rng([1, seed])
        kind = KINDS[seed % len(KINDS)]
        clear(self.path)
        if kind == "no plain file":
            no_plain_file(self.path, self.base, rng)
        elif kind in ("configuration", "card", "content", "older content"):
            self._write_content(kind, rng)
        else:
            self.path.write_bytes(self._bytes(kind, rng))
        return kind

    def _bytes(self, kind: str, rng) -> bytes:
        if kind == "bytes":
            return damaged(self.base, rng)
        if kind == "bytes of an older file":
            return damaged(self.older, rng, first=8)
        if kind == "resealed bytes":
            return sealed(self.base[:512] + damaged(self.base[512:], rng, first=8))
        if kind == "attribute headers":
            return sealed(self.base[:512] + damaged(self.base[512:], rng, near=MARKS))
        return damaged(self.older, rng, near=MARKS)

    def _write_content(self, kind: str, rng) -> None:
        is_older = kind == "older content"
        self.path.write_bytes(self.older if is_older else self.base)
        with h5py.File(self.path, "r+") as file:
            self._spoil(file, kind, rng)
        if not is_older:
            self.path.write_bytes(sealed(self.path.read_bytes()))

    def _spoil(self, file: h5py.File, kind: str, rng) -> None:
        if kind in ("configuration", "card"):
            name = {"configuration": "config", "card": "card"}[kind]
            file.attrs[name] = json.dumps(_odd(json.loads(file.attrs[name]), rng))
        else:
            change = CHANGES[rng.integers(len(CHANGES))]
            change(file, str(rng.choice(list(file["weights"]))), rng)

    def judge(self, kind: str) -> str:
        """Load the case: ``loaded``, ``changed`` (other content, as good) or ``wrong``; raises InputError.

        What loads is also shown by ``istn info`` and by the panel, and used, where its text is another.
        """
        found = load_checkpoint(self.path)
        ours, theirs = self.wanted.model.state_dict(), found.model.state_dict()
        same = found.config == self.wanted.config and found.card == self.wanted.card
        if not same:
            self._use(found)
        if same and ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours):
            return "loaded"
        if not all(value.isfinite().all() for value in theirs.values()):
            return "wrong"
        promised = kind in ("bytes", "no plain file") or ("older" in kind and not found.warnings)
        return "wrong" if promised else "changed"

    def _use(self, found) -> None:
        """Every reader of a card and of a configuration; raises InputError."""
        cardText(read_card(self.path))
        "\n".join(map(str, lines(found))).encode()
        options = RegisterOptions(found.config.offers[0], iterations=1, device="cpu")
        outcome = run(Request(*self.pair, found, options))
        json.dumps(outcome.report(), allow_nan=False)
        write_page(self.page, outcome)


def full_card() -> dict:
    """A card with every entry that something reads."""
    ones = np.ones((2, 2))
    curves = np.tile([0.0, 10.0], (len(FEATURES), 1)), np.full((len(FEATURES), 1), 0.1)
    trust = TrustModel(np.zeros(2), *curves, np.array([[0.0, 1.0]] * 2), ones, ones)
    star = Constellation(np.array([[9.0, 1, 2], [-3, 8, 1]]), np.ones(2))
    return {
        **{"title": "a", "data": "T1-weighted", "license": "CC0", "credits": "b", "note": "c", "created": "2026-01-01"},
        **{"steps": 3, "seed": 0, "seconds": 60.0, "best": {"step": 1, "validation_score": 0.5}},
        "results": {"split": "test", "methods": {"affine, refined": {"pairs": 2, "dice": [0.8, 0.1]}}},
        **{"training": {"steps": 3}, "augment": {"mirror": True, "gamma": 0.3}},
        "trust": to_card(trust, {name: [[[0.0], [0.0]], [[1.0], [1.0]]] for name in LOOKS}),
        **pose_card([star]),
    }


def older(path: Path, new: Path) -> Path:
    """The checkpoint as version 0.1 wrote it: compressed tensors, no digest."""
    with h5py.File(path) as source, h5py.File(new, "w") as file:
        file.attrs.update(source.attrs)
        for key, values in source["weights"].items():
            file.create_dataset(f"weights/{key}", data=values[()], compression="gzip", shuffle=True, fletcher32=True)
    return new


def _odd(value, rng):
    """A JSON value with one part of it replaced, left out, put in twice, or 10 to some power times as large."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = str(rng.choice(list(value)))
        if rng.random() < 0.1:
            return {name: part for name, part in value.items() if name != key}
        return value | {key: _odd(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.7:
        place = int(rng.integers(len(value)))
        return [*value[:place], _odd(value[place], rng), *value[place + 1 :], *value[: int(rng.integers(3))]]
    if isinstance(value, (int, float)) and rng.random() < 0.4:
        return value * 10 ** int(rng.integers(1, 12)) * int(rng.choice([-1, 1]))
    return ODD[rng.integers(len(ODD))]


def _replace(file, key, **options):
    shape = file[f"weights/{key}"].shape
    del file[f"weights/{key}"]
    return file.create_dataset(f"weights/{key}", **({"shape": shape, "dtype": "f4"} | options))


def _external(file, key, rng):
    shape = file[f"weights/{key}"].shape
    name = ["/etc/passwd", "/dev/zero", "nowhere"][rng.integers(3)]
    _replace(file, key, external=[(name, 0, 4 * max(1, math.prod(shape)))])


def _virtual(file, key, rng):
    shape = file[f"weights/{key}"].shape or (1,)
    del file[f"weights/{key}"]
    layout = h5py.VirtualLayout(shape, "f4")
    layout[...] = h5py.VirtualSource("nowhere.h5", "x", shape)
    file.create_virtual_dataset(f"weights/{key}", layout)


def _link(file, key, rng):
    links = h5py.SoftLink("/weights"), h5py.ExternalLink("/dev/zero", "/x"), h5py.SoftLink(f"/weights/{key}")
    name = ["weights", f"weights/{key}"][rng.integers(2)]
    del file[name]
    file[name] = links[rng.integers(3)]


def _values(file, key, rng):
    value = [np.nan, np.inf, 1e30, -1e38, 2e4][rng.integers(5)]
    dataset = file[f"weights/{key}"]
    data = dataset[...]
    data.flat[rng.integers(data.size)] = value
    del file[f"weights/{key}"]
    file[f"weights/{key}"] = data


def _attribute(file, key, rng):
    name = ["format", "format_version", "config", "card"][rng.integers(4)]
    value = [
        b"\xff",
        np.arange(9),
        "[" * 50_000,
        7,
        np.nan,
        h5py.Empty("f4"),
        "\ud800".encode("utf-8", "surrogatepass"),
    ]
    file.attrs[name] = value[rng.integers(len(value))]


CHANGES = (
    _external,
    _virtual,
    _link,
    _values,
    _attribute,
    lambda file, key, rng: _replace(file, key, dtype=str(rng.choice(["f8", "i4", "S3", "c8", "f2", ">f4"]))),
    lambda file, key, rng: _replace(file, key, shape=(1 << int(rng.integers(10, 40)),), chunks=(1 << 10,)),
    lambda file, key, rng: _replace(file, key, shape=tuple(rng.integers(0, 4, int(rng.integers(6))))),
    lambda file, key, rng: file.__delitem__(f"weights/{key}"),
    lambda file, key, rng: file["weights"].move(key, "another"),
)
