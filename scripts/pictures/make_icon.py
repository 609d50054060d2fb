"""Draw the extension's icon: a grid bent by a registration, and the structure that guides it.

python scripts/pictures/make_icon.py [ISTNRegistration/Resources/Icons/ISTNRegistration.png]
"""

import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import ROOT

# isort: split
from PIL import Image, ImageDraw

ICON = ROOT / "ISTNRegistration" / "Resources" / "Icons" / "ISTNRegistration.png"
SIZE, OVERSAMPLING = 128, 8
BACKGROUND, GRID, FIXED, MOVING = "#12344d", "#63b7d8", "#ffffff", "#f28c28"
CENTER, RADIUS = (64.0, 64.0), 30.0


def bend(x: float, y: float) -> tuple[float, float]:
    """Move a point of the canvas: outwards to the right, fading with the distance from the center."""
    weight = math.exp(-((x - CENTER[0]) ** 2 + (y - CENTER[1]) ** 2) / (2 * 26.0**2))
    return x + 13 * weight, y - 9 * weight


def draw_line(draw: ImageDraw.ImageDraw, points: list[tuple[float, float]], color: str, width: float) -> None:
    """Draw a smooth line through points given in icon pixels."""
    scaled = [(x * OVERSAMPLING, y * OVERSAMPLING) for x, y in points]
    draw.line(scaled, fill=color, width=round(width * OVERSAMPLING), joint="curve")


def draw_grid(draw: ImageDraw.ImageDraw) -> None:
    """Draw the bent grid."""
    steps = [14 + i for i in range(101)]
    for position in range(14, 115, 20):
        draw_line(draw, [bend(position, step) for step in steps], GRID, 2.2)
        draw_line(draw, [bend(step, position) for step in steps], GRID, 2.2)


def circle() -> list[tuple[float, float]]:
    """Return points of the structure before it is bent; closed, with overlap so that the line has no gap."""
    angles = [2 * math.pi * i / 180 for i in range(184)]
    return [(CENTER[0] + RADIUS * math.cos(a), CENTER[1] + RADIUS * math.sin(a)) for a in angles]


def main() -> None:
    """Draw the icon large and shrink it, which smooths its edges."""
    side = SIZE * OVERSAMPLING
    image = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, side - 1, side - 1), radius=side // 6, fill=BACKGROUND)
    draw.polygon([(x * OVERSAMPLING, y * OVERSAMPLING) for x, y in circle()], fill=MOVING)
    draw_grid(draw)
    draw_line(draw, [bend(x, y) for x, y in circle()], FIXED, 5.0)
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else ICON
    path.parent.mkdir(parents=True, exist_ok=True)
    image.resize((SIZE, SIZE), Image.Resampling.LANCZOS).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
