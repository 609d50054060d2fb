"""istn info: what a checkpoint is for, where it comes from and how good it is; with --for, which one fits an image."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from ..core.card import shipped
from ..core.checkpoint import Checkpoint, load_checkpoint
from ..core.errors import InputError
from ..core.license import UNSETTLED, plain_words
from ..core.locate import canonical_of, first_look
from ..core.preprocess import Prepared
from ..core.suitability import ImageFacts, doubts
from ..core.volume import check_image
from ..data.images import read_image

CARD = ("title", "data", "license", "credits", "note", "created")


def add_parser(commands) -> None:
    """Add ``info`` to the ``istn`` command."""
    parser = commands.add_parser("info", help="print a checkpoint's card", description=__doc__)
    parser.add_argument("checkpoint", nargs="?", help="a shipped name (brain, hippocampus) or a file")
    text = "say how well this image fits the checkpoint, or, without one, each of the shipped ones"
    parser.add_argument("--for", dest="image", type=Path, metavar="IMAGE", help=text)
    parser.add_argument("--json", action="store_true", help="everything, for programs")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Print the card, or how well an image fits."""
    if args.image or not args.checkpoint:
        print("\n".join(fitting(args.image, [args.checkpoint] if args.checkpoint else sorted(shipped()))))
        return
    checkpoint = load_checkpoint(args.checkpoint)
    if args.json:
        whole = {"name": checkpoint.name, "sha256": checkpoint.sha256, "config": asdict(checkpoint.config)}
        print(json.dumps(whole | {"card": checkpoint.card}, indent=2))
    else:
        print("\n".join(f"{title + ':':<13} {text}" for title, text in lines(checkpoint)))


def fitting(path: Path | None, names: list[str]) -> list[str]:
    """For each checkpoint a line: what is odd about the image, and what the networks find at a first look.

    Raises:
        InputError: no image, or it or a checkpoint cannot be read.
    """
    if path is None:
        expected = f"one of {', '.join(shipped())}, or a file; or --for IMAGE"
        raise InputError("Checkpoint", "none is named", expected, "nothing", "Name one")
    volume = read_image(path)
    check_image(volume, "The")
    facts, image = ImageFacts.of(volume.array, volume.grid), Prepared(volume)
    found = []
    for checkpoint in map(load_checkpoint, names):
        said = [f"It is for {checkpoint.config.ndim}-D images."]
        if checkpoint.config.ndim == volume.grid.ndim:
            said = doubts("", facts, checkpoint.config, checkpoint.card)
            said = _seen(image, checkpoint, ["Size and intensities fit."] if not said else said)
        found.append(f"{checkpoint.name + ':':<13} {' '.join(' '.join(said).split())}")
    return found


def _seen(image: Prepared, checkpoint: Checkpoint, said: list[str]) -> list[str]:
    """What was said before a look, and what the networks see."""
    canonical = canonical_of(checkpoint)
    if canonical is None:
        return said
    try:
        found = first_look(image, checkpoint.model, canonical)
    except InputError:
        return [*said, "Its networks see nothing of the image."]
    where = "" if found.settled else " only, upright and where it looks first: auto would search"
    return [*said, f"Its structures are found with score {found.score:.2f} of 1{where}."]


def lines(checkpoint: Checkpoint) -> list[tuple[str, str]]:
    """The card as (title, text)."""
    config, card = checkpoint.config, checkpoint.card
    grid = config.grid
    size = " x ".join(f"{n} x {s:g} mm" for n, s in zip(grid.size, grid.spacing, strict=True))
    offset = f", offset {list(grid.offset)} mm (LPS)" if grid.offset else ""
    found = [
        ("name", f"{checkpoint.name}, SHA-256 {checkpoint.sha256[:16]}"),
        ("method", f"{config.method}, {config.ndim}-D, transforms {', '.join(config.transforms)}"),
        ("structures", ", ".join(channel.name for channel in config.channels)),
        ("channels", "; ".join(_channel(channel) for channel in config.channels)),
        ("grid", f"{size}, anchor {grid.anchor}{offset}"),
        ("networks", _networks(config)),
        ("bounds", _bounds(config)),
        *((key, str(card[key])) for key in CARD if card.get(key)),
    ]
    found += list(plain_words(str(card.get("license", ""))).items()) + [("unsettled", UNSETTLED)]
    return found + _training(card) + _results(card)


def _channel(channel) -> str:
    """Name, labels, and the kind of map where it is not binary."""
    width = f" of {channel.width_mm:g} mm" if channel.width_mm else ""
    kind = "" if channel.kind == "binary" else f" ({channel.kind}{width})"
    return f"{channel.name} = {list(channel.labels)}{kind}"


def _networks(config) -> str:
    """What the configuration of a fine-tuning must repeat, or leave to ``istn train --init``."""
    net = config.net
    return (
        f"preset {net.preset}, itn_widths {list(net.itn_widths)}, stn_width {net.stn_width}, "
        f"normalization {config.normalization}, convention {config.convention}, "
        f"bending_weight {config.bspline.bending_weight:g}"
    )


def _bounds(config) -> str:
    if config.convention == "published":
        return "those of the published code"
    affine, bspline = config.affine, config.bspline
    return (
        f"translation {affine.translation_mm:g} mm, rotation {affine.rotation_deg:g} degrees, "
        f"scale {affine.scale_ratio:g}, shear {affine.shear_deg:g} degrees, "
        f"B-spline {bspline.max_displacement_mm:g} mm, control points every {bspline.spacing_mm:g} mm"
    )


def _training(card: dict) -> list[tuple[str, str]]:
    if "steps" not in card:
        return []
    best = card.get("best") or {}
    duration = f" in {card['seconds'] / 60:.0f} min" if "seconds" in card else ""
    score = f", best at step {best['step']} (validation {best['validation_score']:.3f})" if best else ""
    seed = f", seed {card['seed']}" if "seed" in card else ""
    found = [("training", f"{card['steps']} steps{duration}{seed}{score}")]
    return found + [(key, _values(card[key])) for key in ("training", "augment") if isinstance(card.get(key), dict)]


def _values(table: dict) -> str:
    return ", ".join(f"{key} = {value}" for key, value in table.items())


def _results(card: dict) -> list[tuple[str, str]]:
    results = card.get("results") or {}
    split, methods = results.get("split", "results"), results.get("methods", {})
    return [(split, f"{name}: Dice {row['dice'][0]:.3f} ± {row['dice'][1]:.3f}") for name, row in methods.items()]
