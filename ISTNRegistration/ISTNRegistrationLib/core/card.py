"""Find a checkpoint and read what it says about itself, without torch: the one reader of panel, shell and core."""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .config import ModelConfig, from_dict
from .container import LARGEST_TEXT, REPAIR, USER_BLOCK, has_digest, hdf5, read_attributes, read_once
from .errors import InputError
from .legacy import resealed
from .texts import texts_fit
from .trust import check_card as check_trust

FORMAT, FORMAT_VERSION = "ISTN checkpoint", 1
TEXTS = ("title", "data", "license", "credits", "note", "created")
NUMBERS = ("steps", "seed", "seconds")
LARGEST_NUMBER = 1e15
UNVERIFIED = "has no checksum (an older version wrote it), so damage since then cannot be noticed"


@dataclass(frozen=True, eq=False)
class CheckpointCard:
    """What a checkpoint file (docs/checkpoint.md) says about itself.

    Attributes:
        path: of the file.
        config: how its networks look and what they see.
        card: title, data, license, credits, results, ...: a JSON object.
        sha256: of the whole file.
        verified: whether the file holds a checksum, which then was right.
    """

    path: Path
    config: ModelConfig
    card: dict
    sha256: str
    verified: bool

    @property
    def name(self) -> str:
        """Of a shipped checkpoint, or of the file."""
        return self.path.stem

    @property
    def transforms(self) -> tuple[str, ...]:
        """rigid, affine, bspline, dense: those that it offers."""
        return self.config.offers

    @property
    def structures(self) -> tuple[str, ...]:
        """Names of the channels."""
        return tuple(channel.name for channel in self.config.channels)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know before it is used, whole sentences."""
        return () if self.verified else (f"Checkpoint '{self.name}' {UNVERIFIED}.",)


def models_folder() -> Path:
    """Where the shipped checkpoints are: inside the installed package, else in the module's Resources."""
    library = Path(__file__).resolve().parent.parent
    installed = library / "Models"
    return installed if installed.is_dir() else library.parent / "Resources" / "Models"


def shipped() -> dict[str, Path]:
    """The shipped checkpoints, by name: every .h5 file in the folder of models."""
    return {path.stem: path for path in sorted(models_folder().glob("*.h5"))}


def find_checkpoint(name_or_path: str | Path) -> Path:
    """File of a shipped checkpoint's name, or the path itself.

    Raises:
        InputError: neither a shipped name nor something that is there.
    """
    names = shipped()
    path = names.get(str(name_or_path), Path(name_or_path))
    try:
        path.stat()
    except (OSError, ValueError) as error:
        expected = f"a shipped one ({', '.join(names) or 'none is installed'}) or an .h5 file"
        todo = "Check the name or the path"
        raise InputError("Checkpoint", "there is no such name or file", expected, str(name_or_path), todo) from error
    return path


def read_card(name_or_path: str | Path) -> CheckpointCard:
    """Configuration and card of a checkpoint; its weights are not read.

    Raises:
        InputError: no such file, h5py is missing, or no ISTN checkpoint.
    """
    with opened(name_or_path) as (card, _):
        return card


@contextmanager
def opened(name_or_path: str | Path) -> Iterator[tuple[CheckpointCard, object]]:
    """The card and the open HDF5 file of a checkpoint, from bytes that were read once and held against their digest.

    Raises:
        InputError: as :func:`read_card`; also for what HDF5 says while the block runs.
    """
    path = find_checkpoint(name_or_path)
    who = f"Checkpoint '{path.name}'"
    h5py, data = hdf5(), read_once(path, who)
    digest = hashlib.sha256(data).hexdigest()
    verified = has_digest(data, who)
    plain = verified and texts_fit(data, USER_BLOCK, LARGEST_TEXT)
    try:
        with h5py.File(io.BytesIO(data if plain else resealed(data, who)), "r") as file:
            config, card = _described(file, who)
            yield CheckpointCard(path, config, card, digest, verified), file
    except InputError:
        raise
    except (OSError, LookupError, RuntimeError, ValueError, TypeError, ArithmeticError, MemoryError) as error:
        raise InputError(who, "it cannot be read", "an ISTN checkpoint (.h5)", f"{error}", REPAIR) from error


