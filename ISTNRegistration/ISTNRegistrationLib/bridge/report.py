"""One HTML file about a registration: pictures, numbers, light and provenance; everything is inside the file."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from ..core.files import write_text
from ..core.quality import HEADINGS, cells
from .heatmaps import TRANSPARENT_BELOW, heatColors
from .provenance import provenance

if TYPE_CHECKING:
    from ..core.quality import Verdict
    from .outputs import RegistrationNodes


ZOOM = 3  # pixels per voxel of the networks' grid
HEAT_SHARE = 0.6
COLUMNS = ("Fixed", "Moving before", "Moving after", "Seen in fixed (F')", "Seen in registered (M')")
LIGHTS = {"green": "#009e73", "yellow": "#e69f00", "red": "#d55e00"}  # Okabe and Ito's, for color-blind eyes too
SIGNS = {"green": "\u2713 Good", "yellow": "! Check", "red": "\u2715 Poor"}  # for those who do not see the color
EXPLANATION = (
    "Agreement is predicted by the networks from their own maps; Dice, surface distances (ASD, HD95) and landmark "
    "error (TRE) are measured where structures or landmarks of both images were given. Bold: the stage that was kept."
)
STYLE = """body{font:14px sans-serif;max-width:1100px;margin:24px auto;color:#222}
table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:4px 8px;text-align:right}
td:first-child,th:first-child{text-align:left}.kept{font-weight:bold}.pictures td{border:0;text-align:center}
.light{padding:1px 8px;border-radius:9px;margin-right:8px;color:#000;font-weight:bold}pre{white-space:pre-wrap}"""


def writeHtml(path: str | Path, pair: Sequence, nodes: RegistrationNodes, light: Verdict) -> None:
    """Write the report.

    Args:
        path: of the .html file.
        pair: fixed and moving Volume (LPS mm).
        nodes: RegistrationNodes.
        light: Verdict.
    """
    title = html.escape(f"{pair[1].name} registered to {pair[0].name}")
    parts = [
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
        f"<style>{STYLE}</style></head><body><h1>{title}</h1>",
        f'<p><span class="light" style="background:{LIGHTS[light.light]}">{SIGNS[light.light]}</span>'
        f"{html.escape(light.reason)}</p>",
        _pictureTable(pair, nodes.result),
        "<h2>Numbers</h2>",
        _qualityTable(nodes.quality),
        f"<p>{EXPLANATION}</p><h2>Provenance</h2>",
        f"<pre>{html.escape(json.dumps(provenance(nodes.transform), indent=1))}</pre></body></html>",
    ]
    write_text(path, "\n".join(parts), f"Report '{path}'")


def _qualityTable(quality) -> str:
    head = "".join(f"<th>{name}</th>" for name in HEADINGS.values())
    rows = [
        f"<tr{' class=kept' if row.kept else ''}>" + "".join(f"<td>{cell}</td>" for cell in cells(row)) + "</tr>"
        for row in quality
    ]
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _pictureTable(pair, result) -> str:
    """Axial, coronal and sagittal slices through the middle of the structures, on the networks' grid."""
    images = [_grey(volume, transform, result) for volume, transform in _shown(pair, result)]
    maps = [m.channels.max(axis=0) for m in (result.fixed_map, result.warped_map)]
    pictures = [*images, _heated(images[0], maps[0]), _heated(images[2], maps[1])]
    middle = _middle(maps[0])
    head = "".join(f"<th>{html.escape(name)}</th>" for name in COLUMNS)
    rows = []
    for axis in range(3):
        tags = (f'<td><img src="data:image/png;base64,{_png(_slice(p, axis, middle[axis]))}"></td>' for p in pictures)
        rows.append(f"<tr>{''.join(tags)}</tr>")
    return f'<table class="pictures"><tr>{head}</tr>{"".join(rows)}</table>'


def _shown(pair, result):
    from ..core.transform import SpatialTransform

    return (
        (pair[0], SpatialTransform(np.eye(4))),
        (pair[1], SpatialTransform(result.initial)),
        (pair[1], result.transform),
    )


def _grey(volume, transform, result) -> np.ndarray:
    """(D, H, W, 3) uint8 of an image on the networks' grid."""
    from ..core.warp import warp_volume

    array = warp_volume(volume, transform, result.fixed_map.grid, fill=float(volume.array.min())).array
    low, high = np.percentile(array, (1, 99.5))
    grey = np.clip((array - low) / max(high - low, 1e-12), 0, 1) * 255
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=-1)


def _heated(grey: np.ndarray, heat: np.ndarray) -> np.ndarray:
    colors = heatColors()[np.clip(heat * 255, 0, 255).astype(int)] * 255
    share = np.where(heat > TRANSPARENT_BELOW, HEAT_SHARE, 0.0)[..., None]
    return (grey * (1 - share) + colors * share).astype(np.uint8)


def _middle(heat: np.ndarray) -> list[int]:
    """Slice numbers through the center of what is seen, or of the grid."""
    weights = np.where(heat > TRANSPARENT_BELOW, heat, 0.0)
    if not weights.any():
        return [n // 2 for n in heat.shape]
    return [round(float((np.indices(heat.shape)[a] * weights).sum() / weights.sum())) for a in range(3)]


def _slice(picture: np.ndarray, axis: int, number: int) -> np.ndarray:
    """One slice, first row on top, enlarged; the front of the head and its top are up."""
    plane = np.take(picture, number, axis=axis)
    if axis > 0:
        plane = plane[::-1]  # rows run from below
    return np.repeat(np.repeat(plane, ZOOM, axis=0), ZOOM, axis=1)


def _png(pixels: np.ndarray) -> str:
    """Base64 of a PNG of (height, width, 3) uint8."""
    image = vtk.vtkImageData()
    image.SetDimensions(pixels.shape[1], pixels.shape[0], 1)
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(pixels[::-1]).reshape(-1, 3), deep=True))
    writer = vtk.vtkPNGWriter()
    writer.WriteToMemoryOn()
    writer.SetInputData(image)
    writer.Write()
    return base64.b64encode(vtk_to_numpy(writer.GetResult()).tobytes()).decode("ascii")
