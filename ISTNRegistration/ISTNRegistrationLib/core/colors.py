"""The colors of panel, cockpit, report and pictures; told apart without color vision. Free of torch."""

from __future__ import annotations

import numpy as np

COLORS = 256
# Nine samples of matplotlib's inferno (CC0): even steps of lightness, so that order shows without color vision.
# Built here because Slicer's own Inferno is a file of the desktop application.
HEAT = (
    (0.001, 0.000, 0.014),
    (0.129, 0.047, 0.291),
    (0.342, 0.062, 0.429),
    (0.541, 0.135, 0.415),
    (0.736, 0.216, 0.330),
    (0.894, 0.353, 0.194),
    (0.978, 0.558, 0.035),
    (0.975, 0.798, 0.206),
    (0.988, 0.998, 0.645),
)
FIXED_COLOR, MOVING_COLOR = (0.25, 0.95, 1.0), (1.0, 0.85, 0.1)  # outlines of F' and of M'
# Okabe and Ito's, for color-blind eyes too: of channels (0 to 255), and of lights
PALETTE = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (213, 94, 0), (204, 121, 167))
LIGHTS = {"green": "#009e73", "yellow": "#e69f00", "red": "#d55e00"}


def ramp(colors) -> np.ndarray:
    """(COLORS, 3) even steps through some colors (red, green, blue), linearly interpolated."""
    stops, positions = np.linspace(0, 1, len(colors)), np.linspace(0, 1, COLORS)
    return np.stack([np.interp(positions, stops, channel) for channel in np.transpose(colors)], axis=-1)
