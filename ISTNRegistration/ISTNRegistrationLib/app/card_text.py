"""A checkpoint's card as the panel shows it."""

from __future__ import annotations

import html

from ..core.card import CheckpointCard
from ..core.license import plain_text


def cardText(card: CheckpointCard) -> str:
    """The card as rich text for a label."""
    grid, about = card.config.grid, card.card
    size = " × ".join(f"{n * s:g}" for n, s in zip(grid.size, grid.spacing, strict=True))
    spacing = " × ".join(dict.fromkeys(f"{s:g}" for s in grid.spacing))
    lines = {
        "Structures": ", ".join(card.structures) or "none (it compares the images)",
        "Sees": f"{size} mm at {spacing} mm",
        "Trained on": about.get("data", "not said"),
        "License": about.get("license", "not said"),
        "May it be used": plain_text(str(about.get("license", ""))),
        "Results": _results(about) or "not said",
    }
    title = html.escape(str(about.get("title", card.name)))
    lines |= {"Note": " ".join(card.warnings)} if card.warnings else {}
    rows = "".join(f"<br><b>{key}:</b> {html.escape(str(text))}" for key, text in lines.items())
    return f"<i>{title}</i>{rows}"


def _results(about: dict) -> str:
    """Mean Dice of the refined transforms on the test pairs, where the card has them."""
    found = []
    for name, numbers in (about.get("results") or {}).get("methods", {}).items():
        if "refined" in name or "theta" in name:
            kind = "affine" if "affine" in name else "B-spline"
            found.append(f"{kind}, refined: Dice {numbers['dice'][0]:.2f} ({numbers['pairs']} pairs)")
    return "; ".join(found)
