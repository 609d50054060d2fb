"""A trained model in one HDF5 file; reading one executes nothing. The format is described in docs/checkpoint.md."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch

from .config import ModelConfig, from_dict
from .errors import InputError
from .istn import ISTN

FORMAT, FORMAT_VERSION = "ISTN checkpoint", 1
SHIPPED = ("brain", "hippocampus")
_REPAIR = "Copy or download the file again, or make it anew with istn train"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A model with its configuration, its card (data, licence, method, seed, versions, metrics) and its file's hash."""

    model: ISTN
    config: ModelConfig
    card: dict
    name: str
    sha256: str

    def check_transform(self, transform: str) -> None:
        """Raise InputError when the model has no STN for ``transform``."""
        if transform not in self.config.transforms:
            offered = ", ".join(self.config.transforms)
            who, todo = f"Checkpoint '{self.name}'", "Pick one of those, or another checkpoint"
            raise InputError(who, "it was not trained for this transform", offered, transform, todo)

    def check_maps(self, todo: str) -> None:
        """Raise InputError for a model without an ITN: there would be no heatmaps to show."""
        if not self.config.uses_itn:
            who, got = f"Checkpoint '{self.name}'", self.config.method
            raise InputError(who, "it makes no structure maps", "istn-e or istn-i", got, todo)


def models_folder() -> Path:
    """Where the shipped checkpoints are: inside the installed package, else in the module's Resources."""
    library = Path(__file__).resolve().parent.parent
    installed = library / "Models"
    return installed if installed.is_dir() else library.parent / "Resources" / "Models"


def find_checkpoint(name_or_path: str | Path) -> Path:
    """File of a shipped checkpoint's name, or the path itself.

    Raises:
        InputError: neither a shipped name nor a file.
    """
    shipped = models_folder() / f"{name_or_path}.h5"
    if str(name_or_path) in SHIPPED and shipped.is_file():
        return shipped
    path = Path(name_or_path)
    if path.is_file():
        return path
    names = ", ".join(sorted(p.stem for p in models_folder().glob("*.h5"))) or "none is installed"
    expected = f"a shipped one ({names}) or an .h5 file"
    todo = "Check the name or the path"
    raise InputError("Checkpoint", "there is no such name or file", expected, f"{name_or_path}", todo)


def save_checkpoint(path: str | Path, model: ISTN, card: dict) -> None:
    """Write model, configuration and card atomically.

    Args:
        card: what JSON can hold; keys as in docs/checkpoint.md.
    """
    path = Path(path)
    partial = path.with_name(path.name + ".part")
    try:
        with h5py.File(partial, "w") as file:
            file.attrs["format"], file.attrs["format_version"] = FORMAT, FORMAT_VERSION
            file.attrs["config"] = json.dumps(dataclasses.asdict(model.config))
            file.attrs["card"] = json.dumps(card)
            for key, value in model.state_dict().items():
                data = value.detach().cpu().contiguous().numpy().astype(np.float32)
                file.create_dataset(f"weights/{key}", data=data, compression="gzip", shuffle=True, fletcher32=True)
        partial.replace(path)
    except OSError as error:
        raise InputError("Checkpoint", "it cannot be written", "a writable place", f"{path} ({error})") from error
    finally:
        partial.unlink(missing_ok=True)


def load_checkpoint(name_or_path: str | Path) -> Checkpoint:
    """Read a checkpoint, on the CPU, in evaluation mode.

    Raises:
        InputError: not a checkpoint, truncated, of an unknown version, or with missing, misshapen, non-finite tensors.
    """
    path = find_checkpoint(name_or_path)
    who = f"Checkpoint '{path.name}'"
    try:
        with h5py.File(path, "r") as file:
            config, card = _read_attributes(file, who)
            model = ISTN(config)
            model.load_state_dict(_read_weights(file, model, who))
    except InputError:
        raise
    except (OSError, LookupError, RuntimeError, ValueError, TypeError, ArithmeticError, MemoryError) as error:
        got = str(error).split("\n")[0]
        raise InputError(who, "it cannot be read", "an ISTN checkpoint (.h5)", got, _REPAIR) from error
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Checkpoint(model.eval().requires_grad_(False), config, card, path.stem, digest)


def _read_attributes(file: h5py.File, who: str) -> tuple[ModelConfig, dict]:
    if file.attrs.get("format") != FORMAT:
        got = repr(file.attrs.get("format"))
        raise InputError(who, "it is an HDF5 file of another kind", FORMAT, got, _REPAIR)
    version = int(file.attrs.get("format_version", 0))
    if version != FORMAT_VERSION:
        todo = "Update ISTNRegistration or use a checkpoint made for this version"
        raise InputError(who, "unknown format version", f"{FORMAT_VERSION}", f"{version}", todo)
    return from_dict(ModelConfig, json.loads(file.attrs["config"])), json.loads(file.attrs["card"])


def _read_weights(file: h5py.File, model: ISTN, who: str) -> dict[str, torch.Tensor]:
    weights = {}
    for key, wanted in model.state_dict().items():
        if f"weights/{key}" not in file:
            raise InputError(who, "a tensor is missing", key, "nothing", _REPAIR)
        stored = file[f"weights/{key}"]
        if not isinstance(stored, h5py.Dataset) or stored.dtype.kind != "f":
            raise InputError(who, f"tensor '{key}' has the wrong type", "floating point", str(stored), _REPAIR)
        if stored.shape != tuple(wanted.shape):
            expected, got = str(tuple(wanted.shape)), str(stored.shape)
            raise InputError(who, f"tensor '{key}' has the wrong shape", expected, got, _REPAIR)
        data = stored[()]
        if not np.isfinite(data).all():
            what = f"tensor '{key}' has NaN or infinite values"
            raise InputError(who, what, "finite weights", "some are not", _REPAIR)
        weights[key] = torch.from_numpy(data)
    return weights
