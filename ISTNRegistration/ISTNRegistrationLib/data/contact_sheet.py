"""One page with every person: three slices through the networks' grid, its box, and the labels in color."""

from __future__ import annotations

import html

import numpy as np

from ..core.colors import PALETTE
from ..core.grid import Grid
from ..core.preprocess import Prepared
from ..core.transform import SpatialTransform
from ..core.warp import warp_volume
from .html_parts import document, image_tag
from .images import read_image, read_labels
from .proposal import Proposal
from .sections import border
from .survey import Looked

BOX, UNKNOWN, OUTLINE = (255, 255, 255), (160, 32, 240), 0.25
AROUND = 1.3  # of the grid's extent is shown
PIXELS = 128  # along the longest side
SHEET_STYLE = """body{font:14px sans-serif;margin:16px;background:#fff;color:#111}
figure{display:inline-block;margin:6px}
figcaption{max-width:400px;overflow-wrap:anywhere} .out{color:#b00} pre{white-space:pre-wrap}
img{image-rendering:pixelated}"""


def contact_sheet(proposal: Proposal, findings: str, on_scan=lambda: None) -> str:
    """The HTML page, complete in itself. Also scans that stay out are shown, with the reason."""
    out = {id(scan): why for scan, why in proposal.chosen.left_out}
    figures = []
    for scan in (*proposal.chosen.scans, *(scan for scan, _ in proposal.chosen.left_out)):
        figures.append(_figure(scan, proposal, out.get(id(scan), "")))
        on_scan()
    names = "".join(
        f'<span style="color:rgb{PALETTE[k % len(PALETTE)]}">&#9632;</span> {html.escape(channel.name)} '
        for k, channel in enumerate(proposal.chosen.channels)
    )
    told = "White: the networks' grid. Purple: labels that are in no channel. The patient's left is on the right."
    body = f"<p>{names}</p><p>{told}</p>{''.join(figures)}<pre>{html.escape(findings)}</pre>"
    return document("Training data", SHEET_STYLE, body)


def _figure(scan: Looked, proposal: Proposal, reason: str) -> str:
    pictures = "".join(image_tag(picture) for picture in _slices(scan, proposal))
    split = "" if reason else proposal.splits.get(scan.found.person, "")
    text = html.escape(f"{scan.found.person} {split}: {scan.name}" if scan.found.person else scan.name)
    more = f'<br><span class="out">left out: {html.escape(reason)}</span>' if reason else ""
    return f"<figure>{pictures}<figcaption>{text}{more}</figcaption></figure>"


def _slices(scan: Looked, proposal: Proposal) -> list[np.ndarray]:
    """RGB pictures (H, W, 3) through the middle of the grid: across z, y and x; of 2-D the image itself."""
    view, ndim = proposal.view, len(proposal.view.size)
    fine = float(view.extent.max()) * AROUND / PIXELS
    size = [max(8, round(value * AROUND / fine)) for value in view.extent]
    middle = scan.anchors[view.anchor] + np.asarray(view.offset)
    grid, image = Grid.centered(middle, size, (fine,) * ndim), read_image(scan.found.image)
    gray = Prepared(image).network_input(grid, np.eye(ndim + 1), "percentile")[0, 0].numpy()
    labels = warp_volume(
        read_labels(scan.found.labels), SpatialTransform(np.eye(ndim + 1)), grid, order="nearest"
    ).array
    cuts = [(axis, len(labels) // 2 if axis == 0 else labels.shape[axis] // 2) for axis in range(ndim)]
    planes = [(gray, labels, view.extent)] if ndim == 2 else [
        (np.take(gray, at, axis), np.take(labels, at, axis), np.delete(view.extent, ndim - 1 - axis))
        for axis, at in cuts
    ]  # fmt: skip
    return [_colored(*plane, proposal, fine, upright=axis > 0) for axis, plane in enumerate(planes)]


def _colored(gray, labels, extent, proposal: Proposal, fine: float, upright: bool) -> np.ndarray:
    """Gray values with outlined labels and the box; ``upright``: head up, else front up."""
    picture = np.repeat((gray.clip(0, 1) * 255)[..., None], 3, axis=-1)
    colors = {v: PALETTE[k % len(PALETTE)] for k, c in enumerate(proposal.chosen.channels) for v in c.labels}
    for value in np.unique(labels[labels > 0]):
        mask = labels == value
        weight = np.where(border(mask), 1.0, OUTLINE * mask)[..., None]
        picture = picture * (1 - weight) + weight * np.array(colors.get(int(value), UNKNOWN))
    height, width = (round(value / fine / 2) for value in extent[::-1])
    middle = np.array(gray.shape) // 2
    (top, left), (low, right) = middle - (height, width), middle + (height, width)
    for rows, columns in (([top, low], slice(left, right + 1)), (slice(top, low + 1), [left, right])):
        picture[rows, columns] = BOX
    return (picture[::-1] if upright else picture).astype(np.uint8)
