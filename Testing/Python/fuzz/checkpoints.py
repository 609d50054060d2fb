"""Hostile checkpoints: bytes flipped, cut, moved; contents that no program of ours would write, with a right digest."""

import json
import math
from pathlib import Path

import h5py
import numpy as np
from command import checkpoint_file, small_config
from ISTNRegistrationLib.core.checkpoint import load_checkpoint
from ISTNRegistrationLib.core.container import sealed

from .bytes import damaged

ODD = [math.nan, math.inf, -math.inf, -1, 0, 1e300, 10**30, 2**31, 1e-300, "", "x" * 1000, None, True, [], {}, [[[]]]]
KINDS = ("bytes", "bytes of an older file", "resealed bytes", "configuration", "card", "content", "older content")


class Checkpoints:
    """Cases of one base file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "case.h5"
        base = checkpoint_file(folder / "base.h5", small_config(2))
        self.base, self.wanted = base.read_bytes(), load_checkpoint(base)
        self.older = older(base, folder / "older.h5").read_bytes()

    def write(self, seed: int) -> str:
        """Write case ``seed``; its kind."""
        rng = np.random.default_rng([1, seed])
        kind = KINDS[seed % len(KINDS)]
        if kind == "bytes":
            self.path.write_bytes(damaged(self.base, rng))
        elif kind == "bytes of an older file":
            self.path.write_bytes(damaged(self.older, rng, first=8))
        elif kind == "resealed bytes":
            self.path.write_bytes(sealed(self.base[:512] + damaged(self.base[512:], rng, first=8)))
        else:
            is_older = kind == "older content"
            self.path.write_bytes(self.older if is_older else self.base)
            with h5py.File(self.path, "r+") as file:
                self._spoil(file, kind, rng)
            if not is_older:
                self.path.write_bytes(sealed(self.path.read_bytes()))
        return kind

    def _spoil(self, file: h5py.File, kind: str, rng) -> None:
        if kind in ("configuration", "card"):
            name = {"configuration": "config", "card": "card"}[kind]
            found = json.loads(file.attrs[name]) or {"title": "a", "best": {"step": 1}, "results": {"methods": {}}}
            file.attrs[name] = json.dumps(_odd(found, rng))
        else:
            change = CHANGES[rng.integers(len(CHANGES))]
            change(file, str(rng.choice(list(file["weights"]))), rng)

    def judge(self, kind: str) -> str:
        """Load the case: ``loaded``, ``changed`` (other content, as good) or ``wrong``; raises InputError."""
        found = load_checkpoint(self.path)
        ours, theirs = self.wanted.model.state_dict(), found.model.state_dict()
        same = found.config == self.wanted.config and found.card == self.wanted.card and ours.keys() == theirs.keys()
        if same and all(np.array_equal(ours[key].numpy(), theirs[key].numpy()) for key in ours):
            return "loaded"
        if not all(np.isfinite(value.numpy()).all() for value in theirs.values()):
            return "wrong"
        return "wrong" if kind == "bytes" or (kind.startswith("bytes of") and not found.warnings) else "changed"


def older(path: Path, new: Path) -> Path:
    """The checkpoint as version 0.1 wrote it: compressed tensors, no digest."""
    with h5py.File(path) as source, h5py.File(new, "w") as file:
        file.attrs.update(source.attrs)
        for key, values in source["weights"].items():
            file.create_dataset(f"weights/{key}", data=values[()], compression="gzip", shuffle=True, fletcher32=True)
    return new


def _odd(value, rng):
    """A JSON value with one part of it replaced, left out, or put in twice."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = str(rng.choice(list(value)))
        if rng.random() < 0.1:
            return {name: part for name, part in value.items() if name != key}
        return value | {key: _odd(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.7:
        place = int(rng.integers(len(value)))
        return [*value[:place], _odd(value[place], rng), *value[place + 1 :], *value[: int(rng.integers(3))]]
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
    lambda file, key, rng: _replace(file, key, shape=(1 << int(rng.integers(40)),), chunks=(1 << 10,)),
    lambda file, key, rng: _replace(file, key, shape=tuple(rng.integers(0, 4, int(rng.integers(6))))),
    lambda file, key, rng: file.__delitem__(f"weights/{key}"),
    lambda file, key, rng: file["weights"].move(key, "another"),
)
