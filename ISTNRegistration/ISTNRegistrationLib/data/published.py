"""Checkpoints of the published code (biomedia-mira/istn): itn.pt, stn.pt and its configuration, as one of ours."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from pathlib import Path

import torch

from ..core.config import BSplineConfig, Channel, GridConfig, ModelConfig, NetConfig
from ..core.errors import InputError
from ..core.istn import ISTN
from .files import existing_file, read_text

KEYS = {"size": "the networks' size", "spacing": "their spacing in mm", "normalizer_img": "how images are normalized"}


@dataclass(frozen=True)
class PublishedOptions:
    """What the files do not say: the method, the structure's name, and voxels between control points (10 there)."""

    method: str = "istn-e"
    structure: str = "structure"
    control_point_voxels: int = 10


def read_published(itn: Path | None, stn: Path, config: Path, options: PublishedOptions) -> tuple[ISTN, dict]:
    """The model and a card.

    Args:
        itn: its state dict, None for STN-u and STN-s.
        config: the JSON file that the training was started with.

    Raises:
        InputError: a file is missing, is another kind of file, or does not fit the others.
    """
    settings = _settings(config)
    spatial = _weights(stn)
    transform = "affine" if "translation.weight" in spatial else "bspline"
    model = ISTN(_model_config(settings, transform, options, itn is not None)).eval()
    _load(model.stns[transform], spatial, stn)
    if itn is not None:
        _load(model.itn, _weights(itn), itn)
    card = {
        "title": f"Converted from the published code: {options.structure}",
        "data": "unknown: see whoever trained it",
        "license": "unknown: see whoever trained it",
        "note": f"the published normalizer was {settings['normalizer_img']}, here {model.config.normalization}",
        "published": settings,
    }
    return model, card


def _settings(path: Path) -> dict:
    who = f"Published configuration '{Path(path).name}'"
    try:
        settings = json.loads(read_text(Path(path), who, "a JSON file"))
    except json.JSONDecodeError as error:
        raise InputError(who, "it is not JSON", "the config.json of the training", str(error)) from error
    missing = [key for key in KEYS if not isinstance(settings, dict) or key not in settings]
    if missing:
        expected = "; ".join(f"{key}: {what}" for key, what in KEYS.items())
        raise InputError(who, "keys are missing", expected, "no " + ", ".join(missing))
    return settings


def _model_config(settings: dict, transform: str, options: PublishedOptions, has_itn: bool) -> ModelConfig:
    """The published grid is centered on the image; its sizes are safe only where the axes may be swapped."""
    size, spacing = tuple(settings["size"]), tuple(float(s) for s in settings["spacing"])
    if size != size[::-1]:
        expected = "the same size read from either end: the published code takes it as x, y, z and as z, y, x"
        raise InputError("Published configuration key 'size'", "it is ambiguous", expected, f"{list(size)}")
    if has_itn != options.method.startswith("istn"):
        expected = "itn.pt with istn-e and istn-i, none with stn-u and stn-s"
        raise InputError("Option 'method'", "it does not fit the files", expected, options.method)
    return ModelConfig(
        method=options.method,
        transforms=(transform,),
        grid=GridConfig(size=size, spacing=spacing, anchor="center"),
        channels=(Channel(options.structure, (1,)),),
        normalization="none" if settings["normalizer_img"] == "none" else "percentile",
        net=NetConfig(preset="published"),
        bspline=BSplineConfig(spacing_mm=options.control_point_voxels * spacing[0]),
        convention="published",
    )


def _weights(path: Path) -> dict[str, torch.Tensor]:
    """A state dict; nothing in the file is run."""
    who = f"Weights '{Path(path).name}'"
    name = existing_file(path, who)
    try:
        weights = torch.load(name, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as error:
        got = str(error).split("\n")[0]
        raise InputError(who, "it cannot be read", "itn.pt or stn.pt of the published code", got) from error
    if not isinstance(weights, dict) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
        raise InputError(who, "it is not a state dict", "itn.pt or stn.pt of the published code", f"{type(weights)}")
    return weights


def _load(network: torch.nn.Module, weights: dict[str, torch.Tensor], path: Path) -> None:
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        got = " ".join(str(error).split())[:200]
        todo = "Give the config.json of this training, and itn.pt and stn.pt in their places"
        raise InputError(
            f"Weights '{Path(path).name}'", "they do not fit", "the published networks", got, todo
        ) from error
