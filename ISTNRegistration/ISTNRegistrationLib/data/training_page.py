"""The page at the end of a training: verdict, Dice per structure, curves, and maps beside the true structures."""

from __future__ import annotations

import html
import math

import numpy as np

from ..core.colors import PALETTE
from ..core.judgement import NOISE, STAGES, Judgement
from ..core.metrics import finite_mean
from .contact_sheet import SHEET_STYLE
from .html_parts import document, image_tag

WIDTH, HEIGHT, EDGE = 640, 220, 40
ENLARGED = 3


def verdict(judgement: Judgement) -> str:
    """One sentence: better than doing nothing, or not."""
    before, once, refined = (judgement.mean(stage) for stage in STAGES)
    pairs = f"mean Dice of {len(judgement.dice)} validation pairs: refined {refined:.3f}, one pass {once:.3f}, "
    pairs += f"doing nothing {before:.3f}"
    if judgement.worse:
        return f"WORSE THAN DOING NOTHING, do not use this checkpoint: {pairs}"
    word = (
        f"better than doing nothing by {judgement.gain:.3f}"
        if judgement.gain > NOISE
        else "no better than doing nothing"
    )
    hint = "; its one pass is worse: always refine" if once < before - NOISE else ""
    return f"{word}: {pairs}{hint}"


def training_page(judgement: Judgement, names: tuple[str, ...], history: list[dict[str, float]], how: str) -> str:
    """The HTML page, complete in itself.

    Args:
        names: of the channels.
        history: a row per validation, as the trainer keeps it.
        how: what was trained, and how long, in a sentence.
    """
    kind = ' class="out"' if judgement.worse else ""
    curves = [key for key in history[-1] if key.startswith("val/") and not key.endswith("_asd")] if history else []
    body = f"<p{kind}><b>{html.escape(verdict(judgement))}</b></p><p>{html.escape(how)}</p>"
    body += f"<h2>Dice per structure</h2>{_table(judgement, names)}<h2>Maps and structures</h2>{_pictures(judgement)}"
    body += f"<h2>Validation</h2>{_plot(history, curves)}<h2>Losses at the validations</h2>"
    losses = [key for key in history[-1] if not key.startswith("val/") and key != "step"] if history else []
    return document("Training", SHEET_STYLE, body + _plot(history, losses))


def _table(judgement: Judgement, names: tuple[str, ...]) -> str:
    heads = "".join(f"<th>{stage}</th>" for stage in ("structure", *STAGES))
    rows = ""
    for name, dice in zip(names, judgement.dice.permute(2, 1, 0).tolist(), strict=True):
        rows += f"<tr><td>{html.escape(name)}</td>" + "".join(f"<td>{_mean(values)}</td>" for values in dice) + "</tr>"
    means = "".join(f"<td><b>{judgement.mean(stage):.3f}</b></td>" for stage in STAGES)
    return f'<table border="1" cellpadding="4"><tr>{heads}</tr>{rows}<tr><td><b>mean</b></td>{means}</tr></table>'


def _mean(values: list[float]) -> str:
    mean = finite_mean(values)
    return f"{mean:.3f}" if math.isfinite(mean) else "-"


def _pictures(judgement: Judgement) -> str:
    """A slice through the most of the true structures; a color per channel."""
    truth = judgement.pictures["true structures"].numpy()
    at = int(truth.sum(axis=0).sum(axis=(1, 2)).argmax()) if truth.ndim == 4 else None
    figures = ""
    for name, maps in judgement.pictures.items():
        values = maps.numpy() if at is None else maps.numpy()[:, at]
        picture = np.kron(_colored(values), np.ones((ENLARGED, ENLARGED, 1), np.uint8))
        figures += f"<figure>{image_tag(picture)}<figcaption>{html.escape(name)}</figcaption></figure>"
    return figures


def _colored(maps: np.ndarray) -> np.ndarray:
    """Channels (C, H, W) in [0, 1] in their colors; one channel in gray."""
    colors = [PALETTE[k % len(PALETTE)] for k in range(len(maps))] if len(maps) > 1 else [(255, 255, 255)]
    return np.einsum("chw,ck->hwk", maps.clip(0, 1), np.array(colors)).clip(0, 255).astype(np.uint8)


def _plot(history: list[dict[str, float]], keys: list[str]) -> str:
    """Lines over the steps as SVG, with their names and last values."""
    points = {key: [(row["step"], row[key]) for row in history if key in row] for key in keys}
    values = [value for line in points.values() for _, value in line]
    if not values:
        return "<p>none</p>"
    low, high, last = min(0.0, *values), max(values) or 1.0, history[-1]["step"]
    lines, legend = "", ""
    for number, (key, line) in enumerate(points.items()):
        color = f"rgb{PALETTE[number % len(PALETTE)]}"
        at = " ".join(f"{_across(step / last):.1f},{_up((value - low) / (high - low)):.1f}" for step, value in line)
        lines += f'<polyline fill="none" stroke="{color}" stroke-width="2" points="{at}"/>'
        legend += f'<span style="color:{color}">&#9632;</span> {html.escape(key)} {line[-1][1]:.4f} '
    axes = f'<path d="M{EDGE},{EDGE}V{HEIGHT - EDGE}H{WIDTH - EDGE}" stroke="#888" fill="none"/>'
    texts = f'<text x="2" y="{EDGE}">{high:.3g}</text><text x="2" y="{HEIGHT - EDGE}">{low:.3g}</text>'
    texts += f'<text x="{WIDTH - 2 * EDGE}" y="{HEIGHT - 10}">step {last}</text>'
    return f'<p>{legend}</p><svg width="{WIDTH}" height="{HEIGHT}">{axes}{lines}{texts}</svg>'


def _across(share: float) -> float:
    return EDGE + share * (WIDTH - 2 * EDGE)


def _up(share: float) -> float:
    return HEIGHT - EDGE - share * (HEIGHT - 2 * EDGE)
