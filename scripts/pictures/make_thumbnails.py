"""Draw the thumbnails of the sample data for Slicer's Sample Data module, from the images themselves.

python scripts/pictures/make_thumbnails.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import ROOT, SAMPLE

# isort: split
from headless.figure import Sheet
from ISTNRegistrationLib.data.images import read_image

SIZE = 256
FILES = {"ISTNFixedBrain": ["mni152.nii.gz"], "ISTNMovingBrain": ["colin27.nii.gz"]}
FILES["ISTNBrainPair"] = FILES["ISTNFixedBrain"] + FILES["ISTNMovingBrain"]


def slice_picture(name: str, side: int) -> np.ndarray:
    """The middle axial slice, front up, (side, side, 3) uint8."""
    volume = read_image(SAMPLE / name)
    plane = volume.array[volume.array.shape[0] // 2].astype(float)
    low, high = np.percentile(plane, (1, 99.5))
    grey = (np.clip((plane - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    scale = side / max(grey.shape)
    rows = (np.arange(round(grey.shape[0] * scale)) / scale).astype(int)
    columns = (np.arange(round(grey.shape[1] * scale)) / scale).astype(int)
    picture = np.zeros((side, side), np.uint8)
    top, left = (side - len(rows)) // 2, (side - len(columns)) // 2
    picture[top : top + len(rows), left : left + len(columns)] = grey[np.ix_(rows, columns)]
    return np.repeat(picture[..., None], 3, axis=-1)


def main() -> None:
    """One picture for each entry."""
    for name, files in FILES.items():
        sheet = Sheet(SIZE, SIZE, background=(0, 0, 0))
        side = SIZE // len(files)
        for number, file in enumerate(files):
            sheet.paste(slice_picture(file, side), number * side, (SIZE - side) // 2)
        sheet.save(ROOT / "ISTNRegistration" / "Resources" / "Icons" / f"{name}.png")


if __name__ == "__main__":
    main()
