"""A trained model in one HDF5 file; reading one executes nothing. The format is described in docs/checkpoint.md."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from .card import FORMAT, FORMAT_VERSION, finite_json, opened
from .config import MIN_SIZE, ModelConfig
from .container import REPAIR, packed, tensor, values_of, weights_of
from .errors import InputError
from .files import write_bytes
from .istn import ISTN
from .options import weights_of as structure_weights
from .trust import model_from

LARGEST_WEIGHT = 1e4  # trained ones are below 10


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A model with its configuration, its card (data, license, method, seed, versions, metrics) and its file's hash."""

    model: ISTN
    config: ModelConfig
    card: dict
    name: str
    sha256: str
    warnings: tuple[str, ...] = ()  # of reading it

    def check_transform(self, transform: str) -> None:
        """Raise InputError when the model does not offer ``transform``."""
        if transform not in self.config.offers:
            offered = ", ".join(self.config.offers)
            who, todo = f"Checkpoint '{self.name}'", "Pick one of those, or another checkpoint"
            raise InputError(who, "it was not trained for this transform", offered, transform, todo)

    def check_options(self, options) -> None:
        """Raise InputError for RegisterOptions that ask for what the model does not offer."""
        self.check_transform(options.transform)
        if options.structure_weights is not None:
            self.check_maps("Leave out structure_weights")
            structure_weights(options.structure_weights, [channel.name for channel in self.config.channels])

    def check_maps(self, todo: str) -> None:
        """Raise InputError for a model without an ITN: there would be no heatmaps to show."""
        if not self.config.uses_itn:
            who, got = f"Checkpoint '{self.name}'", self.config.method
            raise InputError(who, "it makes no structure maps", "istn-e or istn-i", got, todo)

    def check_expects(self, todo: str) -> None:
        """Raise InputError for a model that cannot tell what Dice, or how many mm, to expect (docs/trust.md)."""
        if not self.config.uses_itn or model_from(self.card) is None:
            who, got = f"Checkpoint '{self.name}'", "none"
            raise InputError(who, "it cannot tell what to expect", "a model of trust in its card", got, todo)


def save_checkpoint(path: str | Path, model: ISTN, card: dict) -> None:
    """Write model, configuration and card atomically, with a digest; the same content gives the same bytes.

    Args:
        card: what JSON can hold; keys as in docs/checkpoint.md.

    Raises:
        InputError: it cannot be written.
    """
    attributes = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "config": json.dumps(dataclasses.asdict(model.config)),
        "card": json.dumps(finite_json(json.dumps(card))),
    }
    weights = {key: value.detach().cpu().contiguous().numpy() for key, value in model.state_dict().items()}
    write_bytes(path, packed(attributes, weights), f"Checkpoint '{path}'")


def load_checkpoint(name_or_path: str | Path) -> Checkpoint:
    """Read a checkpoint, on the CPU, in evaluation mode.

    Raises:
        InputError: not a checkpoint, changed since it was written, of an unknown version, or with missing, misshapen,
            huge or non-finite tensors.
    """
    with opened(name_or_path) as (found, file):
        weights = _read_weights(file, found.config, f"Checkpoint '{found.path.name}'")
        model = ISTN(found.config)
        model.load_state_dict(weights)
    model = model.eval().requires_grad_(False)
    return Checkpoint(model, found.config, found.card, found.name, found.sha256, found.warnings)


def _read_weights(file, config: ModelConfig, who: str) -> dict[str, torch.Tensor]:
    """Every tensor that the configuration asks for; shapes are compared before anything is read or built."""
    wanted, group = _shapes(config), weights_of(file, who)
    stored = {key: tensor(group, key, who) for key in wanted}
    for key, dataset in stored.items():
        if dataset.shape != wanted[key]:
            what = f"tensor '{key}' has the wrong shape"
            raise InputError(who, what, str(wanted[key]), str(dataset.shape), REPAIR)
    return {key: torch.from_numpy(_usable(values_of(dataset, who), key, who)) for key, dataset in stored.items()}


def _shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Shapes of the model's tensors, of which none is made: those of the default networks do not depend on the grid."""
    if config.net.preset == "default":
        small = (max(MIN_SIZE, 2 ** (len(config.net.itn_widths) - 1)),) * config.ndim
        config = dataclasses.replace(config, grid=dataclasses.replace(config.grid, size=small))
    with torch.device("meta"):
        return {key: tuple(value.shape) for key, value in ISTN(config).state_dict().items()}


def _usable(values: np.ndarray, key: str, who: str) -> np.ndarray:
    """The values, none of which is NaN, infinite or so large that the network's numbers overflow."""
    if not np.isfinite(values).all():
        what = f"tensor '{key}' has NaN or infinite values"
        raise InputError(who, what, "finite weights", "some are not", REPAIR)
    largest = float(np.abs(values).max(initial=0.0))
    if largest > LARGEST_WEIGHT:
        what = f"tensor '{key}' has a value that no training reaches"
        raise InputError(who, what, f"at most {LARGEST_WEIGHT:g}", f"{largest:g}", REPAIR)
    return values
