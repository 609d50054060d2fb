"""What we write is read by other programs as SimpleITK reads it; and the files of which docs/exchange.md warns are not.

Every program that is not installed is skipped with one line; scripts/release/exchange_check.py does the same on real
images.
"""

import builders
import numpy as np
import pytest
import SimpleITK as sitk
from ISTNRegistrationLib.core.transform import SpatialTransform
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data.exchange import write_field, write_inverse, write_linear
from ISTNRegistrationLib.data.images import write_image
from ISTNRegistrationLib.data.transforms import write_transform

LABELS = (1, 2)
FIXED, MOVING = "fixed_labels.nii.gz", "moving_labels.nii.gz"
# file → (what is carried, on whose grid)
FILES = {
    "transform.h5": (MOVING, FIXED),
    "transform.tfm": (MOVING, FIXED),
    "field.nii.gz": (MOVING, FIXED),
    "field.mha": (MOVING, FIXED),
    "linear.mat": (MOVING, FIXED),
    "linear.txt": (MOVING, FIXED),
    "linear.tfm": (MOVING, FIXED),
    "inverse.h5": (FIXED, MOVING),
    "inverse.nii.gz": (FIXED, MOVING),
}
READ = {
    "ANTs": [*FILES],
    "Slicer": [*FILES],
    "transformix": ["field.nii.gz", "field.mha", "inverse.nii.gz", "linear.txt", "linear.tfm"],
    "Greedy": ["field.nii.gz", "field.mha", "inverse.nii.gz", "linear.txt", "linear.tfm"],
    "nitransforms": ["field.nii.gz", "inverse.nii.gz", "linear.mat", "linear.txt", "linear.tfm"],
}
MISREAD = [("Greedy", "transform.h5"), ("Greedy", "linear.mat")]  # without a word
REFUSED = [("transformix", "transform.h5"), ("nitransforms", "transform.h5")]


@pytest.fixture(scope="module")
def peers():
    from release import exchange_peers

    return exchange_peers


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Every kind of file of one transform; two unlike spheres off the middle as labels of both images."""
    folder = tmp_path_factory.mktemp("exchange")
    fixed = builders.make_grid(3, "oblique", size=(44, 38, 34))
    moving = builders.make_grid(3, "RAS", size=(46, 44, 42), center=(12.0, 4.0, -5.0))
    transform = builders.random_transform(fixed)
    matrix = transform.linear.copy()
    matrix[:3, 3] += (8.0, 6.0, -7.0)
    transform = SpatialTransform(matrix, transform.residual)
    for name, grid in ((FIXED, fixed), (MOVING, moving)):
        away = grid.points() - grid.center
        labels = np.zeros(grid.shape, np.uint8)
        labels[((away - (6.0, -4.0, 3.0)) ** 2).sum(-1) < 12.0**2] = 1
        labels[((away - (-9.0, 5.0, -4.0)) ** 2).sum(-1) < 7.0**2] = 2
        write_image(folder / name, Volume(labels, grid))
    write_transform(folder / "transform.h5", transform)
    write_transform(folder / "transform.tfm", transform)
    for extension in ("nii.gz", "mha"):
        write_field(folder / f"field.{extension}", transform, fixed)
    for extension in ("mat", "txt", "tfm"):
        write_linear(folder / f"linear.{extension}", transform)
    for extension in ("h5", "nii.gz"):
        write_inverse(folder / f"inverse.{extension}", transform, fixed, moving)
    return folder


def overlap(peers, folder, peer, file):
    """Smallest Dice over the labels of what a peer makes of a file and what SimpleITK makes of it."""
    carried, reference = FILES[file]
    paths = folder / file, folder / carried, folder / reference
    expected = peers.resampled("SimpleITK", *paths, folder / "expected.nii.gz")
    found = peers.resampled(peer, *paths, folder / f"{peer}.nii.gz")
    if isinstance(found, str):
        return found
    assert (expected == 1).sum() > 500 and (expected == 2).sum() > 100
    assert (expected != sitk.GetArrayFromImage(sitk.ReadImage(str(folder / reference)))).mean() > 0.02
    pairs = [(found == label, expected == label) for label in LABELS]
    return min(2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in pairs)


def need(peers, peer):
    if peer not in peers.installed():
        pytest.skip(f"{peer} is not installed")


@pytest.mark.parametrize(("peer", "file"), [(peer, file) for peer, files in READ.items() for file in files])
def test_a_program_reads_the_file_as_simpleitk_does(peers, folder, peer, file):
    need(peers, peer)
    assert overlap(peers, folder, peer, file) > 0.995


@pytest.mark.parametrize(("peer", "file"), MISREAD)
def test_greedy_takes_these_files_without_a_word_and_reads_them_wrong(peers, folder, peer, file):
    need(peers, peer)
    assert overlap(peers, folder, peer, file) < 0.5


@pytest.mark.parametrize(("peer", "file"), REFUSED)
def test_a_program_refuses_these_files(peers, folder, peer, file):
    need(peers, peer)
    assert isinstance(overlap(peers, folder, peer, file), str)


def test_field_and_composite_say_the_same(peers, folder):
    labels = [
        peers.resampled("SimpleITK", folder / file, folder / MOVING, folder / FIXED, folder / "o.nii.gz")
        for file in ("transform.h5", "field.nii.gz")
    ]
    assert (labels[0] == labels[1]).mean() > 0.9999
