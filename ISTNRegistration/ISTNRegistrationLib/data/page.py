"""One HTML file about a registration: pictures, numbers, light, license and provenance; all is inside the file."""

from __future__ import annotations

import html
import json

import numpy as np

from ..core.colors import FIXED_COLOR, LIGHTS, MOVING_COLOR
from ..core.files import write_text
from ..core.license import UNSETTLED, plain_words
from ..core.metrics import dice
from ..core.quality import EXPECTED_HEADINGS, HEADINGS, cells, expected_rows
from .html_parts import document, image_tag
from .report import now
from .sections import AXES, CUT, sections

SIGNS = {"green": "\u2713 Good", "yellow": "! Check", "red": "\u2715 Poor"}  # for those who do not see the color
EXPLANATION = (
    "Agreement is predicted by the networks from their own maps; Dice, surface distances (ASD, HD95) and landmark "
    "error (TRE) are measured where structures or landmarks of both images were given. Bold: the stage that was kept."
)
MEANING = "± mm: how far apart the two surfaces lie, on average, at such a Dice; nine in ten lie within the interval."
STYLE = """body{font:14px sans-serif;max-width:1100px;margin:24px auto;color:#222}
table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:4px 8px;text-align:right}
td:first-child,th:first-child{text-align:left}.kept{font-weight:bold}.pictures td{border:0;padding:2px;
text-align:center}.pictures img{width:100%}.line{padding:0 12px;background:#333;margin-right:4px}
.light{padding:1px 8px;border-radius:9px;margin-right:8px;color:#000;font-weight:bold}pre{white-space:pre-wrap}"""


def write_page(path, outcome, record: dict | None = None) -> None:
    """Write the page of an Outcome of ``data.run``.

    Args:
        path: of the .html file.
        record: provenance to print; by default the outcome's report.

    Raises:
        InputError: it cannot be written.
    """
    request, light = outcome.request, outcome.verdict
    title = f"{request.moving.image.name} registered to {request.fixed.image.name}"
    record = record or outcome.report()
    parts = [
        f"<p>{html.escape(record.get('date') or now())}</p>",
        f'<p><span class="light" style="background:{LIGHTS[light.light]}">{SIGNS[light.light]}</span>'
        f"{html.escape(light.reason)}</p>",
        *(f"<p>Warning: {html.escape(warning)}</p>" for warning in outcome.warnings),
        _pictures(outcome),
        "<h2>Stages</h2>",
        _stages(outcome.quality),
        f"<p>{EXPLANATION}</p><h2>Structures</h2>",
        _structures(outcome),
        _expected(outcome.kept.expectation),
        "<h2>Checkpoint</h2>",
        _checkpoint(outcome.checkpoint),
        "<h2>Provenance</h2>",
        f"<pre>{html.escape(json.dumps(record, indent=1))}</pre>",
    ]
    write_text(path, document(title, STYLE, "\n".join(parts)), f"Report '{path}'")


def structure_rows(outcome) -> list[list]:
    """Name, agreement of the maps before and after; and per reference label its Dice before and after, ASD, HD95.

    Agreement is the Dice of M' and F' of one channel, both cut at 0.5, under the initial and under the kept transform.
    """
    result, config, rows = outcome.result, outcome.checkpoint.config, []
    if config.uses_itn:
        maps = [m.channels > CUT for m in (result.fixed_map, result.moving_map, result.warped_map)]
        for channel, fixed, before, after in zip(config.channels, *maps, strict=True):
            rows.append([channel.name, dice(fixed, before), dice(fixed, after), np.nan, np.nan, np.nan, np.nan])
    first = {score.label: score.dice for score in outcome.quality[0].labels}
    names = {label: f"{channel.name}, label {label}" for channel in config.channels for label in channel.labels}
    for score in outcome.kept.labels:
        scores = (first.get(score.label, np.nan), score.dice, score.asd_mm, score.hd95_mm)
        rows.append([names.get(score.label, f"label {score.label}"), np.nan, np.nan, *scores])
    return rows


def _structures(outcome) -> str:
    heads = ("Structure", "Agreement before", "after", "Dice before", "after", "ASD mm", "HD95 mm")
    rows = [[html.escape(name), *map(_number, numbers)] for name, *numbers in structure_rows(outcome)]
    return _table(heads, rows)


def _expected(expectation) -> str:
    """Expected Dice and mm of each structure, with intervals; nothing where the checkpoint cannot tell."""
    if expectation is None:
        return ""
    rows = [[html.escape(name), *numbers] for name, *numbers in expected_rows(expectation)]
    return f"<h2>Expected Dice</h2>{_table(EXPECTED_HEADINGS, rows)}<p>{MEANING}</p>"


def _stages(quality) -> str:
    return _table(HEADINGS.values(), [cells(row) for row in quality], [row.kept for row in quality])


def _table(heads, rows, kept=None) -> str:
    head = "".join(f"<th>{name}</th>" for name in heads)
    kept = kept or [False] * len(rows)
    lines = (
        f"<tr{' class=kept' if bold else ''}>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>"
        for row, bold in zip(rows, kept, strict=True)
    )
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3f}"


def _checkpoint(checkpoint) -> str:
    about = checkpoint.card
    known = {
        "name": f"{checkpoint.name}, SHA-256 {checkpoint.sha256}",
        **{key: about.get(key) for key in ("title", "data", "license", "credits")},
        **plain_words(str(about.get("license", ""))),
        "unsettled": UNSETTLED,
    }
    rows = (f"<b>{key}:</b> {html.escape(str(text or 'not said'))}" for key, text in known.items())
    return f"<p>{'<br>'.join(rows)}</p>"


def _pictures(outcome) -> str:
    """A row per axis, through the middle of the structures."""
    columns, rows = sections(outcome)
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    lines = []
    for axis, row in zip(AXES, rows, strict=False):
        tags = (image_tag(picture, f"{axis}, {name}") for name, picture in zip(columns, row, strict=True))
        lines.append(f"<tr>{''.join(f'<td>{tag}</td>' for tag in tags)}</tr>")
    return f'<table class="pictures"><tr>{head}</tr>{"".join(lines)}</table>' + _legend(len(columns))


def _legend(columns: int) -> str:
    """What the lines are; none where nothing is seen."""
    colors = [f"rgb({','.join(str(round(255 * c)) for c in color)})" for color in (FIXED_COLOR, MOVING_COLOR)]
    names = ("structures in fixed (F')", "structures in moving (M')")
    lines = (
        f'<span class="line" style="color:{color}">\u2014</span>{name} '
        for color, name in zip(colors, names, strict=True)
    )
    return f"<p>{' '.join(lines)}</p>" if columns > 3 else ""
