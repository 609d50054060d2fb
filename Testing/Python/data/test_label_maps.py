"""Label maps to paint from: whole, along LPS axes, zero in the middle of the structures; refused with a reason."""

import itertools

import numpy as np
import pytest
from builders import ORIENTATIONS, make_grid
from command import small_config
from ISTNRegistrationLib.core.errors import InputError
from ISTNRegistrationLib.core.volume import Volume
from ISTNRegistrationLib.data.images import write_image
from ISTNRegistrationLib.data.label_maps import read_paintable


def label_file(folder, ndim, orientation, dtype=np.uint16):
    """A head (3) with an off-center box (1) of which one corner is 2; its file and the box's corner points, LPS mm."""
    grid = make_grid(ndim, orientation)
    labels = np.full(grid.shape, 3, dtype)
    labels[(slice(4, 9), slice(3, 8), slice(13, 20))[-ndim:]] = 1
    labels[(4, 3, 13)[-ndim:]] = 2
    path = folder / "labels.nii.gz" if ndim == 3 else folder / "labels.nrrd"
    write_image(path, Volume(labels, grid, "labels"))
    ends = itertools.product(*((13, 19), (3, 7), (4, 8)[: ndim - 1])[:ndim])
    return path, grid, np.array([grid.index_to_physical(end) for end in ends])


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_label_map_of_any_orientation_lies_where_it_was(ndim, orientation, tmp_path):
    path, grid, corners = label_file(tmp_path, ndim, orientation)
    array, source, middle = read_paintable(path, small_config(ndim))
    np.testing.assert_allclose(middle, (corners.min(axis=0) + corners.max(axis=0)) / 2, atol=1e-4)
    assert array.dtype == np.uint16 and array.shape == source.shape and np.allclose(source.direction, np.eye(ndim))
    np.testing.assert_allclose(source.spacing, [1.0] * ndim, atol=1e-9)
    corner = grid.index_to_physical((13, 3, 4)[:ndim])
    found = source.index_to_physical(np.argwhere(array == 2)[:, ::-1].mean(axis=0)) + middle
    np.testing.assert_allclose(found, corner, atol=0.8)
    head = (np.prod(grid.size) - 5 * 7 * 5 ** (ndim - 2)) * np.prod(grid.spacing)
    assert (array == 3).sum() == pytest.approx(head, rel=0.05), "all of it is kept"


@pytest.mark.parametrize(
    "change, complaint",
    [
        (lambda a: a.__setitem__(a < 3, 3), r"none of the structures is there. Expected labels \[1, 2\]"),
        (lambda a: a.__setitem__((0, 0, 0), -4), "labels cannot be painted. Expected 0 to 65535; got -4 to 3"),
        (lambda a: a.__setitem__((0, 0, 0), 70000), "labels cannot be painted. Expected 0 to 65535; got 1 to 70000"),
    ],
)
def test_labels_that_cannot_be_painted_are_named(change, complaint, tmp_path):
    path, grid, _ = label_file(tmp_path, 3, "RAS", np.int32)
    labels = np.full(grid.shape, 3, np.int32)
    labels[4:9, 3:8, 13:20] = 1
    change(labels)
    write_image(path, Volume(labels, grid, "labels"))
    with pytest.raises(InputError, match=complaint):
        read_paintable(path, small_config(3))


def test_a_label_map_of_another_dimension_is_refused(tmp_path):
    path, _, _ = label_file(tmp_path, 3, "RAS")
    with pytest.raises(InputError, match="another dimension than the model. Expected 2 axes as in model.grid; got 3"):
        read_paintable(path, small_config(2))
