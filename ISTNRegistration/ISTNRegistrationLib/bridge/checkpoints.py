"""Checkpoint files and their cards, read without torch: what the panel shows before anything is installed or run."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import InputError

_REPAIR = "Choose another file, or copy it again"


@dataclass(frozen=True)
class CheckpointCard:
    """What a checkpoint file (docs/checkpoint.md) says about itself.

    Attributes:
        path: of the file.
        config: its configuration, as in the file: method, transforms, grid, channels, ...
        card: its card: title, data, license, credits, metrics, ...
    """

    path: Path
    config: dict
    card: dict

    @property
    def name(self) -> str:
        """Of a shipped checkpoint, or of the file."""
        return self.path.stem

    @property
    def transforms(self) -> tuple[str, ...]:
        """rigid, affine, bspline: those that it offers."""
        return tuple(self.config["transforms"])

    @property
    def structures(self) -> tuple[str, ...]:
        """Names of the channels."""
        return tuple(channel["name"] for channel in self.config["channels"])


def shippedFolder() -> Path:
    """Where the extension keeps its checkpoints."""
    return Path(__file__).resolve().parents[2] / "Resources" / "Models"


def checkpointFiles(folders) -> list[Path]:
    """The .h5 files of these folders, by name."""
    return sorted((path for folder in folders for path in Path(folder).glob("*.h5")), key=lambda path: path.stem)


def readCard(path) -> CheckpointCard:
    """Configuration and card of a checkpoint file; its weights are not read.

    Raises:
        InputError: no such file, h5py is missing, or no ISTN checkpoint.
    """
    path = Path(path)
    who = f"Checkpoint '{path.name}'"
    if not path.is_file():
        raise InputError("Checkpoint", "there is no such file", "an .h5 file", str(path), "Choose another one")
    try:
        import h5py
    except ImportError as error:
        todo = "Press 'Install what is missing'"
        raise InputError(who, "it cannot be read yet", "the package h5py", "it is not installed", todo) from error
    try:
        with h5py.File(path, "r") as file:
            found = {key: json.loads(file.attrs[key]) for key in ("config", "card")}
        found["config"]["transforms"], found["config"]["channels"], found["config"]["grid"]["size"]
    except (OSError, LookupError, TypeError, ValueError) as error:
        got = str(error).split("\n")[0]
        raise InputError(who, "it cannot be read", "an ISTN checkpoint (.h5)", got, _REPAIR) from error
    return CheckpointCard(path, **found)


def cardText(card: CheckpointCard) -> str:
    """The card as rich text for a label."""
    config, about = card.config, card.card
    grid = config["grid"]
    size = " × ".join(f"{n * s:g}" for n, s in zip(grid["size"], grid["spacing"], strict=True))
    spacing = " × ".join(dict.fromkeys(f"{s:g}" for s in grid["spacing"]))
    lines = {
        "Structures": ", ".join(card.structures) or "none (it compares the images)",
        "Sees": f"{size} mm at {spacing} mm",
        "Trained on": about.get("data", "not said"),
        "Licence": about.get("license", "not said"),
        "Results": _results(about) or "not said",
    }
    title = html.escape(str(about.get("title", card.name)))
    rows = "".join(f"<br><b>{key}:</b> {html.escape(str(text))}" for key, text in lines.items())
    return f"<i>{title}</i>{rows}"


def _results(about: dict) -> str:
    """Mean Dice of the refined transforms on the test pairs, where the card has them."""
    found = []
    for name, numbers in about.get("results", {}).get("methods", {}).items():
        if "refined" in name or "theta" in name:
            kind = "affine" if "affine" in name else "B-spline"
            found.append(f"{kind}, refined: Dice {numbers['dice'][0]:.2f} ({numbers['pairs']} pairs)")
    return "; ".join(found)
