"""What every HTML page of ours is made of: one file, its pictures inside."""

from __future__ import annotations

import base64
import html

import numpy as np

from .sections import png


def document(title: str, style: str, body: str) -> str:
    """A page with a heading; ``style``: CSS, ``body``: HTML."""
    title = html.escape(title)
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n'
        f"<style>{style}</style></head><body><h1>{title}</h1>{body}</body></html>\n"
    )


def image_tag(picture: np.ndarray, alt: str = "") -> str:
    """An <img> that holds an RGB picture (H, W, 3) uint8."""
    data = base64.b64encode(png(picture)).decode("ascii")
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'
