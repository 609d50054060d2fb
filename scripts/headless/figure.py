"""Puts pictures and text together on one sheet: arrays in, one PNG out, text by VTK's FreeType."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

DPI = 72


class Sheet:
    """A dark sheet of pixels (first row on top) to paste pictures and text on."""

    def __init__(self, width: int, height: int, background=(17, 19, 24)) -> None:
        self.pixels = np.empty((height, width, 3), dtype=np.uint8)
        self.pixels[:] = background

    def paste(self, picture: np.ndarray, left: int, top: int) -> None:
        """Copy a picture (height, width, 3) so that its corner is at (left, top)."""
        height, width = picture.shape[:2]
        self.pixels[top : top + height, left : left + width] = picture

    def write(self, text: str, position, size: int = 16, color=(236, 238, 242), bold=False, align="left") -> int:
        """Write one line of text at ``position`` (x of its left end or, ``align="center"``, middle; top); its width."""
        rendered = rendered_text(text, size, color, bold)
        width = rendered.shape[1]
        self.blend(rendered, int(position[0]) - (width // 2 if align == "center" else 0), int(position[1]))
        return width

    def blend(self, picture: np.ndarray, left: int, top: int) -> None:
        """Lay an RGBA picture (height, width, 4) over the sheet, its corner at (left, top)."""
        height, width = picture.shape[:2]
        alpha = picture[..., 3:] / 255.0
        under = self.pixels[top : top + height, left : left + width]
        under[:] = np.rint(alpha * picture[..., :3] + (1 - alpha) * under)

    def save(self, path: Path) -> None:
        """Write a PNG."""
        height, width = self.pixels.shape[:2]
        image = vtk.vtkImageData()
        image.SetDimensions(width, height, 1)
        flipped = np.ascontiguousarray(self.pixels[::-1]).reshape(-1, 3)
        image.GetPointData().SetScalars(numpy_to_vtk(flipped, deep=True))
        writer = vtk.vtkPNGWriter()
        writer.SetFileName(str(path))
        writer.SetInputData(image)
        writer.Write()


def rendered_text(text: str, size: int, color, bold: bool) -> np.ndarray:
    """One line of text as RGBA (height, width, 4), all lines of a size equally high."""
    style = vtk.vtkTextProperty()
    style.SetFontFamilyToArial()
    style.SetFontSize(size)
    style.SetColor(*(c / 255 for c in color))
    style.SetBold(bold)
    image, used = vtk.vtkImageData(), [0, 0]
    vtk.vtkTextRenderer.GetInstance().RenderString(style, text, image, used, DPI)
    width, height, _ = image.GetDimensions()
    pixels = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, 4)
    return pixels[: used[1], : used[0]][::-1]
