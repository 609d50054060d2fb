"""What docs/robustness.md does to images keeps anatomy and labels together, and its page compares like with like."""

import numpy as np
import pytest
from ISTNRegistrationLib.core.grid import Grid
from ISTNRegistrationLib.core.volume import Volume


def made():
    """A brain of 20 x 24 x 28 with a bright off-centre box, labelled 1; label 2 is near the low end of y."""
    from benchmark.robustness_cases import Made

    grid = Grid.from_matrix((20, 24, 28), np.array([[-1.0, 0, 0, 9], [0, -1, 0, -7], [0, 0, 1, 30], [0, 0, 0, 1]]))
    array, labels = np.full(grid.shape, 40, np.int16), np.zeros(grid.shape, np.uint8)
    array[14:18, 10:12, 5:8] = 200
    labels[14:18, 10:12, 5:8] = 1
    labels[4:8, 2:6, 12:16] = 2
    array[4:8, 2:6, 12:16] = 100
    return Made(Volume(array, grid, "a"), Volume(labels, grid, "a"))


def centroid(volume, chosen):
    return volume.grid.index_to_physical(np.argwhere(chosen)[:, ::-1].astype(float)).mean(axis=0)


def test_what_moves_the_head_moves_its_labels_and_keeps_every_voxel():
    from benchmark.robustness_cases import turned

    plain = made()
    before = centroid(plain.image, plain.image.array > 100)
    after = turned(90, 2, plain)  # about z: x' = -y, y' = x, from the middle
    middle = plain.image.grid.center
    x, y, z = before - middle
    there = centroid(after.image, after.image.array > 100)
    np.testing.assert_allclose(there - middle, [-y, x, z], atol=1e-9)
    np.testing.assert_allclose(centroid(after.labels, after.labels.array == 1), there, atol=1e-9)
    assert after.image.array is plain.image.array


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 1, 2)])
def test_thick_slices_move_nothing(axes):
    from dataclasses import replace

    from benchmark.robustness_cases import sliced

    plain, slope = made(), np.array([1.0, -2.0, 0.5])
    ramp = plain.image.grid.points() @ slope + 100
    thick = sliced(4, axes, replace(plain, image=replace(plain.image, array=ramp)))
    np.testing.assert_allclose(thick.image.array, thick.image.grid.points() @ slope + 100, atol=1e-4)
    widths = np.divide(thick.image.grid.spacing, plain.image.grid.spacing)
    assert [axis for axis in range(3) if widths[axis] == 4] == list(axes)
    assert thick.labels is plain.labels


@pytest.mark.parametrize(
    ("axis", "end", "left"),
    [(1, False, {1}), (1, True, {1, 2}), (2, False, {1}), (0, True, {1}), (0, False, {1, 2})],
)
def test_a_cut_image_keeps_its_place_and_counts_what_is_left_whole(axis, end, left):
    from benchmark.robustness_cases import cut

    plain = made()
    rest = cut(axis, end, plain)
    assert set(rest.whole) == left
    assert rest.image.grid.size[axis] == plain.image.grid.size[axis] - plain.image.grid.size[axis] // 4
    for label in left:
        there = centroid(rest.labels, rest.labels.array == label)
        np.testing.assert_allclose(there, centroid(plain.labels, plain.labels.array == label), atol=1e-9)


def test_a_mirrored_head_has_its_left_label_on_the_right_and_curves_leave_the_air_dark():
    from benchmark.robustness_cases import CURVES, mirrored, recolored

    plain = made()
    other = mirrored(plain)
    assert centroid(other.labels, other.labels.array == 2)[0] == pytest.approx(
        2 * plain.image.grid.center[0] - centroid(plain.labels, plain.labels.array == 2)[0]
    )
    plain.image.array[:3] = 0
    for name in CURVES:
        values = recolored(name, plain).image.array
        assert (values[:3] == 0).all() and (values[3:] > 0).all()
    inverted = recolored("inverted", plain).image.array
    assert inverted[15, 11, 6] < inverted[20, 20, 15]


def row(method, moving, structures, stage="bspline", **more):
    mean = float(np.nanmean(structures))
    each = " ".join(f"{value:.4f}" for value in structures)
    kept = {"method": method, "version": "1", "fixed": "f.nii.gz", "moving": moving, "stage": stage, "seconds": "2.0"}
    return kept | {"dice": str(mean), "light": "green", "said": "", "structures": each} | more


def test_the_page_compares_the_same_structures_of_the_same_pair(tmp_path):
    from benchmark.robustness_page import write

    rows = [
        row("net", "t1/m.nii.gz", [0.8, 0.6]),
        row("net", "t1/other.nii.gz", [0.1, 0.1]),
        row("net", "cutx0/m.nii.gz", [0.75, np.nan], light="yellow"),
        row("net", "mirror/m.nii.gz", [0.0, 0.1], said="they fit better mirrored", light="red"),
        row("greedy", "t1/m.nii.gz", [0.7, 0.7]),
        row("greedy", "cutx0/m.nii.gz", [0.4, np.nan]),
    ]
    write(rows, tmp_path / "page.md", "none")
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    cut_row, other_row = (line for line in page.splitlines() if line.startswith("| 25 % cut"))
    assert "| 0.750 | -0.050 | 0 / 1 / 0 | 2.0 |" in cut_row
    assert "| 0.400 | -0.300 |" in other_row
    assert "green in 0, named in 1 of 1" in page


@pytest.mark.shared
def test_every_case_is_there_once_and_a_pair_is_of_two_people():
    from benchmark.robustness import pairs

    found = pairs("test", 3)
    names = [(fixed.file, moving.file) for fixed, moving in found]
    assert len(set(names)) == len(names) == 3 * 34
    assert {fixed.split("/")[-1] for fixed, moving in names[:5]} == {names[0][0]}
    assert all("brain_" in fixed or fixed.startswith("heads/") for fixed, _ in names)