def _described(file, who: str) -> tuple[ModelConfig, dict]:
    """Configuration and card, of the right kind and version."""
    found = read_attributes(file, who)
    if found["format"] != FORMAT:
        got = repr(found["format"])
        raise InputError(who, "it is an HDF5 file of another kind", FORMAT, got, REPAIR)
    if found["format_version"] != FORMAT_VERSION:
        todo = "Update ISTNRegistration or use a checkpoint made for this version"
        got = str(found["format_version"])
        raise InputError(who, "unknown format version", f"{FORMAT_VERSION}", got, todo)
    config, card = _json(found["config"], "configuration", who), _json(found["card"], "card", who)
    try:
        config = from_dict(ModelConfig, config)
    except InputError as error:
        raise InputError(who, f"its configuration cannot be used: {str(error).rstrip('.')}") from error
    _check_card(card, config, who)
    check_trust(card, len(config.channels), who, REPAIR)
    return config, card


def _json(text, what: str, who: str) -> dict:
    """A JSON object whose texts can be shown; a number that is not finite is None."""
    try:
        found = finite_json(text)
        json.dumps(found, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(who, f"it cannot be read, its {what} is damaged", "JSON", str(error), REPAIR) from error
    if not isinstance(found, dict):
        raise InputError(who, f"it cannot be read, its {what} is damaged", "a JSON object", f"{found!r}", REPAIR)
    return found


def finite_json(text: str):
    """What JSON text holds, with None for numbers that are not finite."""
    return json.loads(text, parse_constant=lambda _: None, parse_float=_finite)


def _finite(text: str) -> float | None:
    return float(text) if math.isfinite(float(text)) else None


def _check_card(card: dict, config: ModelConfig, who: str) -> None:
    """Raise InputError for an entry that is shown or used and is of the wrong kind."""
    best, measured = card.get("best") or {}, card.get("results") or {}
    rows = (
        *((key, isinstance(card.get(key, ""), str)) for key in TEXTS),
        *((key, _is_number(card.get(key, 0))) for key in NUMBERS),
        ("best", not best or _are_numbers(best, ("step", "validation_score"))),
        ("results", isinstance(measured, dict) and isinstance(measured.get("split", ""), str)),
        ("results.methods", not measured or _are_measures(measured)),
        ("augment", isinstance(card.get("augment", {}), dict)),
        ("constellation", not card.get("constellation") or _are_places(card["constellation"], config)),
    )
    for key, fine in rows:
        if not fine:
            what, got = f"the entry '{key}' of its card is of the wrong kind", repr(card.get(key.split(".")[0]))
            raise InputError(who, what, "what docs/checkpoint.md says", got, REPAIR)


def _are_places(kept, config: ModelConfig) -> bool:
    """Whether this is a place and a weight for each structure."""
    kept = kept if isinstance(kept, dict) else {}
    points, weights = kept.get("points_mm"), kept.get("weights")
    if not isinstance(points, list) or not isinstance(weights, list) or len(points) != len(weights):
        return False
    whole = all(isinstance(point, list) and len(point) == config.ndim for point in points)
    numbers = [*weights, *(value for point in points for value in point)] if whole else [None]
    return len(points) == len(config.channels) and all(map(_is_number, numbers)) and min(weights) >= 0


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and abs(value) <= LARGEST_NUMBER


def _are_numbers(values, keys) -> bool:
    return isinstance(values, dict) and all(_is_number(values.get(key)) for key in keys)


def _are_measures(results) -> bool:
    """Whether each method has its number of pairs and the mean and standard deviation of the Dice coefficient."""
    methods = results.get("methods", {}) if isinstance(results, dict) else None
    return isinstance(methods, dict) and all(
        _are_numbers(m, ("pairs",))
        and isinstance(m.get("dice"), list)
        and len(m["dice"]) == 2
        and all(map(_is_number, m["dice"]))
        for m in methods.values()
    )
